/**
 * Entry layouts of the two index files, which are Apache Kafka's, big-endian.
 *
 * Both are sparse and sorted, and both name a batch by its last offset relative to the segment's
 * base offset. Neither carries a checksum of its own: the segment's seal does, and any doubt about
 * an index is answered by rebuilding it from the log.
 */

import { assert } from '../base/assert.js';

/** `.index`: relative last offset of a batch (int32), position of that batch (int32). */
export const OFFSET_ENTRY_RELATIVE = 0;
export const OFFSET_ENTRY_POSITION = OFFSET_ENTRY_RELATIVE + 4;
export const OFFSET_ENTRY_BYTES = OFFSET_ENTRY_POSITION + 4;

/** `.timeindex`: largest timestamp so far (int64), relative last offset of its batch (int32). */
export const TIME_ENTRY_TIMESTAMP = 0;
export const TIME_ENTRY_RELATIVE = TIME_ENTRY_TIMESTAMP + 8;
export const TIME_ENTRY_BYTES = TIME_ENTRY_RELATIVE + 4;

/** The largest relative offset and position that an entry can hold. */
export const ENTRY_VALUE_MAX = 2 ** 31 - 1;

/** An index interval by which every batch has an entry; Kafka's rule passes over the first one. */
export const INDEX_EVERY_BATCH = -1;

assert(OFFSET_ENTRY_BYTES === 8, 'an offset entry is eight bytes');
assert(TIME_ENTRY_BYTES === 12, 'a time entry is twelve bytes');
