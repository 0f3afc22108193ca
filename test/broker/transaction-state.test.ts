// The tables of transactions: every state, every request, and what recovery makes of each case.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  redoOf,
  type TransactionRequest,
  type TransactionState,
  transactionTable,
  transitionTo,
  verdictOf,
} from '../../src/broker/transaction/transaction-state.js';

const states = Object.keys(transactionTable).filter(isState);
const requests: readonly TransactionRequest[] = ['add', 'commit', 'abort'];
const both = [false, true];

function isState(name: string): name is TransactionState {
  return name in transactionTable;
}

test('transaction state: a move is made exactly when it is in the table', () => {
  for (const from of states) {
    for (const to of states) {
      const isLegal = transactionTable[from].next.includes(to);
      if (isLegal) assert.equal(transitionTo(from, to), to);
      else assert.throws(() => transitionTo(from, to), { name: 'InvariantViolation' });
    }
  }
});

test('transaction state: every state is reached, and each way ends', () => {
  const reached = new Set<TransactionState>(['ongoing']);
  for (const state of reached) for (const next of transactionTable[state].next) reached.add(next);
  assert.deepEqual([...reached].sort(), [...states].sort());
  const ends = states.filter((state) => transactionTable[state].next.length === 0);
  assert.deepEqual(ends.sort(), ['aborted', 'complete', 'unknown']);
});

test('transaction state: what may be aborted is undone by a crash too', () => {
  for (const state of states) {
    const { answers, afterCrash, next } = transactionTable[state];
    for (const request of requests) assert.ok(answers[request] !== undefined);
    if (answers.abort === 'accept') assert.equal(afterCrash, 'aborted');
    assert.equal(answers.abort === 'accept', next.includes('aborting') && state !== 'deciding');
    assert.equal(answers.add === 'accept', state === 'ongoing');
    // Nothing leads from what a crash commits to what it aborts.
    if (afterCrash === 'committed') {
      for (const one of next) assert.equal(transactionTable[one].afterCrash, 'committed');
    }
  }
});

test('transaction recovery: what is open is committed only by its own decision', () => {
  for (const isDecided of both) {
    for (const isSameEpoch of both) {
      for (const isNamed of both) {
        const verdict = verdictOf({ isDecided, isSameEpoch, isNamed });
        const isIts = isDecided && isSameEpoch;
        assert.equal(verdict, isIts ? (isNamed ? 'commit' : 'damaged') : 'abort');
      }
    }
  }
});

test('transaction recovery: a decision is redone where something of it is missing', () => {
  for (const isThere of both) {
    for (const isMissing of both) {
      const isDue = isThere && isMissing;
      const partition = redoOf({ isThere, isMissing, kind: 'partition' });
      const offset = redoOf({ isThere, isMissing, kind: 'offset' });
      const deliveries = redoOf({ isThere, isMissing, kind: 'deliveries' });
      assert.equal(deliveries, isDue ? 'store' : 'nothing');
      assert.equal(partition, isDue ? 'marker' : 'nothing');
      assert.equal(offset, isDue ? 'store' : 'nothing');
    }
  }
});
