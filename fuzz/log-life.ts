/**
 * A log on the simulated disk and, beside it, the array of what it must hold. Each method does one
 * thing to the log and holds its answer against the array.
 */

import assert from 'node:assert/strict';
import { hasCode } from '../src/base/errors.js';
import type { Prng } from '../src/base/prng.js';
import type { Batch } from '../src/storage/batch.js';
import type { Log } from '../src/storage/log.js';
import type { LogOptions } from '../src/storage/log-config.js';
import type { ReadOptions } from '../src/storage/read-options.js';
import type { ReadFrom } from '../src/storage/read-start.js';
import type { RecordInput } from '../src/storage/record.js';
import { settled } from '../test/support/fixtures.js';
import { SimLog } from '../test/support/log-fixture.js';
import { recordText } from '../test/support/log-oracle.js';
import { availableCodecs } from './draw-batch.js';

const FIRST_TIMESTAMP = 1_700_000_000_000;

interface ModelRecord {
  readonly text: string;
  readonly timestamp: number;
}

export class LogLife {
  readonly #prng: Prng;
  readonly #options: LogOptions;
  #sim = new SimLog();
  #log: Log | undefined;
  /** The record at each offset, deleted ones too. */
  readonly #records: ModelRecord[] = [];
  #start = 0;
  /** Exclusive end of what was acknowledged; the rest may go with the process. */
  #promisedEnd = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#options = {
      segmentBytes: prng.pick([4096, 4096, 10_000, 100_000]),
      indexIntervalBytes: prng.pick([0, 300, 4096]),
      flushMs: prng.pick([1, 100]),
      bufferBytes: 65_536,
    };
  }

  async begin(): Promise<void> {
    this.#log = await this.#sim.open({
      ...this.#options,
      compression: this.#prng.pick(availableCodecs),
    });
    assert.equal(this.#log.startOffset, this.#start);
  }

  async end(): Promise<void> {
    await this.reopen();
    await this.check({ from: 'earliest' });
    await this.log.close();
    assert.deepEqual(this.#sim.disk.openHandles(), [], 'a closed log holds no file');
    assert.equal(this.#sim.clock.pendingCount, 0, 'a closed log holds no timer');
  }

  get log(): Log {
    assert.ok(this.#log !== undefined, 'the log is open');
    return this.#log;
  }

  /** Several appends of one tick: they are stored in this order. */
  async append(calls: number): Promise<void> {
    const answers = Array.from({ length: calls }, () => {
      const records = this.#drawRecords();
      const acks = this.#prng.pick(['durable', 'durable', 'written'] as const);
      const baseOffset = this.#note(records);
      return { answer: this.log.append(records, { acks }), baseOffset };
    });
    for (const { answer, baseOffset } of answers) {
      const result = await answer;
      assert.equal(result.baseOffset, baseOffset, 'offsets follow the order of the calls');
    }
    this.#promisedEnd = this.#records.length;
  }

  tryAppend(): void {
    const [record] = this.#drawRecords();
    if (record === undefined) return;
    const offset = this.log.tryAppend(record);
    if (offset !== undefined) assert.equal(this.#note([record]), offset);
  }

  async flush(): Promise<void> {
    assert.equal(await this.log.flush(), this.#records.length);
    this.#promisedEnd = this.#records.length;
  }

  async deleteBefore(): Promise<void> {
    await settled();
    const { durableOffset } = this.log;
    const offset = this.#prng.integer(durableOffset + 3);
    if (offset > durableOffset) {
      const refused = this.log.deleteRecordsBefore(offset);
      await assert.rejects(refused, (error) => hasCode(error, 'OFFSET_OUT_OF_RANGE'));
      return;
    }
    this.#start = Math.max(this.#start, offset);
    assert.equal(await this.log.deleteRecordsBefore(offset), this.#start);
  }

  async alter(): Promise<void> {
    await this.log.alter({ segmentMs: this.#prng.pick([1, 1000, 604_800_000]) });
  }

  advance(): void {
    this.#sim.clock.advance(this.#prng.pick([1, 60, 1100]));
  }

  async reopen(): Promise<void> {
    await this.log.close();
    this.#promisedEnd = this.#records.length;
    await this.begin();
    assert.equal(this.log.endOffset, this.#records.length, 'a closed log holds what it accepted');
  }

  /** Another process: what was promised is there, what was merely accepted may be. */
  async kill(): Promise<void> {
    // A process has a clock of its own: timers of the one before do not run on.
    this.#sim = new SimLog(this.#sim.disk.kill());
    await this.begin();
    const { endOffset } = this.log;
    assert.ok(endOffset >= this.#promisedEnd, `the log ends at ${endOffset}`);
    assert.ok(endOffset <= this.#records.length, `the log ends at ${endOffset}`);
    this.#records.length = endOffset;
    this.#promisedEnd = endOffset;
    await this.check({ from: 'earliest' });
  }

  /** From somewhere, in some way. */
  async read(): Promise<void> {
    // What is written in the background moves the ends: they must not move while this looks.
    await settled();
    const durability = this.#prng.pick(['durable', 'durable', 'written'] as const);
    const offset = this.#start + this.#prng.integer(this.#records.length - this.#start + 1);
    const timestamp = (this.#records[offset]?.timestamp ?? 0) + this.#prng.integer(3) - 1;
    const from = this.#prng.pick<ReadFrom>([
      'earliest',
      'latest',
      offset,
      { timestamp: Math.max(0, timestamp) },
    ]);
    const end = this.#endOf(this.log, durability);
    if (typeof from === 'number' && from > end) {
      const refused = this.#collect(this.log, { from, durability });
      await assert.rejects(refused, (error) => hasCode(error, 'OFFSET_OUT_OF_RANGE'));
      return;
    }
    await this.check({ from, durability });
  }

  /** What a read gives is what the array says. */
  async check(options: ReadOptions, log = this.log): Promise<void> {
    await settled();
    const end = this.#endOf(log, options.durability ?? 'durable');
    const first = this.#firstOf(options.from ?? 'earliest', end);
    const expected = this.#records.slice(first, end).map(({ text }, index) => {
      return `${first + index} ${text}`;
    });
    assert.deepEqual(await this.#collect(log, options), expected);
  }

  /** A reader at the end meets what is appended next. */
  async follow(): Promise<void> {
    const from = await this.log.flush();
    this.#promisedEnd = this.#records.length;
    const reader = this.log.read({ from, follow: true });
    const waiting = reader.next();
    await this.append(1);
    const { value } = await waiting;
    assert.equal(value?.baseOffset, from);
    await reader.return?.();
  }

  /** A reader that holds no lock sees what is durable, as far as the watermark says. */
  async lookBeside(): Promise<void> {
    await this.log.flush();
    this.#promisedEnd = this.#records.length;
    const beside = await this.#sim.open({ readOnly: true });
    assert.equal(beside.describe().damage, undefined);
    assert.equal(beside.durableOffset, this.#records.length);
    await this.check({ from: 'earliest' }, beside);
    await beside.close();
  }

  checkEnds(): void {
    const { startOffset, durableOffset, writtenOffset, endOffset, state } = this.log.describe();
    assert.equal(state, 'open');
    assert.equal(startOffset, this.#start);
    assert.equal(endOffset, this.#records.length);
    assert.ok(startOffset <= durableOffset && durableOffset <= writtenOffset);
    assert.ok(writtenOffset <= endOffset);
  }

  #endOf(log: Log, durability: 'durable' | 'written'): number {
    const { durableOffset, writtenOffset } = log.describe();
    return durability === 'durable' ? durableOffset : writtenOffset;
  }

  #firstOf(from: ReadFrom, end: number): number {
    if (from === 'earliest') return this.#start;
    if (from === 'latest') return end;
    if (typeof from === 'number') return from;
    for (let offset = this.#start; offset < end; offset += 1) {
      if ((this.#records[offset]?.timestamp ?? 0) >= from.timestamp) return offset;
    }
    return end;
  }

  async #collect(log: Log, options: ReadOptions): Promise<string[]> {
    const withCursor = this.#prng.boolean(0.4);
    const found: string[] = [];
    for await (const batch of log.read(options)) {
      found.push(...(withCursor ? byCursor(batch) : byIterator(batch)));
    }
    return found;
  }

  #note(records: readonly RecordInput[]): number {
    const baseOffset = this.#records.length;
    for (const record of records) {
      this.#records.push({ text: recordText(record), timestamp: record.timestamp ?? 0 });
    }
    return baseOffset;
  }

  /** Times rise in the long run and fall now and then. */
  #drawRecords(): RecordInput[] {
    const count = this.#prng.boolean(0.6) ? 1 : 1 + this.#prng.integer(8);
    return Array.from({ length: count }, (_, index) => {
      const offset = this.#records.length + index;
      const bytes = this.#prng.pick([0, 20, 100, 700, 3000]);
      return {
        key: this.#prng.boolean(0.3) ? null : `k${this.#prng.integer(10)}`,
        value: this.#prng.boolean(0.1) ? null : `${offset}/`.padEnd(bytes, `${offset}`),
        headers: this.#prng.boolean(0.8) ? [] : [{ key: 'a', value: 'b' }],
        timestamp: FIRST_TIMESTAMP + 20 * offset + this.#prng.integer(100),
      };
    });
  }
}

function byIterator(batch: Batch): string[] {
  return Array.from(batch, (record) => `${record.offset} ${recordText(record)}`);
}

function byCursor(batch: Batch): string[] {
  const found: string[] = [];
  const cursor = batch.cursor();
  while (cursor.next()) found.push(`${cursor.offset} ${recordText(cursor.copy())}`);
  return found;
}
