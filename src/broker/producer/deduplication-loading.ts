/**
 * Finds the deduplication ids that a partition holds: a walk over its tail, once per open broker.
 *
 * Memory is bounded by the number of ids that the window may hold; what it costs in time is to read
 * the records of about one window, other ones too.
 */

import { hasCode } from '../../base/errors.js';
import type { Batch, Isolation, RecordHeader } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { DEDUPLICATION_HEADER, decodeStoredId, type StoredId } from './deduplication-header.js';
import { type StoredPlace, WAITS } from './deduplication-window.js';

export interface FoundId extends StoredId, StoredPlace {}

/** Which ids are looked for: the newest `idsMax` of those that were sent after `sinceMs`. */
export interface WantedIds {
  readonly topicId: string;
  readonly sinceMs: number;
  readonly idsMax: number;
  /** The number by which a record is known that waits, or has waited; undefined of others. */
  readonly numberOf: WaitingNumber;
}

export type WaitingNumber = (
  headers: readonly RecordHeader[],
  offset: number,
  isWaiting: boolean,
) => number | undefined;

/** Ids of one topic. */
export class FoundIds {
  readonly #wanted: WantedIds;
  #found: FoundId[] = [];

  constructor(wanted: WantedIds) {
    this.#wanted = wanted;
  }

  /** Adds those that are wanted. */
  add(ids: Iterable<FoundId>): void {
    const { sinceMs, idsMax } = this.#wanted;
    for (const found of ids) if (found.sentMs > sinceMs) this.#found.push(found);
    if (this.#found.length > 2 * idsMax) this.#trim();
  }

  /**
   * Adds what the partition holds from `from` up to `end`, of transactions that have ended. Stops
   * when there are `countMax`, or soon behind; resolves to where it has stopped.
   */
  async readPart(
    log: PartitionLog,
    partition: number,
    { from, end, countMax }: { readonly from: number; readonly end: number; countMax: number },
  ): Promise<number> {
    if (Math.max(from, log.startOffset) >= end) return end;
    for await (const batch of batchesFrom(log, from, 'committed')) {
      if (!batch.isControl) this.#readBatch(batch, partition);
      const next = batch.lastOffset + 1;
      if (next >= end || this.#found.length >= countMax) return Math.min(next, end);
    }
    return end;
  }

  /** Adds what the partition holds from `from` on. */
  async read(log: PartitionLog, partition: number, from: number): Promise<void> {
    let next = Math.max(from, log.startOffset);
    if (next >= log.durableOffset) return;
    for await (const batch of batchesFrom(log, next, 'committed')) {
      next = batch.lastOffset + 1;
      if (!batch.isControl) this.#readBatch(batch, partition);
    }
    // A transaction that is open must not hide what lies behind it. It has no ids: those who send
    // ids in one have the window before they begin.
    for await (const batch of batchesFrom(log, next, 'uncommitted')) {
      const isOther = batch.isTransactional || batch.isControl || batch.lastOffset < next;
      if (!isOther) this.#readBatch(batch, partition);
    }
  }

  /** Oldest first; an id that is there twice was forgotten in between, and the last one counts. */
  inOrder(): readonly FoundId[] {
    this.#trim();
    return this.#found;
  }

  #readBatch(batch: Batch, partition: number): void {
    this.add(this.#idsIn(batch, partition));
  }

  *#idsIn(batch: Batch, partition: number): Generator<FoundId, void, undefined> {
    const { topicId, numberOf } = this.#wanted;
    const isWaiting = partition === WAITS;
    const cursor = batch.cursor();
    while (cursor.next()) {
      if (cursor.headerCount === 0) continue;
      const headers = cursor.copyHeaders();
      // The last one: it stands behind those that the program gave.
      const header = headers.findLast(({ key }) => key === DEDUPLICATION_HEADER);
      if (header === undefined) continue;
      const stored = decodeStoredId(topicId, header.value);
      if (stored === undefined) continue;
      const { id, sentMs } = stored;
      const number = numberOf(headers, cursor.offset, isWaiting);
      if (number === undefined) yield { id, sentMs, partition, offset: cursor.offset };
      else yield { id, sentMs, partition: WAITS, offset: number };
    }
  }

  #trim(): void {
    this.#found.sort((one, other) => one.sentMs - other.sentMs);
    const { idsMax } = this.#wanted;
    if (this.#found.length > idsMax) this.#found = this.#found.slice(-idsMax);
  }
}

/** Goes on behind what is deleted meanwhile: whoever deletes keeps the ids of it. */
async function* batchesFrom(
  log: PartitionLog,
  from: number,
  isolation: Isolation,
): AsyncGenerator<Batch, void, undefined> {
  for (let next = from; ; ) {
    const start = Math.max(next, log.startOffset);
    try {
      for await (const batch of log.read({ from: start, isolation })) {
        next = batch.lastOffset + 1;
        yield batch;
      }
      return;
    } catch (error) {
      const wasDeleted = hasCode(error, 'OFFSET_OUT_OF_RANGE') && log.startOffset > start;
      if (!wasDeleted) throw error;
    }
  }
}
