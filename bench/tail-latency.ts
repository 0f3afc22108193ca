/**
 * `tail-latency`: from the producer to a follower, one record of 100 B each millisecond.
 *
 * A metronome in a thread says when each record is due, and each is timed from then until a reader
 * that follows the log has it in hand, durably: whatever delays a record counts, and none is left
 * out because one before it was slow (coordinated omission). Raw writes and syncs the same bytes in
 * its thread, one group after the other, and reads them back from the file.
 */

import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { stampCrc } from '../src/storage/batch-header.js';
import { Log } from '../src/storage/main.js';
import type { CaseContext } from './case-context.js';
import { takeBytes } from './finished-bytes.js';
import { paced } from './pacer.js';
import { RawWriter } from './raw-writer.js';
import { makeRecords } from './records.js';
import type { Subject } from './row.js';
import { compare, interleave, quantile } from './statistics.js';
import { percentiles } from './tail-percentiles.js';

const VALUE_BYTES = 100;
const INTERVAL_MS = 1;

export async function tailLatency(context: CaseContext): Promise<void> {
  const roundMs = context.size(4000, 100);
  const ours = await Follower.open(context);
  const raw = await RawFollower.open(context);
  const results = await interleave(
    context.rounds(5),
    context.warmUps,
    async () =>
      (
        await paced(
          INTERVAL_MS,
          () => ours.send(),
          () => sleep(roundMs),
        )
      ).times,
    async () =>
      (
        await paced(
          INTERVAL_MS,
          () => raw.send(),
          () => sleep(roundMs),
        )
      ).times,
  );
  await raw.close();
  const records = await ours.close();
  const all = results.flatMap(({ ours: times }) => times);
  const allOfRaw = results.flatMap(({ raw: times }) => times);
  for (const [name, q] of percentiles) {
    const subject: Subject = {
      case: `tail-latency-${name}`,
      ...{ valueBytes: VALUE_BYTES, batch: 1, callers: 1, acks: 'durable', unit: 'ms' },
    };
    const pairs = results.map(({ ours: own, raw: other }) => ({
      ours: quantile(own, q),
      raw: quantile(other, q),
    }));
    context.report(subject, compare(pairs), {
      pooled: quantile(all, q),
      rawPooled: quantile(allOfRaw, q),
      sent: all.length,
      records,
    });
  }
}

/** A log and a reader that follows it. */
class Follower {
  readonly #log: Log;
  readonly #value = makeRecords(1, VALUE_BYTES).all;
  readonly #ending = new AbortController();
  readonly #following: Promise<void>;
  /** By offset: who waits for the record. */
  readonly #waiting = new Map<number, () => void>();
  #seen = 0;

  private constructor(log: Log) {
    this.#log = log;
    this.#following = this.#follow();
  }

  static async open(context: CaseContext): Promise<Follower> {
    return new Follower(await Log.open(context.path('tail')));
  }

  /** Resolves when the reader has the record. */
  async send(): Promise<void> {
    const { baseOffset } = await this.#log.append(this.#value, { acks: 'written' });
    if (baseOffset < this.#seen) return;
    await new Promise<void>((resolve) => this.#waiting.set(baseOffset, resolve));
  }

  /** How many records the reader has seen; throws unless it was all. */
  async close(): Promise<number> {
    this.#ending.abort();
    await this.#following;
    const { endOffset } = this.#log;
    await this.#log.close();
    if (this.#seen !== endOffset) throw new Error('the reader did not get every record');
    return this.#seen;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ending;
    try {
      for await (const batch of this.#log.read({ follow: true, signal })) {
        const cursor = batch.cursor();
        while (cursor.next()) {
          this.#seen = cursor.offset + 1;
          this.#waiting.get(cursor.offset)?.();
          this.#waiting.delete(cursor.offset);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** The same bytes through a thread that writes and syncs, and read back from the file. */
class RawFollower {
  readonly #writer: RawWriter;
  readonly #bytes: Buffer;
  readonly #file: FileHandle;
  readonly #target: Buffer;
  #position = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(writer: RawWriter, bytes: Buffer, file: FileHandle) {
    this.#writer = writer;
    this.#bytes = bytes;
    this.#file = file;
    this.#target = Buffer.alloc(bytes.length);
  }

  static async open(context: CaseContext): Promise<RawFollower> {
    const folder = context.path('tail-sample');
    const log = await Log.open(folder);
    await log.append(makeRecords(1, VALUE_BYTES).all);
    await log.close();
    const { memory, bytes } = takeBytes(folder);
    const path = context.path('raw-tail');
    const writer = new RawWriter(memory, [path]);
    writer.open(0);
    writer.submit();
    await writer.settled();
    return new RawFollower(writer, bytes, await open(path, 'r'));
  }

  /** Each waits for the one before: a settled writer has nothing on its way. */
  send(): Promise<unknown> {
    this.#last = this.#last.then(() => this.#sendOne());
    return this.#last;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file.close();
    await this.#writer.end();
  }

  async #sendOne(): Promise<void> {
    const { length } = this.#bytes;
    const position = this.#position;
    this.#position += length;
    stampCrc(this.#bytes, 0);
    this.#writer.write(0, 0, length, position);
    this.#writer.sync(0);
    this.#writer.submit();
    await this.#writer.settled();
    const { bytesRead } = await this.#file.read(this.#target, 0, length, position);
    if (bytesRead !== length) throw new Error('the file is shorter than what was written');
  }
}
