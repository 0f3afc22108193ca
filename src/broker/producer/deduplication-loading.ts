/**
 * Finds the deduplication ids that a partition holds: a walk over its tail, once per open broker.
 *
 * Memory is bounded by the number of ids that the window may hold; what it costs in time is to read
 * the records of about one window, other ones too.
 */

import type { Batch } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { DEDUPLICATION_HEADER, decodeStoredId, type StoredId } from './deduplication-header.js';
import type { StoredPlace } from './deduplication-window.js';

export interface FoundId extends StoredId, StoredPlace {}

/** Ids of one topic, the newest `idsMax` of those that were sent after `sinceMs`. */
export class FoundIds {
  readonly #topicId: string;
  readonly #sinceMs: number;
  readonly #idsMax: number;
  #found: FoundId[] = [];

  constructor(topicId: string, sinceMs: number, idsMax: number) {
    this.#topicId = topicId;
    this.#sinceMs = sinceMs;
    this.#idsMax = idsMax;
  }

  /** Adds what the partition holds from `from` on. */
  async read(log: PartitionLog, partition: number, from: number): Promise<void> {
    const start = Math.max(from, log.startOffset);
    if (start >= log.durableOffset) return;
    // A transaction that is open must not hide what lies behind it. Ids are never sent in one.
    for await (const batch of log.read({ from: start, isolation: 'uncommitted' })) {
      if (!batch.isTransactional && !batch.isControl) this.#readBatch(batch, partition);
    }
  }

  /** Oldest first; an id that is there twice was forgotten in between, and the last one counts. */
  inOrder(): readonly FoundId[] {
    this.#trim();
    return this.#found;
  }

  #readBatch(batch: Batch, partition: number): void {
    const cursor = batch.cursor();
    while (cursor.next()) {
      if (cursor.headerCount === 0) continue;
      // The last one: it stands behind those that the program gave.
      const header = cursor.copyHeaders().at(-1);
      if (header?.key !== DEDUPLICATION_HEADER) continue;
      const stored = decodeStoredId(this.#topicId, header.value);
      if (stored === undefined || stored.sentMs <= this.#sinceMs) continue;
      const { id, sentMs } = stored;
      this.#found.push({ id, sentMs, partition, offset: cursor.offset });
    }
    if (this.#found.length > 2 * this.#idsMax) this.#trim();
  }

  #trim(): void {
    this.#found.sort((one, other) => one.sentMs - other.sentMs);
    if (this.#found.length > this.#idsMax) this.#found = this.#found.slice(-this.#idsMax);
  }
}
