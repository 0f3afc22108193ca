import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvariantViolation } from '../../src/base/assert.js';
import { type ErrorCode, hasCode } from '../../src/base/errors.js';
import { compressSnappy, decompressSnappy } from '../../src/storage/snappy.js';
import {
  decodeSnappyElements,
  encodeSnappyBlock,
  snappyBlockBytesMax,
} from '../../src/storage/snappy-block.js';
import { fromHex, toHex } from '../support/hex.js';
import { testSeed } from '../support/seed.js';

const FRAME_HEADER = '82 534e41505059 00 00000001 00000001';

function fails(bytes: Uint8Array, limitBytes: number, code: ErrorCode, name: string): void {
  assert.throws(
    () => decompressSnappy(bytes, limitBytes),
    (error) => hasCode(error, code),
    name,
  );
}

test('snappy: blocks spelled by hand decode, raw and framed', () => {
  const cases: readonly [string, string, string][] = [
    ['literal', '03 08 616263', 'abc'],
    ['literal with length in one byte', '03 f0 02 616263', 'abc'],
    ['literal with length in four bytes', '03 fc 02000000 616263', 'abc'],
    ['short copy', '07 08 616263 01 03', 'abcabca'],
    ['middle copy', '06 08 616263 0a 0300', 'abcabc'],
    ['long copy', '06 08 616263 0b 03000000', 'abcabc'],
    ['copy that overlaps itself', '0b 00 61 26 0100', 'a'.repeat(11)],
    ['nothing', '00', ''],
  ];
  for (const [name, hex, expected] of cases) {
    const block = fromHex(hex);
    assert.equal(decompressSnappy(block, 100).toString(), expected, name);
    const chunk = `${block.length.toString(16).padStart(8, '0')} ${hex}`;
    const framed = fromHex(`${FRAME_HEADER} ${chunk} ${chunk}`);
    assert.equal(decompressSnappy(framed, 100).toString(), expected + expected, name);
  }
});

test('snappy: what is written has the frame of snappy-java and blocks of 32 KiB', () => {
  assert.equal(
    toHex(compressSnappy(Buffer.from('abc'))),
    toHex(fromHex(`${FRAME_HEADER} 00000005 03 08 616263`)),
  );
  const content = Buffer.alloc(70_000, 'x');
  const framed = compressSnappy(content);
  const first = framed.readInt32BE(16);
  assert.equal(toHex(framed.subarray(20, 23)), '808002', 'the first block has 32,768 bytes');
  assert.equal(toHex(framed.subarray(20 + first + 4, 20 + first + 7)), '808002');
  assert.ok(framed.length < content.length / 15);
  assert.deepEqual(decompressSnappy(framed, content.length), content);
  assert.equal(decompressSnappy(compressSnappy(Buffer.alloc(0)), 1).length, 0);
});

test('snappy: malformed blocks are refused', () => {
  const cases: readonly [string, string][] = [
    ['no bytes', ''],
    ['length without end', '80'],
    ['length of more than 32 bits', 'ff ff ff ff ff 00'],
    ['length that no such block can have', 'e8 07 08 616263'],
    ['literal beyond the input', '03 08 6162'],
    ['literal length beyond the input', '03 f4 02'],
    ['literal beyond the declared size', '02 08 616263'],
    ['less than the declared size', '04 08 616263'],
    ['copy without offset', '07 08 616263 01'],
    ['copy from before the start', '07 08 616263 01 04'],
    ['copy with offset 0', '07 08 616263 01 00'],
    ['copy beyond the declared size', '06 08 616263 01 03'],
  ];
  for (const [name, hex] of cases) {
    const block = fromHex(hex);
    fails(block, 10_000, 'DECOMPRESSION_FAILED', name);
    const chunk = `${block.length.toString(16).padStart(8, '0')} ${hex}`;
    fails(fromHex(`${FRAME_HEADER} ${chunk}`), 10_000, 'DECOMPRESSION_FAILED', `framed ${name}`);
  }
});

test('snappy: a size that its bytes cannot hold is refused before memory is given', () => {
  // 66 bytes are the most that 3 bytes of elements may make; 1,000 are declared.
  assert.throws(
    () => decompressSnappy(fromHex('e8 07 08 6162'), 10_000),
    (error) => hasCode(error, 'DECOMPRESSION_FAILED') && error.facts['reason'] === 'block length',
  );
});

test('snappy: malformed frames are refused', () => {
  const magic = '82 534e41505059 00';
  const cases: readonly [string, string][] = [
    ['a newer version', `${magic} 00000002 00000002 00000005 03 08 616263`],
    ['chunk header cut off', `${FRAME_HEADER} 000000`],
    ['chunk cut off', `${FRAME_HEADER} 00000006 03 08 616263`],
    ['chunk of negative length', `${FRAME_HEADER} ffffffff 03 08 616263`],
    ['chunk of no length', `${FRAME_HEADER} 00000000`],
  ];
  for (const [name, hex] of cases) fails(fromHex(hex), 100, 'DECOMPRESSION_FAILED', name);
});

test('snappy: the limit counts all blocks, before memory is given', () => {
  const chunk = '00000005 03 08 616263';
  const framed = fromHex(`${FRAME_HEADER} ${chunk} ${chunk}`);
  assert.equal(decompressSnappy(framed, 6).length, 6);
  fails(framed, 5, 'DECOMPRESSED_TOO_LARGE', 'framed');
  fails(fromHex('03 08 616263'), 2, 'DECOMPRESSED_TOO_LARGE', 'raw');
});

test('snappy: a block of more than 64 KiB is a bug', () => {
  const content = Buffer.alloc(64 * 1024 + 1);
  const target = Buffer.alloc(snappyBlockBytesMax(content.length));
  assert.throws(() => encodeSnappyBlock(content, 0, content.length, target, 0), InvariantViolation);
});

test('property: what is encoded decodes, within the size that was promised', () => {
  // Few different bytes in runs: matches of all lengths and offsets.
  const run = fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 90 }));
  const repetitive = fc
    .array(run, { maxLength: 300 })
    .map((runs) => Buffer.concat(runs.map(([byte, count]) => Buffer.alloc(count, byte))));
  const content = fc.oneof(repetitive, fc.uint8Array({ maxLength: 3000 }).map(Buffer.from));
  fc.assert(
    fc.property(content, (bytes) => {
      const target = Buffer.alloc(snappyBlockBytesMax(bytes.length));
      const end = encodeSnappyBlock(bytes, 0, bytes.length, target, 0);
      assert.ok(end <= target.length);
      assert.ok(decompressSnappy(target.subarray(0, end), bytes.length).equals(bytes));
      assert.ok(decompressSnappy(compressSnappy(bytes), Math.max(bytes.length, 1)).equals(bytes));
    }),
    { seed: testSeed(), numRuns: 300 },
  );
});

test('property: random elements write nothing outside their range', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(100), (elements, count) => {
      const target = Buffer.alloc(count + 20, 0xaa);
      const outcome = decodeSnappyElements(elements, 0, elements.length, target, 10, 10 + count);
      assert.ok(outcome === 'decoded' || outcome === 'malformed');
      const margin = Buffer.concat([target.subarray(0, 10), target.subarray(10 + count)]);
      assert.deepEqual([...new Set(margin)], [0xaa]);
    }),
    { seed: testSeed(), numRuns: 3000 },
  );
});
