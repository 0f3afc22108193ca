/**
 * The types of fields in Kafka's messages: how each is read and written in a version.
 *
 * A message is described as data, once for all of its versions; `coderAt` makes of it what reads
 * and writes one version, without further questions about versions. Field names are Kafka's, in
 * camelCase. A value read in a version that lacks a field has the field's default.
 */

import type { WireReader } from './wire-reader.js';
import type { WireWriter } from './wire-writer.js';

export interface WireVersion {
  readonly version: number;
  readonly isFlexible: boolean;
}

export interface Coder<Value> {
  read(reader: WireReader): Value;
  write(writer: WireWriter, value: Value): void;
  /** No value takes fewer bytes. */
  readonly bytesMin: number;
}

/** What a type is made of, for whoever looks at types: tests, and who draws messages. */
export type WireForm =
  | { readonly kind: PlainKind; readonly isNullable: boolean }
  | { readonly kind: 'list'; readonly isNullable: boolean; readonly entry: WireType<unknown> }
  | {
      readonly kind: 'struct';
      readonly isNullable: boolean;
      readonly fields: Readonly<Record<string, Field<unknown>>>;
    };

export type PlainKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uuid'
  | 'text'
  | 'bytes'
  | 'records';

export interface FieldOptions<Value> {
  /** The first and the last version that have the field; every one when absent. */
  readonly from?: number;
  readonly to?: number;
  /** Given: it is a tagged field, which only flexible versions have. */
  readonly tag?: number;
  /** The first version in which it may be null, when that is not the first one. */
  readonly nullableFrom?: number;
  /** What it is where it is not; that of its type when this is absent. */
  readonly absent?: Value;
}

export interface Field<Value> {
  readonly type: WireType<Value>;
  readonly options: FieldOptions<Value>;
}

export interface WireType<Value> {
  readonly form: WireForm;
  coderAt(at: WireVersion): Coder<Value>;
  /** What a field of this type is where there is none. */
  readonly absent: Value;
}

/** Record batches: one view when read, any number of buffers when written. */
export type RecordPieces = readonly Uint8Array[];

export const bool = fixed<boolean>('bool', 1, false, {
  read: (reader) => reader.bool(),
  write: (writer, value) => writer.bool(value),
});
export const int8 = fixed<number>('int8', 1, 0, {
  read: (reader) => reader.int8(),
  write: (writer, value) => writer.int8(value),
});
export const int16 = fixed<number>('int16', 2, 0, {
  read: (reader) => reader.int16(),
  write: (writer, value) => writer.int16(value),
});
export const int32 = fixed<number>('int32', 4, 0, {
  read: (reader) => reader.int32(),
  write: (writer, value) => writer.int32(value),
});
export const int64 = fixed<number>('int64', 8, 0, {
  read: (reader) => reader.int64(),
  write: (writer, value) => writer.int64(value),
});

/** No id. */
export const NO_UUID = '0'.repeat(32);
export const uuid = fixed<string>('uuid', 16, NO_UUID, {
  read: (reader) => reader.uuid(),
  write: (writer, value) => writer.uuid(value),
});

const lengthyText: Lengthy<string> = {
  form: { kind: 'text' },
  lengthBytes: 2,
  at: ({ isFlexible }) => ({
    read: (reader) => reader.text(isFlexible),
    write: (writer, value) => writer.text(value, isFlexible),
  }),
};
export const text = present('', lengthyText);
export const nullableText = nullable(lengthyText);

const lengthyBytes: Lengthy<Uint8Array> = {
  form: { kind: 'bytes' },
  lengthBytes: 4,
  at: ({ isFlexible }) => ({
    read: (reader) => reader.bytes(isFlexible),
    write: (writer, value) => writer.bytes(value, isFlexible),
  }),
};
export const bytes = present<Uint8Array>(new Uint8Array(0), lengthyBytes);
export const nullableBytes = nullable(lengthyBytes);

const lengthyRecords: Lengthy<RecordPieces> = {
  form: { kind: 'records' },
  lengthBytes: 4,
  at: ({ isFlexible }) => ({
    read: (reader) => {
      const view = reader.bytes(isFlexible);
      return view === null ? null : [view];
    },
    write: (writer, value) => writer.pieces(value, isFlexible),
  }),
};
export const records = present<RecordPieces>([], lengthyRecords);
export const nullableRecords = nullable(lengthyRecords);

export function list<Value>(entry: WireType<Value>): WireType<readonly Value[]> {
  return present<readonly Value[]>([], lengthyList(entry));
}

/** Null is another value than an empty list. */
export function nullableList<Value>(entry: WireType<Value>): WireType<readonly Value[] | null> {
  return nullable<readonly Value[]>(lengthyList(entry));
}

/** A struct behind a byte that says whether it is there. */
export function nullableStruct<Value>(inner: WireType<Value>): WireType<Value | null> {
  return {
    form: { ...inner.form, isNullable: true },
    absent: null,
    coderAt: (at) => {
      const coder = inner.coderAt(at);
      return {
        bytesMin: 1,
        read: (reader) => (reader.int8() < 0 ? null : coder.read(reader)),
        write: (writer, value) => {
          writer.int8(value === null ? -1 : 1);
          if (value !== null) coder.write(writer, value);
        },
      };
    },
  };
}

type LengthyForm =
  | { readonly kind: 'text' | 'bytes' | 'records' }
  | { readonly kind: 'list'; readonly entry: WireType<unknown> };

/** Something with a length in front, of which -1 says that it is null. */
interface Lengthy<Value> {
  readonly form: LengthyForm;
  /** In versions that are not flexible; in flexible ones it is 1. */
  readonly lengthBytes: number;
  at(at: WireVersion): Pick<Coder<Value | null>, 'read' | 'write'>;
}

function fixed<Value>(
  kind: PlainKind,
  bytesMin: number,
  absent: Value,
  calls: Pick<Coder<Value>, 'read' | 'write'>,
): WireType<Value> {
  const coder = { ...calls, bytesMin };
  return { form: { kind, isNullable: false }, absent, coderAt: () => coder };
}

function nullable<Value>({ form, lengthBytes, at }: Lengthy<Value>): WireType<Value | null> {
  return {
    form: { ...form, isNullable: true },
    absent: null,
    coderAt: (version) => ({ ...at(version), bytesMin: version.isFlexible ? 1 : lengthBytes }),
  };
}

function present<Value>(absent: Value, lengthy: Lengthy<Value>): WireType<Value> {
  const type = nullable(lengthy);
  return {
    form: { ...lengthy.form, isNullable: false },
    absent,
    coderAt: (at) => {
      const { bytesMin, read, write } = type.coderAt(at);
      return {
        bytesMin,
        read: (reader) => {
          const start = reader.position;
          const value = read(reader);
          if (value === null) throw reader.invalid('a value, not null', start);
          return value;
        },
        write,
      };
    },
  };
}

function lengthyList<Value>(entry: WireType<Value>): Lengthy<readonly Value[]> {
  return {
    form: { kind: 'list', entry },
    lengthBytes: 4,
    at: (version) => {
      const { isFlexible } = version;
      const coder = entry.coderAt(version);
      return {
        read: (reader) => {
          const count = reader.count(isFlexible, coder.bytesMin);
          if (count === null) return null;
          const values: Value[] = [];
          for (let index = 0; index < count; index += 1) values.push(coder.read(reader));
          return values;
        },
        write: (writer, values) => {
          writer.count(values === null ? -1 : values.length, isFlexible);
          for (const value of values ?? []) coder.write(writer, value);
        },
      };
    },
  };
}
