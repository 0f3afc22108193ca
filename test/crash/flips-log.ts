/**
 * The log whose bits are flipped, in three states, always the same bytes.
 *
 *     clean    closed; one sealed segment of exactly 64 KiB and an active one
 *     killed   opened again, appended to, and left by its process with everything acknowledged
 *     torn     the same with records behind the watermark that were promised to nobody
 *
 * Batches of every codec that is there, several epochs, timestamps that go back and forth.
 */

import { Prng } from '../../src/base/prng.js';
import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import { codecOf } from '../../src/storage/compression.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import type { LogEnvironment } from '../../src/storage/log-environment.js';
import type { RecordInput } from '../../src/storage/record.js';
import { createMemoryLockManager } from '../support/memory-lock.js';
import { SimClock } from '../support/sim-clock.js';
import { FolderImage, IMAGE_DIRECTORY } from './flips-image.js';

export const SEALED_BYTES = 64 * 1024;
export const SEALED_LOG = '00000000000000000000.log';
const START_MS = 1_700_000_000_000;
const RECORDS_PER_BATCH = 5;
/** Room left for the record that fills the sealed segment to the byte. */
const FILLER_BYTES_MAX = 4000;

export type FlipState = 'clean' | 'killed' | 'torn';
export const flipStates: readonly FlipState[] = ['clean', 'killed', 'torn'];

export interface FlipBatch {
  readonly baseOffset: number;
  /** Where it ends in its segment's file. */
  readonly end: number;
  readonly timestamp: number;
}

export interface FlipLog {
  readonly image: FolderImage;
  /** All records by offset, from 0 on. */
  readonly records: readonly RecordInput[];
  /** Exclusive end of what was acknowledged as durable: it may never be missing. */
  readonly acknowledgedEnd: number;
  /** Of both segments, in order. */
  readonly batches: readonly FlipBatch[];
  readonly activeLog: string;
  /** Bytes of the active segment that are acknowledged. */
  readonly acknowledgedBytes: number;
}

/** A log's outside over an image; each is a process of its own. */
export function imageEnvironment(image: FolderImage, clock = new SimClock()): LogEnvironment {
  return {
    fileSystem: image.fileSystem,
    clock,
    lockManager: createMemoryLockManager(),
    acquireWriter: () => new InlineWriter(image.blockingFileSystem),
    acquireCleaner: () => new InlineCleaner(image.blockingFileSystem),
    bootId: () => '0123456789abcdef'.repeat(2),
    newLogId: () => 'fedcba9876543210'.repeat(2),
  };
}

export async function buildFlipLog(state: FlipState): Promise<FlipLog> {
  const builder = new Builder();
  await builder.fillSealed();
  await builder.session('gzip', 2);
  await builder.session('none', 1);
  if (state === 'clean') return builder.result();
  await builder.leave(state);
  return builder.result();
}

class Builder {
  readonly #image = new FolderImage();
  readonly #prng = new Prng(1);
  readonly #clock = new SimClock(START_MS);
  readonly #records: RecordInput[] = [];
  readonly #batches: FlipBatch[] = [];
  #acknowledgedEnd = 0;
  #acknowledgedBytes = 0;

  /** Sessions of every codec, then one record that ends exactly at the segment's limit. */
  async fillSealed(): Promise<void> {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      const id = ['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(codec);
      if (codecOf(id)?.isAvailable() === true) await this.session(codec, 2);
    }
    const log = await this.#open('none');
    while (SEALED_BYTES - this.#bytes() > FILLER_BYTES_MAX) await this.#append(log, this.#some());
    const before = this.#bytes();
    await this.#append(log, [this.#filler(FILLER_BYTES_MAX / 4)]);
    const overhead = this.#bytes() - before - FILLER_BYTES_MAX / 4;
    await this.#append(log, [this.#filler(SEALED_BYTES - this.#bytes() - overhead)]);
    await log.close();
    if (this.#bytes() !== SEALED_BYTES) throw new Error(`the segment has ${this.#bytes()} bytes`);
  }

  async session(compression: NonNullable<LogOptions['compression']>, batches: number) {
    const log = await this.#open(compression);
    for (let made = 0; made < batches; made += 1) await this.#append(log, this.#some());
    await log.close();
  }

  /** A process that ends without closing. */
  async leave(state: 'killed' | 'torn'): Promise<void> {
    const log = await this.#open('lz4');
    for (let made = 0; made < 3; made += 1) {
      await this.#append(log, this.#some());
      this.#clock.advance(100);
      await log.flush();
    }
    if (state === 'killed') return;
    for (let made = 0; made < 2; made += 1) await this.#append(log, this.#some(), 'written');
  }

  result(): FlipLog {
    return {
      image: this.#image.clone(),
      records: this.#records,
      acknowledgedEnd: this.#acknowledgedEnd,
      batches: this.#batches,
      activeLog: this.#activeLog(),
      acknowledgedBytes: this.#acknowledgedBytes,
    };
  }

  #open(compression: NonNullable<LogOptions['compression']>): Promise<Log> {
    const environment = imageEnvironment(this.#image, this.#clock);
    return Log.open(IMAGE_DIRECTORY, { segmentBytes: SEALED_BYTES, compression }, environment);
  }

  async #append(
    log: Log,
    records: RecordInput[],
    acks: 'durable' | 'written' = 'durable',
  ): Promise<void> {
    const { baseOffset } = await log.append(records, { acks });
    if (baseOffset !== this.#records.length) throw new Error('offsets count the records');
    this.#records.push(...records);
    const end = this.#image.bytesOf(this.#activeLog()).length;
    this.#batches.push({ baseOffset, end, timestamp: records[0]?.timestamp ?? 0 });
    if (acks === 'written') return;
    this.#acknowledgedEnd = this.#records.length;
    this.#acknowledgedBytes = this.#image.bytesOf(this.#activeLog()).length;
  }

  #some(): RecordInput[] {
    return Array.from({ length: RECORDS_PER_BATCH }, (_, index) => {
      const noise = Buffer.from(this.#prng.bytes(300 + this.#prng.integer(200))).toString('hex');
      const key = index === 0 ? null : `key-${this.#records.length + index}`;
      const value = index === 1 ? null : `${this.#records.length}: ${noise}`;
      const headers = index === 2 ? [{ key: 'source', value: 'a' }, { key: 'none' }] : [];
      return { key, value, headers, timestamp: this.#timestamp() };
    });
  }

  #filler(bytes: number): RecordInput {
    return { key: null, value: Buffer.alloc(bytes, 'f'), timestamp: this.#timestamp() };
  }

  /** Rises in the long run, falls now and then. */
  #timestamp(): number {
    return START_MS + this.#records.length * 10 + this.#prng.integer(60);
  }

  #bytes(): number {
    return this.#image.bytesOf(SEALED_LOG).length;
  }

  #activeLog(): string {
    return this.#image.names.filter((name) => name.endsWith('.log')).at(-1) ?? SEALED_LOG;
  }
}
