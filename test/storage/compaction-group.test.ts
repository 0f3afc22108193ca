/** Cleaning: what goes, what stays byte for byte, and what is rewritten. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ATTRIBUTES_POSITION,
  BASE_TIMESTAMP_POSITION,
  MAX_TIMESTAMP_POSITION,
} from '../../src/storage/batch-format.js';
import { stampCrc } from '../../src/storage/batch-header.js';
import { segmentPath } from '../../src/storage/segment-files.js';
import { decodeTxnIndex } from '../../src/storage/transactions.js';
import { batchOf } from '../support/batch-fixtures.js';
import {
  CleanableLog,
  codecsHere,
  compressed,
  HOUR_MS,
  NOW_MS,
  transactional,
} from '../support/compaction-fixture.js';

const value = (text: string, key = 'k') => ({ key, value: text, timestamp: NOW_MS - 5000 });
const tombstone = (key = 'k') => ({ key, value: null, timestamp: NOW_MS - 5000 });
const producer = (producerId: number, baseSequence = 0) => ({
  producerId,
  producerEpoch: 0,
  baseSequence,
});

describe('compaction: records', () => {
  test('the last value of each key stays, under its own offset', () => {
    const log = new CleanableLog();
    log
      .add([value('1', 'a'), value('2', 'b'), value('3', 'a')])
      .add([value('4', 'c')])
      .seal();
    log.add([value('5', 'b'), value('6', 'd')]).seal();
    const results = log.pass();
    assert.deepEqual(
      log.records().map(({ offset, key, value: text }) => `${offset} ${key}=${text}`),
      ['2 a=3', '3 c=4', '4 b=5', '5 d=6'],
    );
    assert.deepEqual(
      results.map(({ outcome, recordsIn, recordsOut }) => ({ outcome, recordsIn, recordsOut })),
      [
        { outcome: 'cleaned', recordsIn: 4, recordsOut: 2 },
        { outcome: 'unchanged', recordsIn: 2, recordsOut: 2 },
      ],
    );
    assert.equal(results[0]?.seal?.hasGaps, true);
    assert.equal(results[0]?.seal?.nextOffset, 4);
    assert.deepEqual(log.leftovers(), []);
  });

  test('a segment of which nothing goes is not written at all', () => {
    const log = new CleanableLog();
    log
      .add([value('1', 'a')])
      .add([value('2', 'b')])
      .seal();
    const calls = log.disk.callCount;
    assert.equal(log.pass()[0]?.outcome, 'unchanged');
    const names = log.disk.calls.slice(calls).map(({ name }) => name);
    assert.deepEqual([...new Set(names)].sort(), ['close', 'open']);
  });

  test('batches of which nothing goes are copied byte for byte, before and after a change', () => {
    const log = new CleanableLog();
    log
      .add([value('1', 'a')])
      .add([value('2', 'x')])
      .add([value('3', 'b'), value('4', 'x')]);
    log.add([value('5', 'c')]).seal();
    const before = log.batches().map(({ bytes }) => bytes.toString('hex'));
    log.pass();
    const after = log.batches().map(({ bytes }) => bytes.toString('hex'));
    assert.deepEqual(after, [before[0], before[2], before[3]]);
  });

  test('several segments become one, also when nothing goes', () => {
    const log = new CleanableLog();
    for (const key of ['a', 'b', 'c']) log.add([value('1', key)]).seal();
    const before = log.batches().map(({ bytes }) => bytes.toString('hex'));
    const [result] = log.pass({ groupSize: 3 });
    assert.equal(result?.outcome, 'cleaned');
    assert.equal(log.segments.length, 1);
    assert.deepEqual(
      log.batches().map(({ bytes }) => bytes.toString('hex')),
      before,
    );
  });

  test('batches at or beyond the mapped end are left alone, records there too', () => {
    const log = new CleanableLog();
    log
      .add([value('1'), value('2'), value('3')])
      .add([value('4'), value('5')])
      .seal();
    const untouched = log.batches()[1]?.bytes;
    log.pass({ upperOffset: 2 });
    assert.deepEqual(log.offsets(), [1, 2, 3, 4]);
    assert.deepEqual(log.batches()[1]?.bytes, untouched);
    assert.equal(log.firstDirtyOffset, 2);
  });

  test('records without a key are dropped and counted', () => {
    const log = new CleanableLog();
    log.add([{ value: 'x' }, value('1'), { value: 'y' }]).seal();
    assert.equal(log.pass()[0]?.keylessRecords, 2);
    assert.deepEqual(log.offsets(), [1]);
  });

  for (const codec of codecsHere()) {
    test(`what survives is the same record as before: ${codec}`, () => {
      const log = new CleanableLog();
      const headers = [{ key: 'h', value: Buffer.from('v') }];
      const rich = (key: string, timestamp: number) => ({
        key,
        value: key.repeat(50),
        headers,
        timestamp,
      });
      const records = [rich('a', 50), rich('b', 10_000_000), rich('a', 7), rich('c', 3)];
      log.add(records, producer(9, 3), codec).seal();
      const before = log.records();
      log.pass();
      assert.deepEqual(log.records(), before.slice(1));
      const [stored] = log.batches();
      assert.equal(stored?.batch.codec, codec);
      assert.equal(stored.batch.baseOffset, 0);
      assert.equal(stored.batch.lastOffset, 3);
      assert.equal(stored.batch.baseSequence, 3);
      assert.equal(stored.batch.producerId, 9);
      assert.equal(stored.batch.maxTimestamp, 10_000_000);
    });
  }

  test('the largest timestamp of a batch is that of its survivors', () => {
    const log = new CleanableLog();
    log.add([
      { key: 'a', value: '1', timestamp: 900 },
      { key: 'b', value: '2', timestamp: 50 },
    ]);
    log.add([{ key: 'a', value: '3', timestamp: 60 }]).seal();
    log.pass();
    assert.deepEqual(
      log.batches().map(({ batch }) => batch.maxTimestamp),
      [50, 60],
    );
    assert.deepEqual(
      log.records().map(({ timestamp }) => timestamp),
      [50, 60],
    );
  });

  test('a batch that is larger than the chunk is cleaned too', () => {
    const log = new CleanableLog();
    const big = 'x'.repeat(900_000);
    log
      .add([value('1', 'a')])
      .add([value(big, 'b'), value(big, 'c'), value('2', 'a')])
      .seal();
    log.add([value('3', 'b')]).seal();
    log.pass();
    assert.deepEqual(log.offsets(), [2, 3, 4]);
  });

  test('a codec that is not available keeps its batch, and tombstones behind it', () => {
    const log = new CleanableLog();
    const hidden = compressed(batchOf([value('1')]), 'gzip');
    log.addBytes(withCodec(hidden, 7)).add([tombstone()]).seal();
    log.add([tombstone('other')]).seal();
    const results = log.pass();
    assert.deepEqual(
      results.map(({ hasUnreadable }) => hasUnreadable),
      [true, true],
    );
    assert.deepEqual(
      log.batches().map(({ hasHorizon }) => hasHorizon),
      [false, false, false],
    );
    assert.equal(results[0]?.outcome, 'unchanged');
    log.pass({ nowMs: NOW_MS + 9 * HOUR_MS });
    assert.equal(log.batches().length, 3);
  });
});

describe('compaction: tombstones', () => {
  for (const codec of codecsHere()) {
    test(`a tombstone stays until its horizon has passed: ${codec}`, () => {
      const log = new CleanableLog();
      log.add([value('1'), value('2', 'b')], undefined, codec);
      log.add([tombstone(), { ...value('3', 'c'), timestamp: NOW_MS - 77 }], undefined, codec);
      log.seal();
      const [, , deletion, other] = log.records();
      log.pass();
      assert.deepEqual(log.records().slice(1), [deletion, other], 'timestamps are as they were');
      const [, stored] = log.batches();
      assert.equal(stored?.hasHorizon, true);
      assert.equal(stored.bytes.readBigInt64BE(BASE_TIMESTAMP_POSITION), BigInt(NOW_MS + HOUR_MS));
      const untouched = log.batches().map(({ bytes }) => bytes.toString('hex'));
      assert.equal(log.pass({ nowMs: NOW_MS + HOUR_MS })[0]?.outcome, 'unchanged');
      assert.deepEqual(
        log.batches().map(({ bytes }) => bytes.toString('hex')),
        untouched,
      );
      assert.equal(log.pass({ nowMs: NOW_MS + HOUR_MS + 1 })[0]?.outcome, 'cleaned');
      assert.deepEqual(
        log.records().map(({ offset }) => offset),
        [1, 3],
      );
      assert.deepEqual(log.records()[1], other);
    });
  }

  test('records that carry the time of their append keep it through a horizon', () => {
    const log = new CleanableLog();
    log.add([value('1'), { ...value('2', 'b'), timestamp: NOW_MS }, tombstone()], {
      ...producer(7),
      timestampType: 'log-append',
    });
    log.seal();
    log.pass();
    assert.equal(log.batches()[0]?.hasHorizon, true);
    assert.deepEqual(
      log.records().map(({ offset, timestamp }) => [offset, timestamp]),
      [
        [1, NOW_MS],
        [2, NOW_MS],
      ],
    );
  });

  test('a batch with a time that no number holds keeps its tombstone, without a horizon', () => {
    const log = new CleanableLog();
    const bytes = batchOf([value('1'), tombstone()]);
    bytes.writeBigInt64BE(2n ** 60n + 1n, BASE_TIMESTAMP_POSITION);
    bytes.writeBigInt64BE(2n ** 60n + 1n, MAX_TIMESTAMP_POSITION);
    stampCrc(bytes, 0);
    log.addBytes(bytes).seal();
    log.pass();
    const [stored] = log.batches();
    assert.deepEqual(log.offsets(), [1]);
    assert.equal(stored?.hasHorizon, false);
    assert.equal(stored.bytes.readBigInt64BE(BASE_TIMESTAMP_POSITION), 2n ** 60n + 1n);
    assert.equal(stored.bytes.readBigInt64BE(MAX_TIMESTAMP_POSITION), 2n ** 60n + 1n);
  });

  test('a value behind a tombstone takes its place at once', () => {
    const log = new CleanableLog();
    log.add([value('1'), tombstone(), value('2')]).seal();
    log.pass();
    assert.deepEqual(log.offsets(), [2]);
    assert.equal(log.batches()[0]?.hasHorizon, false);
  });

  test('a batch gets its horizon only when all of it was mapped', () => {
    const log = new CleanableLog();
    log.add([tombstone('a'), tombstone('b')]).seal();
    log.pass({ upperOffset: 1 });
    assert.equal(log.batches()[0]?.hasHorizon, false);
    log.pass();
    assert.equal(log.batches()[0]?.hasHorizon, true);
  });
});

describe('compaction: transactions', () => {
  test('aborted records go at once and supersede nothing; their marker goes later', () => {
    const log = new CleanableLog();
    log
      .add([value('1')])
      .add([value('aborted')], transactional(5))
      .end(5, 'abort');
    log.add([value('2', 'b')]).seal();
    const expired = { producerExpiryMs: 0 };
    log.pass(expired);
    assert.deepEqual(
      log.records().map(({ value: text }) => text),
      ['1', '2'],
    );
    const marker = log.batches()[1];
    assert.equal(marker?.batch.isControl, true);
    assert.equal(marker.hasHorizon, true);
    assert.equal(marker.records[0]?.timestamp, NOW_MS);
    assert.equal(log.pass({ ...expired, nowMs: NOW_MS + HOUR_MS })[0]?.outcome, 'unchanged');
    log.pass({ ...expired, nowMs: NOW_MS + 2 * HOUR_MS });
    assert.deepEqual(
      log.batches().map(({ batch }) => batch.isControl),
      [false, false],
    );
  });

  test('a marker stays as long as something of its transaction is there, across groups', () => {
    const log = new CleanableLog();
    log.add([value('1', 'a')], transactional(5)).seal();
    log
      .add([value('2', 'b')], transactional(5))
      .end(5, 'commit')
      .seal();
    const [first] = log.pass({ producerExpiryMs: 0 });
    assert.deepEqual(first?.carry, [{ producerId: 5n, hasData: true }]);
    assert.equal(log.batches()[2]?.hasHorizon, false);
    log.add([value('3', 'a'), value('4', 'b')]).seal();
    log.pass({ producerExpiryMs: 0 });
    // The first segment keeps a bare header, as the end of its range: the marker ends it.
    assert.deepEqual(
      log.batches().map(({ batch, hasHorizon }) => [batch.count, batch.isControl, hasHorizon]),
      [
        [0, false, false],
        [1, true, false],
        [2, false, false],
      ],
    );
    log.pass({ producerExpiryMs: 0, groupSize: 2 });
    assert.deepEqual(
      log.batches().map(({ batch, hasHorizon }) => [batch.count, batch.isControl, hasHorizon]),
      [
        [1, true, true],
        [2, false, false],
      ],
    );
  });

  test('the index of aborted transactions names those whose marker is there', () => {
    const log = new CleanableLog();
    log
      .add([value('1')], transactional(5))
      .end(5, 'abort')
      .add([value('2')])
      .seal();
    const path = segmentPath(log.directory, 0, 'txnIndex');
    log.pass();
    const entries = decodeTxnIndex(log.disk.readAll(path));
    assert.deepEqual(entries, [
      { producerId: 5n, firstOffset: 0, lastOffset: 1, lastStableOffset: 2 },
    ]);
    log.pass({ nowMs: NOW_MS + 2 * HOUR_MS });
    assert.equal(log.disk.exists(path), false);
  });
});

describe('compaction: emptied batches', () => {
  test('the last batch of a live producer stays as a header until the producer expires', () => {
    const log = new CleanableLog();
    log.add([value('1')], producer(7, 0)).add([value('2')], producer(7, 1));
    log.add([value('3')]).seal();
    log.pass();
    const [stored] = log.batches();
    assert.deepEqual(
      log.batches().map(({ batch }) => batch.baseOffset),
      [1, 2],
    );
    assert.equal(stored?.batch.count, 0);
    assert.equal(stored.batch.producerId, 7);
    assert.equal(stored.batch.baseSequence, 1);
    assert.equal(stored.batch.maxTimestamp, NOW_MS - 5000);
    assert.equal(log.pass()[0]?.outcome, 'unchanged');
    log.pass({ producerExpiryMs: 5000 });
    assert.deepEqual(
      log.batches().map(({ batch }) => batch.baseOffset),
      [2],
    );
  });

  test('a later batch of the producer in the dirty range makes the header go', () => {
    const log = new CleanableLog();
    log
      .add([value('1')], producer(7, 0))
      .add([value('2')])
      .seal();
    log.pass();
    assert.equal(log.batches()[0]?.batch.count, 0);
    log.add([value('3')], producer(7, 1)).seal();
    log.pass();
    assert.deepEqual(
      log.batches().map(({ batch }) => batch.baseOffset),
      [1, 2],
    );
    assert.deepEqual(
      log.batches().map(({ batch }) => batch.count),
      [0, 1],
    );
  });

  test('a group ends in the last offset of its segments, in an empty batch if need be', () => {
    const log = new CleanableLog();
    log
      .add([value('1')])
      .add([value('2'), value('3')])
      .seal();
    log.add([value('4')]).seal();
    const [result] = log.pass();
    assert.deepEqual(
      log.batches().map(({ batch }) => [batch.baseOffset, batch.lastOffset, batch.count]),
      [
        [1, 2, 0],
        [3, 3, 1],
      ],
    );
    assert.equal(result?.seal?.nextOffset, 3);
    assert.equal(result.seal.batches, 1);
    assert.equal(log.pass()[0]?.outcome, 'unchanged');
    log.pass({ groupSize: 2 });
    assert.deepEqual(
      log.batches().map(({ batch }) => batch.baseOffset),
      [3],
    );
  });
});

/** The same batch under another codec number, its checksum made right. */
function withCodec(bytes: Buffer, codec: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeInt16BE(
    (changed.readInt16BE(ATTRIBUTES_POSITION) & ~7) | codec,
    ATTRIBUTES_POSITION,
  );
  stampCrc(changed, 0);
  return changed;
}
