/**
 * Some records of a batch side by side, in columns: what cleaning asks of each of them.
 *
 * A block is filled again and again; nothing is allocated per record. It exists because the keys of
 * many records can be looked up in the map much faster together than one by one.
 */

import { LOOKUP_KEYS_MAX } from '../index/key-offset-map.js';
import type { RecordWalker } from './batch-cursor.js';

export class RecordBlock {
  /** Records in the block; the columns below hold as many values. */
  count = 0;
  readonly offsets = new Float64Array(LOOKUP_KEYS_MAX);
  readonly timestamps = new Float64Array(LOOKUP_KEYS_MAX);
  readonly keyStarts = new Int32Array(LOOKUP_KEYS_MAX);
  /** Negative without a key. */
  readonly keyEnds = new Int32Array(LOOKUP_KEYS_MAX);
  /** Negative in a tombstone. */
  readonly valueEnds = new Int32Array(LOOKUP_KEYS_MAX);
  /** Where the next record begins. */
  readonly recordEnds = new Int32Array(LOOKUP_KEYS_MAX);

  /** Takes the records that come next; false when there are none. Throws what the walk throws. */
  fill(walker: RecordWalker): boolean {
    let count = 0;
    while (count < LOOKUP_KEYS_MAX && walker.next()) {
      this.offsets[count] = walker.offset;
      this.timestamps[count] = walker.timestamp;
      this.keyStarts[count] = walker.keyStart;
      this.keyEnds[count] = walker.keyEnd;
      this.valueEnds[count] = walker.valueEnd;
      this.recordEnds[count] = walker.recordEnd;
      count += 1;
    }
    this.count = count;
    return count > 0;
  }
}
