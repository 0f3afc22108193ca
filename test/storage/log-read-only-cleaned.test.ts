// Reading beside a writer that cleans: segments that were joined, replaced or deleted meanwhile.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createError } from '../../src/base/errors.js';
import { Log } from '../../src/storage/log.js';
import type { LogEnvironment } from '../../src/storage/log-environment.js';
import { fromSystem } from '../../src/storage/log-folder.js';
import { rejection } from '../support/fixtures.js';
import { DIRECTORY, readOffsets, SimLog } from '../support/log-fixture.js';

/** Ten records of 400 bytes under five keys in each segment, and a short one behind them. */
async function filled(sim: SimLog, segments: number): Promise<Log> {
  // Nothing is compacted before it is asked for.
  const options = { cleanup: 'compact', minCleanableDirtyRatio: 1, segmentBytes: 4800 } as const;
  const log = await sim.open(options);
  for (let index = 0; index < 10 * segments; index += 1) {
    await log.append([{ key: `key-${index % 5}`, value: 'v'.repeat(400) }]);
  }
  await log.append([{ key: 'last', value: '' }]);
  return log;
}

test('read-only: who is overtaken by a deletion is told, whatever file was missing', async () => {
  const sim = new SimLog();
  const writer = await filled(sim, 4);
  const reader = await sim.open({ readOnly: true });
  await writer.deleteRecordsBefore(25);
  const { facts } = await rejection(readOffsets(reader, { from: 5 }), 'OFFSET_OUT_OF_RANGE');
  assert.equal(facts['startOffset'], 25);
  assert.equal((await readOffsets(reader)).at(0), 25);
});

test('read-only: segments that were joined over the start of the log are read', async () => {
  const sim = new SimLog();
  const writer = await filled(sim, 4);
  const segments = sim.segments();
  const reader = await sim.open({ readOnly: true });
  // The first pass leaves little of each segment, so the next one joins them.
  await writer.compact();
  await writer.compact();
  await writer.deleteRecordsBefore(38);
  assert.ok(sim.segments().length < segments.length, 'some were joined');
  assert.ok((sim.segments()[0] ?? 38) < 30, 'and the first one reaches over the start');
  assert.deepEqual(await readOffsets(reader), [38, 39, 40]);
});

test('read-only: a file that is renamed while the folder is looked at is found again', async () => {
  const sim = new SimLog();
  const writer = await filled(sim, 2);
  await writer.compact();
  await writer.close();
  const expected = await readOffsets(await sim.open({ readOnly: true }));

  // A swap that stands before its last two phases, and ends when the reader opens a file of it.
  const disk = sim.disk.blockingFileSystem;
  const moves = ['seal', 'log'].map((suffix) => [
    `${DIRECTORY}/00000000000000000000.${suffix}.swap`,
    `${DIRECTORY}/00000000000000000000.${suffix}`,
  ]);
  for (const [swap = '', plain = ''] of moves) disk.rename(plain, swap);
  const { fileSystem } = sim.environment;
  let ended = 0;
  const environment: LogEnvironment = {
    ...sim.environment,
    fileSystem: {
      ...fileSystem,
      open: async (path: string) => {
        if (path.endsWith('.swap') && ended === 0) {
          for (const [swap = '', plain = ''] of moves) disk.rename(swap, plain);
          ended += 1;
        }
        return await fileSystem.open(path);
      },
    },
  };
  const reader = await Log.open(DIRECTORY, { readOnly: true }, environment);
  assert.equal(ended, 1);
  assert.deepEqual(await readOffsets(reader), expected);
});

test('read-only: an error that has a code keeps it', () => {
  const damage = createError('LOG_CORRUPT', { file: 'a', position: 0 });
  assert.equal(fromSystem(damage, 'b'), damage);
});
