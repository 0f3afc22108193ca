/**
 * What a log knows of its producers: their epochs, their last batches and their transactions.
 *
 * It changes as batches are placed, before anything of them is written: what follows is judged by
 * it at once. What was noted and is then cut away, because the disk is full, is taken back. An
 * opening fills it from a snapshot and from the batches behind it.
 *
 * Bounded: a producer that has not written for a day is forgotten, as in Kafka, and when there are
 * too many, the one that wrote longest ago, unless its transaction is open. A producer that was
 * forgotten may begin anywhere.
 */

import { limits } from '../base/limits.js';
import {
  batchBaseOffset,
  batchBaseSequence,
  batchLastOffset,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerIdExact,
  isControlBatch,
  isTransactionalBatch,
} from './batch-header.js';
import {
  type SequenceFacts,
  STORED_BATCHES_MAX,
  type StoredBatch,
  sequenceAfter,
} from './producer-sequence.js';
import { encodeSnapshot, type SnapshotEntry } from './producer-snapshot.js';
import { markerOf, TransactionTracker } from './transactions.js';

/** How long a producer that writes nothing is remembered; as in Kafka. */
export const PRODUCER_EXPIRY_MS = 24 * 60 * 60 * 1000;

export interface ProducerState extends SequenceFacts {
  /** Of the coordinator that last ended a transaction of it; -1 without. */
  readonly coordinatorEpoch: number;
  /** When it last wrote, milliseconds since 1970; what was walked tells by its own timestamps. */
  readonly timestamp: number;
}

/** What a log tells of a producer. */
export interface ProducerDescription {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Of its last batch; -1 when only a marker was seen of this epoch. */
  readonly lastSequence: number;
  readonly lastOffset: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  /** Where its open transaction starts; undefined without one. */
  readonly transactionOffset: number | undefined;
}

export interface NotedProducer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly isTransactional: boolean;
}

export interface NotedMarker {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly isAborted: boolean;
  readonly offset: number;
}

/** Where the log is durable and written: what was noted below is not taken back. */
export interface NotedEnds {
  readonly durable: number;
  readonly written: number;
}

/** What a note has changed, until it is written. */
interface Change {
  readonly endOffset: number;
  readonly producerId: bigint;
  readonly before: ProducerState | undefined;
}

const SETTLED: NotedEnds = Object.freeze({
  durable: Number.POSITIVE_INFINITY,
  written: Number.POSITIVE_INFINITY,
});
const COMPACT_AT = 1024;

export class ProducerStates {
  readonly transactions = new TransactionTracker();
  readonly #countMax: number;
  /** In the order in which they last wrote. */
  readonly #states = new Map<bigint, ProducerState>();
  #changes: Change[] = [];
  /** Changes before it are written. */
  #head = 0;

  constructor(countMax: number = limits.producersMax) {
    this.#countMax = countMax;
  }

  get isEmpty(): boolean {
    return this.#states.size === 0;
  }

  get count(): number {
    return this.#states.size;
  }

