/** The map of compaction: exact keys, largest offsets, fixed memory, use from another thread. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { limits } from '../../src/base/limits.js';
import type { Prng } from '../../src/base/prng.js';
import { KeyOffsetMap, LOOKUP_KEYS_MAX } from '../../src/index/key-offset-map.js';
import { withSeed } from '../support/seed.js';

function makeMap(bytes = 64 * 1024, seed = 1): KeyOffsetMap {
  return new KeyOffsetMap(new SharedArrayBuffer(bytes), seed);
}

function put(map: KeyOffsetMap, key: string | Uint8Array, offset: number): boolean {
  const bytes = Buffer.from(key);
  map.look(bytes, Int32Array.of(0), Int32Array.of(bytes.length), 1);
  return map.putAt(0, offset);
}

function get(map: KeyOffsetMap, key: string | Uint8Array): number {
  const bytes = Buffer.concat([Buffer.from('<'), Buffer.from(key), Buffer.from('>')]);
  map.look(bytes, Int32Array.of(1), Int32Array.of(bytes.length - 1), 1);
  return map.getAt(0);
}

test('the largest offset of a key is what the map holds', () => {
  const map = makeMap();
  assert.equal(get(map, 'a'), -1);
  assert.equal(put(map, 'a', 5), true);
  assert.equal(put(map, 'a', 3), true);
  assert.equal(get(map, 'a'), 5);
  assert.equal(put(map, 'a', 9), true);
  assert.equal(get(map, 'a'), 9);
  assert.equal(map.count, 1);
});

test('offset 0 and the largest offset are exact', () => {
  const map = makeMap();
  put(map, 'zero', 0);
  put(map, 'most', limits.offsetMax);
  put(map, 'word', 2 ** 32 - 1);
  put(map, 'more', 2 ** 32);
  assert.equal(get(map, 'zero'), 0);
  assert.equal(get(map, 'most'), limits.offsetMax);
  assert.equal(get(map, 'word'), 2 ** 32 - 1);
  assert.equal(get(map, 'more'), 2 ** 32);
  assert.throws(() => put(map, 'x', limits.offsetMax + 1), InvariantViolation);
});

test('keys that differ in length or in zeros at the end are different keys', () => {
  const map = makeMap();
  const keys = [
    '',
    '\0',
    '\0\0',
    '\0\0\0',
    '\0\0\0\0',
    '\0\0\0\0\0',
    'ab',
    'ab\0',
    'abcd',
    'abcd\0',
  ];
  for (const [offset, key] of keys.entries()) put(map, key, offset);
  assert.equal(map.count, keys.length);
  for (const [offset, key] of keys.entries()) assert.equal(get(map, key), offset, `key ${offset}`);
});

test('a key of 1 MiB is held in memory of its own size and a little more', () => {
  const key = Buffer.alloc(1024 * 1024, 'k');
  const map = makeMap(KeyOffsetMap.bytesMin(key.length));
  assert.equal(put(map, key, 7), true);
  assert.equal(get(map, key), 7);
  assert.equal(get(map, key.subarray(1)), -1);
  assert.equal(put(map, '', 8), false);
  const small = makeMap(KeyOffsetMap.bytesMin(key.length) - 4);
  assert.equal(put(small, key, 7), false);
  assert.equal(small.count, 0);
});

test('a full map refuses new keys, takes known ones, and forgets nothing', () => {
  const map = makeMap(8 * 1024);
  let count = 0;
  while (put(map, `key-${count}`, count)) count += 1;
  assert.ok(count > 150, `${count} keys`);
  assert.equal(map.count, count);
  assert.equal(put(map, `key-${count}`, count), false);
  assert.equal(put(map, 'key-0', 1_000_000), true);
  assert.equal(get(map, 'key-0'), 1_000_000);
  for (let key = 1; key < count; key += 1) assert.equal(get(map, `key-${key}`), key);
});

test('another map over the same memory goes on where the first one was', () => {
  const memory = new SharedArrayBuffer(64 * 1024);
  const one = new KeyOffsetMap(memory, 42);
  for (let key = 0; key < 500; key += 1) put(one, `key-${key}`, key);
  const other = new KeyOffsetMap(memory, 42);
  assert.equal(other.count, 500);
  for (let key = 0; key < 500; key += 1) assert.equal(get(other, `key-${key}`), key);
  assert.equal(put(other, 'more', 501), true);
  assert.throws(() => new KeyOffsetMap(memory, 43), InvariantViolation);
});

test('a cleared map is empty and takes as much as a new one', () => {
  const map = makeMap(8 * 1024);
  const fill = (): number => {
    let count = 0;
    while (put(map, `key-${count}`, count)) count += 1;
    return count;
  };
  const count = fill();
  map.clear();
  assert.equal(map.count, 0);
  assert.equal(get(map, 'key-0'), -1);
  assert.equal(fill(), count);
});

test('keys of a block are the same keys, also when one of them is missing', () => {
  const map = makeMap();
  const bytes = Buffer.from('aabbccaa');
  const starts = Int32Array.of(0, 2, 0, 4, 6);
  const ends = Int32Array.of(2, 4, -1, 6, 8);
  map.look(bytes, starts, ends, 5);
  for (const key of [0, 1, 3, 4]) assert.equal(map.putAt(key, key), true);
  assert.throws(() => map.getAt(2), InvariantViolation);
  assert.equal(map.count, 3);
  assert.deepEqual(
    [0, 1, 3, 4].map((key) => map.getAt(key)),
    [4, 1, 3, 4],
  );
  assert.equal(get(map, 'aa'), 4);
});

for (const kind of ['random keys', 'keys that meet in few slots'] as const) {
  test(`the map does what a Map does: ${kind}`, () =>
    withSeed((prng) => {
      for (let round = 0; round < 20; round += 1) compareWithMap(prng, kind);
    }));
}

/** Few slots: the table stays at its first size, so that probes run over many keys. */
function compareWithMap(prng: Prng, kind: 'random keys' | 'keys that meet in few slots'): void {
  const isCrowded = kind !== 'random keys';
  const memory = new SharedArrayBuffer(isCrowded ? 1400 : 4096 + prng.integer(200_000));
  const seed = prng.integer(2 ** 32);
  let map = new KeyOffsetMap(memory, seed);
  const model = new Map<string, number>();
  let isFull = false;
  for (let step = 0; step < 3000; step += 1) {
    const bytes = prng.bytes(40);
    const start = prng.integer(8);
    const end = start + prng.integer(prng.boolean(0.1) ? 30 : 4);
    // Few different bytes, so that keys come again.
    for (let at = start; at < end; at += 1) bytes[at] = (bytes[at] ?? 0) & 7;
    const key = Buffer.from(bytes.subarray(start, end)).toString('latin1');
    const offset = prng.integer(limits.offsetMax + 1);
    const known = model.get(key);
    map.look(bytes, Int32Array.of(start), Int32Array.of(end), 1);
    const isTaken = map.putAt(0, offset);
    if (isTaken) {
      assert.equal(map.superseded, known === undefined ? -1 : Math.min(known, offset));
    }
    if (isTaken) model.set(key, Math.max(known ?? 0, offset));
    else {
      assert.equal(known, undefined, 'a known key is always taken');
      isFull = true;
    }
    assert.equal(map.getAt(0), model.get(key) ?? -1);
    if (prng.boolean(0.01)) map = new KeyOffsetMap(memory, seed);
  }
  assert.ok(isFull || !isCrowded, 'the crowded map was full');
  assert.equal(map.count, model.size);
  for (const [key, offset] of model) {
    assert.equal(get(map, Buffer.from(key, 'latin1')), offset);
  }
  compareBlocks(prng, map, model);
}

function compareBlocks(prng: Prng, map: KeyOffsetMap, model: ReadonlyMap<string, number>): void {
  const keys = prng.shuffle([...model.keys(), 'absent key', 'other']).slice(0, LOOKUP_KEYS_MAX);
  const bytes = Buffer.from(keys.join(''), 'latin1');
  const starts = new Int32Array(LOOKUP_KEYS_MAX);
  const ends = new Int32Array(LOOKUP_KEYS_MAX);
  let position = 0;
  for (const [index, key] of keys.entries()) {
    starts[index] = position;
    position += key.length;
    ends[index] = position;
  }
  map.look(bytes, starts, ends, keys.length);
  for (const [index, key] of keys.entries()) {
    assert.equal(map.getAt(index), model.get(key) ?? -1);
  }
}
