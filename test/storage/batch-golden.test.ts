// The layout against bytes that were put together by hand: no line of the encoder made them, and
// their checksums come from a bit-by-bit CRC-32C outside this project.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../src/storage/batch.js';
import { controlKey, controlValue, readControlKey } from '../../src/storage/batch-control.js';
import { inspectBatch, verifyRecords } from '../../src/storage/batch-decoder.js';
import { BatchBuilder } from '../../src/storage/batch-encoder.js';
import {
  batchBaseTimestamp,
  hasDeleteHorizon,
  isLogAppendTimeBatch,
} from '../../src/storage/batch-header.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import { assertBytes, fromHex } from '../support/hex.js';

const TWO_RECORDS = `
  0000000000000005            # base offset 5
  00000046                    # length: 70 bytes follow, 82 in all
  00000003                    # epoch 3
  02                          # magic
  8c7702f2                    # CRC-32C of the rest
  0000                        # attributes: no codec, create time
  00000001                    # last offset delta 1
  00000000000003e8            # base timestamp 1,000
  00000000000003e8            # max timestamp 1,000
  ffffffffffffffff ffff ffffffff  # no producer: id, epoch, sequence
  00000002                    # 2 records
  1a                          # record of 13 bytes
    00 00 00                  # attributes, timestamp delta 0, offset delta 0
    02 61                     # key of 1 byte: a
    04 6869                   # value of 2 bytes: hi
    02                        # 1 header
    02 68 02 76               # h: v
  0c                          # record of 6 bytes
    00 03 02                  # attributes, timestamp delta -2, offset delta 1
    01 01 00                  # no key, no value, no headers
`;

const COMMIT_MARKER = `
  0000000000000009 00000042 00000003 02
  f51b24df
  0030                        # control, transactional
  00000000 00000000000003e8 00000000000003e8
  0000000000000007 0001 ffffffff  # producer 7, epoch 1, no sequence
  00000001
  20 00 00 00                 # record of 16 bytes
  08 0000 0001                # key: version 0, type 1 (commit)
  0c 0000 00000002            # value: version 0, coordinator epoch 2
  00
`;

const WITH_HORIZON = `
  0000000000000000 0000003a 00000003 02
  c9524bb1
  0040                        # delete horizon
  00000003
  0000000000001388            # the horizon: 5,000
  00000000000003e8
  ffffffffffffffff ffff ffffffff
  00000001
  10 00 bf3e 00               # timestamp delta -4,000, against the horizon
  02 61 01 00
`;

const WITH_APPEND_TIME = `
  0000000000000000 0000003a 00000003 02
  a38afba4
  0008                        # log append time
  00000000
  00000000000003e8
  0000000000002328            # max timestamp 9,000: the time of the append
  ffffffffffffffff ffff ffffffff
  00000001
  10 00 04 00 0261 0262 00
`;

function open(hex: string): { bytes: Buffer; batch: Batch } {
  const bytes = Buffer.from(fromHex(hex));
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'batch');
  assert.deepEqual(verifyRecords(bytes, 0), { outcome: 'valid' });
  return { bytes, batch: new Batch(createBatchMemory(bytes, 'golden', 0), 0) };
}

test('golden batch: the encoder writes exactly these bytes', () => {
  const expected = fromHex(TWO_RECORDS);
  for (const target of [Buffer.alloc(200), Buffer.from(new SharedArrayBuffer(200))]) {
    const builder = new BatchBuilder();
    builder.begin(target, 10, 200, 5, 3);
    assert.ok(builder.add('a', Buffer.from('hi'), [{ key: 'h', value: 'v' }], 1000));
    assert.ok(builder.add(null, undefined, undefined, 998));
    assert.equal(builder.finish(), expected.length);
    assertBytes(target.subarray(10, 10 + expected.length), expected);
  }
});

test('golden batch: header and records read back', () => {
  const { batch } = open(TWO_RECORDS);
  const { baseOffset, lastOffset, nextOffset, count, bytes, maxTimestamp, epoch } = batch;
  assert.deepEqual(
    { baseOffset, lastOffset, nextOffset, count, bytes, maxTimestamp, epoch },
    {
      baseOffset: 5,
      lastOffset: 6,
      nextOffset: 7,
      count: 2,
      bytes: 82,
      maxTimestamp: 1000,
      epoch: 3,
    },
  );
  const { codec, isControl, isTransactional, producerId, producerEpoch, baseSequence } = batch;
  assert.deepEqual([codec, isControl, isTransactional], ['none', false, false]);
  assert.deepEqual([producerId, producerEpoch, baseSequence], [-1, -1, -1]);
  const [first, second, ...more] = [...batch];
  assert.ok(first !== undefined);
  assert.ok(second !== undefined);
  assert.equal(more.length, 0);
  assert.deepEqual([first.offset, first.timestamp], [5, 1000]);
  assert.deepEqual([first.key?.toString(), first.value?.toString()], ['a', 'hi']);
  assert.deepEqual(first.headers, [{ key: 'h', value: Buffer.from('v') }]);
  assert.deepEqual([second.offset, second.timestamp], [6, 998]);
  assert.deepEqual([second.key, second.value, second.headers], [null, null, []]);
});

test('golden marker: a commit is read from a control batch, and written the same', () => {
  const { bytes, batch } = open(COMMIT_MARKER);
  assert.deepEqual([batch.isControl, batch.isTransactional], [true, true]);
  assert.deepEqual([batch.producerId, batch.producerEpoch, batch.baseSequence], [7, 1, -1]);
  const [marker] = batch;
  assert.equal(readControlKey(marker?.key ?? null), 'commit');

  const target = Buffer.alloc(bytes.length);
  const builder = new BatchBuilder();
  builder.begin(target, 0, target.length, 9, 3);
  builder.producer({
    producerId: 7,
    producerEpoch: 1,
    baseSequence: -1,
    isTransactional: true,
    isControl: true,
  });
  assert.ok(builder.add(controlKey('commit'), controlValue(2), undefined, 1000));
  builder.finish();
  assertBytes(target, bytes);
});

test('control keys: an abort is told from what is neither abort nor commit', () => {
  assert.equal(readControlKey(controlKey('abort')), 'abort');
  assert.equal(readControlKey(controlKey('commit')), 'commit');
  assert.equal(readControlKey(fromHex('0000 0002')), 'other');
  assert.equal(readControlKey(fromHex('ffff 0001')), 'other');
  assert.equal(readControlKey(fromHex('0000 01')), 'other');
  assert.equal(readControlKey(null), 'other');
});

test('golden horizon: the base timestamp is the horizon, and deltas are relative to it', () => {
  const { bytes, batch } = open(WITH_HORIZON);
  assert.equal(hasDeleteHorizon(bytes, 0), true);
  assert.equal(batchBaseTimestamp(bytes, 0), 5000);
  assert.equal(batch.maxTimestamp, 1000);
  assert.deepEqual(
    [...batch].map((record) => [record.offset, record.timestamp, record.value]),
    [[0, 1000, null]],
  );
});

test('golden append time: every record has the time of the append', () => {
  const { bytes, batch } = open(WITH_APPEND_TIME);
  assert.equal(isLogAppendTimeBatch(bytes, 0), true);
  assert.deepEqual(
    [...batch].map((record) => record.timestamp),
    [9000],
  );
});
