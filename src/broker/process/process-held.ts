/**
 * One partition in the hands of a worker: batches come in, records are taken from them as there is
 * room, attempts run.
 *
 * A batch that does not fit stays at the inlet and is not released: it counts against the prefetch
 * bound, so a worker that is full stops the reading. A partition whose inlet does not move for
 * {@link STALL_MS} would with time fill the bound that it shares with others: it is paused, what is
 * at its inlet goes back, and it is read again from there when it has room.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import type { LogRecord } from '../../storage/main.js';
import type { FetchedBatch, PartitionLease } from '../consumer/consumer-lease.js';
import { PartitionWork } from './process-partition.js';
import { memoryBytes } from './process-record.js';
import { type RunningAttempt, RunningAttempts } from './running-attempts.js';

/** The part of the bounds that one partition has. */
export interface PartitionShare {
  readonly records: number;
  readonly bytes: number;
}

export interface HeldSurroundings {
  readonly clock: Clock;
  /** What this partition may have in flight now; undefined when it has the worker to itself. */
  share(): PartitionShare & { readonly isAlone: boolean };
  release(batch: FetchedBatch): void;
}

/** How long a batch may wait at the inlet before the partition makes room for others. */
const STALL_MS = 1_000;

export class HeldPartition {
  readonly lease: PartitionLease;
  readonly #around: HeldSurroundings;
  readonly #attempts = new RunningAttempts();
  #work: PartitionWork<LogRecord> | undefined;
  /** Batches that were taken and not unpacked, oldest first; the first one perhaps in part. */
  #inlet: FetchedBatch[] = [];
  #unpacking: Iterator<LogRecord> | undefined;
  /** The record that did not fit. */
  #waiting: LogRecord | undefined;
  #cancelStall: Cancel | undefined;
  #isOpen = true;
  #isStalled = false;
  #isGone = false;
  #cancelWake: Cancel | undefined;
  #wakeMs = Number.POSITIVE_INFINITY;
  /** Its next offset as it was last committed. */
  committedOffset = 0;
  /** Whether it is in line for its turn to start a record; its owner's. */
  isInLine = false;

  constructor(lease: PartitionLease, around: HeldSurroundings) {
    this.lease = lease;
    this.#around = around;
  }

  get topic(): string {
    return this.lease.topic;
  }

  get partition(): number {
    return this.lease.partition;
  }

  /** Undefined before anything is known of its offsets. */
  get work(): PartitionWork<LogRecord> | undefined {
    return this.#work;
  }

  /** Whether records may be started: it is not being given up. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** It belongs to somebody else: what its handlers do counts for nothing. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get runningCount(): number {
    return this.#attempts.runningCount;
  }

  /** Takes in a batch that follows what it has. */
  take(batch: FetchedBatch): void {
    if (!this.#isOpen || this.#isStalled || batch.isOvertaken) {
      this.#around.release(batch);
      return;
    }
    if (this.#work === undefined) {
      const { baseOffset } = batch.batch;
      this.#work = new PartitionWork(baseOffset);
      this.committedOffset = baseOffset;
    }
    this.#inlet.push(batch);
    this.fill();
  }

  /**
   * Up to the position of the lease there is nothing more to come; all batches before it were
   * released. Whether that is known now.
   */
  passOver(): boolean {
    // What is given back is released, too, and comes again.
    if (!this.#isOpen || this.#isStalled) return false;
    const { position } = this.lease;
    this.#work ??= new PartitionWork(position);
    this.#work.passOver(position);
    return true;
  }

  /** Takes records in while there is room. Throws what reading a batch throws. */
  fill(): void {
    const work = this.#work;
    if (work === undefined || !this.#isOpen) return;
    const share = this.#around.share();
    if (this.#isStalled) {
      if (2 * work.count > share.records || 2 * work.bytes > share.bytes) return;
      this.#isStalled = false;
      this.lease.resume();
      return;
    }
    for (;;) {
      const [batch] = this.#inlet;
      if (batch === undefined || !this.#unpack(work, batch, share)) break;
      this.#inlet.shift();
      this.#unpacking = undefined;
      this.#cancelStall?.();
      this.#cancelStall = undefined;
      this.#around.release(batch);
    }
    if (this.#inlet.length > 0) this.#watch();
  }

  /** Calls `wake` when a record has rested, sooner than what was asked for before. */
  wakeWhenDue(wake: () => void): void {
    const dueMs = this.#work?.nextDueMs;
    if (dueMs === undefined || dueMs >= this.#wakeMs || !this.#isOpen) return;
    const { clock } = this.#around;
    this.#cancelWake?.();
    this.#wakeMs = dueMs;
    this.#cancelWake = clock.schedule(Math.max(0, dueMs - clock.monotonicMs()), () => {
      this.#wakeMs = Number.POSITIVE_INFINITY;
      this.#work?.wake(clock.monotonicMs());
      wake();
    });
  }

  began(attempt: RunningAttempt): void {
    this.#attempts.began(attempt);
  }

  ended(attempt: RunningAttempt): void {
    this.#attempts.ended(attempt);
  }

  /** Resolves when no handler runs. */
  idle(): Promise<void> {
    return this.#attempts.idle();
  }

  /** Tells the handlers that run to end. */
  abort(reason: unknown): void {
    this.#attempts.abort(reason);
  }

  /** Starts nothing more; what was not unpacked goes back. Idempotent. */
  close(): void {
    this.#isOpen = false;
    this.#cancelWake?.();
    this.#giveBack();
  }

  /** It is somebody else's now. */
  leave(): void {
    this.close();
    this.#isGone = true;
  }

  /** Whether the whole batch is unpacked. */
  #unpack(
    work: PartitionWork<LogRecord>,
    { batch }: FetchedBatch,
    { records, bytes: bytesMax }: PartitionShare,
  ): boolean {
    this.#unpacking ??= batch[Symbol.iterator]();
    for (;;) {
      const record = this.#waiting ?? this.#unpacking.next().value;
      if (record === undefined) break;
      const bytes = memoryBytes(record);
      if (!work.hasRoom(bytes, records, bytesMax)) {
        this.#waiting = record;
        return false;
      }
      this.#waiting = undefined;
      // Offsets that came before, when the partition was read again.
      if (record.offset < work.position) continue;
      work.add(record.offset, record.keyText, record.copyShared(), bytes);
    }
    work.passOver(batch.nextOffset);
    return true;
  }

  #watch(): void {
    this.#cancelStall ??= this.#around.clock.schedule(STALL_MS, () => {
      this.#cancelStall = undefined;
      if (this.#around.share().isAlone) this.#watch();
      else this.#stall();
    });
  }

  #stall(): void {
    const work = this.#work;
    if (work === undefined) return;
    this.#isStalled = true;
    this.#giveBack();
    this.lease.pause();
    this.lease.seek(work.position);
  }

  #giveBack(): void {
    this.#cancelStall?.();
    this.#cancelStall = undefined;
    this.#unpacking = undefined;
    this.#waiting = undefined;
    for (const batch of this.#inlet.splice(0)) this.#around.release(batch);
  }
}
