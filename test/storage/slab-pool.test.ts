// Slabs: sizes, generations, reuse, and the bound.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { limits } from '../../src/base/limits.js';
import { SlabPool } from '../../src/storage/slab-pool.js';
import type { Slab } from '../../src/storage/writer.js';

function taken(pool: SlabPool, bytes: number): Slab {
  const slab = pool.acquire(bytes);
  assert.ok(slab !== undefined);
  return slab;
}

/** A pool that tells what it announces (+) and retires (-). */
function poolOf() {
  const told: string[] = [];
  const pool = new SlabPool(
    (bytes) => new Uint8Array(bytes),
    ({ id }) => told.push(`+${id}`),
    ({ id }) => told.push(`-${id}`),
  );
  return { pool, told };
}

test('pool: sizes are powers of two, from a page on', () => {
  const { pool } = poolOf();
  const sizes = [1, 4096, 4097, 100_000].map((bytes) => taken(pool, bytes).bytes.length);
  assert.deepEqual(sizes, [4096, 4096, 8192, 131_072]);
  assert.equal(pool.usedBytes, 4096 * 2 + 8192 + 131_072);
});

test('pool: a slab that came back is used again, with another generation', () => {
  const { pool, told } = poolOf();
  const [first, second] = [taken(pool, 4096), taken(pool, 4096)];
  pool.release(first);
  pool.release(second);
  assert.equal(taken(pool, 4096), first, 'the one that came back first');
  assert.equal(first.generation, 1);
  assert.deepEqual(told, ['+0', '+1']);
});

test('pool: a slab is released once', () => {
  const { pool } = poolOf();
  const slab = taken(pool, 4096);
  pool.release(slab);
  assert.throws(() => pool.release(slab), InvariantViolation);
});

test('pool: at the bound nothing is given, and who waits is told', () => {
  const { pool } = poolOf();
  const large = taken(pool, limits.slabPoolBytesMax);
  assert.equal(pool.acquire(1), undefined);
  let calls = 0;
  pool.onSlab(() => {
    calls += 1;
  });
  pool.release(large);
  assert.equal(calls, 1);
  assert.ok(pool.acquire(1) !== undefined);
});

test('pool: idle memory is bounded, and what is dropped is retired', () => {
  const { pool, told } = poolOf();
  const slabs = Array.from({ length: 5 }, () => taken(pool, 16 * 1024 * 1024));
  for (const slab of slabs) pool.release(slab);
  assert.deepEqual(told.slice(5), ['-2', '-3', '-4']);
  assert.equal(pool.usedBytes, 0);
  assert.equal(slabs[4]?.generation, 1, 'who remembers it must not read it');
});
