// Waiters and admission: order, bounds, and nobody forgotten.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createError } from '../../src/base/errors.js';
import { AppendAdmission } from '../../src/storage/append-admission.js';
import { AppendWaiters } from '../../src/storage/append-waiters.js';

function waitersOf(...targets: readonly number[]) {
  const waiters = new AppendWaiters();
  const ended: string[] = [];
  for (const target of targets) {
    waiters.push({
      target,
      result: { baseOffset: 0, lastOffset: target - 1, isDuplicate: false },
      resolve: ({ lastOffset }) => ended.push(`+${lastOffset + 1}`),
      reject: ({ code }) => ended.push(`${code} ${target}`),
    });
  }
  return { waiters, ended };
}

test('waiters: are resolved in order, up to the offset', () => {
  const { waiters, ended } = waitersOf(1, 2, 5, 9);
  waiters.resolveUpTo(5);
  assert.deepEqual(ended, ['+1', '+2', '+5']);
  assert.equal(waiters.lastTarget, 9);
  waiters.resolveUpTo(9);
  assert.ok(waiters.isEmpty);
});

test('waiters: those beyond an offset are rejected, the others stay', () => {
  const { waiters, ended } = waitersOf(1, 4, 2);
  waiters.rejectBeyond(3, () => createError('DISK_FULL', {}));
  assert.deepEqual(ended, ['DISK_FULL 4']);
  waiters.resolveUpTo(3);
  assert.deepEqual(ended, ['DISK_FULL 4', '+1', '+2']);
});

test('waiters: many of them keep their order', () => {
  const targets = Array.from({ length: 5000 }, (_, index) => index + 1);
  const { waiters, ended } = waitersOf(...targets);
  for (let offset = 0; offset <= 5000; offset += 7) waiters.resolveUpTo(offset);
  waiters.resolveUpTo(5000);
  assert.deepEqual(
    ended,
    targets.map((target) => `+${target}`),
  );
});

function waiting(bytes: number, ended: string[] = []) {
  return {
    bytes,
    place: () => 'placed' as const,
    reject: ({ code }: { code: string }) => ended.push(code),
  };
}

test('admission: is bounded in count and in bytes, and gives both back', () => {
  const admission = new AppendAdmission({ waitingAppendsMax: 2, waitingBytesMax: 100 });
  assert.equal(admission.push(waiting(60)), undefined);
  assert.equal(admission.push(waiting(41))?.code, 'BUFFER_FULL');
  assert.equal(admission.push(waiting(40)), undefined);
  assert.equal(admission.push(waiting(0))?.code, 'BUFFER_FULL');
  assert.equal(admission.first?.bytes, 60);
  admission.shift();
  assert.equal(admission.push(waiting(60)), undefined);
});

test('admission: all are rejected at once', () => {
  const admission = new AppendAdmission({ waitingAppendsMax: 9, waitingBytesMax: 100 });
  const ended: string[] = [];
  for (let index = 0; index < 3; index++) admission.push(waiting(30, ended));
  admission.rejectAll(createError('LOG_POISONED', {}));
  assert.deepEqual(ended, Array(3).fill('LOG_POISONED'));
  assert.ok(admission.isEmpty);
  assert.equal(admission.push(waiting(100)), undefined);
});
