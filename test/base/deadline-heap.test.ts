// Values by their times: the earliest first, equal ones in the order in which they came.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadlineHeap } from '../../src/base/deadline-heap.js';
import { withSeed } from '../support/seed.js';

test('deadline heap: nothing is taken before its time', () => {
  const heap = new DeadlineHeap<string>();
  assert.equal(heap.nextMs, undefined);
  assert.equal(heap.takeDue(Number.POSITIVE_INFINITY), undefined);
  heap.push('late', 20);
  heap.push('early', 10);
  assert.equal(heap.nextMs, 10);
  assert.equal(heap.takeDue(9), undefined);
  assert.equal(heap.takeDue(10), 'early');
  assert.equal(heap.takeDue(19), undefined);
  assert.equal(heap.takeDue(20), 'late');
  assert.equal(heap.count, 0);
});

test('deadline heap: it yields what a sorted list yields', () =>
  withSeed((prng) => {
    const heap = new DeadlineHeap<{ dueMs: number; turn: number }>();
    const model: { dueMs: number; turn: number }[] = [];
    for (let turn = 0; turn < 5_000; turn += 1) {
      if (prng.boolean(0.55)) {
        const value = { dueMs: prng.integer(50), turn };
        heap.push(value, value.dueMs);
        model.push(value);
        model.sort((one, other) => one.dueMs - other.dueMs || one.turn - other.turn);
      } else {
        const nowMs = prng.integer(60);
        const isDue = model[0] !== undefined && model[0].dueMs <= nowMs;
        assert.equal(heap.takeDue(nowMs), isDue ? model.shift() : undefined);
      }
      assert.equal(heap.count, model.length);
      assert.equal(heap.nextMs, model[0]?.dueMs);
    }
  }));
