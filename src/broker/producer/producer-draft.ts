/**
 * Small sends to one partition that become one batch: each record is encoded as it comes.
 *
 * A send of one record costs its promise and its bytes here, nothing else: no copy as an object, no
 * entry in a list. What may have to leave the line again is no part of a draft.
 */

import {
  BatchDraft,
  type CodecName,
  type ProducerStamp,
  type RecordInput,
} from '../../storage/main.js';
import type { Parcel, Pending, PlaceResult, SendShare } from './producer-send.js';

interface DraftedShare {
  readonly share: SendShare;
  /** Its first record's place in the batch. */
  readonly index: number;
}

export class SendDraft implements Parcel, Pending {
  /** Resolves to the offset of the first record. */
  readonly promise: Promise<number>;
  readonly #topic: string;
  readonly #partition: number;
  readonly #batch: BatchDraft;
  readonly #shares: DraftedShare[] = [];
  #bytes = 0;
  #resolve: (baseOffset: number) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(topic: string, partition: number, batch: BatchDraft) {
    this.#topic = topic;
    this.#partition = partition;
    this.#batch = batch;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Each send hears of it by a promise of its own.
    this.promise.catch(() => undefined);
  }

  get count(): number {
    return this.#batch.count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a record, which was checked; `bytes` bounds its size. The promise is the caller's own, so
   * `resultOf` makes what it resolves to: a second one behind it would cost as much again.
   */
  add<Result>(
    record: RecordInput,
    bytes: number,
    nowMs: number,
    resultOf: PlaceResult<Result>,
  ): Promise<Result> {
    this.#batch.reserve(bytes);
    const index = this.#batch.count;
    this.#batch.add(record, nowMs);
    this.#bytes += bytes;
    return this.promise.then((base) => resultOf(this.#topic, this.#partition, base + index));
  }

  /** Takes the records of a share, whose send is told. */
  addShare(share: SendShare, nowMs: number): void {
    this.#batch.reserve(share.bytes);
    this.#shares.push({ share, index: this.#batch.count });
    for (const record of share.records) this.#batch.add(record, nowMs);
    this.#bytes += share.bytes;
  }

  /** The finished batch, with these numbers; it may be asked for again with others. */
  finish(producer: ProducerStamp | undefined, codec: CodecName): Uint8Array {
    return this.#batch.finish(producer, codec);
  }

  stored(baseOffset: number): void {
    this.#resolve(baseOffset);
    for (const { share, index } of this.#shares) share.stored(baseOffset + index);
  }

  fail(error: unknown): void {
    this.#reject(error);
    for (const { share } of this.#shares) share.fail(error);
  }

  /** Its memory goes back: it has ended. */
  release(memory: DraftMemory): void {
    memory.give(this.#batch);
  }
}

/** All spares together. */
const SPARE_BYTES_MAX = 8 * 1024 * 1024;

/** Memory of drafts that have ended, for the next ones of a producer. */
export class DraftMemory {
  readonly #spares: BatchDraft[] = [];
  #spareBytes = 0;

  take(): BatchDraft {
    const spare = this.#spares.pop();
    if (spare === undefined) return new BatchDraft();
    this.#spareBytes -= spare.capacity;
    return spare;
  }

  give(batch: BatchDraft): void {
    batch.abandon();
    if (this.#spareBytes + batch.capacity > SPARE_BYTES_MAX) return;
    this.#spareBytes += batch.capacity;
    this.#spares.push(batch);
  }
}
