/** Cleaning: little memory, damage, failures at any call, cancellation, and facts of segments. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCleanerTask } from '../../src/storage/cleaner-run.js';
import { CleanerCancelled } from '../../src/storage/cleaner-task.js';
import { segmentPath } from '../../src/storage/segment-files.js';
import { CleanableLog, NOW_MS } from '../support/compaction-fixture.js';
import { thrown } from '../support/fixtures.js';

const value = (text: string, key = 'k') => ({ key, value: text, timestamp: NOW_MS - 5000 });

test('a small map cleans in several passes until all is clean', () => {
  const log = new CleanableLog();
  for (let round = 0; round < 4; round += 1) {
    const keys = Array.from({ length: 100 }, (_, key) => value(`${round}`, `key-${key}`));
    log.add(keys.slice(0, 60)).add(keys.slice(60)).seal();
  }
  let passes = 0;
  while (log.firstDirtyOffset < log.nextOffset) {
    const before = log.firstDirtyOffset;
    log.pass({ mapBytes: 2048 });
    assert.ok(log.firstDirtyOffset > before, 'a pass gets on');
    passes += 1;
  }
  assert.ok(passes > 3, `${passes} passes`);
  assert.deepEqual(
    log.offsets(),
    Array.from({ length: 100 }, (_, key) => 300 + key),
  );
});

test('a key that does not fit in the whole map is an error that says so', () => {
  const log = new CleanableLog();
  log.add([value('1', 'k'.repeat(2000))]).seal();
  const error = thrown(() => log.pass({ mapBytes: 1024 }), 'RECORD_TOO_LARGE');
  assert.equal(error.facts['keyBytes'], 2000);
  assert.equal(error.facts['offset'], 0);
});

for (const kind of ['fresh', 'cleaned before'] as const) {
  test(`a flipped bit anywhere in a segment is found before it is replaced: ${kind}`, () => {
    const make = () => {
      const log = new CleanableLog();
      log.add([value('1'), value('2')]).add([value('3', 'a')]);
      log
        .add([value('4', 'b')])
        .add([value('5', 'a')])
        .seal();
      if (kind === 'cleaned before') log.pass({ mapBytes: 2048 });
      return log;
    };
    const path = segmentPath('/log', 0, 'log');
    const bits = make().disk.readAll(path).length * 8;
    for (let bit = 0; bit < bits; bit += 1) {
      const log = make();
      log.disk.flipBit(path, bit);
      const error = thrown(() => log.pass({ mapBytes: 2048 }), 'LOG_CORRUPT');
      assert.equal(error.facts['file'], path, `bit ${bit}`);
      assert.equal(typeof error.facts['position'], 'number');
      assert.deepEqual(log.leftovers(), []);
    }
  });
}

test('a failure at any call, and a cancellation, leaves no file behind', () => {
  const make = () => {
    const log = new CleanableLog();
    for (const text of ['1', '2', '3']) log.add([value(text), value(text, text)]).seal();
    return log;
  };
  const whole = make();
  const first = whole.disk.callCount + 1;
  whole.pass({ groupSize: 3 });
  const last = whole.disk.calls.findIndex(({ name }) => name === 'rename');
  for (let call = first; call <= last; call += 1) {
    const log = make();
    const before = log.disk.list('/log');
    log.disk.fail({ call, errno: 'EIO' });
    // An old file that cannot be removed is no failure when there is none.
    const failed = attempt(() => log.pass({ groupSize: 3 }));
    if (failed === undefined) assert.equal(log.disk.calls[call - 1]?.name, 'unlink');
    else assert.deepEqual(log.disk.list('/log'), before, `call ${call}`);
    assert.deepEqual(log.disk.openHandles(), []);
  }
  for (const step of [1, 2, 4, 6, 8]) {
    const log = make();
    const before = log.disk.list('/log');
    let left = step;
    log.control = {
      progress: () => {
        left -= 1;
        if (left === 0) throw new CleanerCancelled();
      },
    };
    assert.throws(() => log.pass({ groupSize: 3 }), CleanerCancelled);
    assert.deepEqual(log.disk.list('/log'), before);
    assert.deepEqual(log.disk.openHandles(), []);
  }
});

test('files are complete and durable before the task says so', () => {
  const log = new CleanableLog();
  log.add([value('1'), value('2')]).seal();
  const memory = new SharedArrayBuffer(4096);
  const { mappedEnd, producers, producerOffsets } = log.map(memory);
  const rules = { nowMs: NOW_MS, tombstoneRetentionMs: 0, producerExpiryMs: 0 };
  const { segments } = log;
  log.group({
    segments,
    runningMaxTimestamp: -1,
    map: memory,
    mappedEnd,
    producers,
    producerOffsets,
    carry: [],
    ...rules,
  });
  assert.equal(log.disk.pendingCount(), 0);
  assert.equal(log.leftovers().length, 4);
});

function attempt(act: () => unknown): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}

test('facts come from the seals, and from the size where a seal is not believed', () => {
  const log = new CleanableLog();
  log.add([value('1'), value('2')]).seal();
  log.add([value('3')]).seal();
  log.add([value('4')]).seal();
  const [first, second] = log.segments;
  log.disk.flipBit(segmentPath('/log', 2, 'seal'), 99);
  log.disk.remove(segmentPath('/log', 3, 'log'));
  const result = runCleanerTask(
    log.disk.blockingFileSystem,
    { kind: 'facts', directory: '/log', logId: log.logId, baseOffsets: [0, 2, 3] },
    log.control,
  );
  assert.deepEqual(result, {
    kind: 'facts',
    segments: [
      {
        baseOffset: 0,
        logBytes: first?.logBytes,
        batches: 1,
        records: 2,
        maxTimestamp: NOW_MS - 5000,
        firstAppendMs: 0,
      },
      {
        baseOffset: 2,
        logBytes: second?.logBytes,
        batches: -1,
        records: -1,
        maxTimestamp: -1,
        firstAppendMs: 0,
      },
    ],
  });
});

test('a segment that is shorter than the log knows is damage', () => {
  const log = new CleanableLog();
  log
    .add([value('1')])
    .add([value('2')])
    .seal();
  const path = segmentPath('/log', 0, 'log');
  log.disk.truncateTo(path, log.disk.readAll(path).length - 1);
  thrown(() => log.pass(), 'LOG_CORRUPT');
});
