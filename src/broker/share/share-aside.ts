/**
 * Messages of a group that are not for consumers any more: exhausted, expired, or to be dropped.
 *
 * Whoever takes such a message holds it: no lease ends, nobody else gets it, until it is archived
 * or given back. What nobody asks for is archived by the group.
 */

import type { LogRecord } from '../../storage/main.js';
import type { Delivery } from './share-delivered.js';
import { byPartition } from './share-endings.js';
import type { SharePartition } from './share-partition.js';
import { SLOTS_MAX } from './share-receipt.js';

export interface AsideParts {
  readonly partitions: () => readonly SharePartition[];
  /** Finishes what was taken, durably. */
  readonly archive: (deliveries: readonly Delivery[]) => Promise<void>;
  /** What was taken may be given out again. */
  readonly giveBack: (deliveries: readonly Delivery[]) => void;
}

/** The oldest messages that are looked for at once. */
const OLDEST_MAX = 1_024;
/** The lease of what is taken in the same step. */
const HELD_MS = 60_000;

export type ExpiredCallback = (deliveries: Delivery[]) => void;

export class ShareAside {
  readonly #parts: AsideParts;
  readonly #exhausted: (() => void)[] = [];
  readonly #expired: ExpiredCallback[] = [];
  #isTelling = false;
  #isClosed = false;

  constructor(parts: AsideParts) {
    this.#parts = parts;
  }

  onExhausted(callback: () => void): void {
    this.#exhausted.push(callback);
    this.tellExhausted();
  }

  onExpired(callback: ExpiredCallback): void {
    this.#expired.push(callback);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Tells of exhausted messages, after this step, if there are some. */
  tellExhausted(): void {
    if (this.#isTelling || this.#isClosed) return;
    if (!this.#parts.partitions().some(({ state }) => state.exhaustedCount > 0)) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      if (this.#isClosed) return;
      if (this.#exhausted.length === 0) void this.#archiveExhausted();
      for (const callback of this.#exhausted) callback();
    });
  }

  /** These have expired, and are taken. */
  tellExpired(deliveries: Delivery[]): void {
    if (this.#expired.length === 0) void this.#archive(deliveries);
    for (const callback of this.#expired) callback(deliveries);
  }

  async takeExhausted(max: number): Promise<Delivery[]> {
    const taken: Delivery[] = [];
    for (const partition of this.#parts.partitions()) {
      if (taken.length < max) taken.push(...partition.takeExhausted(max - taken.length));
    }
    return await this.#withRecords(taken);
  }

  /** The oldest messages that nobody has, the lowest partition first, until one is not wanted. */
  async takeOldest(max: number, wanted?: (record: LogRecord) => boolean): Promise<Delivery[]> {
    const taken: Delivery[] = [];
    for (const partition of this.#parts.partitions()) {
      while (taken.length < max) {
        const some = await takeOldestOf(partition, max - taken.length, wanted);
        if (some.length === 0) break;
        taken.push(...(await this.#withRecords(some)));
      }
    }
    return taken;
  }

  /** Nobody wants dead letters. */
  async #archiveExhausted(): Promise<void> {
    const taken = this.#parts.partitions().flatMap((each) => each.takeExhausted(SLOTS_MAX));
    await this.#archive(taken);
  }

  /** What cannot be stored is stored with the next append. */
  async #archive(deliveries: readonly Delivery[]): Promise<void> {
    await this.#parts.archive(deliveries).catch(() => undefined);
  }

  async #withRecords(taken: readonly Delivery[]): Promise<Delivery[]> {
    try {
      return await withRecords(taken);
    } catch (error) {
      this.#parts.giveBack(taken);
      throw error;
    }
  }
}

/**
 * The oldest messages of a partition that nobody has, up to one that is not wanted: that one is
 * only looked at, so that its place, and what waits for it, stay as they are.
 */
async function takeOldestOf(
  partition: SharePartition,
  max: number,
  wanted: ((record: LogRecord) => boolean) | undefined,
): Promise<Delivery[]> {
  for (;;) {
    // Looked at first: what is read meanwhile is found by the next turn.
    const { isBehind } = partition.feed;
    const oldest = partition.state.oldestAvailable(Math.min(max, OLDEST_MAX));
    const chosen = wanted === undefined ? oldest : await firstWanted(partition, oldest, wanted);
    const taken = partition
      .takeAll(chosen, HELD_MS)
      .filter((delivery) => partition.takeAway(delivery) === 'done');
    if (taken.length > 0 || oldest.size > 0 || !isBehind) {
      return taken.sort((one, other) => one.offset - other.offset);
    }
    await partition.feed.fill();
  }
}

/** What is nowhere any more is wanted too: it is archived when its record is missed. */
async function firstWanted(
  partition: SharePartition,
  offsets: ReadonlySet<number>,
  wanted: (record: LogRecord) => boolean,
): Promise<ReadonlySet<number>> {
  const rising = [...offsets].sort((one, other) => one - other);
  const records = await partition.readRecords(rising);
  const end = rising.findIndex((offset) => {
    const record = records.get(offset);
    return record !== undefined && !wanted(record);
  });
  return new Set(end < 0 ? rising : rising.slice(0, end));
}

/** The deliveries with their records, without those that are nowhere any more. */
export async function withRecords(deliveries: readonly Delivery[]): Promise<Delivery[]> {
  const found: Delivery[] = [];
  for (const [partition, own] of byPartition(deliveries)) {
    found.push(...(await partition.readMissing(own)));
  }
  return found;
}
