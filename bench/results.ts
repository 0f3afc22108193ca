/**
 * The results of a run, as `--json` prints them: the machine, rows, and what was skipped.
 */

import type { Row, Skip } from './row.js';

export interface Results {
  readonly machine: string;
  readonly rows: readonly Row[];
  readonly skips: readonly Skip[];
}

/**
 * One JSON object on each line. Of a case that was measured twice the later rows count, so that a
 * part of a run can be appended to it. Throws an error that names the line when one is no result.
 */
export function parseResults(text: string): Results {
  let machine = 'unknown';
  const rows = new Map<string, Row>();
  const skips = new Map<string, Skip>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const value: unknown = parsed(line, index + 1);
    if (isMachine(value)) machine = value.machine;
    else if (isSkip(value)) skips.set(`${value.case} ${value.valueBytes} ${value.against}`, value);
    else if (isRow(value)) rows.set(keyOf(value), value);
    else throw new Error(`line ${index + 1} is no result: ${line}`);
  }
  return { machine, rows: [...rows.values()], skips: [...skips.values()] };
}

/** What tells a row from others of its case. */
function keyOf(row: Row): string {
  const { valueBytes, batch, callers, acks, against = '' } = row;
  return [row.case, valueBytes, batch, callers, acks, against, row['of'] ?? ''].join(' ');
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`line ${number} is no JSON: ${line}`);
  }
}

function isMachine(value: unknown): value is { readonly machine: string } {
  return has(value, 'machine') && typeof value.machine === 'string';
}

function isSkip(value: unknown): value is Skip {
  return has(value, 'case') && has(value, 'skipped') && typeof value.skipped === 'string';
}

function isRow(value: unknown): value is Row {
  return has(value, 'case') && has(value, 'ratio') && has(value, 'unit');
}

function has<Name extends string>(value: unknown, name: Name): value is Record<Name, unknown> {
  return typeof value === 'object' && value !== null && name in value;
}
