/**
 * Transactions as the batches of a log tell them: which were aborted, and where the first open one
 * starts.
 *
 * A transaction of a producer begins with its first transactional batch and ends with a control
 * batch that says commit or abort. Readers with isolation `committed` pass over the batches of
 * aborted ones and stop at the last stable offset, the start of the oldest transaction that is
 * still open.
 *
 * `.txnindex` is Kafka's: 34 bytes per aborted transaction.
 */

import {
  readBigInt64,
  readInt16,
  readInt64,
  writeBigInt64,
  writeInt16,
  writeInt64,
} from '../base/bytes.js';
import { Batch } from './batch.js';
import { readControlKey, readCoordinatorEpoch, type TransactionEnd } from './batch-control.js';
import {
  batchBaseOffset,
  batchLastOffset,
  batchProducerIdExact,
  isControlBatch,
  isTransactionalBatch,
} from './batch-header.js';
import { createBatchMemory } from './batch-memory.js';

export interface AbortedRange {
  readonly producerId: bigint;
  readonly firstOffset: number;
  /** Offset of the control batch that ended it. */
  readonly lastOffset: number;
}

export interface AbortedTransaction extends AbortedRange {
  readonly lastStableOffset: number;
}

const VERSION_POSITION = 0;
const PRODUCER_ID_POSITION = VERSION_POSITION + 2;
const FIRST_OFFSET_POSITION = PRODUCER_ID_POSITION + 8;
const LAST_OFFSET_POSITION = FIRST_OFFSET_POSITION + 8;
const LAST_STABLE_POSITION = LAST_OFFSET_POSITION + 8;
export const TXN_ENTRY_BYTES = LAST_STABLE_POSITION + 8;
/** Where each field starts, in order; docs/FORMAT.md lists the same. */
export const txnIndexLayout: readonly number[] = [
  VERSION_POSITION,
  PRODUCER_ID_POSITION,
  FIRST_OFFSET_POSITION,
  LAST_OFFSET_POSITION,
  LAST_STABLE_POSITION,
];

const VERSION = 0;

/** A transaction that has its marker. */
interface EndedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
  /** Offset of the marker. */
  readonly lastOffset: number;
}

/**
 * Follows the batches of a log in order, as they are walked or placed.
 *
 * What is placed may still be taken back: until its marker is durable, an ended transaction is
 * remembered as one that may open again, and readers stop before it.
 */
export class TransactionTracker {
  readonly aborted = new AbortedTransactions([]);
  /** First offsets by producer. Transactions are entered as they begin, so offsets rise. */
  #open = new Map<bigint, number>();
  /** Ended by markers that were not durable when they were last looked at, in order. */
  #ended: EndedTransaction[] = [];

