// Reading from a timestamp finds the first record at or after it, in whatever order they came.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Log } from '../../src/storage/log.js';
import { readOffsets, SimLog } from '../support/log-fixture.js';
import { testSeed } from '../support/seed.js';

const OPTIONS = { segmentBytes: 4096, indexIntervalBytes: 0 };

async function logOf(sim: SimLog, timestamps: readonly number[]): Promise<Log> {
  const log = await sim.open(OPTIONS);
  const value = Buffer.alloc(600, 'x');
  for (const timestamp of timestamps) await log.append([{ value, timestamp }]);
  return log;
}

/** What a linear search finds. */
function expectedFrom(timestamps: readonly number[], timestamp: number): number[] {
  const first = timestamps.findIndex((time) => time >= timestamp);
  return first === -1 ? [] : timestamps.map((_, offset) => offset).slice(first);
}

const timestamps = fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 30 });

test('property: a read from a timestamp equals a linear search', async () => {
  await fc.assert(
    fc.asyncProperty(timestamps, fc.nat({ max: 52 }), async (times, timestamp) => {
      const log = await logOf(new SimLog(), times);
      const offsets = await readOffsets(log, { from: { timestamp } });
      assert.deepEqual(offsets, expectedFrom(times, timestamp));
    }),
    { seed: testSeed(), numRuns: 60 },
  );
});

test('property: the same after a clean close, after a kill, and with side files lost', async () => {
  const lost = fc.array(fc.tuple(fc.nat(), fc.constantFrom('seal', 'timeIndex', 'offsetIndex')));
  await fc.assert(
    fc.asyncProperty(
      timestamps,
      timestamps,
      fc.nat({ max: 52 }),
      fc.boolean(),
      lost,
      async (times, laterTimes, timestamp, isClean, losses) => {
        const sim = new SimLog();
        const log = await logOf(sim, times);
        if (isClean) await log.close();
        const later = sim.kill();
        const bases = later.segments();
        for (const [pick, suffix] of losses) {
          const path = later.path(bases[pick % bases.length] ?? 0, suffix as 'seal');
          if (later.disk.exists(path)) later.disk.remove(path);
        }
        const reopened = await logOf(later, laterTimes);
        const offsets = await readOffsets(reopened, { from: { timestamp } });
        assert.deepEqual(offsets, expectedFrom([...times, ...laterTimes], timestamp));
      },
    ),
    { seed: testSeed(), numRuns: 80 },
  );
});

test('read from a timestamp: starts within a batch at the record itself', async () => {
  const log = await new SimLog().open();
  await log.append([{ timestamp: 1 }, { timestamp: 5 }, { timestamp: 3 }, { timestamp: 9 }]);
  assert.deepEqual(await readOffsets(log, { from: { timestamp: 2 } }), [1, 2, 3]);
  assert.deepEqual(await readOffsets(log, { from: { timestamp: 9 } }), [3]);
  assert.deepEqual(await readOffsets(log, { from: { timestamp: 10 } }), []);
});

test('read from a timestamp: a lost seal does not hide older records that are newer', async () => {
  const sim = new SimLog();
  const early = [90, 1, 1, 1, 1, 1, 1, 1];
  await logOf(sim, early);
  const later = sim.kill();
  const before = later.segments().at(-2) ?? 0;
  later.disk.remove(later.path(before, 'seal'));
  const log = await logOf(later, Array(40).fill(2));
  assert.equal((await readOffsets(log, { from: { timestamp: 80 } })).length, 48);
});
