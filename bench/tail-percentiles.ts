/** The percentiles of `tail-latency`, as in the names of its rows. */

export const percentiles: readonly (readonly [name: string, q: number])[] = [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['p99.9', 0.999],
  ['p99.99', 0.9999],
];
