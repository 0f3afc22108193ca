/**
 * What was asked to be cancelled: many requests become one append.
 *
 * It is carried out between two steps, so a message is not on its way into the queue meanwhile:
 * it waits, or it has entered.
 */

import { createError } from '../../base/errors.js';
import { OffsetRanges } from '../share/share-ranges.js';
import type { DelayedLimits } from './delayed-limits.js';
import { type FinishedFact, finishedFacts } from './delayed-state.js';
import type { DelayedStore } from './delayed-store.js';

interface Request {
  /** Undefined: all. */
  readonly ids: readonly number[] | undefined;
  readonly resolve: (cancelled: readonly boolean[], count: number) => void;
  readonly reject: (error: unknown) => void;
}

export class DelayedCancels {
  readonly #store: DelayedStore;
  readonly #limits: DelayedLimits;
  #requests: Request[] = [];

  constructor(store: DelayedStore, limits: DelayedLimits) {
    this.#store = store;
    this.#limits = limits;
  }

  cancel(ids: readonly number[]): Promise<readonly boolean[]> {
    return new Promise((resolve, reject) => this.#add({ ids: [...ids], resolve, reject }));
  }

  purge(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#add({ ids: undefined, resolve: (_, count) => resolve(count), reject });
    });
  }

  /** Carries out what was asked so far. Rejects only when nothing more can be. */
  async carryOut(): Promise<void> {
    const requests = this.#requests.splice(0);
    if (requests.length === 0) return;
    const store = this.#store;
    const finishing = new OffsetRanges();
    const answers = requests.map(({ ids }) => cancelOf(store, finishing, ids));
    try {
      // What was cancelled is durable before the answer, and the message before its cancellation.
      for (const fact of finishedFacts([...finishing.ranges()])) await finish(store, fact);
    } catch (error) {
      for (const { reject } of requests) reject(error);
      throw error;
    }
    for (const [at, { resolve }] of requests.entries()) {
      const answer = answers[at];
      resolve(answer?.cancelled ?? [], answer?.count ?? 0);
    }
  }

  /** Nothing more is cancelled. */
  refuse(error: unknown): void {
    for (const { reject } of this.#requests.splice(0)) reject(error);
  }

  #add(request: Request): void {
    const { waitingMax } = this.#limits;
    if (this.#requests.length >= waitingMax) {
      throw createError('BUFFER_FULL', { expected: `at most ${waitingMax} waiting calls` });
    }
    this.#requests.push(request);
  }
}

async function finish(store: DelayedStore, fact: FinishedFact): Promise<void> {
  await store.secure((fact.ranges.at(-1)?.end ?? 1) - 1);
  await store.note([fact]);
  store.finished(fact.ranges);
}

function cancelOf(
  store: DelayedStore,
  finishing: OffsetRanges,
  ids: readonly number[] | undefined,
): { readonly cancelled: readonly boolean[]; readonly count: number } {
  const before = finishing.count;
  if (ids === undefined) {
    for (const { first, end } of store.waiting().ranges()) finishing.add(first, end);
    return { cancelled: [], count: finishing.count - before };
  }
  const cancelled = ids.map((id) => {
    if (!Number.isSafeInteger(id) || id < 0) return false;
    if (finishing.has(id) || !store.isWaiting(id)) return false;
    finishing.add(id);
    return true;
  });
  return { cancelled, count: finishing.count - before };
}
