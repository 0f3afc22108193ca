// Ready-made batches: what a broker of Kafka takes is stored byte for byte, the rest is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeInt8, writeInt16, writeInt32, writeInt64 } from '../../src/base/bytes.js';
import type { ErrorCode } from '../../src/base/errors.js';
import { compressBatch } from '../../src/storage/batch-compress.js';
import * as format from '../../src/storage/batch-format.js';
import { stampCrc } from '../../src/storage/batch-header.js';
import { checkReadyBatch } from '../../src/storage/batch-ready.js';
import type { CodecName } from '../../src/storage/compression.js';
import { codecNamed, codecNames } from '../../src/storage/compression.js';
import type { RecordInput } from '../../src/storage/record.js';
import { batchOf } from '../support/batch-fixtures.js';
import { rejection } from '../support/fixtures.js';
import { fill, readRecords, readValues, SimLog } from '../support/log-fixture.js';

const limits = { cleanup: 'delete', recordBytesMax: 1000, batchBytesMax: 4000 } as const;
const records: readonly RecordInput[] = [
  { key: 'a', value: 'one', timestamp: 500 },
  { key: 'b', value: null, timestamp: 700, headers: [{ key: 'h', value: 'x' }] },
  { value: 'three', timestamp: 600 },
];
const producer = { producerId: 9n, producerEpoch: 2, baseSequence: 30 };

/** A good batch, changed, with a checksum that fits. */
function changed(change: (bytes: Buffer) => void, of: readonly RecordInput[] = records): Buffer {
  const batch = batchOf(of, { producer });
  change(batch);
  stampCrc(batch, 0);
  return batch;
}

function compressed(codec: CodecName, of: readonly RecordInput[] = records): Buffer {
  const plain = batchOf(of, { producer });
  const target = Buffer.alloc(plain.length * 2 + 1000);
  const bytes = compressBatch(codec, plain, 0, target, 0, target.length);
  assert.notEqual(bytes, 'does-not-fit');
  return Buffer.from(target.subarray(0, Number(bytes)));
}

