/**
 * Codecs: how a topic's values become bytes and come back.
 *
 * A null (or absent) value is a tombstone and passes every codec untouched, so a codec never sees
 * one. What a codec cannot store or read is VALUE_INVALID.
 */

import { createError, MillraceError } from '../base/errors.js';

/** `Output` is what readers get, `Input` what producers give. */
export interface Codec<Output, Input = Output> {
  /** For errors and people. */
  readonly name: string;
  /** Text is stored as UTF-8; bytes must not change afterwards. */
  encode(value: Input): Uint8Array | string | Promise<Uint8Array | string>;
  /** The bytes may be kept: nobody writes to them again. */
  decode(bytes: Buffer): Output | Promise<Output>;
}

export function invalidValue(codec: string, reason: string, cause?: unknown): MillraceError {
  return createError('VALUE_INVALID', { codec, reason }, cause);
}

/** Values that are bytes, or text that becomes bytes; they are copied. */
export const bytes: Codec<Buffer, Uint8Array | string> = Object.freeze({
  name: 'bytes',
  encode: (value: Uint8Array | string): Uint8Array | string => {
    if (typeof value === 'string') return value;
    if (value instanceof Uint8Array) return copyBytes(value);
    throw invalidValue('bytes', `bytes or text, not ${typeof value}`);
  },
  decode: (value: Buffer): Buffer => value,
});

/** The value as `codec` stores it; whatever it throws becomes VALUE_INVALID. */
export function encodeValue<Input>(
  codec: Codec<unknown, Input>,
  value: Input,
): Uint8Array | string | Promise<Uint8Array | string> {
  try {
    const encoded = codec.encode(value);
    return encoded instanceof Promise ? encoded.then(checked, refused) : checked(encoded);
  } catch (error) {
    return refused(error);
  }

  function checked(encoded: unknown): Uint8Array | string {
    if (typeof encoded === 'string' || encoded instanceof Uint8Array) return encoded;
    throw invalidValue(codec.name, `the codec gave ${typeof encoded}, not bytes or text`);
  }

  function refused(error: unknown): never {
    throw asInvalid(codec, error);
  }
}

function asInvalid(codec: Codec<unknown, never>, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return invalidValue(codec.name, reason.slice(0, 200), error);
}

/** The same bytes in memory of their own. */
export function copyBytes(given: Uint8Array): Uint8Array {
  return Buffer.from(given);
}
