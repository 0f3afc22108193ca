import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { Mutex } from '../../src/base/mutex.js';

/** A promise and the function that ends it. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  const openers: (() => void)[] = [];
  const passed = new Promise<void>((resolve) => openers.push(resolve));
  return { passed, open: () => openers.forEach((open) => void open()) };
}

test('mutex: tasks run one at a time, in the order of asking', async () => {
  const mutex = new Mutex();
  const first = gate();
  const steps: string[] = [];
  const runs = ['a', 'b', 'c'].map((name) =>
    mutex.run(async () => {
      steps.push(`${name} starts`);
      if (name === 'a') await first.passed;
      await Promise.resolve();
      steps.push(`${name} ends`);
      return name;
    }),
  );
  assert.deepEqual(steps, [], 'no task runs inside the call');
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(steps, ['a starts']);
  first.open();
  assert.deepEqual(await Promise.all(runs), ['a', 'b', 'c']);
  assert.deepEqual(steps, ['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends']);
});

test('mutex: a task that fails ends its turn, and its caller gets the error', async () => {
  const mutex = new Mutex();
  const failed = mutex.run(() => Promise.reject(new Error('first')));
  const thrown = mutex.run(() => {
    throw new Error('second');
  });
  const last = mutex.run(() => 'third');
  await assert.rejects(failed, { message: 'first' });
  await assert.rejects(thrown, { message: 'second' });
  assert.equal(await last, 'third');
});

test('mutex: it is idle before, between and after, and at no other time', async () => {
  const mutex = new Mutex();
  assert.ok(mutex.isIdle);
  const run = mutex.run(() => assert.ok(!mutex.isIdle));
  assert.ok(!mutex.isIdle);
  await run;
  assert.ok(mutex.isIdle);
  await assert.rejects(mutex.run(() => Promise.reject(new Error('no'))));
  assert.ok(mutex.isIdle);
});

test('mutex: more tasks than its bound are refused, and room comes back', async () => {
  const mutex = new Mutex(2);
  const held = gate();
  const runs = [mutex.run(() => held.passed), mutex.run(() => {})];
  await assert.rejects(
    mutex.run(() => {}),
    InvariantViolation,
  );
  held.open();
  await Promise.all(runs);
  assert.equal(await mutex.run(() => 1), 1);
});
