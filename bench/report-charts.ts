/**
 * The charts of the report: throughput beside peers, the distribution of latencies, growth.
 */

import { quantity } from './report-tables.js';
import type { Row } from './row.js';
import { type Bar, type BarGroup, barChart, type Line, lineChart } from './svg-chart.js';
import { percentiles } from './tail-percentiles.js';

/** File names without their suffix, and contents; a chart without rows is left out. */
export function chartsOf(rows: readonly Row[]): ReadonlyMap<string, string> {
  const charts = new Map<string, string>();
  const groups = contests.flatMap((contest) => groupOf(rows, contest));
  if (groups.length > 0) {
    const title = 'Records per second beside embedded peers, 100 B, longer is better';
    const format = (value: number): string => quantity(value, 'records/s').replace(' records', '');
    charts.set('throughput', barChart(title, groups, format));
  }
  const tails = tailLines(rows);
  if (tails.length > 0) {
    charts.set(
      'latency',
      lineChart('From producer to follower, one durable record of 100 B each millisecond', tails, {
        xLabel: 'percentile',
        yLabel: 'milliseconds from when it was due',
        formatX: (value) => `p${Number((100 - 100 / Math.max(value, 1)).toPrecision(6))}`,
        formatY: String,
      }),
    );
  }
  const growing = growthLines(rows);
  if (growing.length > 0) {
    charts.set(
      'growth',
      lineChart('Cost against size, both as multiples of the smallest', growing, {
        xLabel: 'times the smallest size',
        yLabel: 'times the cost',
        formatX: String,
        formatY: String,
      }),
    );
  }
  return charts;
}

const contests = [
  { case: 'peers-append-durable', title: 'Append lists of 1,000, durable' },
  { case: 'peers-append-written', title: 'Append lists of 1,000, written' },
  { case: 'peers-read', title: 'Read all in order' },
  { case: 'peers-random', title: 'Read one by its number' },
  { case: 'peers-queue', title: 'Send, receive and acknowledge one by one, durable' },
] as const;

function groupOf(rows: readonly Row[], contest: (typeof contests)[number]): readonly BarGroup[] {
  const theirs = rows.filter(
    ({ case: name, valueBytes }) => name === contest.case && valueBytes === 100,
  );
  const [first] = theirs;
  if (first === undefined) return [];
  const bars: readonly Bar[] = [
    { label: 'millrace', value: first.ours, isOurs: true },
    ...theirs.map(({ against = 'raw', raw }) => ({
      label: against === 'raw' ? 'raw node:fs' : against,
      value: raw,
      isOurs: false,
    })),
  ];
  return [{ title: contest.title, bars: [...bars].sort((a, b) => b.value - a.value) }];
}

function tailLines(rows: readonly Row[]): readonly Line[] {
  const points = percentiles.flatMap(([name, q]) => {
    const row = rows.find((one) => one.case === `tail-latency-${name}`);
    return row === undefined ? [] : [{ x: 1 / (1 - q), row }];
  });
  if (points.length === 0) return [];
  const line = (label: string, field: 'pooled' | 'rawPooled'): Line => ({
    label,
    points: points.map(({ x, row }) => ({ x, y: Number(row[field]) })),
  });
  return [line('millrace', 'pooled'), line('raw node:fs', 'rawPooled')];
}

function growthLines(rows: readonly Row[]): readonly Line[] {
  const names = [...new Set(rows.map(({ case: name }) => name))].filter(
    (name) => name.startsWith('growth-') && !name.endsWith('-growth') && !name.endsWith('-memory'),
  );
  return names.map((name) => {
    const own = rows.filter((row) => row.case === name);
    const first = own[0];
    const size = Number(first?.['of'] ?? 1);
    const points = own.map((row) => ({
      x: Number(row['of']) / size,
      y: row.ours / (first?.ours ?? 1),
    }));
    return { label: name.replace(/^growth-/, ''), points };
  });
}
