/**
 * A long run at a glance: each series of its samples as one line of text.
 */

import type { Sample } from './soak-samples.js';

const MIB = 1024 * 1024;
const COLUMNS = 60;
const LEVELS = ' ▁▂▃▄▅▆▇█';

const series: readonly { readonly name: string; readonly of: (sample: Sample) => number }[] = [
  { name: 'rss MiB', of: ({ rssBytes }) => rssBytes / MIB },
  { name: 'external MiB', of: ({ externalBytes }) => externalBytes / MIB },
  { name: 'heap MiB', of: ({ heapBytes }) => heapBytes / MIB },
  { name: 'disk MiB', of: ({ diskBytes }) => diskBytes / MIB },
  { name: 'descriptors', of: ({ descriptors }) => descriptors },
];

/** One line per series; a column is the most of its share of the run, its height is from zero. */
export function formatChart(samples: readonly Sample[]): readonly string[] {
  return series.map(({ name, of }) => {
    const values = samples.map(of);
    const most = Math.max(...values);
    const columns = Math.min(COLUMNS, values.length);
    const bars = Array.from({ length: columns }, (_, column) => {
      const from = Math.floor((column * values.length) / columns);
      const to = Math.floor(((column + 1) * values.length) / columns);
      const level = Math.max(...values.slice(from, to)) / Math.max(most, 1);
      return LEVELS[Math.ceil(level * (LEVELS.length - 1))] ?? ' ';
    });
    const range = `${Math.min(...values).toFixed(0)} to ${most.toFixed(0)}`;
    return `${name.padEnd(12)} |${bars.join('')}| ${range}`;
  });
}
