/**
 * Reads the fields of a request that came over the holder's socket: each is checked by hand, and
 * the first one that is not as it must be ends the reading.
 *
 * Records travel as arrays `[key, value, timestamp, [[headerKey, headerValue], ...]]` with null for
 * what is absent.
 */

import { limits } from '../base/limits.js';
import { countOf, fieldOf, isCount, isMap, textOf } from './holder-fields.js';
import type { RecordHeaderInput, RecordInput } from './record.js';

export type HolderOptionValue = string | number | boolean | readonly string[];

export type HolderOptions = Readonly<Record<string, HolderOptionValue>>;

/** Thrown by the readers below, caught where a request is parsed: a field is not as it must be. */
export class FieldError extends Error {
  readonly field: string;

  constructor(field: string) {
    super(field);
    this.field = field;
  }
}

export function readArray(map: object, name: string): readonly unknown[] {
  const field = fieldOf(map, name);
  if (Array.isArray(field)) return field;
  throw new FieldError(name);
}

export function readText(map: object, name: string): string {
  const text = textOf(map, name);
  if (text === undefined) throw new FieldError(name);
  return text;
}

export function readOffset(map: object, name: string): number {
  const offset = countOf(map, name);
  if (offset === undefined || offset > limits.offsetMax) throw new FieldError(name);
  return offset;
}

export function readOptions(map: object, name = 'options'): Record<string, HolderOptionValue> {
  const field = fieldOf(map, name);
  if (!isMap(field)) throw new FieldError(name);
  const entries = Object.entries(field).map(([option, value]: [string, unknown]) => {
    if (typeof value === 'string' || typeof value === 'boolean') return entry(option, value);
    if (typeof value === 'number' && Number.isFinite(value)) return entry(option, value);
    if (isTextList(value)) return entry(option, value);
    throw new FieldError(name);
  });
  return Object.fromEntries(entries);
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'string');
}

function entry(name: string, value: HolderOptionValue): [string, HolderOptionValue] {
  return [name, value];
}

export function readRecord(wire: unknown): RecordInput {
  if (!Array.isArray(wire) || wire.length !== 4) throw new FieldError('records');
  const [key, value, timestamp, headers]: readonly unknown[] = wire;
  if (!isContent(key) || !isContent(value)) throw new FieldError('records');
  if (!Array.isArray(headers) || headers.length > limits.recordHeadersMax) {
    throw new FieldError('records');
  }
  if (timestamp !== null && !isCount(timestamp)) throw new FieldError('records');
  return { key, value, timestamp: timestamp ?? undefined, headers: headers.map(readHeader) };
}

function readHeader(wire: unknown): RecordHeaderInput {
  if (!Array.isArray(wire) || wire.length !== 2) throw new FieldError('records');
  const [key, value]: readonly unknown[] = wire;
  if (typeof key !== 'string' || !isContent(value)) throw new FieldError('records');
  return { key, value };
}

function isContent(value: unknown): value is Uint8Array | string | null {
  return value === null || typeof value === 'string' || value instanceof Uint8Array;
}

export function readFlag(map: object, name: string): boolean {
  const flag = fieldOf(map, name);
  if (typeof flag !== 'boolean') throw new FieldError(name);
  return flag;
}

export function readTexts(map: object, name: string): readonly string[] {
  const texts = fieldOf(map, name);
  if (!isTextList(texts)) throw new FieldError(name);
  return texts;
}

export function readCounts(map: object, name: string): readonly number[] {
  const counts = readArray(map, name);
  if (!counts.every(isCount)) throw new FieldError(name);
  return counts;
}

/** Null when the field is null, or absent. */
export function readOptional<T>(
  map: object,
  name: string,
  read: (map: object, name: string) => T,
): T | null {
  const field = fieldOf(map, name);
  return field === undefined || field === null ? null : read(map, name);
}
