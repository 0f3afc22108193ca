/**
 * The shape of a msgpack value, walked before it is decoded.
 *
 * A few bytes can ask a decoder for much memory (every byte of a frame may be an empty map, and an
 * array may claim any length) or for deep recursion. This walk keeps one number per level, touches
 * each byte at most once and refuses what the caller's bounds do not allow: too many values, too
 * deep nesting, extension types, the unassigned byte c1, truncated values, bytes behind the end.
 * What passes is bounded in all of it.
 */

export interface ShapeBounds {
  /** Values in all, map keys included: about 64 bytes each once decoded. */
  readonly valuesMax: number;
  readonly depthMax: number;
  /** Whether points in time are taken, the one extension type of msgpack itself. */
  readonly takesTimes: boolean;
}

export type Shape = 'valid' | 'malformed' | 'too-many-values' | 'too-deep';

/** What one value is, after its first byte. */
interface Value {
  /** Bytes behind the first one: length fields and the content itself. */
  bytes: number;
  /** Values that follow as its members. */
  members: number;
}

export function shapeOf(frame: Uint8Array, bounds: ShapeBounds): Shape {
  const { valuesMax, depthMax, takesTimes } = bounds;
  const value: Value = { bytes: 0, members: 0 };
  /** How many values are still to come on each level. */
  const remaining: number[] = [1];
  let position = 0;
  let values = 0;
  while (remaining.length > 0) {
    const level = remaining.length - 1;
    const left = remaining[level] ?? 0;
    if (left === 0) {
      remaining.pop();
      continue;
    }
    remaining[level] = left - 1;
    values += 1;
    if (values > valuesMax) return 'too-many-values';
    if (!readValue(frame, position, value)) {
      if (!takesTimes || !readTime(frame, position, value)) return 'malformed';
    }
    position += 1 + value.bytes;
    if (position > frame.length) return 'malformed';
    if (value.members > valuesMax) return 'too-many-values';
    if (value.members > 0) {
      if (remaining.length === depthMax) return 'too-deep';
      remaining.push(value.members);
    }
  }
  return position === frame.length ? 'valid' : 'malformed';
}

/** Reads a first byte and the length behind it; false when it is not one of ours. */
function readValue(frame: Uint8Array, position: number, value: Value): boolean {
  const first = frame[position];
  value.bytes = 0;
  value.members = 0;
  if (first === undefined) return false;
  if (first <= 0x7f || first >= 0xe0) return true;
  if (first <= 0x8f) value.members = 2 * (first & 0x0f);
  else if (first <= 0x9f) value.members = first & 0x0f;
  else if (first <= 0xbf) value.bytes = first & 0x1f;
  else return readLongValue(frame, first, position + 1, value);
  return true;
}

function readLongValue(frame: Uint8Array, first: number, position: number, value: Value): boolean {
  switch (first) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return true;
    case 0xcc: // one byte
    case 0xd0:
      value.bytes = 1;
      return true;
    case 0xcd: // two bytes
    case 0xd1:
      value.bytes = 2;
      return true;
    case 0xca: // four bytes
    case 0xce:
    case 0xd2:
      value.bytes = 4;
      return true;
    case 0xcb: // eight bytes
    case 0xcf:
    case 0xd3:
      value.bytes = 8;
      return true;
    case 0xc4: // bytes
    case 0xd9: // text
      return readContent(frame, position, 1, value);
    case 0xc5:
    case 0xda:
      return readContent(frame, position, 2, value);
    case 0xc6:
    case 0xdb:
      return readContent(frame, position, 4, value);
    case 0xdc: // array
      return readMembers(frame, position, 2, 1, value);
    case 0xdd:
      return readMembers(frame, position, 4, 1, value);
    case 0xde: // map
      return readMembers(frame, position, 2, 2, value);
    case 0xdf:
      return readMembers(frame, position, 4, 2, value);
    default: // c1 and the extension types
      return false;
  }
}

function readContent(frame: Uint8Array, position: number, width: number, value: Value): boolean {
  value.bytes = width + readLength(frame, position, width);
  return true;
}

function readMembers(
  frame: Uint8Array,
  position: number,
  width: number,
  perMember: number,
  value: Value,
): boolean {
  value.bytes = width;
  value.members = perMember * readLength(frame, position, width);
  return true;
}

/** A big-endian length; bytes that are missing count as zero and are noticed by the caller. */
function readLength(frame: Uint8Array, position: number, width: number): number {
  let length = 0;
  for (let index = 0; index < width; index += 1) {
    length = length * 256 + (frame[position + index] ?? 0);
  }
  return length;
}

/** The first byte of an extension with 4, 8 or 12 bytes of content; 12 come with a length. */
const TIME_FORMS: readonly (readonly [first: number, bytes: number])[] = [
  [0xd6, 4],
  [0xd7, 8],
  [0xc7, 12],
];
const TIME_TYPE = 0xff;

/** Reads a point in time; false when it is another extension, or no extension. */
function readTime(frame: Uint8Array, position: number, value: Value): boolean {
  const form = TIME_FORMS.find(([first]) => first === frame[position]);
  if (form === undefined) return false;
  const [, bytes] = form;
  const typeAt = bytes === 12 ? position + 2 : position + 1;
  if (bytes === 12 && frame[position + 1] !== 12) return false;
  value.bytes = typeAt - position + bytes;
  return frame[typeAt] === TIME_TYPE;
}
