/** The set of offsets: what it holds, where it ends, and that another view sees the same. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { OffsetSet } from '../../src/index/offset-set.js';
import { withSeed } from '../support/seed.js';

test('the set holds what a Set holds, over any range, in a view of the same memory', () =>
  withSeed((prng) => {
    const from = prng.integer(2 ** 40);
    const span = 1 + prng.integer(5000);
    const memory = new SharedArrayBuffer(OffsetSet.bytesOf(from, from + span));
    const set = new OffsetSet(memory, from);
    const model = new Set<number>();
    for (let step = 0; step < span / 2; step += 1) {
      const offset = from + prng.integer(span);
      set.add(offset);
      model.add(offset);
    }
    const other = new OffsetSet(memory, from);
    for (let offset = from; offset < from + span; offset += 1) {
      assert.equal(other.has(offset), model.has(offset), `offset ${offset}`);
    }
    set.clear();
    for (const offset of model) assert.equal(other.has(offset), false);
  }));

test('what the memory has no bit for is passed over, and asking for it is a mistake', () => {
  const set = new OffsetSet(new SharedArrayBuffer(2), 100);
  assert.deepEqual([set.from, set.end], [100, 116]);
  assert.deepEqual(
    [99, 100, 115, 116].map((offset) => set.covers(offset)),
    [false, true, true, false],
  );
  set.add(99);
  set.add(116);
  for (let offset = 100; offset < 116; offset += 1) assert.equal(set.has(offset), false);
  assert.throws(() => set.has(99), InvariantViolation);
  assert.throws(() => set.has(116), InvariantViolation);
  const none = new OffsetSet(new SharedArrayBuffer(0), 7);
  assert.equal(none.covers(7), false);
});
