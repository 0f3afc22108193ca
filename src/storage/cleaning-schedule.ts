/**
 * When a log is cleaned: the states of its cleaning, and what each event makes of them.
 *
 *     idle      nothing is known to need cleaning; looked at again after a rest
 *     waiting   the last pass failed; tried again after a delay that doubles
 *     running   a pass is under way
 *     stopped   the log closes: for good
 *
 * Decisions only; `cleaning-loop.ts` acts on them. Something changed (a roll, an option) while a
 * failure is waited out starts nothing: the retry will see it. Somebody who asks is not kept
 * waiting by that delay.
 */

import { assert } from '../base/assert.js';

export type CleaningState = 'idle' | 'waiting' | 'running' | 'stopped';

export type CleaningEvent =
  /** The timer of a rest or of a delay. */
  | 'due'
  /** A roll, or options that were altered. */
  | 'changed'
  /** Somebody wants a pass now. */
  | 'asked'
  /** A pass ended, and nothing calls for another one. */
  | 'done'
  /** A pass ended, and another one is called for already. */
  | 'more'
  | 'failed'
  | 'closed';

export type CleaningAction =
  | 'start'
  /** Another pass follows the one that runs, since that may have looked before the event. */
  | 'remember'
  | 'rest'
  | 'delay'
  | 'abort'
  | 'refuse'
  | 'nothing'
  /** The event does not happen in this state. */
  | 'never';

export interface CleaningMove {
  readonly state: CleaningState;
  readonly action: CleaningAction;
}

export const cleaningMoves: Readonly<
  Record<CleaningState, Readonly<Record<CleaningEvent, CleaningMove>>>
> = {
  idle: {
    due: { state: 'running', action: 'start' },
    changed: { state: 'running', action: 'start' },
    asked: { state: 'running', action: 'start' },
    done: { state: 'idle', action: 'never' },
    more: { state: 'idle', action: 'never' },
    failed: { state: 'idle', action: 'never' },
    closed: { state: 'stopped', action: 'nothing' },
  },
  waiting: {
    due: { state: 'running', action: 'start' },
    changed: { state: 'waiting', action: 'nothing' },
    asked: { state: 'running', action: 'start' },
    done: { state: 'waiting', action: 'never' },
    more: { state: 'waiting', action: 'never' },
    failed: { state: 'waiting', action: 'never' },
    closed: { state: 'stopped', action: 'nothing' },
  },
  running: {
    due: { state: 'running', action: 'never' },
    changed: { state: 'running', action: 'remember' },
    asked: { state: 'running', action: 'remember' },
    done: { state: 'idle', action: 'rest' },
    more: { state: 'running', action: 'start' },
    failed: { state: 'waiting', action: 'delay' },
    closed: { state: 'stopped', action: 'abort' },
  },
  stopped: {
    due: { state: 'stopped', action: 'never' },
    changed: { state: 'stopped', action: 'nothing' },
    asked: { state: 'stopped', action: 'refuse' },
    done: { state: 'stopped', action: 'nothing' },
    more: { state: 'stopped', action: 'nothing' },
    failed: { state: 'stopped', action: 'nothing' },
    closed: { state: 'stopped', action: 'nothing' },
  },
};

export function moveCleaning(state: CleaningState, event: CleaningEvent): CleaningMove {
  const move = cleaningMoves[state][event];
  assert(move.action !== 'never', 'an event of the cleaning fits its state');
  return move;
}

/** How long an idle log rests before it is looked at again; Kafka's `log.cleaner.backoff.ms`. */
export const CLEANING_REST_MS = 15_000;
const DELAY_MS_MIN = 1_000;
const DELAY_MS_MAX = 5 * 60_000;

/** How long to wait after so many failures in a row: 1 s, 2 s, 4 s, ... up to 5 min. */
export function cleaningDelayMs(failures: number): number {
  assert(failures >= 1, 'a delay follows a failure');
  return Math.min(DELAY_MS_MAX, DELAY_MS_MIN * 2 ** Math.min(failures - 1, 30));
}
