/**
 * Codecs: how a topic's values become bytes and come back.
 *
 * A null (or absent) value is a tombstone and passes every codec untouched, so a codec never sees
 * one. What a codec cannot store or read is VALUE_INVALID.
 */

import { createError, MillraceError } from '../../base/errors.js';
import { LogRecord, type RecordHeader, type RecordPlace } from '../../storage/main.js';

/** A record as readers get it; it stays valid for as long as it is referenced. */
export interface ConsumerRecord<Value> {
  readonly offset: number;
  /** Milliseconds since 1970; -1 when the producer gave none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  /** Null in a tombstone. */
  readonly value: Value | null;
  readonly headers: readonly RecordHeader[];
}

/** `Output` is what readers get, `Input` what producers give. */
export interface Codec<Output, Input = Output> {
  /** For errors and people. */
  readonly name: string;
  /** Text is stored as UTF-8; bytes must not change afterwards. */
  encode(value: Input): Uint8Array | string | Promise<Uint8Array | string>;
  /** The bytes may be kept: nobody writes to them again. */
  decode(bytes: Buffer): Output | Promise<Output>;
  /** @internal The record itself, of a codec that has nothing to decode. */
  readonly recordAt?: (place: RecordPlace) => ConsumerRecord<Output>;
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
  recordAt: (place: RecordPlace): ConsumerRecord<Buffer> => new LogRecord(place),
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

/** What a codec threw, as VALUE_INVALID. */
export function asInvalid(codec: { readonly name: string }, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return invalidValue(codec.name, reason.slice(0, 200), error);
}

/** The same bytes in memory of their own. */
export function copyBytes(given: Uint8Array): Uint8Array {
  return Buffer.from(given);
}

/** Throws OPTION_INVALID for what is no codec; absent is none. */
export function checkCodec(codec: Codec<unknown, never> | undefined): void {
  if (codec === undefined) return;
  if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') return;
  throw createError('OPTION_INVALID', { option: 'codec', expected: 'encode and decode' });
}
