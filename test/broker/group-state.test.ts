/**
 * The tables of the group's states, enumerated.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import {
  type GroupState,
  groupAnswers,
  groupEvents,
  groupRequests,
  groupStates,
  groupTransitions,
  nextState,
} from '../../src/broker/group/group-state.js';

/** Kafka's legal predecessors of each state. */
const predecessors: Readonly<Record<GroupState, readonly GroupState[]>> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Stable', 'CompletingRebalance', 'Empty'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Stable', 'PreparingRebalance', 'CompletingRebalance', 'Empty'],
};

test('group state: a move is in the table exactly when Kafka has it', () => {
  for (const to of groupStates) {
    const from = groupStates.filter((state) => Object.values(groupTransitions[state]).includes(to));
    assert.deepEqual([...from].sort(), [...predecessors[to]].sort(), to);
  }
});

test('group state: every other event is a bug', () => {
  for (const state of groupStates) {
    for (const event of groupEvents) {
      const next = groupTransitions[state][event];
      if (next === undefined) assert.throws(() => nextState(state, event), InvariantViolation);
      else assert.equal(nextState(state, event), next);
    }
  }
});

test('group state: every state is reached from the first, and all but the last are left', () => {
  const reached = new Set<GroupState>(['Empty']);
  for (const state of reached) {
    for (const next of Object.values(groupTransitions[state])) reached.add(next);
  }
  assert.deepEqual([...reached].sort(), [...groupStates].sort());
  for (const state of groupStates) {
    assert.equal(Object.keys(groupTransitions[state]).length === 0, state === 'Dead');
  }
});

test('group state: every request has an answer in every state, and the answers fit', () => {
  for (const state of groupStates) {
    assert.deepEqual(Object.keys(groupAnswers[state]).sort(), [...groupRequests].sort());
    const answers = groupAnswers[state];
    // A join that begins a rebalance needs the move; one that waits, its end.
    if (answers.join === 'rebalance') assert(groupTransitions[state].rebalance !== undefined);
    if (answers.join === 'wait') assert(groupTransitions[state].joined !== undefined);
    if (answers.rejoin === 'compare') assert(groupTransitions[state].rebalance !== undefined);
    if (answers.sync === 'wait') assert(groupTransitions[state].assigned !== undefined);
    const hasNoMembers = state === 'Empty' || state === 'Dead';
    for (const request of ['rejoin', 'sync', 'heartbeat', 'commit'] as const) {
      assert.equal(answers[request] === 'UNKNOWN_MEMBER', hasNoMembers, `${state} ${request}`);
    }
    assert.equal(answers['commit-alone'] === 'accept', state === 'Empty');
    assert.equal(answers.administer === 'accept', state === 'Empty');
  }
});
