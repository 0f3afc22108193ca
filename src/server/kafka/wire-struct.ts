/**
 * Fields in a row, each in the versions that have it, and behind them, in flexible versions, those
 * that carry a tag (KIP-482): rising by tag, each with its size, left out when it has its default.
 * Tagged fields that nobody here knows are passed over, as the protocol asks.
 */

import { assert } from '../../base/assert.js';
import type { WireReader } from './wire-reader.js';
import type { Coder, Field, FieldOptions, WireType, WireVersion } from './wire-type.js';
import type { WireWriter } from './wire-writer.js';

/** Fields in the order of the wire. */
export type Fields<Struct> = { readonly [Name in keyof Struct]-?: Field<Struct[Name]> };

export function field<Value>(
  type: WireType<Value>,
  options: FieldOptions<Value> = {},
): Field<Value> {
  return { type, options };
}

/** More than these in one struct is no message of anybody. */
const TAGS_MAX = 1_000;

/** One field of a struct in one version. */
interface PlacedField {
  readonly name: string;
  readonly coder: Coder<unknown>;
  readonly absent: unknown;
  readonly tag: number | undefined;
}

type Values = Record<string, unknown>;

export function struct<Struct>(declared: Fields<Struct>): WireType<Struct>;
export function struct(
  declared: Readonly<Record<string, Field<unknown>>>,
): WireType<Readonly<Values>> {
  const absent: Values = {};
  for (const [name, one] of Object.entries(declared)) absent[name] = absentOf(one);
  const form = { kind: 'struct', isNullable: false, fields: declared } as const;
  return { form, absent, coderAt: (at) => coderOf(declared, absent, at) };
}

function coderOf(
  declared: Readonly<Record<string, Field<unknown>>>,
  absent: Readonly<Values>,
  at: WireVersion,
): Coder<Readonly<Values>> {
  const placed = Object.entries(declared).flatMap(([name, one]): PlacedField[] => {
    const { from = 0, to = Number.POSITIVE_INFINITY, tag } = one.options;
    if (at.version < from || at.version > to) return [];
    if (tag !== undefined && !at.isFlexible) return [];
    const coder = one.type.coderAt(at);
    const mayBeNull = at.version >= (one.options.nullableFrom ?? 0);
    return [{ name, coder: mayBeNull ? coder : neverNull(coder), absent: absentOf(one), tag }];
  });
  const plain = placed.filter(({ tag }) => tag === undefined);
  const tagged = placed
    .filter(({ tag }) => tag !== undefined)
    .sort((one, other) => (one.tag ?? 0) - (other.tag ?? 0));
  const bytesMin = plain.reduce((sum, { coder }) => sum + coder.bytesMin, at.isFlexible ? 1 : 0);
  return {
    bytesMin,
    read: (reader) => {
      const values: Values = { ...absent };
      for (const { name, coder } of plain) values[name] = coder.read(reader);
      if (at.isFlexible) readTagged(reader, tagged, values);
      return values;
    },
    write: (writer, values) => {
      for (const { name, coder } of plain) coder.write(writer, values[name]);
      if (at.isFlexible) writeTagged(writer, tagged, values);
    },
  };
}

/** In versions in which a field may not be null yet. */
function neverNull<Value>({ bytesMin, read, write }: Coder<Value>): Coder<Value> {
  return {
    bytesMin,
    read: (reader) => {
      const start = reader.position;
      const value = read(reader);
      if (value === null) throw reader.invalid('a value, not null', start);
      return value;
    },
    write: (writer, value) => {
      assert(value !== null, 'the field is not null in this version');
      write(writer, value);
    },
  };
}

function readTagged(reader: WireReader, tagged: readonly PlacedField[], values: Values): void {
  const start = reader.position;
  const count = reader.uvarint();
  if (count > TAGS_MAX) throw reader.invalid(`at most ${TAGS_MAX} tagged fields`, start, count);
  let before = -1;
  for (let index = 0; index < count; index += 1) {
    const tagStart = reader.position;
    const tag = reader.uvarint();
    if (tag <= before) throw reader.invalid(`a tag above ${before}`, tagStart, tag);
    before = tag;
    const size = reader.uvarint();
    const known = tagged.find((one) => one.tag === tag);
    if (known === undefined) {
      reader.skip(size);
      continue;
    }
    const end = reader.position + size;
    values[known.name] = known.coder.read(reader);
    if (reader.position !== end) throw reader.invalid(`a field that ends at ${end}`);
  }
}

function writeTagged(
  writer: WireWriter,
  tagged: readonly PlacedField[],
  values: Readonly<Values>,
): void {
  const given = tagged.filter(({ name, absent }) => !isSame(values[name], absent));
  writer.uvarint(given.length);
  for (const { name, coder, tag } of given) {
    writer.uvarint(tag ?? 0);
    writer.sized((inner) => coder.write(inner, values[name]));
  }
}

function absentOf({ type, options }: Field<unknown>): unknown {
  return 'absent' in options ? options.absent : type.absent;
}

/** Field by field: a struct of defaults is a default, too. */
function isSame(value: unknown, absent: unknown): boolean {
  if (value === absent) return true;
  if (Array.isArray(value) && Array.isArray(absent)) return value.length + absent.length === 0;
  if (!isStruct(value) || !isStruct(absent)) return false;
  return Object.keys(absent).every((name) => isSame(value[name], absent[name]));
}

function isStruct(value: unknown): value is Readonly<Values> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
