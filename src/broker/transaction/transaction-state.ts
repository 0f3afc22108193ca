/**
 * The protocol of transactions: what each state means, on disk and for a process that comes after.
 *
 * A transaction is a producer id and an epoch that no other transaction has: an id that is used
 * again gets the next epoch. So what lies open in a partition tells whose it is, and an old
 * decision never ends a newer transaction. A folder has one holder: whatever is open and undecided
 * when a partition is opened belongs to a process that is gone, and is aborted. So nothing is
 * written when a transaction begins. Only a client keeps its epoch from one to the next: its
 * decision says where it ends, and that one is open is noted (`client-producer.ts`).
 *
 *     state      what is on the disk                       who comes after a crash
 *     ongoing    batches, perhaps                          aborts what is open
 *     securing   batches, all of them soon                 aborts what is open
 *     deciding   the decision, or not                      commits if it is there, else aborts
 *     committed  the decision; perhaps what it asks for    writes what is missing, at open
 *     complete   all markers, offsets and deliveries       finds nothing to do
 *     aborting   batches; abort markers, perhaps           aborts what is open
 *     aborted    abort markers                             finds nothing to do
 *     unknown    the decision, or not: a write failed      as in deciding; until then nothing moves
 *
 * The decision is one record in `__transactions-0`, written once every batch is durable, and every
 * log that offsets point into is durable that far. It names the partitions, and holds the offsets
 * and the messages that are finished.
 * What has one participant needs no decision: a single partition is decided by its own commit
 * marker, offsets alone by their own append, deliveries alone by the append to the journal of
 * delivery states; each is one batch behind what it decides about.
 *
 * Offsets that were decided are stored in one append together with a mark of the transaction. From
 * the call of `commitOffsets` on nobody else changes those offsets, so nothing newer lies behind a
 * decision whose mark is missing: it is redone. With the mark there it is not: what was committed
 * since stays.
 *
 * Messages that it finishes are frozen from the call on, so nobody else finishes them. Their states
 * move in memory when the decision is durable, then in the journal. What is stored of them may be
 * stored again: a finished message stays so. Only a group that was reset since, or made again, has
 * another generation, and nothing is stored in it.
 *
 * Abort markers have the epoch behind the transaction's: a batch of it that came later would be
 * refused.
 */

import { assert } from '../../base/assert.js';

export type TransactionState =
  | 'ongoing'
  | 'securing'
  | 'deciding'
  | 'committed'
  | 'complete'
  | 'aborting'
  | 'aborted'
  | 'unknown';

/** What somebody wants of a transaction. */
export type TransactionRequest =
  /** A record, or an offset, more. */
  | 'add'
  /** The work is done: commit. */
  | 'commit'
  /** The work failed; the time is over; another producer took the name; the broker closes. */
  | 'abort';

export type TransactionAnswer =
  | 'accept'
  /** TRANSACTION_STATE_INVALID, or what ended it. */
  | 'refuse'
  /** Too late: it ends as it is about to. */
  | 'too-late';

export interface TransactionRow {
  readonly next: readonly TransactionState[];
  readonly answers: Readonly<Record<TransactionRequest, TransactionAnswer>>;
  /** What the next process makes of a transaction that a crash met in this state. */
  readonly afterCrash: 'aborted' | 'committed' | 'either';
}

export const transactionTable: Readonly<Record<TransactionState, TransactionRow>> = Object.freeze({
  ongoing: {
    next: ['securing', 'aborting'],
    answers: { add: 'accept', commit: 'accept', abort: 'accept' },
    afterCrash: 'aborted',
  },
  securing: {
    next: ['deciding', 'aborting'],
    answers: { add: 'refuse', commit: 'refuse', abort: 'accept' },
    afterCrash: 'aborted',
  },
  deciding: {
    next: ['committed', 'aborting', 'unknown'],
    answers: { add: 'refuse', commit: 'refuse', abort: 'too-late' },
    afterCrash: 'either',
  },
  committed: {
    next: ['complete'],
    answers: { add: 'refuse', commit: 'refuse', abort: 'too-late' },
    afterCrash: 'committed',
  },
  complete: {
    next: [],
    answers: { add: 'refuse', commit: 'refuse', abort: 'too-late' },
    afterCrash: 'committed',
  },
  aborting: {
    next: ['aborted'],
    answers: { add: 'refuse', commit: 'refuse', abort: 'too-late' },
    afterCrash: 'aborted',
  },
  aborted: {
    next: [],
    answers: { add: 'refuse', commit: 'refuse', abort: 'too-late' },
    afterCrash: 'aborted',
  },
  unknown: {
    next: [],
    answers: { add: 'refuse', commit: 'refuse', abort: 'too-late' },
    afterCrash: 'either',
  },
});

/** The state that follows; asserts that it may. */
export function transitionTo(from: TransactionState, to: TransactionState): TransactionState {
  assert(transactionTable[from].next.includes(to), 'the state of a transaction may follow');
  return to;
}

/** A transaction that is open in a partition when that is opened. */
export interface OpenFacts {
  /** There is a decision with this producer id. */
  readonly isDecided: boolean;
  /** It has the epoch of what is open. */
  readonly isSameEpoch: boolean;
  /** It names this partition of this topic. */
  readonly isNamed: boolean;
}

/**
 * How an open transaction ends that an earlier process has left:
 *
 *     decided  same epoch  named
 *     no       -           -        abort   nobody decided about it
 *     yes      no          -        abort   the decision is about an earlier one, which has ended
 *     yes      yes         yes      commit
 *     yes      yes         no       damaged a decision names every partition; never seen
 */
export function verdictOf({ isDecided, isSameEpoch, isNamed }: OpenFacts): OpenVerdict {
  if (!isDecided || !isSameEpoch) return 'abort';
  return isNamed ? 'commit' : 'damaged';
}

export type OpenVerdict = 'commit' | 'abort' | 'damaged';

/** A participant that a decision names, when the broker is opened. */
export interface RedoFacts {
  /** The topic is there, with the id that it had, and has that partition. */
  readonly isThere: boolean;
  readonly kind: 'partition' | 'offset' | 'deliveries';
  /**
   * Of a partition: the transaction is open in it. Of an offset: its mark is missing. Of
   * deliveries: the group has the generation that it had then.
   */
  readonly isMissing: boolean;
}

/**
 * What a decision asks for that is found at open:
 *
 *     there  missing  partition  offset  deliveries
 *     no     -        -          -       -           the topic was deleted since
 *     yes    no       -          -       -           done before the crash; the group was reset
 *     yes    yes      marker     store   store
 */
export function redoOf({ isThere, kind, isMissing }: RedoFacts): 'nothing' | 'marker' | 'store' {
  if (!isThere || !isMissing) return 'nothing';
  return kind === 'partition' ? 'marker' : 'store';
}
