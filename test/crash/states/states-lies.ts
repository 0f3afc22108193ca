/**
 * The world of one log on a disk that lies once: a sync that syncs nothing, a write that never gets
 * to the disk, or one that lands on the next page.
 *
 * No log can keep what such a disk throws away. What it can do is say so: the log shows what was
 * true, or refuses. It may be shorter without a word only where nothing that the disk kept says
 * that there was more.
 */

import { MillraceError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import { judgeWatermark } from '../../../src/storage/watermark.js';
import { LogOracle, OracleViolation, type SeenLog } from '../../support/log-oracle.js';
import { drawWorkload, type Workload } from '../../support/log-workload.js';
import { LOG_DIRECTORY } from '../../support/log-workload-session.js';
import type { SimLie } from '../../support/sim-faults.js';
import { SimDisk } from '../../support/sim-file-system.js';
import { isKeptByRecovery, LogLife } from './states-log.js';
import type { Life, Promised, World } from './states-world.js';

export type LiedView =
  | { readonly kind: 'refused'; readonly code: string }
  /** `markEnd`: how far the log is durable by the watermark that was found; 0 without one. */
  | { readonly kind: 'seen'; readonly seen: SeenLog; readonly markEnd: number };

const lies: readonly SimLie[] = ['unsynced', 'dropped', 'misdirected'];
const LENGTH = 10;
/** A lie comes within so many calls of its kind. */
const SKIP_MAX = 24;

interface LiedWorkload extends Workload {
  readonly lie: SimLie;
  readonly skip: number;
}

export class LiesWorld implements World<LiedView> {
  readonly name = 'lies';
  readonly isHonest = false;

  start(workload: string): { disk: SimDisk; promised: LiedPromises } {
    const { lie, skip } = planOf(workload);
    const disk = new SimDisk();
    disk.fail({ lie, skip });
    return { disk, promised: new LiedPromises(new LogOracle()) };
  }

  steps(workload: string): number {
    return planOf(workload).operations.length;
  }

  live(workload: string, disk: SimDisk, promised: LiedPromises): LiedLife {
    return new LiedLife(new LogLife(disk, promised.oracle, planOf(workload)), promised);
  }

  textOf(view: LiedView): string {
    if (view.kind === 'refused') return view.code;
    const { logId, startOffset, endOffset } = view.seen;
    return `${logId} ${startOffset} ${endOffset}`;
  }

  keyOf(workload: string, { oracle }: LiedPromises): string {
    const { options, lateness } = planOf(workload);
    return `${oracle.logId === undefined}${lateness}${JSON.stringify(options)}`;
  }

  isKept(path: string): boolean {
    return isKeptByRecovery(path);
  }
}

/** `random 17` says everything: the operations, the lie, and which call it is. */
function planOf(name: string): LiedWorkload {
  const seed = Number(/^random (\d+)$/.exec(name)?.[1]);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`no such workload: ${name}`);
  const prng = new Prng(seed);
  const plan = drawWorkload(prng, LENGTH);
  return { ...plan, lie: prng.pick(lies), skip: prng.integer(SKIP_MAX) };
}

export class LiedPromises implements Promised<LiedView> {
  oracle: LogOracle;

  constructor(oracle: LogOracle) {
    this.oracle = oracle;
  }

  clone(): LiedPromises {
    return new LiedPromises(this.oracle.clone());
  }

  losePower(): void {
    this.oracle.losePower();
  }

  settle(view: LiedView): void {
    if (view.kind === 'refused') return;
    try {
      this.oracle.clone().settle(view.seen);
    } catch (error) {
      const isLoss = error instanceof OracleViolation && error.kind === 'lost';
      if (!isLoss || view.markEnd > view.seen.endOffset) throw error;
      this.oracle.forgive();
    }
    this.oracle.settle(view.seen);
  }

  key(): string {
    return this.oracle.key();
  }
}

class LiedLife implements Life<LiedView> {
  readonly disk: SimDisk;
  readonly promised: LiedPromises;
  readonly #life: LogLife;
  #isRefused = false;

  constructor(life: LogLife, promised: LiedPromises) {
    this.#life = life;
    this.disk = life.disk;
    this.promised = promised;
  }

  async recover(): Promise<LiedView> {
    const path = `${LOG_DIRECTORY}/watermark`;
    const verdict = judgeWatermark(this.disk.exists(path) ? this.disk.readAll(path) : undefined);
    const markEnd = verdict.kind === 'present' ? verdict.watermark.durableOffset : 0;
    try {
      return { kind: 'seen', seen: await this.#life.recover(), markEnd };
    } catch (error) {
      this.#isRefused = true;
      return { kind: 'refused', code: refusalOf(error) };
    }
  }

  begin(): void {
    if (!this.#isRefused) this.#life.begin();
  }

  note(): void {
    this.#life.note();
  }

  run(step: number): Promise<void> {
    return this.#life.run(step);
  }

  goOn(): Promise<void> {
    return this.#life.goOn();
  }

  close(): Promise<void> {
    return this.#life.close();
  }
}

/** The code of the error that the log gave; anything else is a violation. */
function refusalOf(error: unknown): string {
  if (error instanceof OracleViolation) {
    if (error.cause instanceof MillraceError) return error.cause.code;
    if (error.message.startsWith('the log opened as ')) return 'LOG_CORRUPT';
  }
  throw error;
}
