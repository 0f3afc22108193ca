/**
 * Which priorities are taken from next.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { priorityPicker } from '../../src/broker/queue/priority-picker.js';

function ordered(order: 'strict' | 'weighted', ready: readonly boolean[]): number[] {
  const into = new Uint16Array(ready.length);
  const count = priorityPicker(order).order(ready, into);
  return [...into.slice(0, count)];
}

/** How often each level is first, when one message at a time is taken. */
function shares(ready: readonly boolean[], turns: number, batch = 1): number[] {
  const picker = priorityPicker('weighted');
  const into = new Uint16Array(ready.length);
  const taken = ready.map(() => 0);
  for (let turn = 0; turn < turns; turn += 1) {
    picker.order(ready, into);
    const first = into[0] ?? 0;
    picker.taken(first, batch);
    taken[first] = (taken[first] ?? 0) + batch;
  }
  return taken;
}

suite('priority-picker', () => {
  test('strict: the highest level that has messages is first, the others follow', () => {
    assert.deepEqual(ordered('strict', [true, true, false, true]), [3, 1, 0]);
    assert.deepEqual(ordered('strict', [false, false]), []);
  });

  test('weighted: levels get turns by their weight, and none starves', () => {
    assert.deepEqual(shares([true, true, true], 600), [100, 200, 300]);
    assert.deepEqual(shares([true, false, true], 400), [100, 0, 300]);
  });

  test('weighted: shares hold also where many are taken at once', () => {
    assert.deepEqual(shares([true, true, true], 600, 50), [5_000, 10_000, 15_000]);
  });

  test('weighted: a level that was away has no claim on the past', () => {
    const picker = priorityPicker('weighted');
    const into = new Uint16Array(2);
    for (let turn = 0; turn < 1_000; turn += 1) {
      picker.order([false, true], into);
      picker.taken(1, 1);
    }
    const firsts: number[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      picker.order([true, true], into);
      const first = into[0] ?? 0;
      firsts.push(first);
      picker.taken(first, 1);
    }
    assert.equal(firsts.filter((level) => level === 0).length, 2, firsts.join());
  });

  test('weighted: the order holds every ready level once', () => {
    assert.deepEqual(ordered('weighted', [true, true, true]).sort(), [0, 1, 2]);
  });
});
