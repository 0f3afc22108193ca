/** The spare memory of cleaning: one piece, reused while it fits, and forgotten on demand. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpareMemory } from '../../src/storage/cleaner-spare.js';

const MIB = 1024 * 1024;

test('spare memory: what was given back is taken again while it fits', () => {
  const spare = new SpareMemory();
  const first = spare.take(3 * MIB, 64 * MIB);
  assert.equal(first.byteLength, 3 * MIB);
  assert.notEqual(spare.take(MIB, 64 * MIB), first, 'it is in use');
  spare.give(first);
  assert.notEqual(spare.take(MIB, 2 * MIB), first, 'too large for this one');
  assert.notEqual(spare.take(4 * MIB, 64 * MIB), first, 'too small for this one');
  assert.equal(spare.take(MIB, 64 * MIB), first);
  assert.notEqual(spare.take(MIB, 64 * MIB), first, 'taken once');
});

test('spare memory: of two pieces the larger one stays, and none after a drop', () => {
  const spare = new SpareMemory();
  const small = spare.take(MIB, 64 * MIB);
  const large = spare.take(2 * MIB, 64 * MIB);
  spare.give(large);
  spare.give(small);
  assert.equal(spare.take(1, 64 * MIB), large);
  spare.give(large);
  spare.drop();
  assert.notEqual(spare.take(1, 64 * MIB), large);
});

test('spare memory: sizes are rounded up, within what is allowed', () => {
  const spare = new SpareMemory();
  assert.equal(spare.take(10, 64 * MIB).byteLength, MIB);
  assert.equal(spare.take(MIB + 1, 64 * MIB).byteLength, 2 * MIB);
  assert.equal(spare.take(10, 100).byteLength, 100);
  assert.equal(spare.take(100, 100).byteLength, 100);
});
