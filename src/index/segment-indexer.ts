/**
 * Builds both indexes of one segment while its batches go by, in the append path and in recovery
 * alike, so that an index rebuilt after a crash equals the one that was lost.
 *
 * The rule is Kafka's: before a batch is added, an entry for it is made when more than
 * `intervalBytes` have gone by since the batch of the last entry. The largest timestamp gets its
 * entry in the time index at the same moment, and once more when the segment is sealed. Beyond
 * Kafka's rule the first batch with a time gets one too, so that what lies behind it is found
 * without reading it.
 */

import { assert } from '../base/assert.js';
import { INDEX_EVERY_BATCH } from './index-format.js';
import { OffsetIndex } from './offset-index.js';
import { TimeIndex } from './time-index.js';

export class SegmentIndexer {
  readonly baseOffset: number;
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
  readonly #intervalBytes: number;
  #bytesSinceEntry: number;
  #maxTimestamp = -1;
  #maxTimestampRelative = -1;

  /** `intervalBytes` 0 indexes every batch but the first, `INDEX_EVERY_BATCH` that one too. */
  constructor(baseOffset: number, intervalBytes: number, offsets?: OffsetIndex, times?: TimeIndex) {
    assert(intervalBytes >= INDEX_EVERY_BATCH, 'index interval is not negative');
    this.baseOffset = baseOffset;
    this.offsets = offsets ?? new OffsetIndex();
    this.times = times ?? new TimeIndex();
    this.#intervalBytes = intervalBytes;
    this.#bytesSinceEntry = 0;
    if (times !== undefined && times.count > 0) {
      this.#maxTimestamp = times.lastTimestamp;
      this.#maxTimestampRelative = times.relative(times.count - 1);
    }
  }

  /** The largest timestamp of the segment, -1 when it holds none. */
  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  /** Continues after a clean open: how many bytes follow the batch of the last entry. */
  resume(segmentBytes: number): void {
    this.#bytesSinceEntry = segmentBytes - this.offsets.lastPosition;
  }

  /** Takes note of one batch, in file order. `isEmpty`: it holds no record. */
  add(
    position: number,
    bytes: number,
    lastOffset: number,
    maxTimestamp: number,
    isEmpty: boolean,
  ): void {
    const relativeLast = lastOffset - this.baseOffset;
    // A time beyond what a number holds exactly, from another engine, is found by offset only.
    const isTimed = !isEmpty && maxTimestamp <= Number.MAX_SAFE_INTEGER;
    if (isTimed && maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp;
      this.#maxTimestampRelative = relativeLast;
    }
    const isDue = this.#bytesSinceEntry > this.#intervalBytes;
    if (isDue) {
      this.offsets.append(relativeLast, position);
      this.#bytesSinceEntry = 0;
    }
    if ((isDue || this.times.count === 0) && this.#maxTimestampRelative >= 0) {
      this.times.appendIfLarger(this.#maxTimestamp, this.#maxTimestampRelative);
    }
    this.#bytesSinceEntry += bytes;
  }

  /** Gives the largest timestamp its entry; called when the segment is sealed or closed. */
  seal(): void {
    if (this.#maxTimestampRelative >= 0) {
      this.times.appendIfLarger(this.#maxTimestamp, this.#maxTimestampRelative);
    }
  }
}
