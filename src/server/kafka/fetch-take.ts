/**
 * What one partition gives to a fetch: whole batches, taken as they come, up to a bound.
 *
 * Taking can go on where it stopped, so a fetch that waits for more reads each byte once. The batch
 * that the fetch offset lies in goes out whole, and the first batch of an answer whatever its size,
 * so that a consumer always gets on.
 */

import { createError } from '../../base/errors.js';
import type { PartitionLog } from '../../broker/main.js';
import { kafkaErrorOf, kafkaErrors } from './error-codes.js';
import type { FetchPlace, PartitionAnswer, PartitionRequest } from './fetch-session.js';

const READ_BYTES_MIN = 8 * 1024;
const READ_BYTES_MAX = 4 * 1024 * 1024;
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 };
const NO_PLACE = { epoch: -1, endOffset: -1 };

export class PartitionTake {
  readonly place: FetchPlace;
  readonly #log: PartitionLog | undefined;
  readonly #isCommitted: boolean;
  readonly #records: Uint8Array[] = [];
  #errorCode: number = kafkaErrors.NONE;
  #nextOffset: number;
  #bytes = 0;
  /** A batch was there that did not fit any more. */
  #isFull = false;
  #seenOffset = -1;

  constructor(place: FetchPlace, log: PartitionLog, isCommitted: boolean);
  constructor(place: FetchPlace, failure: { readonly error: unknown });
  constructor(
    place: FetchPlace,
    source: PartitionLog | { readonly error: unknown },
    isCommitted = false,
  ) {
    this.place = place;
    this.#isCommitted = isCommitted;
    this.#nextOffset = place.asked.fetchOffset;
    if ('error' in source) this.#errorCode = kafkaErrorOf(source.error);
    else this.#log = source;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasFailed(): boolean {
    return this.#errorCode !== kafkaErrors.NONE;
  }

  /** Whether more could be taken if there were more. */
  get mayGrow(): boolean {
    return !this.#isFull && !this.hasFailed;
  }

  /** Takes what is there now, at most `room` bytes but for the very first batch. */
  async more(room: number, isFirst: boolean): Promise<void> {
    const log = this.#log;
    if (log === undefined || !this.mayGrow) return;
    const { durableOffset, stableOffset, startOffset } = log;
    const { fetchOffset, partitionMaxBytes } = this.place.asked;
    this.#seenOffset = durableOffset;
    if (fetchOffset < startOffset || fetchOffset > durableOffset) {
      this.#errorCode = kafkaErrors.OFFSET_OUT_OF_RANGE;
      return;
    }
    const end = this.#isCommitted ? Math.min(stableOffset, durableOffset) : durableOffset;
    const left = Math.min(room, partitionMaxBytes - this.#bytes);
    try {
      await this.#take(log, end, left, isFirst);
    } catch (error) {
      this.#errorCode = kafkaErrorOf(error);
    }
  }

  /** Resolves when there may be more than at the last look; whether there is. Never rejects. */
  async grown(signal: AbortSignal): Promise<boolean> {
    const log = this.#log;
    if (log === undefined) return false;
    await log.waitBeyond(this.#seenOffset, { signal }).catch(() => undefined);
    return log.durableOffset > this.#seenOffset;
  }

  /**
   * Asks for what is written and not on the disk yet: who fetches again and again without waiting
   * would otherwise get it when the log syncs by itself, which may take a second.
   */
  hurry(): void {
    const log = this.#log;
    if (log === undefined || this.hasFailed || log.writtenOffset <= this.#seenOffset) return;
    // Nobody waits for it here; a log that cannot sync tells the next fetch.
    void log.flush(log.writtenOffset - 1).catch(() => undefined);
  }

  answer(): PartitionAnswer {
    const { asked } = this.place;
    const log = this.#log;
    if (log === undefined) return answerOf(asked, this.#errorCode);
    const { durableOffset: highWatermark, stableOffset, startOffset } = log;
    const base = {
      ...answerOf(asked, this.#errorCode),
      highWatermark,
      lastStableOffset: Math.min(stableOffset, highWatermark),
      logStartOffset: startOffset,
    };
    if (this.hasFailed) return base;
    try {
      const abortedTransactions = this.#isCommitted
        ? abortedIn(log, asked.fetchOffset, this.#nextOffset)
        : null;
      return { ...base, records: this.#records, abortedTransactions };
    } catch (error) {
      return { ...base, errorCode: kafkaErrorOf(error) };
    }
  }

  /** Whole batches from the one that holds the next offset on, those before `end`. */
  async #take(log: PartitionLog, end: number, room: number, isFirst: boolean): Promise<void> {
    const from = this.#nextOffset;
    if (from >= end) return;
    if (room <= 0 && !isFirst) {
      this.#isFull = true;
      return;
    }
    const readBytesMax = Math.min(READ_BYTES_MAX, Math.max(READ_BYTES_MIN, room));
    let left = room;
    let isNeeded = isFirst;
    const read = log.read({ from, isolation: 'uncommitted', control: true, readBytesMax });
    for await (const batch of read) {
      if (batch.baseOffset >= end) break;
      if (batch.bytes > left && !isNeeded) {
        this.#isFull = true;
        break;
      }
      this.#records.push(batch.raw());
      this.#nextOffset = batch.nextOffset;
      this.#bytes += batch.bytes;
      left -= batch.bytes;
      isNeeded = false;
      if (left <= 0) {
        this.#isFull = true;
        break;
      }
    }
  }
}

function abortedIn(
  log: PartitionLog,
  from: number,
  to: number,
): { readonly producerId: number; readonly firstOffset: number }[] {
  return log.abortedIn(from, to).map(({ producerId, firstOffset }) => {
    const id = Number(producerId);
    if (Number.isSafeInteger(id)) return { producerId: id, firstOffset };
    throw createError('LOG_CORRUPT', { expected: 'a producer id within 2^53' });
  });
}

function answerOf({ partition }: PartitionRequest, errorCode: number): PartitionAnswer {
  return {
    partitionIndex: partition,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: [],
    divergingEpoch: NO_PLACE,
    currentLeader: NO_LEADER,
    snapshotId: NO_PLACE,
  };
}
