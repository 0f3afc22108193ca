/**
 * One line of output: what was measured, against what, in which unit; as JSON or as a table.
 */

import { judge } from './budgets.js';
import type { Comparison, Estimate } from './statistics.js';

export type Unit =
  | 'records/s'
  | 'transactions/s'
  | 'routes/s'
  | 'bytes/s'
  | 'ms'
  | 'bytes'
  | 'reads'
  | 'files'
  /** How many times as much, for ten times as much. */
  | 'times';

/** What a row is about. Fields that do not apply are 0 or '-'. */
export interface Subject {
  readonly case: string;
  readonly valueBytes: number;
  /** Records of one append. */
  readonly batch: number;
  /** Appends, or logs, in flight at once. */
  readonly callers: number;
  readonly acks: 'durable' | 'written' | '-';
  readonly unit: Unit;
  /** What stands in the column of raw, when it is something else. */
  readonly against?: string;
}

/** Something that was not measured, and why. */
export interface Skip {
  readonly case: string;
  readonly against: string;
  readonly valueBytes: number;
  readonly skipped: string;
}

export interface Row extends Subject {
  /** Medians, in the unit. */
  readonly ours: number;
  readonly raw: number;
  /** Median of ours / raw over the paired rounds, and its interval. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
  readonly budget?: string;
  readonly met?: boolean;
  readonly [extra: string]: string | number | boolean | undefined;
}

export type Extras = Readonly<Record<string, string | number>>;

/** `hasVerdict` is off in smoke runs: their numbers mean nothing. */
export function makeRow(
  subject: Subject,
  comparison: Comparison,
  extras: Extras,
  hasVerdict: boolean,
): Row {
  const { ours, raw, ratio, rounds } = comparison;
  const row: Row = {
    case: subject.case,
    valueBytes: subject.valueBytes,
    batch: subject.batch,
    callers: subject.callers,
    acks: subject.acks,
    ours: rounded(ours.median),
    raw: rounded(raw.median),
    ratio: rounded(ratio.median),
    low: rounded(ratio.low),
    high: rounded(ratio.high),
    unit: subject.unit,
    ...(subject.against === undefined ? {} : { against: subject.against }),
    rounds,
    oursLow: rounded(ours.low),
    oursHigh: rounded(ours.high),
    ...extras,
  };
  const verdict = hasVerdict ? judge(row, ours) : undefined;
  return verdict === undefined ? row : { ...row, ...verdict };
}

/** Numbers that were counted, not timed: the same in every round, with nothing beside them. */
export function countedRow(
  subject: Subject,
  counted: { readonly ours: number; readonly raw: number },
  extras: Extras,
  hasVerdict: boolean,
): Row {
  const exact = (value: number): Estimate => ({ median: value, low: value, high: value });
  const ratio = exact(counted.ours / counted.raw);
  const comparison = { ours: exact(counted.ours), raw: exact(counted.raw), ratio, rounds: 1 };
  return makeRow(subject, comparison, extras, hasVerdict);
}

export function formatHeading(): string {
  return line([
    'case',
    'value',
    'batch',
    'callers',
    'acks',
    'ours',
    'raw',
    'ratio',
    'interval',
    '',
  ]);
}

export function formatRow(row: Row): string {
  const verdict = row.budget === undefined ? '' : `${row.met ? 'met' : 'MISSED'} (${row.budget})`;
  return line([
    row.case,
    String(row.valueBytes),
    String(row.batch),
    String(row.callers),
    row.acks,
    quantity(row.ours, row.unit),
    quantity(row.raw, row.unit),
    row.ratio.toFixed(3),
    `[${row.low.toFixed(2)}, ${row.high.toFixed(2)}]`,
    row.against === undefined ? verdict : `against ${row.against} ${verdict}`,
  ]);
}

export function formatSkip({ case: name, against, skipped }: Skip): string {
  return `${name.padEnd(WIDTHS[0] ?? 0)} ${against}: skipped, ${skipped}`;
}

const WIDTHS = [29, 6, 6, 8, 8, 16, 16, 8, 16, 0];

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, index) => {
    const width = WIDTHS[index] ?? 0;
    return index === 0 || index >= 8 ? cell.padEnd(width) : cell.padStart(width);
  });
  return padded.join(' ').trimEnd();
}

function quantity(value: number, unit: Unit): string {
  if (unit === 'records/s') return `${(value / 1e6).toPrecision(4)} M/s`;
  if (unit === 'transactions/s' || unit === 'routes/s')
    return `${(value / 1e3).toPrecision(4)} k/s`;
  if (unit === 'bytes/s') return `${(value / 1e9).toPrecision(4)} GB/s`;
  return `${Number(value.toPrecision(4))} ${unit}`;
}

/** Six significant digits: more is noise, and less would lose a byte count. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
