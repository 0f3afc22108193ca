/**
 * Random histories of a compacted log, one after the other: each follows from one number.
 */

import { OracleViolation } from '../support/log-oracle.js';
import { History } from './history.js';
import { type HistoryCounts, newCounts } from './history-counts.js';
import { errorText } from './history-life.js';

export interface HistoriesOptions {
  readonly seed: number;
  readonly histories: number;
  /** Begins no further one after so much time. */
  readonly budgetMs?: number;
  readonly onHistory?: ((done: number) => void) | undefined;
}

/** Runs them; a failure names the seed that repeats it alone, and what was done. */
export async function runHistories(options: HistoriesOptions): Promise<HistoryCounts> {
  const { seed, histories, budgetMs = Number.POSITIVE_INFINITY, onHistory } = options;
  const counts = newCounts();
  const endMs = performance.now() + budgetMs;
  for (let index = 0; index < histories && performance.now() < endMs; index += 1) {
    const history = new History(seed + index, counts);
    try {
      await history.run();
    } catch (error) {
      const again = `--histories 1 --seed ${seed + index}`;
      const way = history.way.join('\n   ');
      throw new OracleViolation(`${errorText(error)}\n  ${again}\n   ${way}`, { cause: error });
    }
    counts.histories += 1;
    onHistory?.(counts.histories);
  }
  return counts;
}

/** The campaign; returns an exit code. */
export async function runHistoryCampaign(options: {
  readonly count: number;
  readonly seed: number;
  readonly json: boolean;
}): Promise<number> {
  const { count, seed, json } = options;
  const startedMs = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedMs) / 100) / 10;
  const onHistory = (done: number): void => {
    if (done % 10_000 === 0) console.log(`${done} of ${count} histories, ${seconds()} s`);
  };
  try {
    const counts = await runHistories({
      seed,
      histories: count,
      onHistory: json ? undefined : onHistory,
    });
    const report = { ...counts, seed, seconds: seconds() };
    console.log(json ? JSON.stringify(report) : report);
    return 0;
  } catch (error) {
    if (!(error instanceof OracleViolation)) throw error;
    console.error(error.message);
    if (json) console.log(JSON.stringify({ violation: error.message.split('\n')[0], seed }));
    return 1;
  }
}
