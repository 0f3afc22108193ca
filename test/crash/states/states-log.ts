/**
 * The world of one log: the oracle knows what each append was told.
 */

import { Prng } from '../../../src/base/prng.js';
import { LogOracle, OracleViolation, type SeenLog } from '../../support/log-oracle.js';
import { drawWorkload, type LogOperation, type Workload } from '../../support/log-workload.js';
import { LogSession } from '../../support/log-workload-session.js';
import { SimDisk } from '../../support/sim-file-system.js';
import type { Life, World } from './states-world.js';

/** The operations of which every sequence is tried. */
export const logAlphabet: Readonly<Record<string, LogOperation>> = {
  small: { kind: 'append', appends: [{ sizes: [100, 30], acks: 'durable' }], wait: true },
  written: { kind: 'append', appends: [{ sizes: [700], acks: 'written' }], wait: true },
  accepted: { kind: 'append', appends: [{ sizes: [60], acks: 'none' }], wait: true },
  large: { kind: 'append', appends: [{ sizes: [2500], acks: 'durable' }], wait: true },
  pages: { kind: 'append', appends: [{ sizes: [900, 900, 900], acks: 'durable' }], wait: true },
  started: {
    kind: 'append',
    appends: [
      { sizes: [40], acks: 'durable' },
      { sizes: [2500], acks: 'durable' },
    ],
    wait: false,
  },
  try: { kind: 'tryAppend', bytes: 40 },
  flush: { kind: 'flush', wait: true },
  delete: { kind: 'delete', share: 0.8, wait: true },
  wait: { kind: 'advance', ms: 60 },
  alter: { kind: 'alter', segmentMs: 1000 },
  reopen: { kind: 'reopen' },
};

const options: Workload['options'] = {
  segmentBytes: 4096,
  indexIntervalBytes: 512,
  flushMs: 20,
  flushBytes: 65_536,
  bufferBytes: 65_536,
};

const RANDOM_LENGTH = 30;
const tail: LogOperation = {
  kind: 'append',
  appends: [{ sizes: [30, 700], acks: 'durable' }],
  wait: true,
};

/** `small.large.reopen`, or `random 17`. */
export function logWorkload(name: string): Workload {
  const random = /^random (\d+)$/.exec(name);
  if (random !== null) return drawWorkload(new Prng(Number(random[1])), RANDOM_LENGTH);
  const operations = name.split('.').filter((one) => one !== '');
  return {
    options,
    lateness: 0,
    operations: operations.map((one) => {
      const operation = logAlphabet[one];
      if (operation === undefined) throw new RangeError(`no such operation: ${one}`);
      return operation;
    }),
  };
}

export class LogWorld implements World<SeenLog> {
  readonly name = 'log';
  readonly isHonest = true;
  readonly #plans = new Map<string, Workload>();

  start(): { disk: SimDisk; promised: LogOracle } {
    return { disk: new SimDisk(), promised: new LogOracle() };
  }

  steps(workload: string): number {
    return this.#planOf(workload).operations.length;
  }

  live(workload: string, disk: SimDisk, promised: LogOracle): LogLife {
    return new LogLife(disk, promised, this.#planOf(workload));
  }

  textOf({ logId, startOffset, endOffset, records }: SeenLog): string {
    return `${logId} ${startOffset} ${endOffset} ${records.length}`;
  }

  /** A log whose making was confirmed is not made again. */
  keyOf(workload: string, { logId }: LogOracle): string {
    const { options: given, lateness } = this.#planOf(workload);
    return `${logId === undefined}${lateness}${JSON.stringify(given)}`;
  }

  isKept(path: string): boolean {
    return isKeptByRecovery(path);
  }

  #planOf(name: string): Workload {
    const known = this.#plans.get(name);
    if (known !== undefined) return known;
    this.#plans.clear();
    const plan = logWorkload(name);
    this.#plans.set(name, plan);
    return plan;
  }
}

/** The watermark says who settled it last; the copy of a tail that was cut off is worth no sync. */
export function isKeptByRecovery(path: string): boolean {
  return !path.endsWith('/watermark') && !path.endsWith('.broken');
}

let recoveredIds = 0;

export class LogLife implements Life<SeenLog> {
  readonly disk: SimDisk;
  readonly promised: LogOracle;
  readonly #session: LogSession;
  readonly #plan: Workload;
  #opened: (() => void) | undefined;

  constructor(disk: SimDisk, promised: LogOracle, plan: Workload) {
    this.disk = disk;
    this.promised = promised;
    this.#plan = plan;
    // The first life of a workload does the same each time; no recovery gives an id twice.
    const isFirst = disk.callCount === 0 && disk.list().length === 0;
    let ids = 0;
    this.#session = new LogSession(disk, promised, plan, () => {
      if (isFirst) ids += 1;
      else recoveredIds += 1;
      return String(isFirst ? ids : 1000 + recoveredIds).padStart(32, '0');
    });
  }

  async recover(): Promise<SeenLog> {
    const opened = await this.#session.open();
    if (opened.kind === 'rejected') {
      throw new OracleViolation(`open failed: ${String(opened.error)}`, { cause: opened.error });
    }
    const log = opened.value;
    const { state, damage } = log.describe();
    if (damage !== undefined || state !== 'open') {
      throw new OracleViolation(`the log opened as ${state}: ${JSON.stringify(damage)}`);
    }
    this.#opened = () => this.#session.begin(log);
    return await this.#session.see(log);
  }

  begin(): void {
    this.#opened?.();
  }

  note(): void {
    this.#session.noteEnds();
  }

  async run(step: number): Promise<void> {
    const operation = this.#plan.operations[step];
    if (operation !== undefined) await this.#session.run(operation);
  }

  async goOn(): Promise<void> {
    await this.#session.run(tail);
    await this.#session.finish();
  }

  async close(): Promise<void> {
    await this.#session.finish();
    await this.#session.close();
  }
}
