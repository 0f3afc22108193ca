import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { InvariantViolation } from '../../src/base/assert.js';
import { RingBuffer } from '../../src/base/ring-buffer.js';
import { withSeed } from '../support/seed.js';

test('ring-buffer: values leave in the order they came, and a full buffer refuses', () => {
  const ring = new RingBuffer<string>(2);
  assert.equal(ring.shift(), undefined);
  assert.equal(ring.peek(), undefined);
  assert.ok(ring.push('a'));
  assert.ok(ring.push('b'));
  assert.ok(ring.isFull);
  assert.ok(!ring.push('c'));
  assert.equal(ring.peek(), 'a');
  assert.equal(ring.shift(), 'a');
  assert.ok(ring.push('d'));
  assert.deepEqual([ring.shift(), ring.shift(), ring.shift()], ['b', 'd', undefined]);
  assert.ok(ring.isEmpty);
});

test('ring-buffer: it behaves like a bounded array', async () => {
  await withSeed((prng) => {
    for (const capacity of [1, 2, 3, 8]) {
      const ring = new RingBuffer<number>(capacity);
      const model: number[] = [];
      for (let step = 0; step < 500; step += 1) {
        if (prng.boolean()) {
          const hasRoom = model.length < capacity;
          if (hasRoom) model.push(step);
          assert.equal(ring.push(step), hasRoom);
        } else {
          assert.equal(ring.shift(), model.shift());
        }
        assert.equal(ring.count, model.length);
        assert.equal(ring.isEmpty, model.length === 0);
        assert.equal(ring.isFull, model.length === capacity);
        assert.equal(ring.peek(), model[0]);
        for (const [index, value] of model.entries()) assert.equal(ring.at(index), value);
      }
    }
  });
});

test('ring-buffer: an index without a value and a capacity of nothing are refused', () => {
  const ring = new RingBuffer<number>(3);
  ring.push(1);
  for (const index of [1, -1, 0.5]) assert.throws(() => ring.at(index), InvariantViolation);
  for (const capacity of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => new RingBuffer(capacity), InvariantViolation);
  }
});

test('ring-buffer: a value that left is not kept alive', async () => {
  const ring = new RingBuffer<object>(4);
  const left = pushAndShift(ring);
  // A weak reference holds its target until the current job ends.
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  assert.equal(left.deref(), undefined);
});

/** In a function of its own, so that no local variable holds the value. */
function pushAndShift(ring: RingBuffer<object>): WeakRef<object> {
  const value = { bytes: new Uint8Array(8) };
  ring.push(value);
  ring.shift();
  return new WeakRef(value);
}
