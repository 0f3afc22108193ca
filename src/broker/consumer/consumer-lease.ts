/**
 * One partition in the hands of one consumer, from its assignment until it is given up.
 *
 * The lease is the identity of that: what was fetched under a lease that is not held any more may
 * be somebody else's by now. While it is held, one read goes through the log and puts batches into
 * the consumer's ring; it stops while there is no room, while the lease is paused, and for good
 * when the lease is given up. `seek` drops what is prefetched and begins a new read.
 *
 * Marks of transactions, aborted records and what was emptied are handed out to nobody. Once the
 * read waits behind them, and all before them is handed out, the position moves past them.
 */

import { createError, hasCode } from '../../base/errors.js';
import type { Batch } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { consumerDiagnostics } from './consumer-diagnostics.js';
import type { ConsumerConfig } from './consumer-options.js';
import { type PrefetchRing, RingLine } from './consumer-ring.js';
import { offsetWithin } from './consumer-start.js';

/** What others may know of a lease and do with it. */
export interface PartitionLease {
  readonly topic: string;
  readonly partition: number;
  readonly log: PartitionLog;
  /** False once it was given up or lost: nothing of it may be committed any more. */
  readonly isHeld: boolean;
  readonly isPaused: boolean;
  /** The next offset that will be handed out. */
  readonly position: number;
  /** Exclusive end of what this consumer may see now. */
  readonly endOffset: number;
  /** Hands out nothing more until `resume`; what was read ahead is dropped, to be read again. */
  pause(): void;
  resume(): void;
  /** Goes on at this offset; what is prefetched is dropped. Throws OFFSET_OUT_OF_RANGE. */
  seek(offset: number): void;
}

/** A batch of a partition: handed out by `take`, done with at `release`. */
export class FetchedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Batch;
  readonly lease: PartitionLease;
  /** What it takes of the ring's bound. */
  readonly bytes: number;
  /** Sought anew since: the place behind this batch is not the place to go on from. */
  isOvertaken = false;
  isReleased = false;
  /** A transaction commits its offset, or has: nobody else does. */
  transaction: 'none' | 'open' | 'committed' = 'none';
  /** It was in one, whatever became of it: an automatic commit would pass over an aborted one. */
  wasInTransaction = false;

  constructor(lease: PartitionLease, batch: Batch) {
    this.topic = lease.topic;
    this.partition = lease.partition;
    this.batch = batch;
    this.lease = lease;
    this.bytes = batch.bytes;
  }

  /** The offset to commit when all of the batch is done. */
  get nextOffset(): number {
    return this.batch.nextOffset;
  }
}

/** What a lease needs of its consumer. */
export interface LeaseHome {
  readonly config: ConsumerConfig;
  readonly ring: PrefetchRing<FetchedBatch>;
  /** The largest read of one partition: so that many of them stay bounded together. */
  readonly readBytesMax: number;
  /** Whether the consumer is in the group still. */
  readonly isMember: boolean;
  /** A batch is ready. */
  arrived(): void;
  /** Nothing more comes of this partition, until it is sought. */
  failed(lease: Lease, error: unknown): void;
  /** The place to go on from was set by hand. */
  sought(lease: Lease): void;
  /** The position has moved past what is handed out to nobody, and all before it is released. */
  passedOver(lease: Lease): void;
}

export class Lease implements PartitionLease {
  readonly topic: string;
  readonly partition: number;
  readonly log: PartitionLog;
  readonly #home: LeaseHome;
  readonly #line = new RingLine<FetchedBatch>();
  /** Handed out and not released. */
  readonly #taken = new Set<FetchedBatch>();
  #position: number;
  /** Where the read waits for more; -1 while there is no read, or it has not come so far. */
  #waitsAt = -1;
  /** The position has moved past something, and nobody was told. */
  #hasPassedOver = false;
  #isHeld = true;
  #isPaused = false;
  /** The read under way. */
  #reading: AbortController | undefined;
  #isStarted = false;

  constructor(
    home: LeaseHome,
    at: { readonly topic: string; readonly partition: number; readonly log: PartitionLog },
    position: number,
  ) {
    this.topic = at.topic;
    this.partition = at.partition;
    this.log = at.log;
    this.#home = home;
    this.#position = position;
  }

  get isHeld(): boolean {
    return this.#isHeld && this.#home.isMember;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get position(): number {
    return this.#position;
  }

  get endOffset(): number {
    const { durability, isolation } = this.#home.config;
    const { writtenOffset, durableOffset, stableOffset } = this.log;
    const end = durability === 'durable' ? durableOffset : writtenOffset;
    return isolation === 'committed' ? Math.min(end, stableOffset) : end;
  }

  /** Batches that were handed out and are not released. */
  get takenCount(): number {
    return this.#taken.size;
  }

  /** Begins to read. */
  start(): void {
    this.#isStarted = true;
    this.#read();
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#stop();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#read();
  }

