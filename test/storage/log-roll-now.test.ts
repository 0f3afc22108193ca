// Rolling though nothing is appended: the active segment is sealed, and nothing can be lost by it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogOptions } from '../../src/storage/log-config.js';
import { openForWriting } from '../../src/storage/log-opening.js';
import { LogWriting } from '../../src/storage/log-writing.js';
import { decodeSeal } from '../../src/storage/seal.js';
import { isPending, rejection, settled } from '../support/fixtures.js';
import { DIRECTORY, fill, names, readValues, SimLog } from '../support/log-fixture.js';
import { LateWriter } from '../support/log-workload-writer.js';
import { withSeed } from '../support/seed.js';
import { crashNone, enumerateCrashes } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';

/** The writing half of a log, without its face. */
async function openWriting(sim: SimLog, options: LogOptions = {}, lateness = 0) {
  const alarm = { onForeign: () => undefined };
  const acquireWriter = () => new LateWriter(sim.disk.blockingFileSystem, lateness);
  const environment = { ...sim.environment, acquireWriter };
  const opened = await openForWriting(DIRECTORY, options, environment, alarm);
  let rolls = 0;
  const writing = new LogWriting(opened.core, opened.marks, {
    onProgress: () => undefined,
    onRolled: () => {
      rolls += 1;
    },
    onDiskFull: () => undefined,
  });
  const append = (value: string, acks: 'durable' | 'written' | 'none' = 'durable') =>
    writing.append([{ value }], acks);
  return { ...opened, writing, append, rollCount: () => rolls };
}

/** Lets so many microtasks go by. */
async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
}

async function valuesAfterKill(sim: SimLog): Promise<string[]> {
  return await readValues(await sim.kill().open());
}

test('roll now: seals the active segment and begins the next one', async () => {
  const sim = new SimLog();
  const { writing, append, core, rollCount } = await openWriting(sim);
  await append('v0');
  await append('v1');
  assert.equal(await writing.rollNow(), true);
  assert.deepEqual(sim.segments(), [0, 2]);
  assert.equal(rollCount(), 1);
  const seal = decodeSeal(sim.disk.readAll(sim.path(0, 'seal')));
  assert.ok(seal !== 'invalid');
  assert.deepEqual([seal.nextOffset, seal.records], [2, 2]);
  // The sealed segment may be deleted: neither end lies in it any more.
  const place = { segmentBase: 2, position: 0 };
  assert.deepEqual([core.durableAt, core.writtenAt], [place, place]);
  await append('v2');
  assert.deepEqual(await valuesAfterKill(sim), names(3));
});

test('roll now: does nothing on an empty active segment, also twice', async () => {
  const sim = new SimLog();
  const { writing, append } = await openWriting(sim);
  assert.equal(await writing.rollNow(), false);
  assert.deepEqual(sim.segments(), [0]);
  await append('v0');
  assert.equal(await writing.rollNow(), true);
  assert.equal(await writing.rollNow(), false);
  assert.deepEqual(sim.segments(), [0, 1]);
});

test('roll now: who asks at the same time shares one roll', async () => {
  const sim = new SimLog();
  const { writing, append } = await openWriting(sim);
  await append('v0');
  assert.deepEqual(await Promise.all([writing.rollNow(), writing.rollNow()]), [true, true]);
  assert.deepEqual(sim.segments(), [0, 1]);
});

test('roll now: what was accepted before it is sealed, what comes after is not', async () => {
  const sim = new SimLog();
  const { writing, append, core } = await openWriting(sim);
  const before = [append('v0'), append('v1', 'none')];
  const rolled = writing.rollNow();
  await Promise.all(before);
  assert.equal(await rolled, true);
  const baseOffset = core.segments.active.baseOffset;
  assert.equal(baseOffset, 2);
  await append('v2');
  assert.deepEqual(await valuesAfterKill(sim), names(3));
});

