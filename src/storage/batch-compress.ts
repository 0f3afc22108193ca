/**
 * Turns a finished batch into a compressed one: its records become one compressed stream, its
 * header stays as it is but for the codec, the length and the checksum.
 */

import { assert } from '../base/assert.js';
import { writeInt16, writeInt32 } from '../base/bytes.js';
import { ATTRIBUTES_POSITION, HEADER_BYTES, LENGTH_END, LENGTH_POSITION } from './batch-format.js';
import { batchAttributes, batchBytes, batchCodecId, batchCount, stampCrc } from './batch-header.js';
import { type CodecName, codecNamed } from './compression.js';

/**
 * Writes the batch at `position` of `source`, compressed, to `start` of `target` and returns its
 * size; `'does-not-fit'` when it reaches beyond `limit`, and nothing is written then. The two
 * ranges do not overlap. A compressed batch may be larger than the plain one: the caller decides
 * which of the two it keeps. Throws `CODEC_UNAVAILABLE`.
 */
export function compressBatch(
  codec: CodecName,
  source: Uint8Array,
  position: number,
  target: Uint8Array,
  start: number,
  limit: number,
): number | 'does-not-fit' {
  assert(codec !== 'none', 'the codec compresses');
  assert(batchCodecId(source, position) === 0, 'the batch is not compressed yet');
  assert(batchCount(source, position) > 0, 'the batch has records');
  const end = position + batchBytes(source, position);
  const { id, compress } = codecNamed(codec);
  const body = compress(source.subarray(position + HEADER_BYTES, end));
  const total = HEADER_BYTES + body.length;
  if (total > limit - start) return 'does-not-fit';
  target.set(source.subarray(position, position + HEADER_BYTES), start);
  target.set(body, start + HEADER_BYTES);
  writeInt32(target, start + LENGTH_POSITION, total - LENGTH_END);
  writeInt16(target, start + ATTRIBUTES_POSITION, batchAttributes(source, position) | id);
  stampCrc(target, start);
  return total;
}
