/**
 * A partition's log in memory: what the contract asks for, in the plainest way.
 *
 * Batches are the real ones, encoded as on disk; everything is durable at once, so `acks` makes no
 * difference, and there is always room.
 */

import { writeInt64 } from '../../src/base/bytes.js';
import { createError } from '../../src/base/errors.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import { producerBatch, readyBatch } from '../../src/storage/append-alone.js';
import { checkRecords } from '../../src/storage/append-bounds.js';
import {
  type AppendBatchOptions,
  type AppendOptions,
  type BatchProducer,
  checkMarker,
  type TransactionMarker,
} from '../../src/storage/append-options.js';
import type { AppendResult } from '../../src/storage/append-waiters.js';
import { Batch } from '../../src/storage/batch.js';
import { controlKey, controlValue } from '../../src/storage/batch-control.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import type { ProducerDescription } from '../../src/storage/producer-states.js';
import { checkReadOptions, type ReadOptions } from '../../src/storage/read-options.js';
import type { ReadFrom } from '../../src/storage/read-start.js';
import type { RecordInput } from '../../src/storage/record.js';
import type { AbortedRange } from '../../src/storage/transactions.js';
import { batchOf } from './batch-fixtures.js';

interface Stored {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly isControl: boolean;
  /** Of batches in a transaction; a marker settles it. */
  outcome: 'none' | 'open' | 'committed' | 'aborted';
  readonly producerId: bigint;
}

interface Known {
  epoch: number;
  /** The last five: first and last sequence, first and last offset. */
  batches: { from: number; to: number; baseOffset: number; lastOffset: number }[];
  coordinatorEpoch: number;
  lastTimestamp: number;
}

const EPOCH = 0;

const limits = {
  cleanup: 'delete',
  recordBytesMax: 1 << 20,
  batchBytesMax: (1 << 20) + 4_096,
} as const;