function codeOf(batch: Uint8Array, given: Parameters<typeof checkReadyBatch>[1] = limits): string {
  try {
    checkReadyBatch(batch, given);
    return 'taken';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

test('ready batch: what it says of itself is found', () => {
  const { count, producer: found } = checkReadyBatch(batchOf(records, { producer }), limits);
  assert.equal(count, 3);
  assert.deepEqual(found, { ...producer, isTransactional: false });
  assert.equal(checkReadyBatch(batchOf(records), limits).producer, undefined);
});

const setAttributes = (value: number) => (bytes: Buffer) =>
  writeInt16(bytes, format.ATTRIBUTES_POSITION, value);

const refused: readonly (readonly [string, () => Uint8Array, ErrorCode])[] = [
  ['nothing', () => Buffer.alloc(0), 'BATCH_INVALID'],
  ['a header cut short', () => batchOf(records).subarray(0, 60), 'BATCH_INVALID'],
  ['a batch cut short', () => batchOf(records).subarray(0, -1), 'BATCH_INVALID'],
  ['bytes behind it', () => Buffer.concat([batchOf(records), Buffer.alloc(1)]), 'BATCH_INVALID'],
  ['zeros', () => Buffer.alloc(100), 'BATCH_INVALID'],
  [
    'an old magic',
    () => changed((bytes) => writeInt8(bytes, format.MAGIC_POSITION, 1)),
    'BATCH_INVALID',
  ],
  [
    'a wrong checksum',
    () => {
      const batch = batchOf(records);
      batch[80] = (batch[80] ?? 0) ^ 1;
      return batch;
    },
    'BATCH_INVALID',
  ],
  ['a mark of a log', () => changed(setAttributes(format.ATTRIBUTE_CONTROL)), 'BATCH_INVALID'],
  ['a horizon', () => changed(setAttributes(format.ATTRIBUTE_DELETE_HORIZON)), 'BATCH_INVALID'],
  ['append time', () => changed(setAttributes(format.ATTRIBUTE_LOG_APPEND_TIME)), 'BATCH_INVALID'],
  ['unknown attributes', () => changed(setAttributes(0x100)), 'BATCH_INVALID'],
  ['an unknown codec', () => changed(setAttributes(6)), 'CODEC_UNAVAILABLE'],
  ['bytes that are no gzip', () => changed(setAttributes(1)), 'DECOMPRESSION_FAILED'],
  [
    'fewer records than it says',
    () => changed((bytes) => writeInt32(bytes, format.COUNT_POSITION, 2)),
    'BATCH_INVALID',
  ],
  [
    'gaps between offsets',
    () => changed((bytes) => writeInt32(bytes, format.LAST_OFFSET_DELTA_POSITION, 5)),
    'BATCH_INVALID',
  ],
  [
    'another largest timestamp',
    () => changed((bytes) => writeInt64(bytes, format.MAX_TIMESTAMP_POSITION, 701)),
    'BATCH_INVALID',
  ],
  [
    'a time before 1970',
    () => changed((bytes) => writeInt64(bytes, format.BASE_TIMESTAMP_POSITION, -700)),
    'BATCH_INVALID',
  ],
  [
    'a producer without an epoch',
    () => changed((bytes) => writeInt16(bytes, format.PRODUCER_EPOCH_POSITION, -1)),
    'BATCH_INVALID',
  ],
  [
    'a producer without a sequence',
    () => changed((bytes) => writeInt32(bytes, format.BASE_SEQUENCE_POSITION, -1)),
    'BATCH_INVALID',
  ],
  [
    'a negative producer',
    () => changed((bytes) => writeInt64(bytes, format.PRODUCER_ID_POSITION, -2)),
    'BATCH_INVALID',
  ],
  [
    'a transaction of nobody',
    () =>
      changed((bytes) => {
        writeInt64(bytes, format.PRODUCER_ID_POSITION, -1);
        setAttributes(format.ATTRIBUTE_TRANSACTIONAL)(bytes);
      }),
    'BATCH_INVALID',
  ],
  ['a large batch', () => batchOf([{ value: 'x'.repeat(4000) }]), 'BATCH_TOO_LARGE'],
  ['a large record', () => batchOf([{ value: 'x'.repeat(1000) }]), 'RECORD_TOO_LARGE'],
  [
    'a large record in it, compressed',
    () => compressed('gzip', [{ value: 'x'.repeat(1000) }]),
    'RECORD_TOO_LARGE',
  ],
];

for (const [name, make, code] of refused) {
  test(`ready batch: ${name} is refused with ${code}`, () => {
    assert.equal(codeOf(make()), code);
  });
}

test('ready batch: every flipped bit is refused, but for what the log stamps over', () => {
  const batch = batchOf(records, { producer });
  for (let bit = 0; bit < batch.length * 8; bit += 1) {
    const at = bit >> 3;
    const isStamped =
      at < format.LENGTH_POSITION || (at >= format.EPOCH_POSITION && at < format.MAGIC_POSITION);
    const copy = Buffer.from(batch);
    copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
    if (!isStamped) assert.notEqual(codeOf(copy), 'taken', `bit ${bit}`);
  }
});

test('ready batch: a compacted log takes none with a record without a key', () => {
  const compacted = { ...limits, cleanup: 'compact' } as const;
  assert.equal(codeOf(batchOf(records), compacted), 'KEY_REQUIRED');
  assert.equal(codeOf(batchOf(records.slice(0, 2)), compacted), 'taken');
});

for (const codec of codecNames()) {
  test(`ready batch: compressed by ${codec} it is stored as it came`, async (t) => {
    if (!codecNamed(codec).isAvailable()) return t.skip(`${codec} is not there`);
    const sim = new SimLog();
    const log = await sim.open();
    await fill(log, ['before']);
    const batch = codec === 'none' ? batchOf(records, { producer }) : compressed(codec);
    const answer = await log.appendBatch(batch);
    assert.deepEqual(answer, { baseOffset: 1, lastOffset: 3, isDuplicate: false });
    const stored = Buffer.from(sim.disk.readAll(sim.path(0, 'log'))).subarray(-batch.length);
    assert.deepEqual(stored.subarray(format.MAGIC_POSITION), batch.subarray(format.MAGIC_POSITION));
    const read = await readRecords(log, { from: 1 });
    assert.deepEqual(
      read.map(({ offset, timestamp, key, value }) => [offset, timestamp, key, value]),
      [
        [1, 500, 'a', 'one'],
        [2, 700, 'b', null],
        [3, 600, null, 'three'],
      ],
    );
    assert.equal((await log.appendBatch(batch)).isDuplicate, true);
    await log.close();
    const reopened = await sim.open();
    const again = await reopened.appendBatch(batch);
    assert.deepEqual(again, { baseOffset: 1, lastOffset: 3, isDuplicate: true });
  });
}

test('ready batch: the bytes may be used again at once, also when it waits for room', async () => {
  const log = await new SimLog().open({ bufferBytes: 64 * 1024 });
  const value = 'x'.repeat(30_000);
  const shared = Buffer.alloc(40_000);
  const answers = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => {
    const batch = batchOf([{ key, value }]);
    batch.copy(shared);
    const answer = log.appendBatch(shared.subarray(0, batch.length));
    shared.fill(0);
    return answer;
  });
  const offsets = (await Promise.all(answers)).map(({ baseOffset }) => baseOffset);
  assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5]);
  const keys = (await readRecords(log)).map(({ key }) => key);
  assert.deepEqual(keys, ['a', 'b', 'c', 'd', 'e', 'f']);
});

