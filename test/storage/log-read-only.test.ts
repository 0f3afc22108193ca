// Reading beside a live writer, or without one: nothing is locked, nothing is changed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../../src/storage/log.js';
import { rejection, settled, thrown } from '../support/fixtures.js';
import {
  fill,
  filledLog,
  names,
  readOffsets,
  readValues,
  SimLog,
  valuesIn,
  valuesOf,
} from '../support/log-fixture.js';

/** Follows a log and notes what it sees, until it has seen `count` records. */
function following(log: Log, count: number): { seen: string[]; done: Promise<void> } {
  const seen: string[] = [];
  const done = (async () => {
    for await (const batch of log.read({ follow: true })) {
      seen.push(...valuesIn(batch));
      if (seen.length >= count) break;
    }
  })();
  return { seen, done };
}

/** Lets the poller look at the watermark a few times. */
async function poll(sim: SimLog): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await settled();
    sim.clock.advance(25);
    await settled();
  }
}

test('read-only: sees what is durable, and changes nothing', async () => {
  const sim = new SimLog();
  const writer = await filledLog(sim, 10);
  await writer.append([{ value: 'written' }], { acks: 'written' });
  const before = sim.content();
  const reader = await sim.open({ readOnly: true });
  assert.deepEqual(await readValues(reader), names(10));
  assert.equal(reader.describe().state, 'read-only');
  await reader.close();
  assert.deepEqual(sim.content(), before);
});

test('read-only: a follower sees what becomes durable, over rolls', async () => {
  const sim = new SimLog();
  const writer = await filledLog(sim, 2);
  const reader = await sim.open({ readOnly: true });
  const { seen, done } = following(reader, 30);
  await poll(sim);
  assert.deepEqual(seen, names(2));
  for (let round = 0; round < 4; round++) {
    await fill(writer, valuesOf(7, 1000, 2 + 7 * round));
    await poll(sim);
  }
  await done;
  assert.deepEqual(seen, names(30));
});

test('read-only: a new read sees the end of now', async () => {
  const sim = new SimLog();
  const writer = await filledLog(sim, 2);
  const reader = await sim.open({ readOnly: true });
  await fill(writer, valuesOf(20, 1000, 2));
  assert.deepEqual(await readValues(reader), names(22));
  assert.deepEqual(await readOffsets(reader, { from: 21 }), [21]);
});

test('read-only: a follower goes on when the writer reopens and raises the epoch', async () => {
  const sim = new SimLog();
  const first = await filledLog(sim, 3);
  const reader = await sim.open({ readOnly: true });
  const { seen, done } = following(reader, 6);
  await first.close();
  const second = await sim.open();
  await fill(second, valuesOf(3, 1000, 3));
  await poll(sim);
  await done;
  assert.deepEqual(seen, names(6));
});

test('read-only: opened before the first append of a writer, follows it', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 3)).close();
  const writer = await sim.open();
  const reader = await sim.open({ readOnly: true });
  await fill(writer, valuesOf(3, 1000, 3));
  assert.deepEqual(await readValues(reader), names(6));
});

test('read-only: sees the log start move', async () => {
  const sim = new SimLog();
  const writer = await filledLog(sim, 20);
  const reader = await sim.open({ readOnly: true });
  await writer.deleteRecordsBefore(10);
  assert.equal((await readOffsets(reader))[0], 10);
  await rejection(readOffsets(reader, { from: 9 }), 'OFFSET_OUT_OF_RANGE');
});

test('read-only: refuses everything that writes', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 3)).close();
  const log = await sim.open({ readOnly: true });
  await rejection(log.append([{ value: 'a' }]), 'LOG_READ_ONLY');
  thrown(() => log.tryAppend({ value: 'a' }), 'LOG_READ_ONLY');
  await rejection(log.writable(), 'LOG_READ_ONLY');
  await rejection(log.flush(), 'LOG_READ_ONLY');
  await rejection(log.deleteRecordsBefore(1), 'LOG_READ_ONLY');
  await rejection(log.alter({ segmentMs: 1 }), 'LOG_READ_ONLY');
});

test('read-only: closing ends a follower and its timer', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 3)).close();
  const log = await sim.open({ readOnly: true });
  const { seen, done } = following(log, 100);
  await poll(sim);
  await log.close();
  await done;
  assert.deepEqual(seen, names(3));
  assert.equal(sim.clock.pendingCount, 0);
  assert.deepEqual(sim.disk.openHandles(), []);
});

test('read-only: after a kill, shows what the watermark promises', async () => {
  const sim = new SimLog();
  const writer = await filledLog(sim, 5);
  await writer.append([{ value: 'written' }], { acks: 'written' });
  const later = sim.kill();
  const before = later.content();
  const reader = await later.open({ readOnly: true });
  assert.deepEqual(await readValues(reader), names(5));
  assert.deepEqual(later.content(), before);
});

test('read-only: a small file that cannot be closed is told by a code', async () => {
  const sim = new SimLog();
  await fill(await sim.open(), ['a']);
  const reader = await sim.open({ readOnly: true });
  sim.disk.fail({ name: 'readerClose', path: 'watermark', errno: 'EIO' });
  const { facts } = await rejection(readValues(reader), 'IO_FAILED');
  assert.equal(facts['errno'], 'EIO');
  assert.deepEqual(await readValues(reader), ['a']);
  await reader.close();
});
