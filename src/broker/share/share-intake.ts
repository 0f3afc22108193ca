/**
 * What a partition of a share group has read: it makes messages known to the delivery state, and
 * keeps their records until they are taken.
 *
 * A record that was let go meanwhile, because it was not its turn for long or because it comes
 * again, is read by its offset.
 */

import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { DeliveryState } from './share-delivery.js';
import type { FeedTarget } from './share-feed.js';
import type { ParkedRecords } from './share-parked.js';
import { readOffsets } from './share-read.js';
import { RecordBuffer } from './share-record-buffer.js';

export interface IntakeParts {
  readonly log: PartitionLog;
  readonly state: DeliveryState;
  readonly parked: ParkedRecords | undefined;
  readonly keyOf: ((record: LogRecord) => string | undefined) | undefined;
  /** About how much is kept, in bytes. */
  readonly bufferBytes: number;
  /** Something was read, or could not be. */
  readonly moved: () => void;
  /** The start offset is another one. */
  readonly startMoved: (isOwed: boolean) => void;
}

const AVERAGE_BYTES_FIRST = 128;

export class ShareIntake implements FeedTarget {
  readonly #parts: IntakeParts;
  readonly #state: DeliveryState;
  readonly #buffer = new RecordBuffer();
  #averageBytes = AVERAGE_BYTES_FIRST;
  /** The first message that is not finished, when it was looked at. */
  #oldest: { readonly offset: number; readonly timestamp: number } | undefined;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#state = parts.state;
  }

  /** About how much a message takes, in bytes. */
  get averageBytes(): number {
    return this.#averageBytes;
  }

  get bufferedBytes(): number {
    return this.#buffer.bytes;
  }

  offer(records: LogRecord[], bytes: number): LogRecord[] {
    const fresh = this.#unknown(records);
    const end = this.#parts.keyOf === undefined ? this.#offerAll(fresh) : this.#offerKeyed(fresh);
    const taken = end === fresh.length ? fresh : fresh.slice(0, end);
    if (taken.length > 0) {
      const share = records.length === taken.length ? 1 : taken.length / records.length;
      this.#buffer.add(taken, bytes * share);
      this.#averageBytes = (bytes * share) / taken.length;
      // What stays for long is read again when it is its turn.
      if (this.#buffer.bytes > 2 * this.#parts.bufferBytes)
        this.#buffer.shrinkTo(this.#parts.bufferBytes);
    }
    return end === fresh.length ? [] : fresh.slice(end);
  }

  skip(first: number, end: number): void {
    const { startOffset } = this.#state;
    this.#state.skip(first, end);
    if (this.#state.startOffset !== startOffset) this.#parts.startMoved(false);
  }

  lose(startOffset: number): void {
    // What was parked is elsewhere; what is nowhere any more is noticed when it is read.
    if ((this.#parts.parked?.count ?? 0) > 0)
      this.#state.skip(this.#state.startOffset, startOffset);
    else this.#state.dropBelow(startOffset);
    this.#buffer.dropBelow(startOffset);
    this.#parts.startMoved(true);
  }

  moved(): void {
    this.#parts.moved();
  }

  /** Whether less is kept than may be. */
  get hasRoom(): boolean {
    return this.#buffer.bytes < this.#parts.bufferBytes;
  }

  /** Takes a record out; undefined when it is to be read again. */
  take(offset: number): LogRecord | undefined {
    return this.#buffer.take(offset);
  }

  giveBack(record: LogRecord): void {
    this.#buffer.giveBack(record);
  }

  dropBelow(offset: number): void {
    this.#buffer.dropBelow(offset);
  }

  clear(): void {
    this.#buffer.clear();
  }

  /** The records at these offsets, as far as they are there. */
  async readRecords(offsets: readonly number[]): Promise<ReadonlyMap<number, LogRecord>> {
    const records = new Map<number, LogRecord>();
    const inLog: number[] = [];
    for (const offset of offsets) {
      if (this.#parts.parked?.has(offset) !== true) {
        inLog.push(offset);
        continue;
      }
      const record = await this.#parts.parked.read(offset);
      if (record !== undefined) records.set(offset, record);
    }
    const rising = inLog.sort((one, other) => one - other);
    await readOffsets(this.#parts.log, rising, (record) => records.set(record.offset, record));
    return records;
  }

  /** When the first message was sent that is not finished; undefined: there is none. */
  async oldestTimestamp(): Promise<number | undefined> {
    const { startOffset } = this.#state;
    if (startOffset >= this.#parts.log.durableOffset) return undefined;
    if (this.#oldest?.offset === startOffset) return this.#oldest.timestamp;
    const records = await this.readRecords([startOffset]);
    const timestamp =
      records.get(startOffset)?.timestamp ?? (await this.#timestampFrom(startOffset));
    if (timestamp !== undefined) this.#oldest = { offset: startOffset, timestamp };
    return timestamp;
  }

  /** Of the first message behind a place that has none: those of a transaction, or a mark. */
  async #timestampFrom(offset: number): Promise<number | undefined> {
    const from = Math.max(offset, this.#parts.log.startOffset);
    for await (const batch of this.#parts.log.read({ from, isolation: 'uncommitted' })) {
      for (const { timestamp } of batch) return timestamp;
    }
    return undefined;
  }

  #unknown(records: LogRecord[]): LogRecord[] {
    const first = records[0]?.offset ?? 0;
    if (first >= this.#state.endOffset) return records;
    return records.filter(({ offset }) => !this.#state.isKnown(offset));
  }

  #offerAll(records: readonly LogRecord[]): number {
    for (let at = 0; at < records.length; ) {
      const first = records[at]?.offset ?? 0;
      const last = records.at(-1)?.offset ?? 0;
      let count = records.length - at;
      if (last - first + 1 !== count) {
        for (count = 1; records[at + count]?.offset === first + count; ) count += 1;
      }
      this.#state.offer(first, first + count);
      at += count;
    }
    return records.length;
  }

  #offerKeyed(records: readonly LogRecord[]): number {
    for (const [at, record] of records.entries()) {
      const key = this.#parts.keyOf?.(record);
      if (key === undefined) this.#state.offer(record.offset, record.offset + 1);
      else if (!this.#state.offerKeyed(record.offset, key)) return at;
    }
    return records.length;
  }
}
