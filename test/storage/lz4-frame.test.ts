import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, hasCode } from '../../src/base/errors.js';
import { codecNamed } from '../../src/storage/compression.js';
import { measureLz4Frame } from '../../src/storage/lz4-frame.js';
import { fromHex } from '../support/hex.js';
import { testSeed } from '../support/seed.js';

const codec = codecNamed('lz4');
const LIMIT_BYTES = 1 << 20;
/**
 * Version 1, independent blocks, of 64 KiB at most; the header's checksum is the library's to
 * check.
 */
const HEADER = '04224d18 60 40 82';
const END = '00000000';

function fails(bytes: Uint8Array, limitBytes: number, code: ErrorCode, name: string): void {
  assert.throws(
    () => measureLz4Frame(bytes, 0, limitBytes),
    (error) => hasCode(error, code),
    name,
  );
}

test('lz4 frame: frames spelled by hand are measured', () => {
  const cases: readonly [string, number, string][] = [
    ['no block', 0, `${HEADER} ${END}`],
    ['stored block', 3, `${HEADER} 03000080 616263 ${END}`],
    ['literals alone', 3, `${HEADER} 04000000 30 616263 ${END}`],
    ['match of 4 and 5 literals', 10, `${HEADER} 0a000000 10 61 0100 50 6161616161 ${END}`],
    ['match of 19', 20, `${HEADER} 06000000 1f 61 0100 00 00 ${END}`],
    ['match of 19 and 255 and 1', 276, `${HEADER} 07000000 1f 61 0100 ff01 00 ${END}`],
    ['literals of 15 and 1', 16, `${HEADER} 12000000 f0 01 ${'61'.repeat(16)} ${END}`],
    ['two blocks', 6, `${HEADER} 03000080 616263 03000080 616263 ${END}`],
    ['block checksums', 3, `04224d18 70 40 00 03000080 616263 12345678 ${END}`],
    ['content checksum', 3, `04224d18 64 40 00 03000080 616263 ${END} 12345678`],
    ['content size', 3, `04224d18 68 40 0300000000000000 00 03000080 616263 ${END}`],
  ];
  for (const [name, contentBytes, hex] of cases) {
    const bytes = fromHex(hex);
    const padded = Buffer.concat([bytes, Buffer.alloc(20, 0xff)]);
    const expected = { end: bytes.length, contentBytes };
    assert.deepEqual(measureLz4Frame(padded, 0, contentBytes), expected, name);
    if (contentBytes === 0) continue;
    fails(bytes, contentBytes - 1, 'DECOMPRESSED_TOO_LARGE', name);
    for (let count = 0; count < bytes.length; count += 1) {
      fails(bytes.subarray(0, count), LIMIT_BYTES, 'DECOMPRESSION_FAILED', `${name}, cut`);
    }
  }
});

test('lz4 frame: malformed frames are refused', () => {
  const cases: readonly [string, string][] = [
    ['magic', `04224d19 60 40 82 ${END}`],
    ['skippable frame', `502a4d18 00000000 00000000 ${END}`],
    ['version', `04224d18 a0 40 82 ${END}`],
    ['reserved flag', `04224d18 62 40 82 ${END}`],
    ['dictionary', `04224d18 61 40 00000000 82 ${END}`],
    ['block size code', `04224d18 60 30 82 ${END}`],
    ['content size', `04224d18 68 40 0400000000000000 00 03000080 616263 ${END}`],
    ['literals beyond the block', `${HEADER} 03000000 30 6162 ${END} 00`],
    ['match without offset', `${HEADER} 03000000 10 61 01 ${END}`],
    ['match length without end', `${HEADER} 05000000 1f 61 0100 ff ${END}`],
    ['block that ends with a match', `${HEADER} 04000000 10 61 0100 ${END}`],
    ['block larger than its size code', `${HEADER} 01000180 ${'61'.repeat(65_537)} ${END}`],
  ];
  for (const [name, hex] of cases) fails(fromHex(hex), LIMIT_BYTES, 'DECOMPRESSION_FAILED', name);
});

test('lz4: a second frame is refused, not passed over in silence', () => {
  const frame = codec.compress(Buffer.from('content'));
  for (const tail of [frame, Buffer.alloc(1)]) {
    assert.throws(
      () => codec.decompress(Buffer.concat([frame, tail]), LIMIT_BYTES),
      (error) => hasCode(error, 'DECOMPRESSION_FAILED'),
    );
  }
});

test('lz4: what the library writes is what Kafka reads', () => {
  for (const count of [10, 100_000]) {
    const frame = codec.compress(Buffer.alloc(count, 'content '));
    const flags = frame[4] as number;
    assert.equal(flags & 0x20, 0x20, 'blocks are independent');
    assert.equal(flags & 0x04, 0, 'no content checksum');
  }
});

test('property: a frame of the library is measured exactly', () => {
  const run = fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 2000 }));
  const repetitive = fc
    .array(run, { maxLength: 120 })
    .map((runs) => Buffer.concat(runs.map(([byte, count]) => Buffer.alloc(count, byte))));
  const content = fc.oneof(repetitive, fc.uint8Array({ maxLength: 3000 }).map(Buffer.from));
  fc.assert(
    fc.property(content, (bytes) => {
      const frame = codec.compress(bytes);
      assert.deepEqual(measureLz4Frame(frame, 0, bytes.length), {
        end: frame.length,
        contentBytes: bytes.length,
      });
    }),
    { seed: testSeed(), numRuns: 200 },
  );
});
