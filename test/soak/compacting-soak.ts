/**
 * One long run over a log that is compacted and bounded while it is written: updates of keys, two
 * followers that keep up, and a slow one, which deletion overtakes.
 *
 * The value of a record says which key and which offset it belongs to, so followers prove what they
 * get without memory of what was sent. At the end every follower, and a reader from the start, must
 * know of each key the last record that retention kept.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import { Log } from '../../src/storage/log.js';
import type { RecordInput } from '../../src/storage/record.js';
import {
  DescriptorWatch,
  type FlatVerdict,
  judgeFlat,
  type Sample,
  takeSample,
} from './soak-samples.js';

export interface CompactingSoakOptions {
  readonly directory: string;
  /** Of values, to be written in all. */
  readonly bytes: number;
  readonly seed: number;
  readonly keys: number;
  readonly segmentBytes: number;
  readonly retentionBytes: number;
  readonly secondsMax?: number;
  readonly sampleMs: number;
  readonly onSample?: (sample: Sample) => void;
}

export interface CompactingSoakReport extends FlatVerdict {
  readonly writtenBytes: number;
  readonly readRecords: number;
  /** How often followers were overtaken by deletion. */
  readonly jumps: number;
  /** Passes of compaction that removed something. */
  readonly passes: number;
  /** Keys that the log holds at the end, after a last compaction. */
  readonly keysLeft: number;
  /** Above 0 when retention let segments go. */
  readonly startOffset: number;
  readonly seconds: number;
  readonly samples: readonly Sample[];
}

const VALUE_BYTES_MIN = 100;
const VALUE_BYTES_MAX = 1024;
const RECORDS_PER_BATCH = 64;
/** Appends in flight at once. */
const IN_FLIGHT = 16;
/** Followers handle one byte while so many are written. */
const LAGS: readonly number[] = [1, 1, 20];

export async function runCompactingSoak(
  options: CompactingSoakOptions,
): Promise<CompactingSoakReport> {
  const { directory, segmentBytes, retentionBytes, sampleMs } = options;
  const cleanup = 'compact,delete';
  const log = await Log.open(directory, { segmentBytes, retentionBytes, cleanup });
  const writer = new KeyWriter(log, options);
  const followers = LAGS.map((lag) => new KeyFollower(log, options.keys, lag, writer));
  const samples: Sample[] = [];
  const descriptors = new DescriptorWatch();
  const sample = (): void => {
    const taken = takeSample(writer.seconds, writer.progress, directory, descriptors.take());
    samples.push(taken);
    options.onSample?.(taken);
  };
  const timer = setInterval(sample, sampleMs);
  let passes = 0;
  const countPass = (): void => {
    passes += 1;
  };
  subscribe('millrace:log:clean', countPass);
  try {
    const following = Promise.all(followers.map((follower) => follower.follow()));
    await Promise.race([writer.write(followers), following.then(() => undefined)]);
    sample();
    clearInterval(timer);
    writer.end();
    await following;
    for (const follower of followers) follower.verify(writer.latest);
    const keysLeft = await verifyCompacted(log, writer, options.keys);
    const { lastFailure } = await log.stats();
    if (lastFailure !== null) throw new Error(`a pass failed: ${lastFailure.message}`);
    return {
      ...judgeFlat(samples),
      writtenBytes: writer.writtenBytes,
      readRecords: followers.reduce((sum, { records }) => sum + records, 0),
      jumps: followers.reduce((sum, { jumps }) => sum + jumps, 0),
      passes,
      keysLeft,
      startOffset: log.startOffset,
      seconds: writer.seconds,
      samples,
    };
  } finally {
    clearInterval(timer);
    descriptors.stop();
    unsubscribe('millrace:log:clean', countPass);
    await log.close();
  }
}

/** After a compaction each key that is left is there once, with its last value. */
async function verifyCompacted(log: Log, writer: KeyWriter, keys: number): Promise<number> {
  await log.compact();
  const reader = new KeyFollower(log, keys, 1, writer);
  await reader.readAll();
  reader.verify(writer.latest);
  const keysLeft = reader.seen.filter((offset) => offset >= 0).length;
  if (reader.records !== keysLeft) {
    throw new Error(`${reader.records} records of ${keysLeft} keys after compaction`);
  }
  return keysLeft;
}

class KeyWriter {
  writtenBytes = 0;
  isOver = false;
  /** Of each key, the offset of its last record; -1 without. */
  readonly latest: Float64Array;
  readonly #log: Log;
  readonly #options: CompactingSoakOptions;
  readonly #prng: Prng;
  readonly #startedMs = performance.now();
  readonly #values: Buffer;

  constructor(log: Log, options: CompactingSoakOptions) {
    this.#log = log;
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.latest = new Float64Array(options.keys).fill(-1);
    this.#values = Buffer.from(this.#prng.bytes(RECORDS_PER_BATCH * VALUE_BYTES_MAX));
  }

  get seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  get progress(): number {
    const { bytes, secondsMax } = this.#options;
    const time = secondsMax === undefined ? 0 : this.seconds / secondsMax;
    return Math.min(1, Math.max(this.writtenBytes / bytes, time));
  }