  /** First offset of the oldest open transaction, or undefined. */
  get firstOpenOffset(): number | undefined {
    for (const offset of this.#open.values()) return offset;
    return undefined;
  }

  /** How far readers of committed records see when the log ends at `end` for them. */
  stableOffset(end: number): number {
    if (this.#open.size === 0 && this.#ended.length === 0) return end;
    let stable = Math.min(end, this.firstOpenOffset ?? end);
    for (const { firstOffset, lastOffset } of this.#ended) {
      if (lastOffset >= end && firstOffset < stable) stable = firstOffset;
    }
    return stable;
  }

  /** Where the open transaction of a producer starts; undefined without one. */
  openOffset(producerId: bigint): number | undefined {
    return this.#open.get(producerId);
  }

  /** A transactional batch of the producer starts at `offset`. */
  begin(producerId: bigint, offset: number): void {
    if (!this.#open.has(producerId)) this.#open.set(producerId, offset);
  }

  /** The marker at `offset` ends the producer's transaction; below `durable` all is for good. */
  end(producerId: bigint, offset: number, isAborted: boolean, durable: number): void {
    const firstOffset = this.#open.get(producerId);
    if (firstOffset === undefined) return;
    this.#open.delete(producerId);
    const kept = this.#ended.findIndex(({ lastOffset }) => lastOffset >= durable);
    this.#ended.splice(0, kept < 0 ? this.#ended.length : kept);
    if (offset >= durable) this.#ended.push({ producerId, firstOffset, lastOffset: offset });
    if (!isAborted) return;
    const lastStableOffset = this.firstOpenOffset ?? offset + 1;
    this.aborted.add({ producerId, firstOffset, lastOffset: offset, lastStableOffset });
  }

  /** Takes note of the batch at `start`, which was verified and is no longer to be taken back. */
  note(bytes: Buffer, start: number): void {
    if (!isTransactionalBatch(bytes, start)) return;
    const producerId = batchProducerIdExact(bytes, start);
    if (!isControlBatch(bytes, start)) {
      this.begin(producerId, batchBaseOffset(bytes, start));
      return;
    }
    const isAborted = markerOf(bytes, start)?.end === 'abort';
    const offset = batchLastOffset(bytes, start);
    this.end(producerId, offset, isAborted, Number.POSITIVE_INFINITY);
  }

  /** Forgets everything from `offset` on, at or above the durable end. */
  cutTo(offset: number): void {
    const open = [...this.#open].filter(([, firstOffset]) => firstOffset < offset);
    for (const { producerId, firstOffset, lastOffset } of this.#ended) {
      if (lastOffset >= offset && firstOffset < offset) open.push([producerId, firstOffset]);
    }
    open.sort(([, one], [, two]) => one - two);
    this.#open = new Map(open);
    this.#ended = this.#ended.filter(({ lastOffset }) => lastOffset < offset);
    this.aborted.cutTo(offset);
  }
}

/** What the marker at `start` says; undefined for an empty batch, or one of another kind. */
export function markerOf(
  bytes: Buffer,
  start: number,
): { readonly end: TransactionEnd; readonly coordinatorEpoch: number } | undefined {
  const cursor = new Batch(createBatchMemory(bytes, '', 0), start).cursor();
  if (!cursor.next()) return undefined;
  const end = readControlKey(cursor.key());
  if (end === 'other') return undefined;
  return { end, coordinatorEpoch: readCoordinatorEpoch(cursor.value()) };
}

/** What a reader asks: whether a batch belongs to an aborted transaction. */
export class AbortedTransactions {
  /** Those of one producer follow each other and do not overlap. */
  readonly #byProducer = new Map<bigint, AbortedTransaction[]>();
  #all: AbortedTransaction[] = [];

  constructor(all: readonly AbortedTransaction[]) {
    for (const aborted of all) this.add(aborted);
  }

  get all(): readonly AbortedTransaction[] {
    return this.#all;
  }

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  /** Takes note of one that ended behind all others. */
  add(aborted: AbortedTransaction): void {
    this.#all.push(aborted);
    const known = this.#byProducer.get(aborted.producerId);
    if (known === undefined) this.#byProducer.set(aborted.producerId, [aborted]);
    else known.push(aborted);
  }

  /** Forgets those that ended at or behind `offset`. */
  cutTo(offset: number): void {
    if ((this.#all.at(-1)?.lastOffset ?? -1) < offset) return;
    this.#keep(({ lastOffset }) => lastOffset < offset);
  }

  /** Forgets those that ended before `offset`, where the log starts. */
  dropBefore(offset: number): void {
    if ((this.#all[0]?.lastOffset ?? offset) >= offset) return;
    this.#keep(({ lastOffset }) => lastOffset >= offset);
  }

  /** Those whose end lies in [from, to): the ones that a segment's `.txnindex` lists. */
  endingIn(from: number, to: number): readonly AbortedTransaction[] {
    return this.#all.filter(({ lastOffset }) => lastOffset >= from && lastOffset < to);
  }

  /** Those that lie in [from, to), or reach into it. */
  within(from: number, to: number): readonly AbortedRange[] {
    return this.#all.filter(
      ({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to,
    );
  }

  /** Whether the batch at `start` was aborted. */
  has(bytes: Uint8Array, start: number): boolean {
    if (this.isEmpty || !isTransactionalBatch(bytes, start)) return false;
    const offset = batchBaseOffset(bytes, start);
    const candidates = this.#byProducer.get(batchProducerIdExact(bytes, start));
    if (candidates === undefined) return false;
    let low = 0;
    let high = candidates.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((candidates[middle]?.lastOffset ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return (candidates[low]?.firstOffset ?? Number.POSITIVE_INFINITY) <= offset;
  }

  #keep(isKept: (aborted: AbortedTransaction) => boolean): void {
    const kept = this.#all.filter(isKept);
    this.#all = [];
    this.#byProducer.clear();
    for (const aborted of kept) this.add(aborted);
  }
}

export function encodeTxnIndex(entries: readonly AbortedTransaction[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * TXN_ENTRY_BYTES);
  for (const [index, entry] of entries.entries()) {
    const at = index * TXN_ENTRY_BYTES;
    writeInt16(bytes, at + VERSION_POSITION, VERSION);
    writeBigInt64(bytes, at + PRODUCER_ID_POSITION, entry.producerId);
    writeInt64(bytes, at + FIRST_OFFSET_POSITION, entry.firstOffset);
    writeInt64(bytes, at + LAST_OFFSET_POSITION, entry.lastOffset);
    writeInt64(bytes, at + LAST_STABLE_POSITION, entry.lastStableOffset);
  }
  return bytes;
}

/** Takes file bytes back; `'invalid'` when they are not whole entries that make sense. */
export function decodeTxnIndex(bytes: Uint8Array): readonly AbortedTransaction[] | 'invalid' {
  if (bytes.length % TXN_ENTRY_BYTES !== 0) return 'invalid';
  const entries: AbortedTransaction[] = [];
  for (let at = 0; at < bytes.length; at += TXN_ENTRY_BYTES) {
    if (readInt16(bytes, at + VERSION_POSITION) !== VERSION) return 'invalid';
    const producerId = readBigInt64(bytes, at + PRODUCER_ID_POSITION);
    const firstOffset = readInt64(bytes, at + FIRST_OFFSET_POSITION);
    const lastOffset = readInt64(bytes, at + LAST_OFFSET_POSITION);
    const lastStableOffset = readInt64(bytes, at + LAST_STABLE_POSITION);
    if (!(firstOffset >= 0) || !(lastOffset >= firstOffset)) return 'invalid';
    if (!(lastStableOffset >= 0)) return 'invalid';
    entries.push({ producerId, firstOffset, lastOffset, lastStableOffset });
  }
  return entries;
}
