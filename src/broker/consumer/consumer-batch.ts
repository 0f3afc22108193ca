/**
 * A batch of a consumer: records with typed values, decoded when they are asked for, and the
 * commit of what is done.
 *
 * A batch that is not iterated is not decoded. `raw` and `cursor()` reach the stored bytes. The
 * records stay valid for as long as they are referenced, also when the loop has gone on.
 */

import { createError } from '../../base/errors.js';
import type { Batch, BatchCursor } from '../../storage/main.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import { groupError } from '../group/group-errors.js';
import type { ConsumerRecord } from '../topic/codec.js';
import type { DecoderPlace, RecordDecoder } from './consumer-decoder.js';
import type { FetchedBatch, PartitionLease } from './consumer-lease.js';
import type { ConsumerMember } from './consumer-source.js';

export interface BatchCommit {
  /** The last record that is done, or its offset; all of the batch when absent. */
  readonly through?: number | { readonly offset: number } | undefined;
  /** Stored beside the offset; at most `offsetMetadataMaxBytes`. */
  readonly metadata?: string | undefined;
}

/** What a batch needs of its consumer. */
export interface BatchHome<Value> {
  readonly group: string;
  readonly decoder: RecordDecoder<Value>;
  memberOf(): ConsumerMember | undefined;
  commit(offset: OffsetToCommit): Promise<void>;
  /** The partition is committed from here on: what the loop did before counts no more. */
  committing(lease: PartitionLease): void;
}

export class ConsumerBatch<Value> implements Iterable<ConsumerRecord<Value>> {
  /** @internal */
  readonly fetched: FetchedBatch;
  readonly #home: BatchHome<Value>;
  readonly #place: DecoderPlace;
  /** What the policy for values does with some of them. */
  readonly #pending: Promise<unknown>[] = [];

  /** @internal */
  constructor(fetched: FetchedBatch, home: BatchHome<Value>) {
    const { topic, partition } = fetched;
    this.fetched = fetched;
    this.#home = home;
    const later = (pending: Promise<unknown>): void => {
      pending.catch(ignore);
      this.#pending.push(pending);
    };
    this.#place = { group: home.group, topic, partition, later };
  }

  get topic(): string {
    return this.fetched.topic;
  }

  get partition(): number {
    return this.fetched.partition;
  }

  /** The batch as it is stored. */
  get raw(): Batch {
    return this.fetched.batch;
  }

  /** Records in the stored batch; a reader may have begun within it. */
  get count(): number {
    return this.fetched.batch.count;
  }

  /** What is committed when all of the batch is done. */
  get nextOffset(): number {
    return this.fetched.nextOffset;
  }

  /** In whose name a transaction commits it; undefined without a group. ILLEGAL_GENERATION. */
  get member(): ConsumerMember | undefined {
    if (this.#home.group !== '') this.#checkHeld();
    return this.#home.memberOf();
  }

  /** Whether the partition is the consumer's own still. */
  get isHeld(): boolean {
    return this.fetched.lease.isHeld;
  }

  /** @internal A transaction commits it: nobody else does. */
  onHeld(): void {
    this.fetched.transaction = 'open';
    this.fetched.wasInTransaction = true;
    this.#home.committing(this.fetched.lease);
  }

  /** @internal The transaction has ended; of one whose end is not known the batch stays its own. */
  onEnded(outcome: 'committed' | 'aborted' | 'unknown'): void {
    if (outcome !== 'unknown') this.fetched.transaction = outcome === 'aborted' ? 'none' : outcome;
  }

  /** The records, with their values. Throws VALUE_INVALID as `onInvalidValue` says. */
  [Symbol.iterator](): Generator<ConsumerRecord<Value>, void, undefined> {
    const { decoder } = this.#home;
    const place = this.#place;
    return this.raw.recordsBy((record) => decoder.read(record, place));
  }

  /** The same for codecs that answer later. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumerRecord<Value>, void, undefined> {
    for (const stored of this.raw) {
      const record = await this.#home.decoder.readLater(stored, this.#place);
      if (record !== undefined) yield record;
    }
  }

  /** A walk over the stored records that allocates nothing; it ends when the loop goes on. */
  cursor(): BatchCursor {
    return this.raw.cursor();
  }

  /**
   * Commits: the group goes on behind this batch, or behind a record of it. Resolves when that is
   * durable. ILLEGAL_GENERATION when the partition is not held any more; GROUP_INVALID without a
   * group; TRANSACTION_STATE_INVALID when a transaction has it; OFFSET_OUT_OF_RANGE for a record of
   * another batch.
   */
  async commit({ through, metadata }: BatchCommit = {}): Promise<void> {
    const { topic, partition, fetched } = this;
    if (fetched.transaction !== 'none') throw this.#inTransaction();
    await this.handled();
    const offset = this.#offsetBehind(through);
    this.#checkHeld();
    const at = { topic, partition, offset };
    this.#home.committing(fetched.lease);
    await this.#home.commit(metadata === undefined ? at : { ...at, metadata });
  }

  /** @internal Resolves when the policy for values has ended; rejects as it does. */
  async handled(): Promise<void> {
    while (this.#pending.length > 0) await this.#pending.shift();
  }

  #offsetBehind(through: BatchCommit['through']): number {
    const { topic, partition, nextOffset } = this;
    if (through === undefined) return nextOffset;
    const offset = typeof through === 'number' ? through : through.offset;
    const { baseOffset, lastOffset } = this.raw;
    if (offset >= baseOffset && offset <= lastOffset) return offset + 1;
    const facts = { topic, partition, offset, expected: `${baseOffset} to ${lastOffset}` };
    throw createError('OFFSET_OUT_OF_RANGE', { ...facts, kafka: 'OFFSET_OUT_OF_RANGE' });
  }

  /** The partition may have gone and come back: that is another lease, and further perhaps. */
  #checkHeld(): void {
    if (this.isHeld) return;
    const { topic, partition } = this;
    const { group } = this.#home;
    const message = 'the partition is not held any more';
    throw groupError('ILLEGAL_GENERATION', { message, group, topic, partition });
  }

  #inTransaction(): Error {
    const { topic, partition, nextOffset: offset, fetched } = this;
    return createError('TRANSACTION_STATE_INVALID', {
      message: 'a transaction commits the offset of this batch',
      topic,
      partition,
      offset,
      state: fetched.transaction,
      kafka: 'CONCURRENT_TRANSACTIONS',
    });
  }
}

function ignore(): void {}
