/**
 * The seam between a broker and the log of one partition.
 *
 * A broker knows nothing of segments and files: what it needs of a partition is here, and
 * `test/contract/partition-log.contract.ts` says what each part means. `embedPartitionLog` gives a
 * {@link Log} this form.
 */

import type {
  AbortedRange,
  Acks,
  AppendBatchOptions,
  AppendOptions,
  AppendResult,
  Batch,
  Log,
  ProducerDescription,
  ReadOptions,
  RecordInput,
  TransactionMarker,
} from '../../storage/main.js';

export interface PartitionLog {
  /** First readable offset. */
  readonly startOffset: number;
  /** Exclusive end of what is handed to the file system. */
  readonly writtenOffset: number;
  /** Exclusive end of what is on the disk: what readers see by default. */
  readonly durableOffset: number;
  /** Exclusive end of what readers of committed records see: no open transaction lies before it. */
  readonly stableOffset: number;
  /**
   * Appends records as one batch: all of them or none; they are copied before this returns. With a
   * producer, what is sent again is stored once, and a gap or an old epoch is refused.
   */
  append(records: readonly RecordInput[], options?: AppendOptions): Promise<AppendResult>;
  /** Appends a ready-made RecordBatch v2: checked whole, stored as it came. */
  appendBatch(batch: Uint8Array, options?: AppendBatchOptions): Promise<AppendResult>;
  /** Ends a producer's transaction in this partition; resolves once that is durable. */
  appendMarker(marker: TransactionMarker): Promise<{ readonly offset: number }>;
  /** Appends one record without waiting: its offset, or undefined when there is no room. */
  tryAppend(record: RecordInput, options?: { readonly acks?: Acks }): number | undefined;
  /** Resolves when `tryAppend` may find room again. */
  writable(): Promise<void>;
  /** Batches in order; with `follow` the loop waits for more until the log closes. */
  read(options?: ReadOptions): AsyncIterableIterator<Batch> & AsyncDisposable;
  /**
   * Resolves when there may be more beyond `offset` on the disk, when the log closes, and when the
   * signal aborts.
   */
  waitBeyond(offset: number, options?: Pick<ReadOptions, 'signal'>): Promise<void>;
  /** Transactions that were aborted and have records in [from, to), in the order of their ends. */
  abortedIn(from: number, to: number): readonly AbortedRange[];
  /** The first offset at or after a time, in milliseconds since 1970; undefined when none is. */
  offsetOf(timestamp: number): Promise<number | undefined>;
  /** The writer epoch of the record at `offset`; -1 when it is not known. */
  epochAt(offset: number): number;
  /** Where the records of `epoch` end, exclusive; undefined when nothing is known of that epoch. */
  epochEnd(epoch: number): number | undefined;
  /** What is known of the producers that wrote. */
  producers(): readonly ProducerDescription[];
  /** Resolves to the durable end once the record at `offset`, or all accepted so far, is. */
  flush(offset?: number): Promise<number>;
  /** Moves the start to `offset`; resolves to it once that is durable. */
  deleteRecordsBefore(offset: number): Promise<number>;
  /** Notes that `group` is done with everything below `offset`; undefined takes it back. */
  reportOffset(group: string, offset: number | undefined): void;
  /** Of all batches that are stored; may read a few files. */
  bytes(): Promise<number>;
  /** Makes durable what was accepted and ends reading loops. Idempotent. */
  close(): Promise<void>;
}

export function embedPartitionLog(log: Log): PartitionLog {
  return new EmbeddedPartitionLog(log);
}

class EmbeddedPartitionLog implements PartitionLog {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  get startOffset(): number {
    return this.#log.startOffset;
  }

  get writtenOffset(): number {
    return this.#log.writtenOffset;
  }

  get durableOffset(): number {
    return this.#log.durableOffset;
  }

  get stableOffset(): number {
    return this.#log.stableOffset;
  }

  append(records: readonly RecordInput[], options: AppendOptions = {}): Promise<AppendResult> {
    return this.#log.append(records, options);
  }

  appendBatch(batch: Uint8Array, options: AppendBatchOptions = {}): Promise<AppendResult> {
    return this.#log.appendBatch(batch, options);
  }

  appendMarker(marker: TransactionMarker): Promise<{ readonly offset: number }> {
    return this.#log.appendMarker(marker);
  }

  tryAppend(record: RecordInput, options: { readonly acks?: Acks } = {}): number | undefined {
    return this.#log.tryAppend(record, options);
  }

  writable(): Promise<void> {
    return this.#log.writable();
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<Batch> & AsyncDisposable {
    return this.#log.read(options);
  }

  waitBeyond(offset: number, options: Pick<ReadOptions, 'signal'> = {}): Promise<void> {
    return this.#log.waitBeyond(offset, options);
  }

  abortedIn(from: number, to: number): readonly AbortedRange[] {
    return this.#log.abortedIn(from, to);
  }

  offsetOf(timestamp: number): Promise<number | undefined> {
    return this.#log.offsetOf(timestamp);
  }

  epochAt(offset: number): number {
    return this.#log.epochAt(offset);
  }

  epochEnd(epoch: number): number | undefined {
    return this.#log.epochEnd(epoch);
  }

  producers(): readonly ProducerDescription[] {
    return this.#log.producers();
  }

  flush(offset?: number): Promise<number> {
    return this.#log.flush(offset);
  }

  deleteRecordsBefore(offset: number): Promise<number> {
    return this.#log.deleteRecordsBefore(offset);
  }

  reportOffset(group: string, offset: number | undefined): void {
    this.#log.reportOffset(group, offset);
  }

  async bytes(): Promise<number> {
    return (await this.#log.stats()).bytes;
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
