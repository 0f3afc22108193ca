import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { InvariantViolation } from '../../src/base/assert.js';
import { crc32c, crc32cFallback, isCrc32cNative } from '../../src/base/crc32c.js';
import { withSeed } from '../support/seed.js';
import { tempDir } from '../support/temp-dir.js';

const both = [crc32c, crc32cFallback];
const check = Buffer.from('123456789');

test('crc32c: the check value and the vectors of RFC 3720', () => {
  const vectors: readonly [Uint8Array, number][] = [
    [new Uint8Array(0), 0],
    [check, 0xe306_9283],
    [new Uint8Array(32), 0x8a91_36aa],
    [new Uint8Array(32).fill(0xff), 0x62a8_ab43],
    [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd_794e],
    [Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113f_db5c],
  ];
  for (const sum of both) {
    for (const [bytes, expected] of vectors) assert.equal(sum(bytes, 0, bytes.length), expected);
  }
});

test('crc32c: any range, in one piece or two, gives the same by package and by table', async () => {
  await withSeed((prng) => {
    const bytes = prng.bytes(4_096);
    for (let round = 0; round < 300; round += 1) {
      const start = prng.integer(bytes.length);
      const end = start + prng.integer(bytes.length - start + 1);
      const middle = start + prng.integer(end - start + 1);
      const whole = crc32cFallback(bytes.slice(start, end), 0, end - start);
      for (const sum of both) {
        assert.equal(sum(bytes, start, end), whole);
        assert.equal(sum(bytes, middle, end, sum(bytes, start, middle)), whole);
      }
    }
  });
});

test('crc32c: every length around the choice between table and package agrees', () => {
  const bytes = Uint8Array.from({ length: 600 }, (_, index) => index * 7);
  for (let end = 0; end <= bytes.length; end += 1) {
    assert.equal(crc32c(bytes, 0, end), crc32cFallback(bytes, 0, end), `${end} bytes`);
  }
});

test('crc32c: shared memory and a view into a larger buffer are read in place', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(5_000), 13, 4_000);
  const plain = Uint8Array.from({ length: 4_000 }, (_, index) => index * 31);
  shared.set(plain);
  for (const end of [9, 4_000]) {
    for (const sum of both) assert.equal(sum(shared, 3, end), sum(plain, 3, end));
  }
});

test('crc32c: a range outside the bytes is refused, not shortened', () => {
  for (const sum of both) {
    for (const [start, end] of [
      [0, 10],
      [5, 4],
      [-1, 4],
      [0, Number.NaN],
      [0.5, 4],
      [0, 1_000],
    ] as const) {
      assert.throws(() => sum(check, start, end), InvariantViolation, `${start} to ${end}`);
    }
  }
});

test('crc32c: without the package the table takes over, with the same results', (t) => {
  const folder = tempDir(t);
  const base = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'src', 'base');
  mkdirSync(join(folder, 'base'));
  for (const name of ['crc32c.js', 'assert.js']) {
    cpSync(join(base, name), join(folder, 'base', name));
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(folder, 'sum.js'),
    `import { crc32c, isCrc32cNative } from './base/crc32c.js';
     const bytes = Buffer.alloc(1000, '123456789');
     console.log(JSON.stringify([isCrc32cNative(), crc32c(bytes, 0, bytes.length)]));`,
  );
  const child = spawnSync(process.execPath, [join(folder, 'sum.js')], { encoding: 'utf8' });
  const bytes = Buffer.alloc(1_000, '123456789');
  assert.deepEqual(JSON.parse(child.stdout), [false, crc32c(bytes, 0, bytes.length)]);
});

test('crc32c: the package is in use where it is installed', (t) => {
  if (!isCrc32cNative()) t.skip('@node-rs/crc32 is not installed');
});
