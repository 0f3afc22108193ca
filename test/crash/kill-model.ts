/**
 * What a log must hold after its writer was killed: the memory of the SIGKILL loop, and its
 * verdict.
 *
 * The records of one process form a run: numbers 0, 1, 2, ... in the order they were sent, without
 * a gap. A run must be at least as long as what was acknowledged of it and at most as long as what
 * was sent; runs lie behind each other in the order of the processes. Once a recovered or a
 * read-only log has shown a record as durable, that record counts as acknowledged.
 */

import type { LogRecord } from '../../src/storage/record-view.js';
import { isUnchanged, nameOf } from './kill-record.js';

export interface Findings {
  /** Acknowledged records that are absent or differ. */
  lost: number;
  /** Offsets that do not continue, and records missing between others. */
  holes: number;
  /** Records that nobody sent, or that stand twice. */
  phantom: number;
}

interface Run {
  readonly cycle: number;
  sent: number;
  /** What survives the death of the process. */
  acknowledged: number;
  /** What is synced too, so that a reader beside the writer sees it. */
  durable: number;
  /** Offset of number 0; -1 until it is known. */
  base: number;
}

export class KillModel {
  readonly #seed: number;
  readonly #findings: Findings;
  readonly #explain: (text: string) => void;
  readonly #runs: Run[] = [];
  /** Deletion that was asked for, and the one that was acknowledged. */
  #askedStart = 0;
  #start = 0;

  constructor(seed: number, findings: Findings, explain: (text: string) => void) {
    this.#seed = seed;
    this.#findings = findings;
    this.#explain = explain;
  }

  /** Whether anything was acknowledged that must be there. */
  get hasPromises(): boolean {
    return this.#runs.some(({ acknowledged }) => acknowledged > 0);
  }

  begin(cycle: number): void {
    this.#runs.push({ cycle, sent: 0, acknowledged: 0, durable: 0, base: -1 });
  }

  /** The process is about to send, or has sent, its first `count` records. */
  sent(count: number): void {
    const run = this.#last();
    run.sent = Math.max(run.sent, count);
  }

  /** `count` records from `number` on are stored from `offset` on. */
  acknowledged(number: number, offset: number, count: number, acks: 'durable' | 'written'): void {
    const run = this.#last();
    if (run.base === -1) run.base = offset - number;
    if (run.base !== offset - number) {
      this.#find('phantom', `cycle ${run.cycle}: ${number} at ${offset}, base ${run.base}`);
    }
    run.acknowledged = Math.max(run.acknowledged, number + count);
    if (acks === 'durable') run.durable = Math.max(run.durable, number + count);
  }

  deleting(offset: number): void {
    this.#askedStart = Math.max(this.#askedStart, offset);
  }

  deleted(offset: number): void {
    this.#start = Math.max(this.#start, offset);
  }

  /** What was merely written may be gone, other than after the death of a process. */
  powerLost(): void {
    for (const run of this.#runs) run.acknowledged = run.durable;
  }

  /** Holds the log's bounds and all its records against what was sent and promised. */
  async check(
    bounds: { readonly startOffset: number; readonly endOffset: number },
    batches: AsyncIterable<Iterable<LogRecord>>,
    view: 'recovered' | 'read-only',
  ): Promise<void> {
    const { startOffset, endOffset } = bounds;
    if (startOffset < this.#start || startOffset > this.#askedStart) {
      const expected = `${this.#start} to ${this.#askedStart}`;
      this.#find('lost', `the start is ${startOffset}, not ${expected}`);
    }
    this.#start = Math.max(this.#start, startOffset);
    let next = startOffset;
    let index = -1;
    const counts = new Map<Run, number>();
    for await (const batch of batches) {
      for (const record of batch) {
        if (record.offset !== next) this.#find('holes', `offset ${record.offset}, not ${next}`);
        next = record.offset + 1;
        index = this.#checkRecord(record, index, counts);
      }
    }
    if (next !== endOffset) this.#find('holes', `records end at ${next}, the log at ${endOffset}`);
    this.#settle(endOffset, counts, view);
  }

  #checkRecord(record: LogRecord, index: number, counts: Map<Run, number>): number {
    const name = nameOf(record);
    const at = this.#runs.findIndex(({ cycle }) => cycle === name?.cycle);
    const run = this.#runs[at];
    if (name === undefined || run === undefined || name.number >= run.sent) {
      this.#find('phantom', `offset ${record.offset} holds what nobody sent`);
      return index;
    }
    if (at < index) this.#find('phantom', `offset ${record.offset}: an earlier process again`);
    const expected = counts.get(run);
    const isFirst = expected === undefined && record.offset <= this.#start;
    if (!isFirst && name.number !== (expected ?? 0)) {
      const kind = name.number < (expected ?? 0) ? 'phantom' : 'holes';
      this.#find(kind, `cycle ${run.cycle}: ${name.number} follows ${expected ?? 'nothing'}`);
    }
    if (run.base === -1) run.base = record.offset - name.number;
    const isInPlace = run.base === record.offset - name.number;
    if (!isInPlace || !isUnchanged(this.#seed, record, name)) {
      this.#find('lost', `cycle ${run.cycle}: ${name.number} differs at ${record.offset}`);
    }
    counts.set(run, name.number + 1);
    return at;
  }

  /** Every promise holds; what was shown is promised from now on, what was not is gone for good. */
  #settle(endOffset: number, counts: Map<Run, number>, view: 'recovered' | 'read-only'): void {
    for (const run of this.#runs) {
      const promised = view === 'recovered' ? run.acknowledged : run.durable;
      const isDeleted = run.base !== -1 && run.base + promised <= this.#start;
      const count = counts.get(run) ?? (isDeleted ? promised : 0);
      if (count < promised) {
        const missing = promised - count;
        this.#findMany('lost', missing, `cycle ${run.cycle}: ${missing} are gone at ${endOffset}`);
      }
      run.acknowledged = Math.max(run.acknowledged, count);
      run.durable = Math.max(run.durable, count);
      if (view === 'recovered') run.sent = count;
    }
    if (view === 'read-only') return;
    const kept = this.#runs.filter(({ base, sent }) => base + sent > this.#start);
    this.#runs.splice(0, this.#runs.length, ...kept);
  }

  #last(): Run {
    const run = this.#runs.at(-1);
    if (run === undefined) throw new Error('no process has begun');
    return run;
  }

  #find(kind: keyof Findings, text: string): void {
    this.#findMany(kind, 1, text);
  }

  #findMany(kind: keyof Findings, count: number, text: string): void {
    this.#findings[kind] += count;
    this.#explain(`${kind}: ${text}`);
  }
}
