import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { hasCode } from '../../src/base/errors.js';
import { limits } from '../../src/base/limits.js';
import { inspectBatch, isCorrupt, verifyRecords } from '../../src/storage/batch-decoder.js';
import {
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  COUNT_POSITION,
  CRC_POSITION,
  EPOCH_POSITION,
  HEADER_BYTES,
  LAST_OFFSET_DELTA_POSITION,
  LENGTH_POSITION,
  MAGIC_POSITION,
} from '../../src/storage/batch-format.js';
import {
  batchBaseOffset,
  batchEpoch,
  batchNextOffset,
  stampBaseOffset,
  stampCrc,
  stampEpoch,
  verifyCrc,
  writeBatchHeader,
} from '../../src/storage/batch-header.js';
import { batchOf, readAll } from '../support/batch-fixtures.js';
import { fromHex } from '../support/hex.js';

/** A batch of two records, changed, with a checksum that fits again. */
function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = batchOf(
    [
      { key: 'a', value: 'one' },
      { key: 'b', value: 'two' },
    ],
    { baseOffset: 7 },
  );
  change(bytes);
  if (bytes.readInt32BE(LENGTH_POSITION) === bytes.length - 12) stampCrc(bytes, 0);
  return bytes;
}

test('inspect: a batch is found wherever it lies, and what follows does not matter', () => {
  const batch = batchOf([{ value: 'one' }]);
  const bytes = Buffer.concat([Buffer.alloc(9, 0xff), batch, Buffer.alloc(9, 0xff)]);
  assert.equal(inspectBatch(bytes, 9, batch.length), 'batch');
  assert.equal(inspectBatch(bytes, 9, batch.length + 9), 'batch');
});

test('inspect: every missing byte at the end asks for more', () => {
  const batch = batchOf([{ value: 'one' }]);
  for (let available = 0; available < batch.length; available += 1) {
    assert.equal(inspectBatch(batch, 0, available), 'need-more-bytes');
  }
});

test('inspect: zeros are told from damage', () => {
  const bytes = Buffer.alloc(200);
  assert.equal(inspectBatch(bytes, 0, 200), 'zero-tail');
  assert.equal(inspectBatch(bytes, 0, HEADER_BYTES - 1), 'need-more-bytes');
  bytes[HEADER_BYTES - 1] = 1;
  assert.equal(inspectBatch(bytes, 0, 200), 'corrupt-magic');
});

test('inspect: each damaged field has its own reason', () => {
  const cases: readonly [string, string, (bytes: Buffer) => void][] = [
    ['magic 1', 'corrupt-magic', (bytes) => bytes.writeInt8(1, MAGIC_POSITION)],
    ['length below a header', 'corrupt-length', (bytes) => bytes.writeInt32BE(48, LENGTH_POSITION)],
    ['negative length', 'corrupt-length', (bytes) => bytes.writeInt32BE(-1, LENGTH_POSITION)],
    ['huge length', 'corrupt-length', (bytes) => bytes.writeInt32BE(2 ** 31 - 1, LENGTH_POSITION)],
    ['negative offset', 'corrupt-offset', (bytes) => bytes.writeBigInt64BE(-1n, 0)],
    ['unsafe offset', 'corrupt-offset', (bytes) => bytes.writeBigInt64BE(2n ** 53n, 0)],
    [
      'last offset too large',
      'corrupt-offset',
      (bytes) => bytes.writeBigInt64BE(2n ** 53n - 2n, 0),
    ],
    [
      'negative last offset delta',
      'corrupt-offset',
      (bytes) => bytes.writeInt32BE(-1, LAST_OFFSET_DELTA_POSITION),
    ],
    ['negative count', 'corrupt-count', (bytes) => bytes.writeInt32BE(-1, COUNT_POSITION)],
    [
      'more records than offsets',
      'corrupt-count',
      (bytes) => bytes.writeInt32BE(3, COUNT_POSITION),
    ],
    ['bytes without records', 'corrupt-count', (bytes) => bytes.writeInt32BE(0, COUNT_POSITION)],
    [
      'more records than bytes',
      'corrupt-count',
      (bytes) => {
        bytes.writeInt32BE(1000, LAST_OFFSET_DELTA_POSITION);
        bytes.writeInt32BE(1000, COUNT_POSITION);
      },
    ],
  ];
  for (const [name, reason, change] of cases) {
    const bytes = changed(change);
    const outcome = inspectBatch(bytes, 0, bytes.length);
    assert.equal(outcome, reason, name);
    assert.equal(isCorrupt(outcome), true, name);
  }
  for (const outcome of ['batch', 'need-more-bytes', 'zero-tail'] as const) {
    assert.equal(isCorrupt(outcome), false);
  }
});