test('roll now: what waits behind a commit in flight is sealed with the rest', async () => {
  const sim = new SimLog();
  const { writing, append, core } = await openWriting(sim, {}, 5);
  await append('v0');
  const appends = [append('v1')];
  for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
  appends.push(append('v2'));
  assert.equal(await writing.rollNow(), true);
  assert.equal(core.segments.active.baseOffset, 3);
  await Promise.all(appends);
  assert.deepEqual(await valuesAfterKill(sim), names(3));
});

test('roll now: records that were only written can be made durable after it', async () => {
  const sim = new SimLog();
  const { writing, append, core } = await openWriting(sim);
  await append('v0', 'written');
  assert.equal(await writing.rollNow(), true);
  await writing.flush(1);
  assert.deepEqual(core.durableAt, { segmentBase: 1, position: 0 });
  const later = sim.crash(crashNone);
  assert.deepEqual(await readValues(await later.open()), ['v0']);
});

test('roll now: works first thing after an open, and raises the epoch for it', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  await fill(log, names(2));
  await log.close();
  const { writing, core, append } = await openWriting(sim);
  const { current } = core.epochs;
  assert.equal(await writing.rollNow(), true);
  assert.equal(core.epochs.current, current + 1);
  assert.deepEqual(sim.segments(), [0, 2]);
  await append('v2');
  assert.deepEqual(await valuesAfterKill(sim), names(3));
});

for (const path of ['.index.tmp', '.timeindex.tmp', '.seal.tmp', '00000000000000000002.log']) {
  test(`roll now: no space for ${path} is DISK_FULL, and harms nothing`, async () => {
    const sim = new SimLog();
    const { writing, append } = await openWriting(sim, { indexIntervalBytes: 0 });
    await append('v0');
    await append('v1');
    const name = path.endsWith('.log') ? 'open' : 'write';
    sim.disk.fail({ name, path, errno: 'ENOSPC' });
    await rejection(writing.rollNow(), 'DISK_FULL');
    assert.equal(writing.state, 'open');
    assert.deepEqual(sim.segments(), [0]);
    await append('v2');
    assert.equal(await writing.rollNow(), true);
    assert.deepEqual(sim.segments(), [0, 3]);
    assert.deepEqual(await valuesAfterKill(sim), names(3));
  });
}

test('roll now: a sync that fails poisons the log, and the caller is told', async () => {
  const sim = new SimLog();
  const { writing, append } = await openWriting(sim);
  await append('v0');
  sim.disk.fail({ name: 'datasync', path: sim.path(0, 'log'), errno: 'EIO' });
  await rejection(writing.rollNow(), 'LOG_POISONED');
  assert.equal(writing.state, 'poisoned');
});

test('roll now: waits while the log is held, and is not lost', async () => {
  const sim = new SimLog();
  const { writing, append } = await openWriting(sim);
  await append('v0');
  let release: () => void = () => undefined;
  const held = writing.exclusively(
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  );
  const rolled = writing.rollNow();
  assert.equal(await isPending(rolled), true);
  release();
  await held;
  assert.equal(await rolled, true);
});

for (const turns of [1, 2, 4, 8, 16, 32]) {
  test(`roll now: the first write is prepared once, ${turns} turns apart`, async () => {
    const sim = new SimLog();
    const first = await openWriting(sim);
    await first.append('v0');
    const { writing, append, core } = await openWriting(sim.kill(), {}, 4);
    const before = core.epochs.current;
    const soon = writing.exclusively(() => pass(turns));
    const late = writing.exclusively(() => pass(2 * turns));
    const rolled = writing.rollNow();
    await append('v1');
    await Promise.all([soon, late, rolled]);
    assert.equal(core.epochs.current, before + 1);
  });
}

test('roll now: those who want the log for themselves get it one after the other', async () => {
  const { writing } = await openWriting(new SimLog());
  let within = 0;
  let most = 0;
  const visit = async (): Promise<void> => {
    within += 1;
    most = Math.max(most, within);
    await settled();
    within -= 1;
  };
  await Promise.all([0, 1, 2].map(() => writing.exclusively(visit)));
  assert.equal(most, 1);
});

