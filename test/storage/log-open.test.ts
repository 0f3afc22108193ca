// Opening: a new log, one that was closed, one whose process died, one that has lost its indexes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { rejection } from '../support/fixtures.js';
import {
  fill,
  filledLog,
  names,
  readOffsets,
  readValues,
  SimLog,
  valuesOf,
} from '../support/log-fixture.js';
import { crashAll, crashNone } from '../support/sim-crash.js';

test('open: makes a new log, with the files of one', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  assert.deepEqual(
    sim.disk.list('/log').map((path) => path.slice('/log/'.length)),
    [
      '00000000000000000000.log',
      'leader-epoch-checkpoint',
      'log.json',
      'partition.metadata',
      'watermark',
    ],
  );
  assert.equal(log.describe().logId, '0123456789abcdef0123456789abcdef');
});

test('open: a new log survives a power cut at once', async () => {
  const sim = new SimLog();
  await sim.open({ segmentBytes: 5000 });
  const log = await sim.crash(crashNone).open();
  assert.deepEqual([log.endOffset, log.describe().options.segmentBytes], [0, 5000]);
});

test('open: a creation that was cut short at any call is made again', async () => {
  const whole = new SimLog();
  await whole.open();
  for (let call = 1; call <= whole.disk.callCount; call++) {
    const sim = new SimLog();
    sim.disk.stopAt(call);
    await sim.open().catch(() => undefined);
    for (const choice of [crashNone, crashAll(sim.disk)]) {
      const log = await sim.crash(choice).open();
      await fill(log, names(1));
      assert.deepEqual(await readValues(log), names(1), `stopped at call ${call}`);
    }
  }
});

test('open: create false does not make a log', async () => {
  const sim = new SimLog();
  await rejection(sim.open({ create: false }), 'LOG_NOT_FOUND');
  await rejection(sim.open({ readOnly: true }), 'LOG_NOT_FOUND');
  assert.deepEqual(sim.disk.list(), []);
});

test('open: after a clean close no record is read', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 50)).close();
  const { log, opened } = await watchedOpen(sim);
  assert.deepEqual(
    opened.filter((path) => path.endsWith('.log')),
    [],
  );
  assert.equal(log.durableOffset, 50);
});

test('open: after a clean close, what is read does not grow with the log', async () => {
  const counts: number[] = [];
  for (const count of [20, 200]) {
    const sim = new SimLog();
    await (await filledLog(sim, count)).close();
    counts.push((await watchedOpen(sim)).opened.length);
  }
  assert.equal(counts[0], counts[1]);
});

test('open: after a kill only the active segment is read', async () => {
  const sim = new SimLog();
  await filledLog(sim, 50);
  const later = sim.kill();
  const { log, opened } = await watchedOpen(later);
  assert.deepEqual(
    opened.filter((path) => path.endsWith('.log')),
    [later.path(48, 'log')],
  );
  assert.deepEqual(await readValues(log), names(50));
});

/** Opens the log and tells which files were opened for reading meanwhile. */
async function watchedOpen(sim: SimLog) {
  const { fileSystem } = sim.disk;
  const opened: string[] = [];
  const watched = {
    ...fileSystem,
    open: async (path: string) => {
      opened.push(path);
      return await fileSystem.open(path);
    },
  };
  const log = await Log.open('/log', {}, { ...sim.environment, fileSystem: watched });
  return { log, opened: [...opened] };
}

test('open: a killed process loses nothing that was written', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 10);
  await log.append([{ value: 'written' }], { acks: 'written' });
  const reopened = await sim.kill().open();
  assert.deepEqual(await readValues(reopened), [...names(10), 'written']);
  assert.equal(reopened.durableOffset, 11);
});

test('open: a power cut loses nothing that was acknowledged', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 10);
  await log.append([{ value: 'written' }], { acks: 'written' });
  const reopened = await sim.crash(crashNone).open();
  assert.deepEqual(await readValues(reopened), names(10));
  await fill(reopened, ['next']);
  assert.deepEqual((await readValues(reopened)).at(-1), 'next');
});

test('open: the epoch rises with each opening that writes, and no other', async () => {
  const sim = new SimLog();
  for (let round = 0; round < 3; round++) {
    const log = await sim.open();
    await fill(log, names(1));
    await log.close();
    await (await sim.open()).close();
  }
  const epochs: number[] = [];
  for await (const batch of (await sim.open()).read()) epochs.push(batch.epoch);
  assert.deepEqual(epochs, [0, 1, 2]);
});