test('inspect: a checksum that does not fit is corrupt, unless it was checked before', () => {
  const bytes = batchOf([{ value: 'one' }]);
  bytes[CRC_POSITION] = (bytes[CRC_POSITION] as number) ^ 1;
  assert.equal(verifyCrc(bytes, 0), false);
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'corrupt-crc');
  assert.equal(inspectBatch(bytes, 0, bytes.length, 'skip-crc'), 'batch');
});

test('inspect: the bound on a batch is the caller’s, and counts the header', () => {
  const bytes = batchOf([{ value: 'one' }]);
  assert.equal(inspectBatch(bytes, 0, bytes.length, 'check-crc', bytes.length), 'batch');
  const outcome = inspectBatch(bytes, 0, bytes.length, 'check-crc', bytes.length - 1);
  assert.equal(outcome, 'corrupt-length');
});

test('inspect: a length over the product’s bound is refused before its bytes are asked for', () => {
  const bytes = batchOf([{ value: 'one' }]);
  bytes.writeInt32BE(limits.batchBytesMax - 12, LENGTH_POSITION);
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'need-more-bytes');
  bytes.writeInt32BE(limits.batchBytesMax - 11, LENGTH_POSITION);
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'corrupt-length');
});

test('inspect: a range outside the bytes is a bug', () => {
  assert.throws(() => inspectBatch(Buffer.alloc(100), 50, 51), InvariantViolation);
});

test('header: base offset and epoch are stamped under the same checksum', () => {
  const bytes = batchOf([{ value: 'one' }, { value: 'two' }]);
  stampBaseOffset(bytes, 0, 2 ** 40);
  stampEpoch(bytes, 0, 12);
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'batch');
  assert.deepEqual(
    [batchBaseOffset(bytes, 0), batchNextOffset(bytes, 0), batchEpoch(bytes, 0)],
    [2 ** 40, 2 ** 40 + 2, 12],
  );
  assert.equal(bytes.readBigInt64BE(BASE_OFFSET_POSITION), 2n ** 40n);
  assert.equal(bytes.readInt32BE(EPOCH_POSITION), 12);
});

test('header: what compaction leaves of a batch is a batch without records', () => {
  const bytes = Buffer.alloc(HEADER_BYTES);
  writeBatchHeader(bytes, 0, {
    baseOffset: 10,
    bytes: HEADER_BYTES,
    epoch: 1,
    attributes: 0,
    lastOffsetDelta: 89,
    baseTimestamp: -1,
    maxTimestamp: -1,
    producerId: 4,
    producerEpoch: 0,
    baseSequence: 12,
    count: 0,
  });
  stampCrc(bytes, 0);
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'batch');
  assert.equal(batchNextOffset(bytes, 0), 100);
  assert.deepEqual(verifyRecords(bytes, 0), { outcome: 'valid' });
  assert.deepEqual(readAll(bytes), []);
});