  /** Appends until the run is over; followers that keep up are waited for. */
  async write(followers: readonly KeyFollower[]): Promise<void> {
    const aheadMax = this.#options.retentionBytes / 4;
    while (this.progress < 1 && !this.isOver) {
      const calls: Promise<unknown>[] = [];
      for (let call = 0; call < IN_FLIGHT; call += 1) {
        const acks = this.#prng.boolean(0.25) ? 'durable' : 'written';
        calls.push(this.#log.append(this.#batch(), { acks }));
      }
      await Promise.all(calls);
      while (followers.some((one) => one.lag === 1 && one.behindBytes > aheadMax)) await sleep(1);
    }
    await this.#log.flush();
  }

  /** Nothing more is written: followers end where the log does. */
  end(): void {
    this.isOver = true;
  }

  /** The offsets are known beforehand: nobody else appends. */
  #batch(): RecordInput[] {
    const base = this.#log.endOffset;
    return Array.from({ length: RECORDS_PER_BATCH }, (_, index) => {
      const key = this.#prng.integer(this.latest.length);
      const offset = base + index;
      const start = index * VALUE_BYTES_MAX;
      // The bytes are copied by the append, so the same memory serves the next batch.
      const value = this.#values.subarray(start, start + valueBytes(key, offset));
      value.writeUInt32LE(key, 0);
      value.writeDoubleLE(offset, 4);
      this.latest[key] = offset;
      this.writtenBytes += value.length;
      return { key: keyText(key), value };
    });
  }
}

class KeyFollower {
  readonly lag: number;
  /** Of each key, the offset of the last record that came; -1 without. */
  readonly seen: Float64Array;
  records = 0;
  jumps = 0;
  readonly #log: Log;
  readonly #writer: KeyWriter;
  #bytes = 0;
  /** The offset behind the last record that came. */
  #next = -1;

  constructor(log: Log, keys: number, lag: number, writer: KeyWriter) {
    this.#log = log;
    this.#writer = writer;
    this.lag = lag;
    this.seen = new Float64Array(keys).fill(-1);
  }

  /** About how far the follower is behind, by the mean size of a value. */
  get behindBytes(): number {
    return (this.#log.endOffset - Math.max(0, this.#next)) * meanValueBytes;
  }

  /** Reads until the writer has ended and nothing is left; from the start when overtaken. */
  async follow(): Promise<void> {
    let from: number | 'earliest' = 'earliest';
    for (;;) {
      try {
        await this.#read(from, true);
        return;
      } catch (error) {
        if (!hasCode(error, 'OFFSET_OUT_OF_RANGE')) throw error;
        this.jumps += 1;
        this.#next = -1;
        from = 'earliest';
      }
    }
  }

  async readAll(): Promise<void> {
    await this.#read('earliest', false);
  }

  /** Throws unless the last record of every key that retention kept has come. */
  verify(latest: Float64Array): void {
    const { startOffset } = this.#log;
    for (const [key, offset] of latest.entries()) {
      if (offset < startOffset || this.seen[key] === offset) continue;
      throw new Error(`the last record of key ${key} is ${offset}, and ${this.seen[key]} came`);
    }
  }

  async #read(from: number | 'earliest', follow: boolean): Promise<void> {
    const ending = new AbortController();
    const timer = follow ? setInterval(() => this.#endIfDone(ending), 20) : undefined;
    let last = -1;
    try {
      for await (const batch of this.#log.read({ from, follow, signal: ending.signal })) {
        const cursor = batch.cursor();
        while (cursor.next()) {
          const { offset } = cursor;
          if (offset <= last) throw new Error(`offset ${offset} follows ${last}`);
          last = offset;
          this.#take(offset, cursor.key(), cursor.value());
        }
        this.#next = Math.max(this.#next, last + 1);
        await this.#waitForWriter();
      }
    } catch (error) {
      if (!ending.signal.aborted) throw error;
    } finally {
      clearInterval(timer);
    }
  }

  #take(offset: number, key: Buffer | null, value: Buffer | null): void {
    const number = value?.readUInt32LE(0) ?? -1;
    const isWhole =
      value?.readDoubleLE(4) === offset &&
      value.length === valueBytes(number, offset) &&
      key?.toString('latin1') === keyText(number);
    if (!isWhole) throw new Error(`offset ${offset} holds another record`);
    this.seen[number] = offset;
    this.records += 1;
    this.#bytes += value.length;
  }

  #endIfDone(ending: AbortController): void {
    if (this.#writer.isOver && this.#next >= this.#log.endOffset) ending.abort();
  }

  async #waitForWriter(): Promise<void> {
    const writer = this.#writer;
    while (!writer.isOver && this.lag > 1 && this.#bytes * this.lag > writer.writtenBytes) {
      await sleep(1);
    }
  }
}

const meanValueBytes = (VALUE_BYTES_MIN + VALUE_BYTES_MAX) / 2;

/** The size of a record's value follows from what it is. */
function valueBytes(key: number, offset: number): number {
  const range = VALUE_BYTES_MAX - VALUE_BYTES_MIN + 1;
  return VALUE_BYTES_MIN + ((key * 31 + offset * 7919) % range);
}

function keyText(key: number): string {
  return `key-${key.toString().padStart(12, '0')}`;
}
