/**
 * Which queues a sequence has, and what holds for them.
 */

import fc from 'fast-check';
import type { QueueTerms } from './queue-ledger.js';

export interface QueuePlan {
  readonly order: 'none' | 'strict' | 'weighted' | 'fifo' | 'single';
  readonly deliveriesMax: number;
  readonly failuresMax: number;
  readonly hasDeadLetters: boolean;
  readonly expired: 'dead-letter' | 'drop';
  readonly inFlightMax: number;
  /** A topic that two groups share, the one in the order of keys. */
  readonly hasTopic: boolean;
  /** A second queue, and an exchange that publishes to both. */
  readonly hasExchange: boolean;
  /** What happens before the last look: everything that was finished has to stay so. */
  readonly end: 'nothing' | 'kill' | 'power cut' | 'close';
}

export const JOBS = 'jobs';
export const MAIL = 'mail';
export const DEAD = 'dead';
export const EXCHANGE = 'news';
export const TOPIC = 'events';
export const KEYED = 'keyed';
export const LOOSE = 'loose';

export const LEASE_MS = 10_000;
export const PRIORITIES = 3;
export const DEDUPLICATION_MS = 20_000;
/** How long the work of a transaction may take. */
export const TRANSACTION_MS = 20_000;
export const RETRY_MS = 3_000;
/** More than any sequence has. */
export const NO_LIMIT = 1_000_000;

export const queuePlans: fc.Arbitrary<QueuePlan> = fc.record({
  order: fc.constantFrom('none', 'strict', 'strict', 'weighted', 'fifo', 'fifo', 'single'),
  deliveriesMax: fc.constantFrom(1, 2, 3, 3, 5),
  failuresMax: fc.constantFrom(1, 2, NO_LIMIT, NO_LIMIT),
  hasDeadLetters: fc.constantFrom(true, true, true, false),
  expired: fc.constantFrom('dead-letter', 'drop'),
  inFlightMax: fc.constantFrom(3, 1_000, 1_000),
  hasTopic: fc.constantFrom(true, false, false, false),
  hasExchange: fc.constantFrom(true, false, false, false),
  end: fc.constantFrom('nothing', 'nothing', 'kill', 'power cut', 'close'),
});

/** What the model holds queues, and share groups, to. */
export function termsOf(plan: QueuePlan): (QueueTerms & { readonly deliveriesMax: number })[] {
  const plain = {
    isOrdered: false,
    isStrict: false,
    deadLetter: undefined,
    expired: 'drop',
    deduplicationWindowMs: undefined,
    failuresMax: NO_LIMIT,
    isSingleActive: false,
    inFlightMax: NO_LIMIT,
    deliveriesMax: NO_LIMIT,
  } as const;
  const deadLetter = plan.hasDeadLetters ? DEAD : undefined;
  const { order, expired, failuresMax, inFlightMax, deliveriesMax } = plan;
  const jobs = {
    ...plain,
    name: JOBS,
    isOrdered: order === 'fifo',
    isStrict: order === 'strict',
    deadLetter,
    expired,
    deduplicationWindowMs: DEDUPLICATION_MS,
    failuresMax,
    isSingleActive: order === 'single',
    inFlightMax,
    deliveriesMax,
  };
  return [
    jobs,
    ...(plan.hasDeadLetters ? [{ ...plain, name: DEAD }] : []),
    ...(plan.hasExchange
      ? [{ ...plain, name: MAIL, deduplicationWindowMs: DEDUPLICATION_MS }]
      : []),
    ...(plan.hasTopic
      ? [
          { ...plain, deliveriesMax, inFlightMax, name: LOOSE },
          { ...plain, deliveriesMax, inFlightMax, name: KEYED, isOrdered: true },
        ]
      : []),
  ];
}

/** How many priorities the queue has. */
export function prioritiesOf({ order }: QueuePlan, queue: string): number {
  return queue === JOBS && (order === 'strict' || order === 'weighted') ? PRIORITIES : 1;
}

export function isGroup(name: string): boolean {
  return name === KEYED || name === LOOSE;
}
