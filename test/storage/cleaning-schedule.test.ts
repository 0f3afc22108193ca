import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import {
  type CleaningEvent,
  type CleaningState,
  cleaningDelayMs,
  cleaningMoves,
  moveCleaning,
} from '../../src/storage/cleaning-schedule.js';

const states: readonly CleaningState[] = ['idle', 'waiting', 'running', 'stopped'];
const events: readonly CleaningEvent[] = [
  'due',
  'changed',
  'asked',
  'done',
  'more',
  'failed',
  'closed',
];

test('schedule: every state has a move for every event, and the rules hold in all of them', () => {
  assert.deepEqual(Object.keys(cleaningMoves), states);
  for (const state of states) {
    assert.deepEqual(Object.keys(cleaningMoves[state]), events);
    for (const event of events) {
      const move = cleaningMoves[state][event];
      const where = `${state} ${event}`;
      if (state === 'stopped') assert.equal(move.state, 'stopped', where);
      if (event === 'closed') assert.equal(move.state, 'stopped', where);
      if (move.action === 'start') assert.equal(move.state, 'running', where);
      if (move.state === 'running' && state !== 'running')
        assert.equal(move.action, 'start', where);
      if (move.action === 'rest') assert.equal(move.state, 'idle', where);
      if (move.action === 'delay') assert.equal(move.state, 'waiting', where);
      if (move.action !== 'never') assert.equal(moveCleaning(state, event), move);
      else assert.throws(() => moveCleaning(state, event), InvariantViolation);
    }
  }
});

test('schedule: the end of a pass comes only while one runs, or after a close', () => {
  for (const event of ['done', 'more', 'failed'] as const) {
    const never = states.filter((state) => cleaningMoves[state][event].action === 'never');
    assert.deepEqual(never, ['idle', 'waiting']);
  }
});

test('schedule: the delay doubles from a second to five minutes', () => {
  const delays = [1, 2, 3, 4, 8, 9, 10, 11, 1_000_000].map(cleaningDelayMs);
  assert.deepEqual(
    delays,
    [1, 2, 4, 8, 128, 256, 300, 300, 300].map((seconds) => seconds * 1000),
  );
});
