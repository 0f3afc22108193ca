/**
 * The tables of the report: which rows stand in which, and how a row reads.
 */

import type { Results } from './results.js';
import type { Row } from './row.js';
import { growthPerTenfold } from './statistics.js';

export function tablesOf({ rows, skips }: Results): string {
  const of = (...names: readonly string[]): readonly Row[] =>
    rows.filter(({ case: name }) => names.some((start) => name.startsWith(start)));
  const others = rows.filter(({ case: name }) => !/^(?:peers|servers|kafka|growth)-/.test(name));
  const parts = [
    section('Budgets', budgetNote(rows), budgetTable(rows.filter(({ budget }) => budget))),
    section('Beside embedded peers', PEERS, peerTable(of('peers-'))),
    section('Beside Apache Kafka, through its own tools', KAFKA, peerTable(of('kafka-'))),
    section('Beside servers on loopback, for orientation', SERVERS, peerTable(of('servers-'))),
    section('Growth', GROWTH, growthTable(of('growth-'), of('group-fanout'))),
    section('Everything else', OTHERS, plainTable(others)),
    section(
      'Not measured',
      'What was not there, or failed; a row that is missing above is here.',
      table(
        ['case', 'value', 'what', 'why'],
        skips.map((skip) => [skip.case, bytes(skip.valueBytes), skip.against, skip.skipped]),
      ),
    ),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

const PEERS = [
  'Same bytes, a process for each side, turns that change. *Ratio* is ours divided by theirs:',
  'of rates more is better, of times less. *Memory* is the peak of ours and of theirs. `-best` is',
  'ours against the fastest of those that promise as much.',
].join('\n');
const KAFKA = [
  '`acks-one`: neither server syncs. `acks-all`: ours syncs before it answers, Kafka does not;',
  'both are so by themselves. `acks-all-synced`: Kafka flushes each batch, too.',
].join('\n');
const SERVERS = [
  'A server gives what a library cannot, and its clients pay for the way to it. These say what it',
  'costs to leave the process, no more.',
].join('\n');
const GROWTH = [
  'How many times the cost rises when the size rises ten times, from a line through the logarithms',
  'of all sizes: 1 is not at all, 10 is as the size. `topics-send` goes to 64 topics, or to as',
  'many as there are: fewer need fewer syncs. `group-fanout` is the time of a record of one group.',
].join('\n');
const OTHERS = [
  'Raw is the same finished bytes through `node:fs` alone, unless a column says otherwise;',
  '[README.md](README.md) says what each case does.',
].join('\n');

function section(title: string, note: string, content: string): string {
  return content === '' ? '' : `## ${title}\n\n${note}\n\n${content}`;
}

function budgetNote(rows: readonly Row[]): string {
  const judged = rows.filter(({ budget }) => budget !== undefined);
  const missed = judged.filter(({ met }) => met === false);
  const kept = `${judged.length - missed.length} of ${judged.length} are kept.`;
  return `${kept} One is missed when the whole interval lies on its wrong side.`;
}

function budgetTable(rows: readonly Row[]): string {
  return table(
    ['case', 'ours', 'raw, or against', 'ratio', 'budget', ''],
    rows.map((row) => [
      labelOf(row),
      quantity(row.ours, row.unit),
      against(row),
      ratio(row),
      row.budget ?? '',
      row.met === true ? 'kept' : '**missed**',
    ]),
  );
}

function peerTable(rows: readonly Row[]): string {
  return table(
    ['case', 'against', 'ours', 'theirs', 'ratio', 'what theirs promises', 'memory'],
    rows.map((row) => [
      labelOf(row),
      row.against ?? '',
      quantity(row.ours, row.unit),
      quantity(row.raw, row.unit),
      ratio(row),
      promiseOf(row),
      row['theirPeakMiB'] === undefined
        ? ''
        : `${row['oursPeakMiB']} and ${row['theirPeakMiB']} MiB`,
    ]),
  );
}

function promiseOf(row: Row): string {
  const { promise, strength } = row;
  if (typeof promise !== 'string') return '';
  return strength === 'exact' ? promise : `**${strength}**: ${promise}`;
}

function growthTable(rows: readonly Row[], fanouts: readonly Row[]): string {
  const slopes = rows.filter(({ unit }) => unit === 'times');
  return table(
    ['what', 'costs', 'times, for ten times the size', 'should be'],
    [...slopes.map((row) => slopeCells(row, rows)), ...fanoutCells(fanouts)],
  );
}

function slopeCells(row: Row, rows: readonly Row[]): readonly string[] {
  const name = row.case.replace(/-growth$/, '');
  const sizes = rows.filter((other) => other.case === name);
  const costs = sizes.map((one) => `${one['of']}: ${quantity(one.ours, one.unit)}`).join(', ');
  const { oursLow, oursHigh } = row;
  const interval = `[${short(Number(oursLow))}, ${short(Number(oursHigh))}]`;
  return [name, costs, `${short(row.ours)} ${interval}`, short(row.raw)];
}

/** Its rates are of all groups together, by their number. */
function fanoutCells(rows: readonly Row[]): readonly (readonly string[])[] {
  const rates = rows.filter(({ unit }) => unit === 'records/s');
  if (rates.length < 2) return [];
  const points = rates.map(({ callers, ours }) => ({ x: callers, y: 1e6 / ours }));
  const costs = points.map(({ x, y }) => `${x}: ${short(y)} µs`).join(', ');
  return [['group-fanout', costs, short(growthPerTenfold(points)), '1']];
}

function plainTable(rows: readonly Row[]): string {
  return table(
    ['case', 'ours', 'raw', 'ratio', 'rounds'],
    rows.map((row) => [
      labelOf(row),
      quantity(row.ours, row.unit),
      against(row),
      ratio(row),
      String(row.rounds),
    ]),
  );
}

/** The case with what makes it this one of its rows. */
export function labelOf(row: Row): string {
  const facts = [
    row.valueBytes > 0 ? bytes(row.valueBytes) : '',
    row.callers > 1 ? `${row.callers} at once` : '',
    row.acks === '-' ? '' : row.acks,
  ];
  const shown = facts.filter((fact) => fact !== '').join(', ');
  return shown === '' ? `\`${row.case}\`` : `\`${row.case}\` ${shown}`;
}

function against(row: Row): string {
  const value = quantity(row.raw, row.unit);
  return row.against === undefined ? value : `${value}, ${row.against}`;
}

function ratio({ ratio: median, low, high }: Row): string {
  return low === high ? short(median) : `${short(median)} [${short(low)}, ${short(high)}]`;
}

export function quantity(value: number, unit: Row['unit']): string {
  if (unit.endsWith('/s')) {
    const [size, prefix] = scaled(value);
    const what = unit === 'bytes/s' ? 'B/s' : unit;
    return `${short(size)} ${prefix}${prefix === '' || what === 'B/s' ? '' : ' '}${what}`;
  }
  if (unit === 'bytes') {
    const [size, prefix] = scaled(value);
    return `${short(size)} ${prefix}B`;
  }
  return `${short(value)} ${unit}`;
}

function scaled(value: number): readonly [number, string] {
  if (value >= 1e9) return [value / 1e9, 'G'];
  if (value >= 1e6) return [value / 1e6, 'M'];
  if (value >= 1e3) return [value / 1e3, 'k'];
  return [value, ''];
}

function bytes(count: number): string {
  return count >= 1024 ? `${count / 1024} KiB` : `${count} B`;
}

/** Three digits: more is noise. */
function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function table(heading: readonly string[], lines: readonly (readonly string[])[]): string {
  if (lines.length === 0) return '';
  const shown = [heading, heading.map(() => '---'), ...lines];
  return shown.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
