/**
 * Random operations on a log, crashes among them, against a model that is an array of values.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import { Log } from '../../src/storage/log.js';
import { hexOfUuid } from '../../src/storage/log-environment.js';
import { createMemoryLockManager } from '../support/memory-lock.js';
import { testSeed } from '../support/seed.js';
import { SimClock } from '../support/sim-clock.js';
import { randomCrash } from '../support/sim-crash.js';
import { SimDisk } from '../support/sim-file-system.js';

const DIRECTORY = '/log';

/** What must be there: values by offset, a start, and how many of them are durable. */
interface Model {
  readonly values: string[];
  start: number;
  durable: number;
}

interface Real {
  disk: SimDisk;
  clock: SimClock;
  log: Log;
  appends: number;
}

type Command = fc.AsyncCommand<Model, Real>;

async function open(disk: SimDisk): Promise<Pick<Real, 'disk' | 'clock' | 'log'>> {
  const clock = new SimClock();
  const environment = {
    fileSystem: disk.fileSystem,
    clock,
    lockManager: createMemoryLockManager(),
    acquireWriter: () => new InlineWriter(disk.blockingFileSystem),
    acquireCleaner: () => new InlineCleaner(disk.blockingFileSystem),
    bootId: () => hexOfUuid(disk.bootId),
    newLogId: () => '1'.repeat(32),
  };
  const options = { segmentBytes: 4096, indexIntervalBytes: 256, flushMs: 20 };
  return { disk, clock, log: await Log.open(DIRECTORY, options, environment) };
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

/** Values of their own, so that each offset has one that fits nowhere else. */
function valuesOf(real: Real, sizes: readonly number[]): string[] {
  real.appends += 1;
  return sizes.map((bytes, index) => `${real.appends}.${index}`.padEnd(bytes, '.'));
}

function append(sizes: readonly number[], acks: 'durable' | 'written'): Command {
  return command(`append(${sizes.join()}; ${acks})`, async (model, real) => {
    const values = valuesOf(real, sizes);
    const answer = await real.log.append(
      values.map((value) => ({ value })),
      { acks },
    );
    assert.equal(answer.baseOffset, model.values.length);
    assert.equal(answer.lastOffset, model.values.length + sizes.length - 1);
    model.values.push(...values);
    if (acks === 'durable') model.durable = model.values.length;
  });
}

const flush = command('flush', async (model, real) => {
  assert.equal(await real.log.flush(), model.values.length);
  model.durable = model.values.length;
});

function deleteBefore(share: number): Command {
  return command(`deleteBefore(${share})`, async (model, real) => {
    const { durableOffset } = real.log;
    const offset = model.start + Math.floor((durableOffset - model.start) * share);
    assert.equal(await real.log.deleteRecordsBefore(offset), offset);
    model.start = offset;
  });
}

function advance(ms: number): Command {
  return command(`advance(${ms})`, async (_model, real) => real.clock.advance(ms));
}

function read(share: number): Command {
  return command(`read(${share})`, async (model, real) => {
    const { durableOffset } = real.log;
    assert(durableOffset >= model.durable);
    const from = model.start + Math.floor((durableOffset - model.start) * share);
    const values: string[] = [];
    for await (const batch of real.log.read({ from })) {
      for (const record of batch) {
        assert.equal(record.offset, from + values.length);
        values.push(String(record.value));
      }
    }
    assert.deepEqual(values, model.values.slice(from, from + values.length));
    assert(values.length >= durableOffset - from);
  });
}

/** After a loss the log may have kept more than was durable, and never less. */
async function recover(model: Model, real: Real, disk: SimDisk): Promise<void> {
  Object.assign(real, await open(disk));
  const { damage, durableOffset, startOffset } = real.log.describe();
  assert.equal(damage, undefined);
  assert.equal(startOffset, model.start);
  assert(durableOffset >= model.durable, `${durableOffset} of ${model.durable} are there`);
  assert(durableOffset <= model.values.length);
  model.values.length = durableOffset;
  model.durable = durableOffset;
  await read(0).run(model, real);
}

function crash(seed: number): Command {
  return command(`crash(${seed})`, async (model, real) => {
    model.durable = Math.max(model.durable, real.log.durableOffset);
    await recover(model, real, real.disk.crash(randomCrash(real.disk, seed)));
  });
}

const kill = command('kill', async (model, real) => {
  model.durable = model.values.length;
  await recover(model, real, real.disk.kill());
});

const reopen = command('reopen', async (model, real) => {
  await real.log.close();
  assert.deepEqual(real.disk.openHandles(), []);
  model.durable = model.values.length;
  await recover(model, real, real.disk);
});

const bytes = fc.oneof(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 500, max: 3000 }));
const sizes = fc.array(bytes, { minLength: 1, maxLength: 4 });
const share = fc.constantFrom(0, 0.3, 0.7, 1);
const commands = fc.commands(
  [
    fc.tuple(sizes, fc.constantFrom('durable', 'durable', 'written')).map((of) => append(...of)),
    fc.constant(flush),
    share.map(deleteBefore),
    fc.constantFrom(1, 20, 50, 500).map(advance),
    share.map(read),
    fc.nat().map(crash),
    fc.constant(kill),
    fc.constant(reopen),
  ],
  { maxCommands: 40 },
);

test('a log does what an array does, and a crash takes only what was not durable', async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (drawn) => {
      await fc.asyncModelRun(async () => {
        const model: Model = { values: [], start: 0, durable: 0 };
        const real: Real = { ...(await open(new SimDisk())), appends: 0 };
        return { model, real };
      }, drawn);
    }),
    { seed: testSeed(), numRuns: 150 },
  );
});