  /** Undefined for a producer that is not known, or not any more. */
  known(producerId: bigint, nowMs: number): ProducerState | undefined {
    const state = this.#states.get(producerId);
    if (state === undefined || !this.#isExpired(producerId, state, nowMs)) return state;
    this.#states.delete(producerId);
    return undefined;
  }

  /** Whether one more producer may be known; the one that wrote longest ago makes room. */
  makeRoom(producerId: bigint): boolean {
    if (this.#states.size < this.#countMax || this.#states.has(producerId)) return true;
    for (const oldest of this.#states.keys()) {
      if (this.transactions.openOffset(oldest) !== undefined) continue;
      this.#states.delete(oldest);
      return true;
    }
    return false;
  }

  /** Takes note of a batch that has its place. */
  noteBatch(
    producer: NotedProducer,
    stored: StoredBatch,
    timestamp: number,
    ends: NotedEnds,
  ): void {
    const { producerId, producerEpoch } = producer;
    const before = this.#states.get(producerId);
    const isSameEpoch = before?.producerEpoch === producerEpoch;
    const batches = isSameEpoch ? before.batches.slice(1 - STORED_BATCHES_MAX) : [];
    batches.push(stored);
    const coordinatorEpoch = before?.coordinatorEpoch ?? -1;
    this.#change(stored.lastOffset + 1, producerId, before, ends.written);
    this.#set(producerId, { producerEpoch, coordinatorEpoch, timestamp, batches });
    if (producer.isTransactional) this.transactions.begin(producerId, stored.baseOffset);
  }

  /** Takes note of a marker that has its place. */
  noteMarker(marker: NotedMarker, timestamp: number, ends: NotedEnds): void {
    const { producerId, producerEpoch, coordinatorEpoch, isAborted, offset } = marker;
    const before = this.#states.get(producerId);
    const batches = before?.producerEpoch === producerEpoch ? before.batches : [];
    this.#change(offset + 1, producerId, before, ends.written);
    this.#set(producerId, { producerEpoch, coordinatorEpoch, timestamp, batches });
    this.transactions.end(producerId, offset, isAborted, ends.durable);
  }

  /** Takes note of the batch at `start`, which was verified where it is stored. */
  note(bytes: Buffer, start: number): void {
    const producerId = batchProducerIdExact(bytes, start);
    if (producerId < 0n) return;
    const producerEpoch = batchProducerEpoch(bytes, start);
    const timestamp = batchMaxTimestamp(bytes, start);
    if (isControlBatch(bytes, start)) {
      this.#noteControl(bytes, start, { producerId, producerEpoch }, timestamp);
      return;
    }
    const baseSequence = batchBaseSequence(bytes, start);
    const isTransactional = isTransactionalBatch(bytes, start);
    const baseOffset = batchBaseOffset(bytes, start);
    if (baseSequence < 0) {
      if (isTransactional) this.transactions.begin(producerId, baseOffset);
      return;
    }
    const lastSequence = sequenceAfter(baseSequence, batchLastOffsetDelta(bytes, start));
    const lastOffset = batchLastOffset(bytes, start);
    const stored = { baseSequence, lastSequence, baseOffset, lastOffset };
    this.noteBatch({ producerId, producerEpoch, isTransactional }, stored, timestamp, SETTLED);
    this.#boundWalked(producerId);
  }

  /** Takes back what was noted from `offset` on, the written end. */
  cutTo(offset: number): void {
    for (let change = this.#changes.at(-1); change !== undefined; change = this.#changes.at(-1)) {
      if (change.endOffset <= offset || this.#changes.length === this.#head) break;
      this.#changes.pop();
      if (change.before === undefined) this.#states.delete(change.producerId);
      else this.#set(change.producerId, change.before);
    }
    this.transactions.cutTo(offset);
  }

  /** Begins with what a snapshot says. */
  load(entries: readonly SnapshotEntry[]): void {
    const open = entries.filter(({ transactionOffset }) => transactionOffset !== undefined);
    open.sort((one, two) => (one.transactionOffset ?? 0) - (two.transactionOffset ?? 0));
    for (const { producerId, transactionOffset } of open) {
      this.transactions.begin(producerId, transactionOffset ?? 0);
    }
    for (const entry of entries) {
      const { producerId, producerEpoch, coordinatorEpoch, timestamp } = entry;
      const batches = entry.lastSequence < 0 ? [] : [lastBatchOf(entry)];
      this.#set(producerId, { producerEpoch, coordinatorEpoch, timestamp, batches });
      this.#boundWalked(producerId);
    }
  }

  /** The snapshot of now; undefined when there is nothing to say. */
  encode(nowMs: number): Uint8Array | undefined {
    const entries: SnapshotEntry[] = [];
    for (const [producerId, state] of this.#states) {
      if (!this.#isExpired(producerId, state, nowMs)) entries.push(this.#entry(producerId, state));
    }
    return entries.length === 0 ? undefined : encodeSnapshot(entries);
  }

  describe(nowMs: number): readonly ProducerDescription[] {
    const descriptions: ProducerDescription[] = [];
    for (const [producerId, state] of this.#states) {
      if (this.#isExpired(producerId, state, nowMs)) continue;
      const { offsetDelta: _, timestamp, ...entry } = this.#entry(producerId, state);
      descriptions.push({ ...entry, lastTimestamp: timestamp });
    }
    return descriptions;
  }

  #noteControl(
    bytes: Buffer,
    start: number,
    producer: Pick<NotedMarker, 'producerId' | 'producerEpoch'>,
    timestamp: number,
  ): void {
    const marker = markerOf(bytes, start);
    const offset = batchLastOffset(bytes, start);
    // An emptied one ends what is left of its transaction, and says no more.
    const coordinatorEpoch =
      marker?.coordinatorEpoch ?? this.#states.get(producer.producerId)?.coordinatorEpoch ?? -1;
    const isAborted = marker?.end === 'abort';
    this.noteMarker({ ...producer, coordinatorEpoch, isAborted, offset }, timestamp, SETTLED);
    this.#boundWalked(producer.producerId);
  }

  /** Walking refuses nothing: there may be more producers than room only if all have open ends. */
  #boundWalked(newest: bigint): void {
    if (this.#states.size <= this.#countMax) return;
    for (const oldest of this.#states.keys()) {
      if (oldest === newest || this.transactions.openOffset(oldest) !== undefined) continue;
      this.#states.delete(oldest);
      return;
    }
  }

  #entry(producerId: bigint, state: ProducerState): SnapshotEntry {
    const { producerEpoch, coordinatorEpoch, timestamp } = state;
    const last = state.batches.at(-1);
    return {
      producerId,
      producerEpoch,
      lastSequence: last?.lastSequence ?? -1,
      lastOffset: last?.lastOffset ?? -1,
      offsetDelta: last === undefined ? 0 : last.lastOffset - last.baseOffset,
      timestamp,
      coordinatorEpoch,
      transactionOffset: this.transactions.openOffset(producerId),
    };
  }

  #isExpired(producerId: bigint, { timestamp }: ProducerState, nowMs: number): boolean {
    if (nowMs - timestamp <= PRODUCER_EXPIRY_MS) return false;
    return this.transactions.openOffset(producerId) === undefined;
  }

  /** The newest stands last. */
  #set(producerId: bigint, state: ProducerState): void {
    this.#states.delete(producerId);
    this.#states.set(producerId, state);
  }

  #change(
    endOffset: number,
    producerId: bigint,
    before: ProducerState | undefined,
    written: number,
  ): void {
    const changes = this.#changes;
    while (this.#head < changes.length && (changes[this.#head]?.endOffset ?? 0) <= written) {
      this.#head += 1;
    }
    if (this.#head === changes.length || this.#head > COMPACT_AT) {
      this.#changes = changes.slice(this.#head);
      this.#head = 0;
    }
    if (endOffset > written) this.#changes.push({ endOffset, producerId, before });
  }
}

function lastBatchOf({ lastSequence, lastOffset, offsetDelta }: SnapshotEntry): StoredBatch {
  return {
    baseSequence: sequenceAfter(lastSequence, -offsetDelta),
    lastSequence,
    baseOffset: lastOffset - offsetDelta,
    lastOffset,
  };
}
