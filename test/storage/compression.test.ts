import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { type ErrorCode, hasCode } from '../../src/base/errors.js';
import { Batch } from '../../src/storage/batch.js';
import { compressBatch } from '../../src/storage/batch-compress.js';
import { inspectBatch, verifyRecords } from '../../src/storage/batch-decoder.js';
import { batchBytes, batchCodecId } from '../../src/storage/batch-header.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import { type CodecName, codecNamed, codecNames, codecOf } from '../../src/storage/compression.js';
import { batchOf, readAll } from '../support/batch-fixtures.js';
import { testSeed } from '../support/seed.js';

const LIMIT_BYTES = 1 << 20;
const available = codecNames().filter((name) => codecNamed(name).isAvailable());
const compressing = available.filter((name) => name !== 'none');

function fails(codec: CodecName, bytes: Uint8Array, limitBytes: number, code: ErrorCode): void {
  assert.throws(
    () => codecNamed(codec).decompress(bytes, limitBytes),
    (error) => hasCode(error, code) && error.facts['codec'] === codec,
    `${codec}: ${code}`,
  );
}

test('codecs: numbers and names are Kafka’s', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((id) => codecOf(id)?.name),
    ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  );
  assert.deepEqual([codecOf(5), codecOf(6), codecOf(7)], [undefined, undefined, undefined]);
  assert.equal(codecNamed('zstd').id, 4);
});

test('codecs: content of every kind survives', () => {
  const contents = [
    Buffer.from('x'),
    Buffer.from('abcd'.repeat(20_000)),
    Buffer.alloc(100_000),
    Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * index * 31) >> 3)),
  ];
  for (const name of available) {
    const codec = codecNamed(name);
    for (const content of contents) {
      const compressed = codec.compress(content);
      assert.ok(codec.decompress(compressed, content.length).equals(content), name);
    }
  }
});

test('codecs: one byte over the limit is too large', () => {
  const content = Buffer.alloc(5000, 'some content ');
  for (const name of available) {
    const codec = codecNamed(name);
    const compressed = codec.compress(content);
    assert.equal(codec.decompress(compressed, 5000).length, 5000);
    fails(name, compressed, 4999, 'DECOMPRESSED_TOO_LARGE');
  }
});

test('codecs: a bomb is refused without memory for its content', () => {
  const content = Buffer.alloc(64 << 20);
  const bombs = compressing.map((name) => [name, codecNamed(name).compress(content)] as const);
  const before = process.memoryUsage().arrayBuffers;
  for (const [name, bomb] of bombs) {
    fails(name, bomb, LIMIT_BYTES, 'DECOMPRESSED_TOO_LARGE');
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 32 << 20, `${name} took ${grown} bytes`);
  }
});

test('codecs: truncated and foreign bytes are invalid', () => {
  const content = Buffer.alloc(5000, 'some content ');
  for (const name of compressing) {
    const compressed = codecNamed(name).compress(content);
    for (const count of [0, 1, 7, compressed.length - 1]) {
      fails(name, compressed.subarray(0, count), LIMIT_BYTES, 'DECOMPRESSION_FAILED');
    }
    fails(name, Buffer.from('no codec makes this'), LIMIT_BYTES, 'DECOMPRESSION_FAILED');
  }
});

test('gzip: what a stream says of its size is a hint and no more', () => {
  const content = Buffer.alloc(300_000, 'content ');
  const compressed = codecNamed('gzip').compress(content);
  const two = Buffer.concat([compressed, compressed]);
  const codec = codecNamed('gzip');
  assert.deepEqual(codec.decompress(two, LIMIT_BYTES), Buffer.concat([content, content]));
  fails('gzip', two, content.length, 'DECOMPRESSED_TOO_LARGE');
  const raw = zlib.gzipSync(content, { level: 0 });
  assert.deepEqual(codec.decompress(raw, LIMIT_BYTES), content);
});

test('property: random and damaged bytes end in content or in a codec’s own error', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(
      fc.constantFrom(...compressing),
      bytes,
      fc.nat(),
      fc.nat(7),
      (name, content, place, bit) => {
        const codec = codecNamed(name);
        const compressed = Buffer.from(codec.compress(content));
        assert.deepEqual(codec.decompress(compressed, 400), Buffer.from(content));
        const position = place % compressed.length;
        compressed[position] = (compressed[position] as number) ^ (1 << bit);
        for (const damaged of [compressed, content]) {
          try {
            assert.ok(codec.decompress(damaged, 400).length <= 400);
          } catch (error) {
            const isExpected =
              hasCode(error, 'DECOMPRESSION_FAILED') || hasCode(error, 'DECOMPRESSED_TOO_LARGE');
            if (!isExpected) throw error;
          }
        }
      },
    ),
    { seed: testSeed(), numRuns: 2000 },
  );
});

test('compressed batch: every codec round-trips, and the rest of the header stays', () => {
  const inputs = Array.from({ length: 500 }, (_, index) => ({
    key: `key ${index % 7}`,
    value: `some value ${index}`,
    timestamp: 1000 + index,
    headers: [{ key: 'h', value: null }],
  }));
  const producer = { producerId: 9, producerEpoch: 1, baseSequence: 3, isTransactional: true };
  const plain = batchOf(inputs, { baseOffset: 77, epoch: 4, producer });
  const expected = readAll(plain);
  const target = Buffer.alloc(plain.length + 100, 0xaa);
  for (const name of compressing) {
    const bytes = compressBatch(name, plain, 0, target, 50, target.length);
    assert.ok(typeof bytes === 'number');
    assert.ok(bytes < plain.length);
    assert.equal(inspectBatch(target, 50, bytes), 'batch');
    assert.equal(batchBytes(target, 50), bytes);
    assert.equal(batchCodecId(target, 50), codecNamed(name).id);
    assert.deepEqual(verifyRecords(target, 50), { outcome: 'valid' });
    assert.deepEqual(readAll(target, 50), expected);
    const batch = new Batch(createBatchMemory(target, 'test', 0), 50);
    const { codec, epoch, baseOffset, lastOffset, producerId, isTransactional } = batch;
    assert.deepEqual(
      { codec, epoch, baseOffset, lastOffset, producerId, isTransactional },
      {
        codec: name,
        epoch: 4,
        baseOffset: 77,
        lastOffset: 576,
        producerId: 9,
        isTransactional: true,
      },
    );
  }
});

test('compressed batch: one that does not fit leaves the target as it was', () => {
  const plain = batchOf([{ value: 'a value' }]);
  const target = Buffer.alloc(200, 0xaa);
  for (const name of compressing) {
    const bytes = compressBatch(name, plain, 0, target, 0, 200);
    assert.ok(typeof bytes === 'number');
    target.fill(0xaa);
    assert.equal(compressBatch(name, plain, 0, target, 10, 10 + bytes - 1), 'does-not-fit');
    assert.deepEqual([...new Set(target)], [0xaa]);
  }
});

test('compressed batch: what its codec refuses names codec and place', () => {
  const plain = batchOf([{ value: 'a value' }], { baseOffset: 3 });
  plain.writeInt16BE(codecNamed('gzip').id, 21);
  const batch = new Batch(createBatchMemory(plain, 'a file', 4096), 0);
  assert.throws(
    () => [...batch],
    (error) =>
      hasCode(error, 'DECOMPRESSION_FAILED') &&
      error.facts['file'] === 'a file' &&
      error.facts['position'] === 4096 &&
      error.facts['codec'] === 'gzip',
  );
});
