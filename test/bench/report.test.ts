/** The report: rows into tables and charts, and the numbers that are fitted for it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartsOf } from '../../bench/report-charts.js';
import { tablesOf } from '../../bench/report-tables.js';
import { parseResults } from '../../bench/results.js';
import type { Row } from '../../bench/row.js';
import { growthPerTenfold } from '../../bench/statistics.js';
import { barChart, lineChart, powers, spread } from '../../bench/svg-chart.js';

const row: Row = {
  case: 'peers-read',
  valueBytes: 100,
  batch: 1000,
  callers: 1,
  acks: '-',
  unit: 'records/s',
  against: 'other 1.2.3',
  ours: 12_345_678,
  raw: 2_000_000,
  ratio: 6.17,
  low: 6,
  high: 6.5,
  rounds: 7,
  promise: 'nothing <at> all',
  strength: 'weaker',
};

function resultsOf(...values: readonly object[]): ReturnType<typeof parseResults> {
  return parseResults(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
}

test('report: of a case that was measured twice the later row counts', () => {
  const { rows, machine } = resultsOf({ machine: 'a box' }, row, { ...row, ours: 1 });
  assert.equal(machine, 'a box');
  assert.deepEqual(
    rows.map(({ ours }) => ours),
    [1],
  );
});

test('report: rows of one case that differ in what they are about stay apart', () => {
  const { rows } = resultsOf(row, { ...row, against: 'another' }, { ...row, valueBytes: 1024 });
  assert.equal(rows.length, 3);
});

test('report: a line that is no result is named', () => {
  assert.throws(() => parseResults('{"machine":"a"}\n{"case":"x"}\n'), /line 2 is no result/);
  assert.throws(() => parseResults('{"machine":"a"}\n\nnot JSON\n'), /line 3 is no JSON/);
});

test('report: a peer stands in its table, marked when it promises less', () => {
  const text = tablesOf(resultsOf(row));
  assert.match(text, /## Beside embedded peers/);
  assert.match(
    text,
    /\| `peers-read` 100 B \| other 1\.2\.3 \| 12\.3 M records\/s \| 2 M records\/s/,
  );
  assert.match(text, /6\.17 \[6, 6\.5\] \| \*\*weaker\*\*: nothing/);
  assert.doesNotMatch(text, /## Growth/);
});

test('report: budgets are counted, and what was missed stands out', () => {
  const kept = { ...row, case: 'peers-read-best', budget: 'ratio >= 5', met: true };
  const missed = { ...kept, valueBytes: 1024, met: false };
  const text = tablesOf(resultsOf(kept, missed));
  assert.match(text, /^1 of 2 are kept/m);
  assert.match(text, /ratio >= 5 \| \*\*missed\*\*/);
});

test('report: what was skipped is listed with its reason', () => {
  const skip = { case: 'peers-read', against: 'lmdb', valueBytes: 100, skipped: 'not installed' };
  assert.match(tablesOf(resultsOf(skip)), /\| peers-read \| 100 B \| lmdb \| not installed \|/);
});

test('report: growth has the cost of each size, the slope, and groups from their own case', () => {
  const growing = { ...row, case: 'growth-bytes-read', unit: 'ms', against: 'x', ratio: 1 };
  const slope = { ...row, case: 'growth-bytes-read-growth', unit: 'times', ours: 9.87, raw: 10 };
  const fanout = { ...row, case: 'group-fanout', against: undefined };
  const text = tablesOf(
    resultsOf(
      { ...growing, of: 1, ours: 2 },
      { ...growing, of: 10, ours: 20 },
      { ...slope, oursLow: 9.5, oursHigh: 10.1 },
      { ...fanout, callers: 1, ours: 2e6 },
      { ...fanout, callers: 10, ours: 1e6 },
    ),
  );
  assert.match(
    text,
    /\| growth-bytes-read \| 1: 2 ms, 10: 20 ms \| 9\.87 \[9\.5, 10\.1\] \| 10 \|/,
  );
  assert.match(text, /\| group-fanout \| 1: 0\.5 µs, 10: 1 µs \| 2 \| 1 \|/);
});

test('report: the chart of throughput has ours and all of theirs, the fastest first', () => {
  const chart = chartsOf([row, { ...row, against: 'raw', raw: 2e7 }]).get('throughput') ?? '';
  const labels = [...chart.matchAll(/text-anchor="end"[^>]*>([^<]+)</g)].map((found) => found[1]);
  assert.deepEqual(labels, ['raw node:fs', 'millrace', 'other 1.2.3']);
  assert.equal(chartsOf([]).size, 0);
});

test('report: the chart of latencies goes from one percentile to the next', () => {
  const tail = (name: string, pooled: number): Row => ({
    ...row,
    case: `tail-latency-${name}`,
    unit: 'ms',
    pooled,
    rawPooled: pooled / 2,
  });
  const chart = chartsOf([tail('p50', 1), tail('p99', 4)]).get('latency') ?? '';
  assert.match(chart, />p50<|>p90</);
  assert.equal(chart.match(/<polyline/g)?.length, 2);
});

test('charts: text is escaped, and nothing is filled behind it', () => {
  const chart = barChart('a < b', [{ title: '&', bars: [] }], String);
  assert.match(chart, /<title>a &lt; b<\/title>/);
  assert.match(chart, />&amp;</);
  assert.doesNotMatch(chart, /<rect/);
});

test('charts: the longest bar has all of the room, a bar of nothing is still seen', () => {
  const bar = (value: number) => ({ label: 'x', value, isOurs: true });
  const chart = barChart('t', [{ title: 'g', bars: [bar(0), bar(5), bar(10)] }], String);
  const widths = [...chart.matchAll(/<rect[^>]* width="([\d.]+)"/g)].map((found) => found[1]);
  assert.deepEqual(widths, ['1', '215', '430']);
});

test('charts: an axis reaches from the power of ten below to the one above', () => {
  assert.deepEqual(powers([2, 30]), [1, 10, 100]);
  assert.deepEqual(powers([1, 100]), [1, 10, 100]);
  assert.deepEqual(powers([5]), [1, 10]);
  const axes = { xLabel: 'x', yLabel: 'y', formatX: String, formatY: String };
  assert.doesNotMatch(lineChart('one', [{ label: 'l', points: [{ x: 1, y: 1 }] }], axes), /NaN/);
});

test('charts: labels that would lie on each other move down, in their order', () => {
  assert.deepEqual(spread([100, 10, 12]), [100, 10, 25]);
});

test('growth: the slope of what does not grow, grows with the size, and with its square', () => {
  const points = (power: number) => [1, 10, 100].map((x) => ({ x, y: 3 * x ** power }));
  assert.ok(Math.abs(growthPerTenfold(points(0)) - 1) < 1e-9);
  assert.ok(Math.abs(growthPerTenfold(points(1)) - 10) < 1e-9);
  assert.ok(Math.abs(growthPerTenfold(points(2)) - 100) < 1e-6);
});