export class MemoryPartitionLog implements PartitionLog {
  readonly #nowMs: () => number;
  #stored: Stored[] = [];
  readonly #aborted: AbortedRange[] = [];
  readonly #producers = new Map<bigint, Known>();
  #waiters: (() => void)[] = [];
  #start = 0;
  #end = 0;
  #isClosed = false;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get startOffset(): number {
    return this.#start;
  }

  get writtenOffset(): number {
    return this.#end;
  }

  get durableOffset(): number {
    return this.#end;
  }

  get stableOffset(): number {
    return this.#stored.find(({ outcome }) => outcome === 'open')?.baseOffset ?? this.#end;
  }

  async bytes(): Promise<number> {
    return this.#stored.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  async append(
    records: readonly RecordInput[],
    { producer }: AppendOptions = {},
  ): Promise<AppendResult> {
    this.#checkOpen();
    const stamped = records.map((record) => ({ timestamp: this.#nowMs(), ...record }));
    if (producer === undefined) {
      checkRecords(records, limits);
      return this.#store(batchOf(stamped), undefined, records.length);
    }
    const lone = producerBatch(records, producer, limits);
    const fields = lone.producer ?? producer;
    const isTransactional = fields.isTransactional ?? false;
    return this.#store(
      batchOf(stamped, { producer: { ...fields, isTransactional } }),
      lone.producer,
      records.length,
    );
  }

  async appendBatch(
    batch: Uint8Array,
    { unreadable }: AppendBatchOptions = {},
  ): Promise<AppendResult> {
    this.#checkOpen();
    const { producer, count } = readyBatch(batch, limits, unreadable);
    return this.#store(Buffer.from(batch), producer, count);
  }

  async appendMarker(given: TransactionMarker): Promise<{ readonly offset: number }> {
    this.#checkOpen();
    const { producerId, producerEpoch, kind, coordinatorEpoch } = checkMarker(given);
    const known = this.#producers.get(producerId);
    if (known !== undefined && producerEpoch < known.epoch) {
      throw createError('PRODUCER_FENCED', { producerId: String(producerId) });
    }
    if (known !== undefined && coordinatorEpoch < known.coordinatorEpoch) {
      throw createError('COORDINATOR_FENCED', { producerId: String(producerId) });
    }
    const record = {
      key: controlKey(kind),
      value: controlValue(coordinatorEpoch),
      timestamp: this.#nowMs(),
    };
    const fields = { isTransactional: true, isControl: true, baseSequence: -1 };
    const batch = batchOf([record], { producer: { ...fields, producerId, producerEpoch } });
    const offset = this.#push(batch, producerId, 1, 'none', true);
    const open = this.#stored.filter(
      (stored) => stored.producerId === producerId && stored.outcome === 'open',
    );
    const [first] = open;
    if (first !== undefined && kind === 'abort') {
      this.#aborted.push({ producerId, firstOffset: first.baseOffset, lastOffset: offset });
    }
    for (const stored of open) {
      stored.outcome = kind === 'commit' ? 'committed' : 'aborted';
    }
    const batches = known?.epoch === producerEpoch ? known.batches : [];
    const lastTimestamp = this.#nowMs();
    this.#producers.set(producerId, {
      epoch: producerEpoch,
      batches,
      coordinatorEpoch,
      lastTimestamp,
    });
    this.#wake();
    return { offset };
  }

  tryAppend(record: RecordInput): number {
    this.#checkOpen();
    checkRecords([record], limits);
    return this.#store(batchOf([{ timestamp: this.#nowMs(), ...record }]), undefined, 1).baseOffset;
  }

  async writable(): Promise<void> {
    this.#checkOpen();
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<Batch> & AsyncDisposable {
    this.#checkOpen();
    const reading = this.#read(options);
    return Object.assign(reading, {
      [Symbol.asyncDispose]: async () => void (await reading.return(undefined)),
    });
  }

  async *#read(options: ReadOptions): AsyncGenerator<Batch, undefined, undefined> {
    const { from, follow, isolation, control, signal, onWaiting } = checkReadOptions(options);
    const isCommitted = isolation === 'committed';
    let offset = this.#offsetOf(from);
    const until = isCommitted ? this.stableOffset : this.#end;
    for (;;) {
      signal?.throwIfAborted();
      const next = this.#stored.find(({ lastOffset }) => lastOffset >= offset);
      const isThere = next !== undefined && (!isCommitted || next.baseOffset < this.stableOffset);
      if (isThere && (follow || next.baseOffset < until)) {
        const isShown = isCommitted ? next.outcome !== 'aborted' : true;
        const fromOffset = offset;
        offset = next.lastOffset + 1;
        if (!isShown || (next.isControl && !control)) continue;
        yield new Batch(createBatchMemory(Buffer.from(next.bytes), 'memory', 0), 0, fromOffset);
        continue;
      }
      if (!follow || this.#isClosed) return undefined;
      onWaiting?.(offset);
      await this.#change(signal);
    }
  }

  async waitBeyond(
    offset: number,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    while (!this.#isClosed && this.#end <= offset && signal?.aborted !== true) {
      await this.#change(signal);
    }
  }

  abortedIn(from: number, to: number): readonly AbortedRange[] {
    return this.#aborted.filter(
      ({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to,
    );
  }

  async offsetOf(timestamp: number): Promise<number | undefined> {
    for await (const batch of this.read({ isolation: 'uncommitted' })) {
      for (const record of batch) if (record.timestamp >= timestamp) return record.offset;
    }
    return undefined;
  }

  /** It is never opened again: all it holds is of one epoch. */
  epochAt(offset: number): number {
    return offset < this.#end ? EPOCH : -1;
  }

  epochEnd(epoch: number): number | undefined {
    return epoch === EPOCH && this.#end > 0 ? this.#end : undefined;
  }

  producers(): readonly ProducerDescription[] {
    return [...this.#producers].map(([producerId, known]) => {
      const last = known.batches.at(-1);
      const open = this.#stored.find(
        (one) => one.producerId === producerId && one.outcome === 'open',
      );
      return {
        producerId,
        producerEpoch: known.epoch,
        lastSequence: last?.to ?? -1,
        lastOffset: last?.lastOffset ?? -1,
        lastTimestamp: known.lastTimestamp,
        coordinatorEpoch: known.coordinatorEpoch,
        transactionOffset: open?.baseOffset,
      };
    });
  }

  async flush(offset?: number): Promise<number> {
    this.#checkOpen();
    if (offset !== undefined && offset >= this.#end) throw this.#outOfRange(offset);
    return this.#end;
  }

  async deleteRecordsBefore(offset: number): Promise<number> {
    this.#checkOpen();
    if (offset > this.#end || offset < 0) throw this.#outOfRange(offset);
    this.#start = Math.max(this.#start, offset);
    this.#stored = this.#stored.filter(({ lastOffset }) => lastOffset >= this.#start);
    return this.#start;
  }

  reportOffset(): void {
    this.#checkOpen();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
  }

  #store(batch: Buffer, producer: BatchProducer | undefined, count: number): AppendResult {
    const stored = producer === undefined ? undefined : this.#judge(producer, count);
    if (stored !== undefined) return stored;
    const outcome = producer?.isTransactional === true ? 'open' : 'none';
    const baseOffset = this.#push(batch, producer?.producerId ?? -1n, count, outcome, false);
    const lastOffset = baseOffset + count - 1;
    if (producer !== undefined) this.#note(producer, baseOffset, lastOffset);
    return { baseOffset, lastOffset, isDuplicate: false };
  }

  #push(
    bytes: Buffer,
    producerId: bigint,
    count: number,
    outcome: Stored['outcome'],
    isControl: boolean,
  ): number {
    const baseOffset = this.#end;
    const lastOffset = baseOffset + count - 1;
    writeInt64(bytes, 0, baseOffset);
    this.#stored.push({ bytes, baseOffset, lastOffset, isControl, outcome, producerId });
    this.#end = lastOffset + 1;
    this.#wake();
    return baseOffset;
  }

  #judge(producer: BatchProducer, count: number): AppendResult | undefined {
    const { producerId, producerEpoch: epoch, baseSequence: from } = producer;
    const known = this.#producers.get(producerId);
    if (known === undefined) return undefined;
    if (epoch < known.epoch) throw createError('PRODUCER_FENCED', { producerId: `${producerId}` });
    const last = epoch > known.epoch ? undefined : known.batches.at(-1);
    const expected = last === undefined ? 0 : last.to + 1;
    if (from === expected) return undefined;
    const same = known.batches.find((one) => one.from === from && one.to === from + count - 1);
    if (same !== undefined && last !== undefined) {
      return { baseOffset: same.baseOffset, lastOffset: same.lastOffset, isDuplicate: true };
    }
    const oldest = known.batches[0]?.from ?? 0;
    if (last !== undefined && from + count - 1 < oldest) {
      return { baseOffset: -1, lastOffset: -1, isDuplicate: true };
    }
    throw createError('OUT_OF_ORDER_SEQUENCE', { expected, actual: from });
  }

  #note(producer: BatchProducer, baseOffset: number, lastOffset: number): void {
    const { producerId, producerEpoch: epoch, baseSequence: from } = producer;
    const known = this.#producers.get(producerId);
    const batches = known?.epoch === epoch ? known.batches.slice(-4) : [];
    batches.push({ from, to: from + lastOffset - baseOffset, baseOffset, lastOffset });
    const coordinatorEpoch = known?.coordinatorEpoch ?? -1;
    const lastTimestamp = this.#nowMs();
    this.#producers.set(producerId, { epoch, batches, coordinatorEpoch, lastTimestamp });
  }

  #offsetOf(from: ReadFrom): number {
    if (from === 'earliest') return this.#start;
    if (from === 'latest') return this.#end;
    if (typeof from === 'number') {
      if (from < this.#start || from > this.#end) throw this.#outOfRange(from);
      return from;
    }
    for (const { bytes } of this.#stored) {
      for (const record of new Batch(createBatchMemory(bytes, 'memory', 0), 0)) {
        if (record.timestamp >= from.timestamp) return record.offset;
      }
    }
    return this.#end;
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #outOfRange(offset: number): Error {
    const facts = { startOffset: this.#start, endOffset: this.#end };
    return createError('OFFSET_OUT_OF_RANGE', { offset, ...facts });
  }

  #checkOpen(): void {
    if (this.#isClosed) throw createError('LOG_CLOSED', { path: 'memory' });
  }
}
