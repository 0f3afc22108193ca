// Shared by the prototypes: options, quantiles, paired ratios, output.
// Not a script. A ratio is the median of paired rounds: round r of a variant divided by round r of
// the baseline, both run within the same second, so that load from elsewhere falls on both.
// The interval is distribution-free (order statistics of the ratios, about 95 %).

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function isSmoke() {
  return process.argv.includes('--smoke');
}

// The value of `--name value`, or the fallback.
export function option(name, fallback) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? fallback : process.argv[index + 1];
}

// A fresh folder that is removed at exit. `--dir` names its parent, which decides the file system.
export function temporaryFolder() {
  const folder = mkdtempSync(join(option('dir', tmpdir()), 'millrace-prototype-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

export function pairedRatio(values, baseline) {
  const ratios = Float64Array.from(values, (value, round) => value / baseline[round]).sort();
  const count = ratios.length;
  const half = Math.ceil(0.98 * Math.sqrt(count));
  const middle = (count - 1) / 2;
  return {
    ratio: round3((ratios[Math.floor(middle)] + ratios[Math.ceil(middle)]) / 2),
    low: round3(ratios[Math.max(0, Math.floor(middle) - half)]),
    high: round3(ratios[Math.min(count - 1, Math.ceil(middle) + half)]),
    rounds: count,
  };
}

export function round3(value) {
  return Math.round(value * 1000) / 1000;
}

export function shuffle(list) {
  const result = [...list];
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = Math.floor(Math.random() * (index + 1));
    [result[index], result[other]] = [result[other], result[index]];
  }
  return result;
}

export function print(fields) {
  console.log(JSON.stringify(fields));
}
