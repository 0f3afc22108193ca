/**
 * What rounds say: medians, quantiles and paired ratios with an interval.
 *
 * A round measures both sides back to back, in alternating order, so load from elsewhere mostly
 * falls on both; only the ratio of a round is trusted. The interval of a median is that of its
 * order statistics: distribution-free, about 95 %. With fewer than six rounds it is the whole
 * range.
 */

import { setTimeout as sleep } from 'node:timers/promises';

export interface Pair {
  readonly ours: number;
  readonly raw: number;
}

export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface Comparison {
  readonly ours: Estimate;
  readonly raw: Estimate;
  readonly ratio: Estimate;
  readonly rounds: number;
}

/** The value below which the share `q` of the values lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

export function estimate(values: readonly number[]): Estimate {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  const half = Math.ceil(0.98 * Math.sqrt(count));
  const middle = (count - 1) / 2;
  const at = (index: number): number =>
    sorted[Math.min(count - 1, Math.max(0, index))] ?? Number.NaN;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    low: at(Math.floor(middle) - half),
    high: at(Math.ceil(middle) + half),
  };
}

export function compare(pairs: readonly Pair[]): Comparison {
  return {
    ours: estimate(pairs.map((pair) => pair.ours)),
    raw: estimate(pairs.map((pair) => pair.raw)),
    ratio: estimate(pairs.map((pair) => pair.ours / pair.raw)),
    rounds: pairs.length,
  };
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * How many times as large y becomes when x becomes ten times as large: the slope of a straight line
 * through the logarithms, by least squares. 1 is flat, 10 is linear. Values are above 0.
 */
export function growthPerTenfold(points: readonly Point[]): number {
  const logs = points.map(({ x, y }) => ({ x: Math.log10(x), y: Math.log10(y) }));
  const meanX = mean(logs.map(({ x }) => x));
  const meanY = mean(logs.map(({ y }) => y));
  const covariance = mean(logs.map(({ x, y }) => (x - meanX) * (y - meanY)));
  const variance = mean(logs.map(({ x }) => (x - meanX) ** 2));
  return 10 ** (covariance / variance);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** One side of a round: does the work, prepared and cleaned up outside of what it measures. */
export type Side<Measured> = () => Promise<Measured>;

/**
 * Rounds of both sides, alternating who goes first, after `warmUps` that count for nothing. Without
 * warm-ups there is no rest either: then nothing is measured.
 */
export async function interleave<Measured>(
  rounds: number,
  warmUps: number,
  ours: Side<Measured>,
  raw: Side<Measured>,
): Promise<{ readonly ours: Measured; readonly raw: Measured }[]> {
  const measured: { ours: Measured; raw: Measured }[] = [];
  for (let round = -warmUps; round < rounds; round += 1) {
    const isOursFirst = round % 2 === 0;
    const first = await rested(isOursFirst ? ours : raw, warmUps > 0);
    const second = await rested(isOursFirst ? raw : ours, warmUps > 0);
    if (round < 0) continue;
    measured.push(isOursFirst ? { ours: first, raw: second } : { ours: second, raw: first });
  }
  return measured;
}

/** Background work of the log ends within this time: the other side does not pay for it. */
const REST_MS = 60;

async function rested<Measured>(side: Side<Measured>, isMeasured: boolean): Promise<Measured> {
  if (isMeasured) {
    globalThis.gc?.();
    await sleep(REST_MS);
  }
  return await side();
}