test('records: a structure that does not add up is found under a fitting checksum', () => {
  // One record of 6 bytes: attributes, timestamp delta, offset delta, no key, no value, no headers.
  const cases: readonly [string, string, string][] = [
    ['length beyond the body', 'record length', '0e 00 00 00 01 01 00'],
    ['length too short for a record', 'record length', '0a 00 00 00 01 01 00'],
    ['negative length', 'record length', '01 00 00 00 01 01 00'],
    ['length without end', 'record length', 'ff ff ff ff ff ff ff'],
    ['timestamp delta without end', 'timestamp delta', '0c 00 ff ff ff ff ff'],
    ['offset delta beyond the last', 'offset delta', '0c 00 00 02 01 01 00'],
    ['negative offset delta', 'offset delta', '0c 00 00 01 01 01 00'],
    ['key beyond the record', 'value length', '0c 00 00 00 08 01 00'],
    ['key length below null', 'key length', '0c 00 00 00 03 01 00'],
    ['value beyond the record', 'header count', '0c 00 00 00 01 08 00'],
    ['value length below null', 'value length', '0c 00 00 00 01 03 00'],
    ['negative header count', 'header count', '0c 00 00 00 01 01 01'],
    ['more headers than bytes', 'header count', '0c 00 00 00 01 01 02'],
    ['header key null', 'header key length', '10 00 00 00 01 01 02 01 01'],
    ['header key beyond the record', 'header value length', '10 00 00 00 01 01 02 06 01'],
    ['header value beyond the record', 'record length', '10 00 00 00 01 01 02 00 06'],
    ['bytes behind the headers', 'record length', '0e 00 00 00 01 01 00 00'],
    ['bytes behind the last record', 'bytes behind the last record', '0c 00 00 00 01 01 00 00'],
  ];
  for (const [name, reason, hex] of cases) {
    const verdict = verifyRecords(withBody(fromHex(hex)), 20, 'a file', 1000);
    assert.equal(verdict.outcome, 'invalid', name);
    const { error } = verdict;
    assert.ok(hasCode(error, 'LOG_CORRUPT'));
    const { file, position, record } = error.facts;
    assert.deepEqual([file, position, error.facts['reason']], ['a file', 1020, reason], name);
    assert.equal(record, reason === 'bytes behind the last record' ? 1 : 0, name);
  }
  assert.deepEqual(verifyRecords(withBody(fromHex('0c 00 00 00 01 01 00')), 20), {
    outcome: 'valid',
  });
});

test('records: a record that goes on behind its batch is refused, fitting as it may be', () => {
  // The value of 3 bytes and the header count are completed by what lies behind.
  const bytes = withBody(fromHex('10 00 00 00 01 06 61'), fromHex('61 61 00'));
  const verdict = verifyRecords(bytes, 20);
  assert.equal(verdict.outcome, 'invalid');
  assert.equal(verdict.error.facts['reason'], 'record length');
});

test('records: an offset that does not rise is found', () => {
  const bytes = changed((batch) => {
    const second = HEADER_BYTES + (batch.length - HEADER_BYTES) / 2;
    assert.equal(batch[second + 3], 2);
    batch[second + 3] = 0;
  });
  const verdict = verifyRecords(bytes, 0);
  assert.equal(verdict.outcome, 'invalid');
  assert.deepEqual(
    [verdict.error.facts['reason'], verdict.error.facts['record']],
    ['offset delta', 1],
  );
});

test('records: a codec that nobody knows makes a batch that is kept and cannot be read', () => {
  const bytes = changed((batch) => batch.writeInt16BE(6, ATTRIBUTES_POSITION));
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'batch');
  const verdict = verifyRecords(bytes, 0);
  assert.equal(verdict.outcome, 'invalid');
  assert.equal(verdict.error.code, 'CODEC_UNAVAILABLE');
  assert.equal(verdict.error.facts['codec'], 6);
});

/** A batch of one record with this body, at position 20 of larger bytes that end varints badly. */
function withBody(body: Uint8Array, behind: Uint8Array = new Uint8Array(0)): Buffer {
  const header = batchOf([{ value: 'one' }]).subarray(0, HEADER_BYTES);
  const margin = Buffer.alloc(20, 0x80);
  const bytes = Buffer.concat([margin, header, body, behind, margin]);
  bytes.writeInt32BE(HEADER_BYTES + body.length - 12, 20 + LENGTH_POSITION);
  stampCrc(bytes, 20);
  assert.equal(inspectBatch(bytes, 20, HEADER_BYTES + body.length), 'batch');
  return bytes;
}