test('ready batch: a transaction begins with one', async () => {
  const log = await new SimLog().open();
  const isTransactional = true;
  await log.appendBatch(batchOf(records, { producer: { ...producer, isTransactional } }));
  assert.deepEqual(await readValues(log), []);
  await log.appendMarker({ ...producer, kind: 'commit', coordinatorEpoch: 1 });
  assert.deepEqual(await readValues(log), ['one', 'null', 'three']);
});

test('ready batch: a log that is open for reading takes none', async () => {
  const sim = new SimLog();
  await (await sim.open()).close();
  const log = await sim.open({ readOnly: true });
  await rejection(log.appendBatch(batchOf(records)), 'LOG_READ_ONLY');
});

/** A batch of zstd's, whose body nobody here looks into. */
const zstd = (change: (bytes: Buffer) => void = () => undefined): Buffer =>
  changed((bytes) => {
    setAttributes(4)(bytes);
    change(bytes);
  });
const skip = codecNamed('zstd').isAvailable() ? 'this Node.js has zstd' : false;

test('ready batch: one whose codec is absent is stored when asked for', { skip }, async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const batch = zstd();
  await rejection(log.appendBatch(batch), 'CODEC_UNAVAILABLE');
  const { baseOffset } = await log.appendBatch(batch, { unreadable: 'store' });
  assert.equal(baseOffset, 0);
  const again = await log.appendBatch(batch, { unreadable: 'store' });
  assert.equal(again.isDuplicate, true, 'the producer is judged all the same');
  for await (const found of log.read()) {
    assert.deepEqual(Buffer.from(found.raw()).subarray(16), batch.subarray(16));
    assert.throws(() => [...found], { code: 'CODEC_UNAVAILABLE' });
    break;
  }
  await log.close();
});

test('ready batch: of what is passed unread everything outside is proved', { skip }, () => {
  const pass = (batch: Uint8Array, given: Parameters<typeof checkReadyBatch>[1] = limits) => {
    try {
      return checkReadyBatch(batch, given, 'store').count;
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error;
    }
  };
  assert.equal(pass(zstd()), 3);
  const damaged = zstd();
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
  assert.equal(pass(damaged), 'BATCH_INVALID');
  assert.equal(pass(zstd((bytes) => writeInt32(bytes, format.COUNT_POSITION, 4))), 'BATCH_INVALID');
  const late = (bytes: Buffer) => writeInt64(bytes, format.MAX_TIMESTAMP_POSITION, -2);
  assert.equal(pass(zstd(late)), 'BATCH_INVALID');
  assert.equal(pass(zstd(), { ...limits, batchBytesMax: 70 }), 'BATCH_TOO_LARGE');
  assert.equal(pass(zstd(), { ...limits, cleanup: 'compact' }), 'CODEC_UNAVAILABLE');
  assert.equal(pass(changed(setAttributes(7))), 'CODEC_UNAVAILABLE', 'nobody knows this codec');
});
