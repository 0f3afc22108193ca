/**
 * Judges what a log with one flipped bit serves: every record as it was written, or an error with a
 * code that names a file. Anything else is a finding.
 *
 * Every record of every batch is compared, in each pass, before and behind the damage.
 */

import { MillraceError } from '../../src/base/errors.js';
import { Log } from '../../src/storage/log.js';
import type { RecordInput } from '../../src/storage/record.js';
import type { LogRecord } from '../../src/storage/record-view.js';
import { type FolderImage, IMAGE_DIRECTORY } from './flips-image.js';
import { type FlipLog, imageEnvironment } from './flips-log.js';

export type FlipVerdict = 'harmless' | 'detected' | FlipFailure;

/** `wrong`: bytes that nobody wrote were served, or the error says nothing. */
export interface FlipFailure {
  readonly kind: 'wrong' | 'missing';
  readonly text: string;
}

/** Which questions are asked beyond reading all records. */
export interface Questions {
  /** Reads these offsets only instead of all; `from` is the first of a batch, `to` exclusive. */
  readonly region?: { readonly from: number; readonly to: number };
  readonly offsets: readonly number[];
  readonly timestamps: readonly number[];
}

/** Codes that say what is damaged; each must name the file. */
const WHOLE = { from: 0, to: Number.POSITIVE_INFINITY };
const DAMAGE_CODES = ['LOG_CORRUPT', 'FORMAT_UNSUPPORTED'];

export function isFailure(verdict: FlipVerdict): verdict is FlipFailure {
  return typeof verdict !== 'string';
}

export class FlipJudge {
  readonly log: FlipLog;
  /** In place of the original records, from some offset on: what was appended since. */
  #extra: { readonly offset: number; readonly record: RecordInput } | undefined;

  constructor(log: FlipLog) {
    this.log = log;
  }

  /** From now on the log holds `record` at `offset`, and ends behind it. */
  expectExtra(offset: number, record: RecordInput): void {
    this.#extra = { offset, record };
  }

  expectNoExtra(): void {
    this.#extra = undefined;
  }

  /** Opens the folder for reading and asks everything. */
  async judgeReading(image: FolderImage, questions: Questions): Promise<FlipVerdict> {
    let log: Log;
    try {
      log = await Log.open(IMAGE_DIRECTORY, { readOnly: true }, imageEnvironment(image));
    } catch (error) {
      return this.judgeError(error);
    }
    try {
      return await this.judgeLog(log, questions);
    } finally {
      await log.close();
    }
  }

  /** Asks an open log everything; the worst answer counts. */
  async judgeLog(log: Log, questions: Questions): Promise<FlipVerdict> {
    const { from, to } = questions.region ?? WHOLE;
    let verdict = await this.#readFrom(log, from, to);
    if (verdict === 'detected') {
      // What lies behind the damage is served, or refused; never changed.
      for (const { baseOffset } of this.log.batches) {
        if (baseOffset <= this.#damagedOffset) continue;
        if (baseOffset >= Math.min(log.durableOffset, to)) break;
        const behind = await this.#readFrom(log, baseOffset, to);
        if (isFailure(behind)) return behind;
        if (behind === 'harmless') break;
      }
    }
    if (isFailure(verdict)) return verdict;
    for (const offset of questions.offsets) {
      const answer = await this.#first(log, offset, offset);
      if (isFailure(answer)) return answer;
      if (answer === 'detected') verdict = 'detected';
    }
    for (const timestamp of questions.timestamps) {
      const answer = await this.#first(log, { timestamp }, this.#offsetOf(timestamp));
      if (isFailure(answer)) return answer;
      if (answer === 'detected') verdict = 'detected';
    }
    return verdict;
  }

  judgeError(error: unknown): FlipVerdict {
    if (!(error instanceof MillraceError) || !DAMAGE_CODES.includes(error.code)) {
      return { kind: 'wrong', text: `an error without a meaning: ${String(error)}` };
    }
    if (typeof error.facts['file'] !== 'string') {
      return { kind: 'wrong', text: `the error names no file: ${error.message}` };
    }
    const { offset } = error.facts;
    this.#damagedOffset = typeof offset === 'number' ? offset : 0;
    return 'detected';
  }

  #damagedOffset = 0;

  /** Reads up to `to`, or to the end, which must not come too early. */
  async #readFrom(log: Log, from: number, to: number): Promise<FlipVerdict> {
    let next = from;
    try {
      for await (const batch of log.read({ from })) {
        for (const record of batch) {
          const failure = this.#compare(record, next);
          if (failure !== undefined) return failure;
          next += 1;
        }
        if (next >= to) return 'harmless';
      }
    } catch (error) {
      return this.judgeError(error);
    }
    const extra = this.#extra;
    const end = extra === undefined ? this.log.acknowledgedEnd : extra.offset + 1;
    if (next >= end && next <= Math.max(end, this.log.records.length)) return 'harmless';
    return { kind: 'missing', text: `the log ends at ${next}, not ${end}` };
  }

  /** The first record that a read gives must be the one at `offset`. */
  async #first(
    log: Log,
    from: number | { timestamp: number },
    offset: number,
  ): Promise<FlipVerdict> {
    try {
      for await (const batch of log.read({ from })) {
        for (const record of batch) return this.#compare(record, offset) ?? 'harmless';
      }
    } catch (error) {
      return this.judgeError(error);
    }
    if (offset >= this.log.acknowledgedEnd) return 'harmless';
    return { kind: 'missing', text: `nothing found for ${JSON.stringify(from)}` };
  }

  #compare(record: LogRecord, offset: number): FlipFailure | undefined {
    const extra = this.#extra;
    const expected = extra?.offset === offset ? extra.record : this.log.records[offset];
    if (record.offset === offset && expected !== undefined && isSame(record, expected)) {
      return undefined;
    }
    return { kind: 'wrong', text: `offset ${record.offset} is not the record at ${offset}` };
  }

  #offsetOf(timestamp: number): number {
    const found = this.log.records.findIndex((record) => (record.timestamp ?? 0) >= timestamp);
    return found === -1 ? this.log.records.length : found;
  }
}

function isSame(record: LogRecord, expected: RecordInput): boolean {
  if (record.timestamp !== expected.timestamp) return false;
  if (!isEqual(record.key, expected.key) || !isEqual(record.value, expected.value)) return false;
  const { headers } = record;
  const others = expected.headers ?? [];
  if (headers.length !== others.length) return false;
  return others.every(({ key, value }, index) => {
    const header = headers[index];
    const found = header?.value;
    const bytes = typeof found === 'string' ? Buffer.from(found) : found;
    return header?.key === key && isEqual(bytes, value);
  });
}

function isEqual(found: Uint8Array | null | undefined, expected: RecordInput['value']): boolean {
  if (found === null || found === undefined) return expected === null || expected === undefined;
  if (expected === null || expected === undefined) return false;
  return Buffer.compare(found, asBytes(expected)) === 0;
}

const encoded = new Map<string, Buffer>();

/** Expected text is compared millions of times: its bytes are made once. */
function asBytes(content: Uint8Array | string): Uint8Array {
  if (typeof content !== 'string') return content;
  const known = encoded.get(content);
  if (known !== undefined) return known;
  const bytes = Buffer.from(content);
  encoded.set(content, bytes);
  return bytes;
}
