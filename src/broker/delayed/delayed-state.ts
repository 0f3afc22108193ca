/**
 * What is stored of the state of delayed messages: facts, which are added up in their order.
 *
 *     finished   floor + 1 or 0, and of each run of ids: distance to the end of the run before, and
 *                length
 *     covered    offset, bytes a message on average, floor, start
 *     run        number, level, entries, and of each page: distance to the offset of the page
 *                before, and to its due time
 *     gone       numbers of runs
 *
 * A fact is a record whose key says its kind; the value is a byte 1 and numbers as in
 * `delayed-number.ts`. `finished`: these messages have entered, or were cancelled, or never were
 * any. With a floor, all entries of the runs that are due before it are finished. `covered`:
 * entries of all messages below the offset are in runs that are noted, unless they are finished;
 * all ids below the start are.
 *
 * A snapshot is such facts again, behind which the older ones go. Facts that came twice do no harm.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { OffsetRange } from '../share/share-ranges.js';
import { DUE_MS_MAX } from './delayed-entry.js';
import { NUMBER_BYTES_MAX, NumberReader, writeNumber } from './delayed-number.js';
import { type DelayedRun, RUN_PAGES_MAX, type RunPage } from './delayed-run.js';

export interface CoveredFact {
  readonly covered: number;
  readonly averageBytes: number;
  readonly floorMs: number;
  readonly start: number;
}

export interface FinishedFact {
  readonly kind: 'finished';
  readonly floorMs?: number;
  readonly ranges: readonly OffsetRange[];
}

export type DelayedFact =
  | FinishedFact
  | ({ readonly kind: 'covered' } & CoveredFact)
  | { readonly kind: 'run'; readonly run: DelayedRun }
  | { readonly kind: 'gone'; readonly numbers: readonly number[] };

export interface FactRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Runs of ids that one fact holds at most. */
export const FACT_RANGES_MAX = 16_384;

const FORM = 1;
const GONE_MAX = 4_096;

export function factRecord(fact: DelayedFact): FactRecord {
  return { key: fact.kind, value: encodeNumbers(numbersOf(fact)) };
}

/** Throws FORMAT_UNSUPPORTED for a newer form, LOG_CORRUPT for what is none. */
export function readFact(key: string, value: Uint8Array, offset: number): DelayedFact {
  const form = value[0] ?? 0;
  if (form > FORM)
    throw createError('FORMAT_UNSUPPORTED', { offset, expected: FORM, actual: form });
  const reader = new FactReader(value, offset);
  if (form !== FORM) throw reader.corrupt();
  if (key === 'finished') return readFinished(reader);
  if (key === 'covered') return readCovered(reader);
  if (key === 'run') return { kind: 'run', run: readRun(reader) };
  if (key === 'gone') return { kind: 'gone', numbers: readGone(reader) };
  throw reader.corrupt();
}

/** Runs of ids as facts, each of a bounded size. */
export function* finishedFacts(ranges: Iterable<OffsetRange>): Generator<FinishedFact> {
  let some: OffsetRange[] = [];
  for (const range of ranges) {
    some.push(range);
    if (some.length < FACT_RANGES_MAX) continue;
    yield { kind: 'finished', ranges: some };
    some = [];
  }
  if (some.length > 0) yield { kind: 'finished', ranges: some };
}

function numbersOf(fact: DelayedFact): number[] {
  if (fact.kind === 'finished') {
    const numbers = [fact.floorMs === undefined ? 0 : fact.floorMs + 1];
    let from = 0;
    for (const { first, end } of fact.ranges) {
      numbers.push(first - from, end - first);
      from = end;
    }
    return numbers;
  }
  if (fact.kind === 'covered') {
    return [fact.covered, fact.averageBytes, fact.floorMs, fact.start];
  }
  if (fact.kind === 'gone') return [...fact.numbers];
  const { number, level, entries, pages } = fact.run;
  const numbers = [number, level, entries];
  let last: RunPage = { offset: 0, firstDueMs: 0 };
  for (const page of pages) {
    numbers.push(page.offset - last.offset, page.firstDueMs - last.firstDueMs);
    last = page;
  }
  return numbers;
}

function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(1 + numbers.length * NUMBER_BYTES_MAX);
  bytes[0] = FORM;
  let end = 1;
  for (const number of numbers) end = writeNumber(bytes, end, number);
  return Buffer.from(bytes.subarray(0, end));
}

function readFinished(reader: FactReader): DelayedFact {
  const floor = reader.next(0, DUE_MS_MAX + 1);
  const ranges: OffsetRange[] = [];
  let from = 0;
  while (!reader.isAtEnd) {
    const first = from + reader.next(0, limits.offsetMax);
    const end = first + reader.next(1, limits.offsetMax);
    if (end > limits.offsetMax + 1 || ranges.length === FACT_RANGES_MAX) throw reader.corrupt();
    ranges.push({ first, end });
    from = end;
  }
  if (floor === 0) return { kind: 'finished', ranges };
  return { kind: 'finished', floorMs: floor - 1, ranges };
}

function readCovered(reader: FactReader): DelayedFact {
  const covered = reader.next(0, limits.offsetMax + 1);
  const averageBytes = reader.next(0, limits.batchBytesMax);
  const floorMs = reader.next(0, DUE_MS_MAX);
  const start = reader.next(0, limits.offsetMax + 1);
  reader.end();
  return { kind: 'covered', covered, averageBytes, floorMs, start };
}

function readRun(reader: FactReader): DelayedRun {
  const number = reader.next(0, Number.MAX_SAFE_INTEGER);
  const level = reader.next(0, 64);
  const entries = reader.next(1, limits.offsetMax);
  const pages: RunPage[] = [];
  let last: RunPage = { offset: 0, firstDueMs: 0 };
  while (!reader.isAtEnd) {
    const offset = last.offset + reader.next(pages.length === 0 ? 0 : 1, limits.offsetMax);
    const firstDueMs = last.firstDueMs + reader.next(0, DUE_MS_MAX);
    if (offset > limits.offsetMax || firstDueMs > DUE_MS_MAX) throw reader.corrupt();
    if (pages.length === RUN_PAGES_MAX) throw reader.corrupt();
    last = { offset, firstDueMs };
    pages.push(last);
  }
  if (pages.length === 0) throw reader.corrupt();
  return { number, level, entries, pages };
}

function readGone(reader: FactReader): number[] {
  const numbers: number[] = [];
  while (!reader.isAtEnd) {
    if (numbers.length === GONE_MAX) throw reader.corrupt();
    numbers.push(reader.next(0, Number.MAX_SAFE_INTEGER));
  }
  return numbers;
}

class FactReader {
  readonly #numbers: NumberReader;
  readonly #offset: number;

  constructor(value: Uint8Array, offset: number) {
    this.#numbers = new NumberReader(value, 1);
    this.#offset = offset;
  }

  get isAtEnd(): boolean {
    return this.#numbers.isAtEnd;
  }

  next(min: number, max: number): number {
    const number = this.#numbers.next();
    if (number < min || number > max) throw this.corrupt();
    return number;
  }

  end(): void {
    if (!this.isAtEnd) throw this.corrupt();
  }

  corrupt(): Error {
    const expected = 'a fact about delayed messages';
    return createError('LOG_CORRUPT', { offset: this.#offset, expected });
  }
}