for (const suffix of ['offsetIndex', 'timeIndex', 'seal'] as const) {
  test(`open: a lost, cut or changed ${suffix} changes no answer`, async () => {
    const whole = new SimLog();
    await (await filledLog(whole, 12)).close();
    const changes: ((sim: SimLog, path: string) => void)[] = [
      (sim, path) => sim.disk.remove(path),
      (sim, path) => sim.disk.truncateTo(path, 3),
      (sim, path) => sim.disk.flipBit(path, 9),
      (sim, path) => sim.disk.put(path, new Uint8Array(sim.disk.readAll(path).length)),
      (sim, path) => sim.disk.swap(path, sim.path(0, suffix)),
    ];
    for (const change of changes) {
      for (const base of [4, 8]) {
        const sim = whole.kill();
        change(sim, sim.path(base, suffix));
        const log = await sim.open();
        for (const from of [0, 5, 9]) {
          assert.deepEqual(await readOffsets(log, { from }), rangeFrom(from, 12));
        }
        await fill(log, valuesOf(1, 1000, 12));
        assert.equal((await readOffsets(log)).length, 13);
      }
    }
  });
}

function rangeFrom(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

test('open: a second opener is refused while the first holds the log', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 3);
  const before = sim.content();
  const error = await rejection(sim.open(), 'LOG_LOCKED');
  assert.equal(error.retryable, true);
  assert.deepEqual(sim.content(), before);
  await fill(log, valuesOf(1, 1000, 3));
  assert.deepEqual(await readValues(log), names(4));
});

test('open: another value of a remembered option is a conflict that names both', async () => {
  const sim = new SimLog();
  await (await sim.open({ segmentBytes: 5000 })).close();
  const { facts } = await rejection(sim.open({ segmentBytes: 6000 }), 'OPTION_CONFLICT');
  assert.deepEqual(
    [facts['option'], facts['expected'], facts['actual']],
    ['segmentBytes', 5000, 6000],
  );
  assert.equal((await sim.open({ segmentBytes: 5000 })).describe().options.segmentBytes, 5000);
});

test('open: an unknown option is refused before anything is made', async () => {
  const sim = new SimLog();
  const misspelled: object = { segmentByte: 5000 };
  const { facts } = await rejection(sim.open(misspelled), 'OPTION_UNKNOWN');
  assert.equal(facts['nearest'], 'segmentBytes');
  assert.deepEqual(sim.disk.list(), []);
});

test('open: one that fails gives everything back', async () => {
  const sim = new SimLog();
  await (await sim.open()).close();
  sim.disk.fail({ name: 'open', path: 'watermark', errno: 'EMFILE' });
  await rejection(sim.open(), 'TOO_MANY_OPEN_FILES');
  assert.deepEqual(sim.disk.openHandles(), []);
  await (await sim.open()).close();
});

test('alter: changes what is remembered, durably', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 4);
  await log.alter({ segmentBytes: 8192 });
  await fill(log, valuesOf(4, 1000, 4));
  assert.deepEqual(sim.segments(), [0, 7]);
  const later = await sim.crash(crashNone).open({ segmentBytes: 8192 });
  assert.equal(later.describe().options.segmentBytes, 8192);
});

test('alter: keeps the id and the time of creation', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const before = JSON.parse(Buffer.from(sim.disk.readAll(sim.path('log.json'))).toString());
  sim.clock.advance(5000);
  await log.alter({ segmentMs: 60_000 });
  const after = JSON.parse(Buffer.from(sim.disk.readAll(sim.path('log.json'))).toString());
  assert.deepEqual([after.logId, after.createdMs], [before.logId, before.createdMs]);
  assert.equal(after.options.segmentMs, 60_000);
});

test('alter: refuses what is invalid and what the log does not remember', async () => {
  const log = await new SimLog().open();
  await rejection(log.alter({ segmentBytes: 1 }), 'OPTION_INVALID');
  await rejection(log.alter({ compression: 'gzip' }), 'OPTION_INVALID');
  const misspelled: object = { segmentByte: 5000 };
  await rejection(log.alter(misspelled), 'OPTION_UNKNOWN');
});

test('alter: a full disk changes nothing', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 5000 });
  sim.disk.fail({ name: 'write', path: 'log.json', errno: 'ENOSPC' });
  await rejection(log.alter({ segmentBytes: 6000 }), 'DISK_FULL');
  assert.equal(log.describe().options.segmentBytes, 5000);
  await log.alter({ segmentBytes: 6000 });
  assert.equal(log.describe().options.segmentBytes, 6000);
});
