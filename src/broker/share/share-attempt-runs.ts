/**
 * Attempts as runs of messages in a row: joined as they come, apart and rising when they are
 * stored.
 *
 * Fresh messages come in the order of the log, whoever gets them, so that thousands of them are one
 * run. What comes back may come in any order, and twice before the next append: then the last
 * attempt of a message counts, which has its largest numbers.
 */

import type { StoredAttempts } from './share-part.js';

/** What is known of one delivery. */
export interface DeliveredOnce {
  readonly offset: number;
  readonly deliveries: number;
  readonly failures: number;
}

type Run = { -readonly [Field in keyof StoredAttempts]: StoredAttempts[Field] };

export class AttemptRuns {
  #runs: Run[] = [];

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** Adds messages that were given out, in the order in which they come. */
  addDelivered(deliveries: readonly DeliveredOnce[]): void {
    let run = this.#runs.at(-1);
    for (const { offset, deliveries: nth, failures } of deliveries) {
      const isNext = run !== undefined && run.offset + run.count === offset;
      const isSame = run !== undefined && run.deliveries === nth && run.failures === failures;
      if (run !== undefined && isNext && isSame && run.notBeforeMs === 0) {
        run.count += 1;
        continue;
      }
      run = { offset, count: 1, deliveries: nth, failures, notBeforeMs: 0 };
      this.#runs.push(run);
    }
  }

  add(attempts: StoredAttempts): void {
    this.#runs.push({ ...attempts });
  }

  /** Takes up to `max` runs out, rising and apart; of what is left no order is kept. */
  take(max: number): StoredAttempts[] {
    if (!areApart(this.#runs)) this.#runs = apartOf(this.#runs);
    return this.#runs.splice(0, max);
  }
}

function areApart(runs: readonly Run[]): boolean {
  let end = Number.NEGATIVE_INFINITY;
  for (const { offset, count } of runs) {
    if (offset < end) return false;
    end = offset + count;
  }
  return true;
}

/** Message by message: the cost is that of what was given out since the last append. */
function apartOf(runs: readonly Run[]): Run[] {
  const last = new Map<number, Run>();
  for (const run of runs) {
    for (let at = 0; at < run.count; at += 1) last.set(run.offset + at, run);
  }
  const joined: Run[] = [];
  const rising = [...last].sort(([one], [other]) => one - other);
  for (const [offset, { deliveries, failures, notBeforeMs }] of rising) {
    const before = joined.at(-1);
    const isNext = before !== undefined && before.offset + before.count === offset;
    if (isNext && isSame(before, { deliveries, failures, notBeforeMs })) before.count += 1;
    else joined.push({ offset, count: 1, deliveries, failures, notBeforeMs });
  }
  return joined;
}

function isSame(run: Run, other: Pick<Run, 'deliveries' | 'failures' | 'notBeforeMs'>): boolean {
  const { deliveries, failures, notBeforeMs } = other;
  if (run.deliveries !== deliveries || run.failures !== failures) return false;
  return run.notBeforeMs === notBeforeMs;
}
