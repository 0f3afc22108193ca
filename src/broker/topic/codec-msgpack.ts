/**
 * Values as msgpack: smaller than JSON, and bytes and dates come back as what they were.
 *
 * Stored bytes are walked before they are decoded, so that a few of them cannot ask for much
 * memory. What could not be read back (an invalid date, a bigint of more than 64 bits, more than
 * {@link MSGPACK_DEPTH_MAX} levels) is refused when it is sent. A function, and undefined, become
 * null; a Map becomes an object and a Set a list.
 */

import { pack, unpack } from '../../base/msgpack.js';
import { shapeOf } from '../../base/msgpack-shape.js';
import { type Codec, invalidValue } from './codec.js';

/** Levels of lists and maps in one value. */
export const MSGPACK_DEPTH_MAX = 64;
const bounds = { valuesMax: 1_000_000, depthMax: MSGPACK_DEPTH_MAX, takesTimes: true };
const NAME = 'msgpack';

/** Bytes in a value that was read are views on the record. */
export function msgpack<Value = unknown>(): Codec<Value>;
export function msgpack(): Codec<unknown> {
  return codec;
}

const codec: Codec<unknown> = Object.freeze({
  name: NAME,
  encode: (value: unknown): Uint8Array => {
    const packed = pack(value);
    const shape = shapeOf(packed, bounds);
    if (shape !== 'valid') throw invalidValue(NAME, `what was packed is ${shape}`);
    return packed;
  },
  decode: (bytes: Buffer): unknown => {
    const shape = shapeOf(bytes, bounds);
    if (shape !== 'valid') throw invalidValue(NAME, `the bytes are ${shape}`);
    try {
      return unpack(bytes);
    } catch (error) {
      throw invalidValue(NAME, 'the bytes cannot be unpacked', error);
    }
  },
});
