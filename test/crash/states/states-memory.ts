/**
 * Recovered disks, remembered: a recovery is determined by the bytes that it finds, so a disk that
 * was recovered before need not be recovered again. What was promised differs from state to state,
 * and is asked each time.
 */

import { OracleViolation } from '../../support/log-oracle.js';
import { crashNone } from '../../support/sim-crash.js';
import type { SimDisk } from '../../support/sim-file-system.js';
import type { Promised, World } from './states-world.js';

/** What a recovery came to; the disk is as it left it. */
export type Recovered<View> =
  | { readonly view: View; readonly text: string; readonly content: string; readonly next: SimDisk }
  | { readonly failure: OracleViolation };

/** Views hold the records as text. */
const REMEMBERED_MAX = 4000;

export class RecoveryMemory<View> {
  readonly #world: World<View>;
  readonly #known = new Map<string, Recovered<View>>();
  /** Recoveries that were run. */
  recoveries = 0;

  constructor(world: World<View>) {
    this.#world = world;
  }

  /** Recovers the disk, or remembers; whether it is the first time. */
  async recover(
    workload: string,
    disk: SimDisk,
    promised: Promised<View>,
  ): Promise<{ readonly recovered: Recovered<View>; readonly isNew: boolean }> {
    const key = `${this.#world.keyOf(workload, promised)}/${disk.print()}`;
    const known = this.#known.get(key);
    if (known !== undefined) return { recovered: known, isNew: false };
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    const recovered = await this.#run(workload, disk, promised);
    this.#known.set(key, recovered);
    return { recovered, isNew: true };
  }

  async #run(workload: string, disk: SimDisk, promised: Promised<View>): Promise<Recovered<View>> {
    this.recoveries += 1;
    const life = this.#world.live(workload, disk, promised.clone());
    try {
      const view = await life.recover();
      const content = disk.contentPrint(this.#world.isKept);
      const next = disk.crash(crashNone);
      return { view, text: this.#world.textOf(view), content, next };
    } catch (error) {
      return { failure: violationOf(error) };
    }
  }
}

/** What is thrown in the middle of a recovery is a violation, whatever it is. */
export function violationOf(error: unknown): OracleViolation {
  if (error instanceof OracleViolation) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new OracleViolation(text, { cause: error });
}
