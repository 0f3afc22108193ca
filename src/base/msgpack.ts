/**
 * Values as msgpack bytes: the one door to the codec.
 *
 * No shared structures, so each value stands alone. An undefined field becomes null. Whoever
 * unpacks bytes from outside walks them with `shapeOf` first: a decoder gives memory for what a
 * length claims.
 */

import { Packr } from 'msgpackr';

// Decoded bytes stay views on what was unpacked.
const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  copyBuffers: false,
});

/** The bytes of a value, in memory that nobody writes to again. */
export function pack(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** The value; bytes in it are views on `bytes`. Throws where msgpackr does. */
export function unpack(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}