  seek(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      const { topic, partition } = this;
      throw createError('OFFSET_OUT_OF_RANGE', { topic, partition, offset: Number(offset) });
    }
    if (!this.#isHeld) return;
    this.#stop();
    for (const batch of this.#taken) batch.isOvertaken = true;
    this.#position = offset;
    this.#hasPassedOver = false;
    this.#home.sought(this);
    this.#read();
  }

  /** A batch of this lease leaves the ring into somebody's hands. */
  took(fetched: FetchedBatch): void {
    this.#position = fetched.nextOffset;
    this.#taken.add(fetched);
    this.#passOver();
  }

  released(fetched: FetchedBatch): void {
    this.#taken.delete(fetched);
    this.#passOver();
  }

  /** Hands out nothing more; it is held until it is given up. */
  halt(): void {
    this.#isStarted = false;
    this.#stop();
  }

  giveUp(): void {
    this.halt();
    this.#isHeld = false;
  }

  #stop(): void {
    this.#reading?.abort();
    this.#reading = undefined;
    this.#waitsAt = -1;
    this.#home.ring.drop(this.#line);
  }

  /** Moves the position up to where the read waits, when nothing is left to hand out before. */
  #passOver(): void {
    if (this.#waitsAt > this.#position && this.#line.items.length === 0) {
      this.#position = this.#waitsAt;
      this.#hasPassedOver = true;
    }
    if (!this.#hasPassedOver || !this.isHeld) return;
    for (const { isOvertaken } of this.#taken) if (!isOvertaken) return;
    this.#hasPassedOver = false;
    this.#home.passedOver(this);
  }

  #read(): void {
    if (!this.#isStarted || this.#isPaused || this.#reading !== undefined) return;
    const reading = new AbortController();
    this.#reading = reading;
    this.#readAll(reading).catch((error: unknown) => {
      if (this.#reading !== reading) return;
      this.#reading = undefined;
      // The topic went, or the broker closes, before the read had begun.
      if (!hasCode(error, 'LOG_CLOSED')) this.#home.failed(this, error);
    });
  }

  async #readAll(reading: AbortController): Promise<void> {
    let from = this.#position;
    for (;;) {
      try {
        return await this.#readFrom(from, reading);
      } catch (error) {
        if (this.#reading !== reading || !hasCode(error, 'OFFSET_OUT_OF_RANGE')) throw error;
        from = await this.#placeWithin(this.#behindReady(), error);
        if (this.#reading !== reading) return;
        if (this.#line.items.length === 0) this.#position = from;
      }
    }
  }

  /** Where the next batch would begin. */
  #behindReady(): number {
    return this.#line.items.at(-1)?.nextOffset ?? this.#position;
  }

  async #readFrom(from: number, reading: AbortController): Promise<void> {
    const { config, ring } = this.#home;
    const { isolation, durability } = config;
    const { signal } = reading;
    const { readBytesMax } = this.#home;
    const onWaiting = (nextOffset: number): void => {
      if (this.#reading !== reading) return;
      this.#waitsAt = nextOffset;
      this.#passOver();
    };
    const options = { isolation, durability, readBytesMax, signal, onWaiting };
    this.#waitsAt = -1;
    const batches = this.log.read({ from, follow: true, ...options });
    try {
      for (;;) {
        const next = await batches.next();
        // The log is closed: the topic is gone, or the broker is.
        if (this.#reading !== reading || next.done === true) return;
        const batch = next.value;
        batch.hold();
        const hasRoom = ring.tryReserve(batch.bytes) || (await ring.reserve(batch.bytes, signal));
        if (!hasRoom) return;
        if (this.#reading !== reading) {
          ring.release(batch.bytes);
          return;
        }
        ring.put(this.#line, new FetchedBatch(this, batch));
        this.#home.arrived();
      }
    } finally {
      await batches.return?.();
    }
  }

  /** Retention was faster, or the offset was never there. */
  async #placeWithin(wanted: number, error: unknown): Promise<number> {
    const { config } = this.#home;
    if (config.durability === 'durable' && wanted <= this.log.writtenOffset) {
      // It is there, and only not on the disk yet.
      if (wanted > this.log.durableOffset) await this.log.flush(wanted - 1);
    }
    const { durableOffset, writtenOffset, startOffset } = this.log;
    const endOffset = config.durability === 'durable' ? durableOffset : writtenOffset;
    const bounds = { startOffset, endOffset };
    const offset = offsetWithin(wanted, bounds, config.onOutOfRange);
    if (offset === undefined) throw error;
    if (offset !== wanted) {
      const { topic, partition } = this;
      const { group } = config;
      const place = { group, topic, partition };
      consumerDiagnostics.moved.publish({ ...place, wantedOffset: wanted, offset, ...bounds });
    }
    return offset;
  }
}
