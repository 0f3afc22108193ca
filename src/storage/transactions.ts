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
import { readControlKey } from './batch-control.js';
import {
  batchBaseOffset,
  batchLastOffset,
  batchProducerIdExact,
  isControlBatch,
  isTransactionalBatch,
} from './batch-header.js';
import { createBatchMemory } from './batch-memory.js';

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
  /** Offset of the control batch that ended it. */
  readonly lastOffset: number;
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

/** Follows the batches of a log in order. */
export class TransactionTracker {
  readonly #open = new Map<bigint, number>();
  readonly #aborted: AbortedTransaction[] = [];

  get aborted(): readonly AbortedTransaction[] {
    return this.#aborted;
  }

  /** First offset of the oldest open transaction, or undefined. */
  get firstOpenOffset(): number | undefined {
    let first: number | undefined;
    for (const offset of this.#open.values()) {
      if (first === undefined || offset < first) first = offset;
    }
    return first;
  }

  /** Takes note of the batch at `start`, which was verified. */
  note(bytes: Buffer, start: number): void {
    if (!isTransactionalBatch(bytes, start)) return;
    const producerId = batchProducerIdExact(bytes, start);
    if (!isControlBatch(bytes, start)) {
      if (!this.#open.has(producerId)) this.#open.set(producerId, batchBaseOffset(bytes, start));
      return;
    }
    const firstOffset = this.#open.get(producerId);
    this.#open.delete(producerId);
    if (firstOffset === undefined || !isAbortMarker(bytes, start)) return;
    const lastOffset = batchLastOffset(bytes, start);
    const lastStableOffset = this.firstOpenOffset ?? lastOffset + 1;
    this.#aborted.push({ producerId, firstOffset, lastOffset, lastStableOffset });
  }
}

function isAbortMarker(bytes: Buffer, start: number): boolean {
  const cursor = new Batch(createBatchMemory(bytes, '', 0), start).cursor();
  return cursor.next() && readControlKey(cursor.key()) === 'abort';
}

/** What a reader asks: whether a batch belongs to an aborted transaction. */
export class AbortedTransactions {
  readonly #byProducer = new Map<bigint, AbortedTransaction[]>();
  readonly #all: readonly AbortedTransaction[];

  constructor(all: readonly AbortedTransaction[]) {
    this.#all = all;
    for (const aborted of all) {
      const known = this.#byProducer.get(aborted.producerId);
      if (known === undefined) this.#byProducer.set(aborted.producerId, [aborted]);
      else known.push(aborted);
    }
  }

  get all(): readonly AbortedTransaction[] {
    return this.#all;
  }

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  /** Those whose end lies in [from, to): the ones that a segment's `.txnindex` lists. */
  endingIn(from: number, to: number): readonly AbortedTransaction[] {
    return this.#all.filter(({ lastOffset }) => lastOffset >= from && lastOffset < to);
  }

  /** Whether the batch at `start` was aborted. */
  has(bytes: Uint8Array, start: number): boolean {
    if (this.isEmpty || !isTransactionalBatch(bytes, start)) return false;
    const offset = batchBaseOffset(bytes, start);
    const candidates = this.#byProducer.get(batchProducerIdExact(bytes, start)) ?? [];
    return candidates.some(
      ({ firstOffset, lastOffset }) => firstOffset <= offset && offset <= lastOffset,
    );
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
