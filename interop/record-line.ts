/**
 * One record as text, the form in which every side of the comparison states what it read: bytes as
 * base64, so that two records are the same exactly when their lines are.
 */

import { readOutput } from './child-processes.js';

export interface RecordLine {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

/** A record as Kafka's file reader shows it: the record and what its batch says. */
export interface StoredRecordLine extends RecordLine {
  readonly batchLastOffset: number;
  readonly batchTimestampMax: number;
  readonly codec: string;
  readonly control: boolean;
  readonly deleteHorizon: boolean;
}

/** Differences that one comparison describes; the count is always complete. */
const DIFFERENCES_SHOWN_MAX = 3;
const TEXT_CHARACTERS_MAX = 200;

export function base64(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Empty when both sides are the same records in the same order; otherwise what differs. */
export function compareRecords(
  expected: readonly RecordLine[],
  actual: readonly RecordLine[],
): string[] {
  const differences: string[] = [];
  let count = 0;
  if (expected.length !== actual.length) {
    differences.push(`expected ${expected.length} records, found ${actual.length}`);
  }
  for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
    const wanted = textOf(expected[i]);
    const found = textOf(actual[i]);
    if (wanted === found) continue;
    count += 1;
    if (count > DIFFERENCES_SHOWN_MAX) continue;
    differences.push(`record ${i}: expected ${shorten(wanted)}, found ${shorten(found)}`);
  }
  if (count > DIFFERENCES_SHOWN_MAX) differences.push(`${count} records differ in all`);
  return differences;
}

export function readRecordLines(file: string): RecordLine[] {
  return parseLines(file, parseRecord);
}

export function readStoredRecordLines(file: string): StoredRecordLine[] {
  return parseLines(file, (fields) => ({
    ...parseRecord(fields),
    batchLastOffset: numberField(fields, 'batchLastOffset'),
    batchTimestampMax: numberField(fields, 'batchTimestampMax'),
    codec: textField(fields, 'codec'),
    control: booleanField(fields, 'control'),
    deleteHorizon: booleanField(fields, 'deleteHorizon'),
  }));
}

export type JsonFields = ReadonlyMap<string, unknown>;

/** Parses a file of JSON lines; a line that is no object is an error that names it. */
export function parseLines<T>(file: string, parse: (fields: JsonFields) => T): T[] {
  const lines = readOutput(file).split('\n');
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return [];
    const json: unknown = JSON.parse(line);
    if (typeof json !== 'object' || json === null) throw new Error(`${file}: line ${i + 1}`);
    return [parse(new Map(Object.entries(json)))];
  });
}

export function numberField(fields: JsonFields, name: string): number {
  const field = fields.get(name);
  if (typeof field !== 'number') throw new Error(`${name} is not a number: ${field}`);
  return field;
}

export function textField(fields: JsonFields, name: string): string {
  const field = fields.get(name);
  if (typeof field !== 'string') throw new Error(`${name} is not text: ${field}`);
  return field;
}

export function booleanField(fields: JsonFields, name: string): boolean {
  const field = fields.get(name);
  if (typeof field !== 'boolean') throw new Error(`${name} is not a boolean: ${field}`);
  return field;
}

function parseRecord(fields: JsonFields): RecordLine {
  return {
    offset: numberField(fields, 'offset'),
    timestamp: numberField(fields, 'timestamp'),
    key: textOrNull(fields.get('key')),
    value: textOrNull(fields.get('value')),
    headers: parseHeaders(fields.get('headers')),
  };
}

function parseHeaders(headers: unknown): (readonly [string, string | null])[] {
  if (!Array.isArray(headers)) throw new Error('headers are not an array');
  return headers.map((header: unknown) => {
    if (!Array.isArray(header) || header.length !== 2) throw new Error('a header is not a pair');
    const [key, value]: unknown[] = header;
    if (typeof key !== 'string') throw new Error('a header has no key');
    return [key, textOrNull(value)] as const;
  });
}

function textOrNull(field: unknown): string | null {
  if (field === null || typeof field === 'string') return field;
  throw new Error(`neither text nor null: ${field}`);
}

function textOf(record: RecordLine | undefined): string {
  if (record === undefined) return 'nothing';
  const { offset, timestamp, key, value, headers } = record;
  return JSON.stringify({ offset, timestamp, key, value, headers });
}

function shorten(text: string): string {
  if (text.length <= TEXT_CHARACTERS_MAX) return text;
  return `${text.slice(0, TEXT_CHARACTERS_MAX)}... (${text.length} characters)`;
}
