// What fuzzing found, one test each.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeBigInt64, writeUint32 } from '../src/base/bytes.js';
import { crc32c } from '../src/base/crc32c.js';
import { Epochs } from '../src/storage/epochs.js';
import { decodeMetadata, encodeMetadata } from '../src/storage/log-json.js';
import { decodeSeal, encodeSeal, type Seal, sealLayout } from '../src/storage/seal.js';
import {
  decodeSlot,
  encodeWatermark,
  WATERMARK_BYTES,
  watermarkLayout,
} from '../src/storage/watermark.js';
import { rejection } from './support/fixtures.js';
import { LOG_ID, readOffsets, SimLog } from './support/log-fixture.js';

const seal: Seal = {
  logId: LOG_ID,
  baseOffset: 10,
  nextOffset: 20,
  logBytes: 1000,
  batches: 2,
  records: 10,
  maxTimestamp: 5,
  runningMaxTimestamp: 6,
  runningMaxBefore: 6,
  firstAppendMs: 7,
  headersCrc: 8,
  hasGaps: false,
  indexBytes: 0,
  indexCrc: 0,
  timeIndexBytes: 0,
  timeIndexCrc: 0,
  hasProducers: true,
  txnIndexBytes: 68,
  txnIndexCrc: 0x12345678,
  epochs: [{ epoch: 0, startOffset: 0 }],
};

test('seal: numbers that no writer writes are refused, also under a checksum that fits', () => {
  const end = encodeSeal(seal).length - 4;
  // Base offset, next offset, size, batches, records, and three times.
  for (const position of sealLayout.slice(3, 11)) {
    for (const value of [2n ** 60n, -2n]) {
      const bytes = encodeSeal(seal);
      writeBigInt64(bytes, position, value);
      writeUint32(bytes, end, crc32c(bytes, 0, end));
      assert.equal(decodeSeal(bytes), 'invalid', `${value} at ${position}`);
    }
  }
  assert.deepEqual(decodeSeal(encodeSeal(seal)), seal);
});

test('watermark: numbers no writer writes are refused, also under a checksum that fits', () => {
  const mark = {
    sequence: 1,
    bootId: LOG_ID,
    nonce: 1n,
    epoch: 0,
    isClean: true,
    isEverCompacted: false,
    isPoisoned: false,
    hasProducers: false,
    segmentBase: 10,
    position: 100,
    durableOffset: 20,
    unsyncedBytesMax: 1000,
    startOffset: 5,
    firstDirtyOffset: 5,
    epochsCrc: 1,
  };
  const [sequence = 0, , , , , ...numbers] = watermarkLayout.slice(2, 13);
  const crcPosition = watermarkLayout.at(-1) ?? 0;
  for (const position of [sequence, ...numbers]) {
    for (const value of [2n ** 60n, -2n]) {
      const bytes = new Uint8Array(WATERMARK_BYTES);
      encodeWatermark(mark, bytes, 0);
      assert.deepEqual(decodeSlot(bytes, 0), mark);
      writeBigInt64(bytes, position, value);
      writeUint32(bytes, crcPosition, crc32c(bytes, 0, crcPosition));
      assert.equal(decodeSlot(bytes, 0), 'unreadable', `${value} at ${position}`);
    }
  }
});

test('epochs: other spellings of numbers and numbers out of bounds are refused', () => {
  const decode = (entry: string) => Epochs.decode(Buffer.from(`0\n1\n${entry}\n`));
  for (const entry of ['01 5', '1 05', '2147483648 5', '1 9007199254740992']) {
    assert.equal(decode(entry), 'invalid', entry);
  }
  assert.notEqual(decode('2147483647 9007199254740990'), 'invalid');
});

test('partition.metadata: a topic id has one spelling', () => {
  const text = Buffer.from(encodeMetadata(LOG_ID)).toString().trimEnd();
  assert.equal(decodeMetadata(Buffer.from(text)), LOG_ID);
  const other = String.fromCharCode(text.charCodeAt(text.length - 1) + 1);
  assert.equal(decodeMetadata(Buffer.from(text.slice(0, -1) + other)), 'invalid');
});

/** A closed log in segments of four records; the time of each record. */
async function closedLog() {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 4096 + 512, indexIntervalBytes: 0 });
  for (let offset = 0; offset < 16; offset += 1) {
    await log.append([{ value: 'v'.padEnd(1000), timestamp: 1000 + offset }]);
  }
  await log.close();
  const [first = 0, second = 0, third = 0] = sim.segments();
  return { sim, first, second, third };
}

test('read: a time whose segment is missing is an error, not the next segment', async () => {
  const { sim, second, third } = await closedLog();
  sim.disk.remove(sim.path(second, 'log'));
  for (const readOnly of [true, false]) {
    const log = await sim.kill().open({ readOnly });
    await rejection(readOffsets(log, { from: { timestamp: 1000 + second } }), 'LOG_CORRUPT');
    assert.equal((await readOffsets(log, { from: third })).at(0), third);
  }
});

test('read: a time in a missing first segment is an error', async () => {
  const { sim, first } = await closedLog();
  sim.disk.remove(sim.path(first, 'log'));
  const log = await sim.open({ readOnly: true });
  await rejection(readOffsets(log, { from: { timestamp: 1000 } }), 'LOG_CORRUPT');
});

test('read: a time behind damage in a segment without a seal is an error', async () => {
  const { sim, second } = await closedLog();
  sim.disk.remove(sim.path(second, 'seal'));
  sim.disk.flipBit(sim.path(second, 'log'), 8 * 1200);
  const log = await sim.open({ readOnly: true });
  await rejection(readOffsets(log, { from: { timestamp: 1000 + second + 2 } }), 'LOG_CORRUPT');
});

test('read: an offset before a large batch that is not durable yet is found', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 100_000, indexIntervalBytes: 4096 });
  const values = Array.from({ length: 10 }, () => ({ value: 'v'.padEnd(1100) }));
  await log.append(values);
  // The next batch gets an entry in the index, more than 8 KiB behind the start of the segment.
  await log.append([{ value: 'written' }], { acks: 'written' });
  assert.deepEqual([log.durableOffset, log.describe().writtenOffset], [10, 11]);
  assert.deepEqual(await readOffsets(log, { from: 7 }), [7, 8, 9]);
  assert.deepEqual(await readOffsets(log, { from: 7, durability: 'written' }), [7, 8, 9, 10]);
});
