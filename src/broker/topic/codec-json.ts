/**
 * Values as JSON text, checked by any Standard Schema (https://standardschema.dev), or by none.
 *
 * A producer's value is checked and stored as it was given; a reader gets what the schema makes of
 * the stored value. So a schema that transforms (text into a date, say) is applied once, when
 * reading. A schema may answer with a promise: sends of one producer keep their order all the same.
 */

import { type Codec, invalidValue } from './codec.js';

/** The part of Standard Schema, version 1, that is used. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

const NAME = 'json';

export function json(): Codec<unknown>;
export function json<Input, Output>(schema: StandardSchema<Input, Output>): Codec<Output, Input>;
export function json(schema?: StandardSchema): Codec<unknown> {
  if (schema === undefined) return { name: NAME, encode: stringify, decode: parse };
  return {
    name: NAME,
    encode: (value) => afterwards(validate(schema, value), () => stringify(value)),
    decode: (bytes) => validate(schema, parse(bytes)),
  };
}

function stringify(value: unknown): string {
  const text: unknown = JSON.stringify(value);
  if (typeof text === 'string') return text;
  throw invalidValue(NAME, `JSON has no ${typeof value}`);
}

function parse(bytes: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return value;
  } catch (error) {
    throw invalidValue(NAME, 'the bytes are not JSON text', error);
  }
}

function validate(schema: StandardSchema, value: unknown): unknown {
  return afterwards(schema['~standard'].validate(value), outputOf);
}

function outputOf(result: StandardResult<unknown>): unknown {
  if (result.issues === undefined) return result.value;
  const [first] = result.issues;
  const place = (first?.path ?? []).map((part) =>
    String(typeof part === 'object' ? part.key : part),
  );
  const where = place.length === 0 ? '' : `${place.join('.')}: `;
  throw invalidValue(NAME, `${where}${first?.message ?? 'refused by the schema'}`.slice(0, 200));
}

/** `next` of a value now, or of a promised one later. */
function afterwards<T, U>(value: T | Promise<T>, next: (value: T) => U): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