test('roll now: a log that closes meanwhile refuses it', async () => {
  const { writing, append } = await openWriting(new SimLog());
  await append('v0');
  writing.appender.hold('exclusive');
  const rolled = writing.rollNow();
  await settled();
  await writing.drain();
  await rejection(rolled, 'LOG_CLOSED');
});

test('roll now: a crash at any call loses nothing that was acknowledged', async () => {
  const sim = new SimLog();
  const { writing, append } = await openWriting(sim);
  await append('v0');
  await append('v1');
  const images: SimDisk[] = [];
  sim.disk.onCall = () => images.push(sim.disk.clone());
  assert.equal(await writing.rollNow(), true);
  await settled();
  images.push(sim.disk.clone());
  sim.disk.onCall = undefined;
  let states = 0;
  for (const image of images) {
    for (const choice of enumerateCrashes(image, 24)) {
      const later = new SimLog(image.crash(choice));
      const log = await later.open();
      assert.deepEqual(await readValues(log), names(2), JSON.stringify(choice));
      await fill(log, ['v2']);
      await log.close();
      assert.deepEqual(await readValues(await later.kill().open()), names(3));
      states += 1;
    }
  }
  assert.ok(states > 50, `${states} states`);
});

test('roll now: between appends that are in flight, everything keeps its order', async () => {
  await withSeed(async (prng) => {
    for (let round = 0; round < 60; round += 1) {
      const sim = new SimLog();
      const { writing, append, core } = await openWriting(sim, {}, prng.integer(6));
      const settling: Promise<unknown>[] = [];
      let count = 0;
      for (let step = 0; step < 30; step += 1) {
        if (prng.boolean(0.3)) settling.push(writing.rollNow());
        else
          settling.push(append(`v${count++}`, prng.pick(['durable', 'written', 'none'] as const)));
        for (let turn = prng.integer(8); turn > 0; turn -= 1) await Promise.resolve();
      }
      await Promise.all(settling);
      await writing.flush(count);
      await settled();
      assert.equal(core.offsets.durable, count);
      assert.deepEqual(sim.segments(), [...new Set(sim.segments())]);
      const later = sim.crash(crashNone);
      assert.deepEqual(await readValues(await later.open()), names(count));
    }
  });
});

test('roll now: with a disk that fills up at any call, what was acknowledged stays', async () => {
  await withSeed(async (prng) => {
    for (let round = 0; round < 80; round += 1) {
      const sim = new SimLog();
      const { writing, append } = await openWriting(sim, {}, prng.integer(4));
      await append('v0');
      const path = prng.pick(['.log', '.seal.tmp', '.log', 'leader-epoch-checkpoint']);
      const name = prng.pick(['write', 'open'] as const);
      sim.disk.fail({ name, path, errno: 'ENOSPC', skip: prng.integer(3) });
      const acknowledged = ['v0'];
      const settling: Promise<unknown>[] = [];
      for (let step = 1; step < 12; step += 1) {
        const value = `v${step}`;
        const work = prng.boolean(0.4)
          ? writing.rollNow()
          : append(value).then(() => acknowledged.push(value));
        settling.push(
          work.catch((error: unknown) => {
            assert.equal(Reflect.get(Object(error), 'code'), 'DISK_FULL');
          }),
        );
        for (let turn = prng.integer(12); turn > 0; turn -= 1) await Promise.resolve();
      }
      await Promise.all(settling);
      assert.equal(writing.state, 'open');
      // With few calls before it the disk may fill up only now; that it does once.
      await append('end').catch((error: unknown) => {
        assert.equal(Reflect.get(Object(error), 'code'), 'DISK_FULL');
        return append('end');
      });
      const later = sim.crash(crashNone);
      assert.deepEqual(await readValues(await later.open()), [...acknowledged, 'end']);
    }
  });
});
