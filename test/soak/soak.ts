/**
 * One long run: a writer, a reader that follows it, and a disk that is bounded by deletion.
 *
 * Each record holds its offset, so the reader proves what it gets without memory of what was sent.
 * A reader with a `lag` handles one byte while the writer writes `lag` of them; deletion overtakes
 * it. It then gets OFFSET_OUT_OF_RANGE, goes on at the start of the log, and the jump is counted.
 */

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

const MIB = 1024 * 1024;

export interface SoakOptions {
  readonly directory: string;
  readonly bytes: number;
  readonly seed: number;
  /** Bytes that the writer writes for each byte that the reader handles; 1: it keeps up. */
  readonly lag: number;
  readonly segmentBytes?: number;
  /** Deletion keeps about this many bytes. */
  readonly keptBytes?: number;
  readonly secondsMax?: number;
  readonly sampleMs: number;
  readonly onSample?: (sample: Sample) => void;
}

export interface SoakReport extends FlatVerdict {
  readonly writtenBytes: number;
  readonly readRecords: number;
  /** How often the reader was overtaken by deletion. */
  readonly jumps: number;
  readonly seconds: number;
  readonly samples: readonly Sample[];
}

const VALUE_BYTES = 1000;
const RECORDS_PER_BATCH = 64;
const BATCH_BYTES = VALUE_BYTES * RECORDS_PER_BATCH;
/** Appends in flight at once. */
const IN_FLIGHT = 16;

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { directory, segmentBytes = 8 * MIB, sampleMs } = options;
  const log = await Log.open(directory, { segmentBytes });
  const run = new SoakRun(log, options);
  const samples: Sample[] = [];
  const descriptors = new DescriptorWatch();
  const startedMs = performance.now();
  const seconds = (): number => (performance.now() - startedMs) / 1000;
  const sample = (): void => {
    const taken = takeSample(seconds(), run.progress, directory, descriptors.take());
    samples.push(taken);
    options.onSample?.(taken);
  };
  const timer = setInterval(sample, sampleMs);
  try {
    const following = run.follow();
    await Promise.race([run.write(), following.then(() => run.write())]);
    sample();
    clearInterval(timer);
    run.stop();
    await following;
  } finally {
    clearInterval(timer);
    descriptors.stop();
    await log.close();
  }
  const { writtenBytes, readRecords, jumps } = run;
  return { ...judgeFlat(samples), writtenBytes, readRecords, jumps, seconds: seconds(), samples };
}

class SoakRun {
  readonly #log: Log;
  readonly #options: SoakOptions;
  readonly #prng: Prng;
  readonly #startedMs = performance.now();
  readonly #stopping = new AbortController();
  writtenBytes = 0;
  readRecords = 0;
  jumps = 0;
  /** Where the reader is; deletion stays behind a reader that keeps up. */
  #readOffset = 0;

  constructor(log: Log, options: SoakOptions) {
    this.#log = log;
    this.#options = options;
    this.#prng = new Prng(options.seed);
  }

  get progress(): number {
    const { bytes, secondsMax } = this.#options;
    const time = secondsMax === undefined ? 0 : this.#seconds() / secondsMax;
    return Math.min(1, Math.max(this.writtenBytes / bytes, time));
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Appends until the run is over; a reader that keeps up is waited for. */
  async write(): Promise<void> {
    const { keptBytes = 64 * MIB, segmentBytes = 8 * MIB, lag } = this.#options;
    const keptOffsets = Math.floor((keptBytes - 2 * segmentBytes) / VALUE_BYTES);
    const values = Buffer.from(this.#prng.bytes(BATCH_BYTES));
    while (this.progress < 1) {
      const calls: Promise<unknown>[] = [];
      for (let call = 0; call < IN_FLIGHT; call += 1) {
        const acks = this.#prng.boolean(0.25) ? 'durable' : 'written';
        calls.push(this.#log.append(this.#batch(values), { acks }));
        this.writtenBytes += BATCH_BYTES;
      }
      await Promise.all(calls);
      const end = this.#log.durableOffset;
      const before = lag === 1 ? Math.min(end - keptOffsets, this.#readOffset) : end - keptOffsets;
      if (before - this.#log.startOffset > segmentBytes / VALUE_BYTES) {
        await this.#log.deleteRecordsBefore(before);
      }
      while (lag === 1 && this.#log.endOffset - this.#readOffset > keptOffsets) await sleep(1);
    }
  }

  /** Reads until it is stopped; from the start again whenever deletion was faster. */
  async follow(): Promise<void> {
    const { signal } = this.#stopping;
    let from: number | 'earliest' = 'earliest';
    while (!signal.aborted) {
      try {
        await this.#readFrom(from, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!hasCode(error, 'OFFSET_OUT_OF_RANGE')) throw error;
        this.jumps += 1;
        from = 'earliest';
      }
    }
  }

  async #readFrom(from: number | 'earliest', signal: AbortSignal): Promise<void> {
    const { lag } = this.#options;
    let next = -1;
    for await (const batch of this.#log.read({ from, follow: true, signal })) {
      const cursor = batch.cursor();
      while (cursor.next()) {
        const { offset } = cursor;
        const value = cursor.value();
        const isInOrder = next === -1 || offset === next;
        if (!isInOrder || value === null || value.length !== VALUE_BYTES) {
          throw new Error(`offset ${offset} follows ${next - 1}, ${value?.length} bytes`);
        }
        const said = value.readDoubleLE();
        if (said !== offset) throw new Error(`offset ${offset} holds the record of ${said}`);
        next = offset + 1;
        this.readRecords += 1;
      }
      this.#readOffset = next;
      if (lag > 1) await this.#waitForWriter(signal);
    }
  }

  async #waitForWriter(signal: AbortSignal): Promise<void> {
    const { lag } = this.#options;
    while (!signal.aborted && this.readRecords * VALUE_BYTES * lag > this.writtenBytes)
      await sleep(1);
  }

  /** Every value begins with the offset that it will get: nobody else appends. */
  #batch(values: Buffer): RecordInput[] {
    const base = this.#log.endOffset;
    return Array.from({ length: RECORDS_PER_BATCH }, (_, index) => {
      const value = values.subarray(index * VALUE_BYTES, (index + 1) * VALUE_BYTES);
      // The bytes are copied by the append, so the same memory serves the next batch.
      value.writeDoubleLE(base + index);
      return { value };
    });
  }

  #seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }
}
