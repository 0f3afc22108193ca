/**
 * What one consumer has read ahead: bounded in bytes and batches, fair between partitions.
 *
 * Room is taken before a batch is put in, and given back when the batch is released, so the bound
 * holds what is handed out and not done, too. Who finds no room waits in line, one batch each: a
 * full ring stops all reading, whatever the consumer does. One batch larger than the bound passes
 * alone. Partitions that have batches ready are taken from in turn.
 */

import { assert } from '../../base/assert.js';

export interface RingBounds {
  readonly bytesMax: number;
  readonly countMax: number;
}

/** What the ring needs to know of a batch. */
export interface RingItem {
  readonly bytes: number;
}

/** The batches of one partition that are ready, oldest first. */
export class RingLine<Item extends RingItem> {
  readonly items: Item[] = [];
}

interface RoomWaiter {
  readonly bytes: number;
  readonly resolve: (isGranted: boolean) => void;
}

export class PrefetchRing<Item extends RingItem> {
  readonly #bounds: RingBounds;
  /** Lines that have items, in the order of their turns. */
  readonly #ready = new Set<RingLine<Item>>();
  readonly #waiters = new Set<RoomWaiter>();
  #bytes = 0;
  #count = 0;

  constructor(bounds: RingBounds) {
    this.#bounds = bounds;
  }

  /** Of the batches that are ready or handed out. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes room at once, when there is some and nobody waits for it. */
  tryReserve(bytes: number): boolean {
    if (this.#waiters.size > 0 || !this.#fits(bytes)) return false;
    this.#grant(bytes);
    return true;
  }

  /** Waits for room; false when `cancelled` comes before. */
  reserve(bytes: number, cancelled: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = (): void => {
        this.#waiters.delete(waiter);
        resolve(false);
        this.#serve();
      };
      const granted = (isGranted: boolean): void => {
        cancelled.removeEventListener('abort', cancel);
        resolve(isGranted);
      };
      const waiter = { bytes, resolve: granted };
      if (cancelled.aborted) {
        resolve(false);
        return;
      }
      cancelled.addEventListener('abort', cancel, { once: true });
      this.#waiters.add(waiter);
      this.#serve();
    });
  }

  /** Gives room back. */
  release(bytes: number): void {
    this.#bytes -= bytes;
    this.#count -= 1;
    assert(this.#bytes >= 0, 'no more room is given back than was taken');
    assert(this.#count >= 0, 'no more batches are given back than were taken');
    this.#serve();
  }

  /** Puts a batch in, for which there is room. */
  put(line: RingLine<Item>, item: Item): void {
    line.items.push(item);
    this.#ready.add(line);
  }

  /** The next batch, of the partition whose turn it is. */
  take(): Item | undefined {
    for (const line of this.#ready) {
      this.#ready.delete(line);
      const item = line.items.shift();
      assert(item !== undefined, 'a line that is ready has a batch');
      if (line.items.length > 0) this.#ready.add(line);
      return item;
    }
    return undefined;
  }

  /** Takes out what is ready of a partition, and gives its room back. */
  drop(line: RingLine<Item>): void {
    this.#ready.delete(line);
    for (const { bytes } of line.items.splice(0)) this.release(bytes);
  }

  #fits(bytes: number): boolean {
    if (this.#count === 0) return true;
    const { bytesMax, countMax } = this.#bounds;
    return this.#count < countMax && this.#bytes + bytes <= bytesMax;
  }

  #grant(bytes: number): void {
    this.#bytes += bytes;
    this.#count += 1;
  }

  /** In the order in which they came, so that none waits for ever. */
  #serve(): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.bytes)) return;
      this.#waiters.delete(waiter);
      this.#grant(waiter.bytes);
      waiter.resolve(true);
    }
  }
}
