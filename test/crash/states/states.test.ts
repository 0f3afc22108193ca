/**
 * Crash states, a few of each part; the campaign is `npm run crash -- --states 1000000`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OracleViolation } from '../../support/log-oracle.js';
import { withSeed } from '../../support/seed.js';
import { replayState, runStates } from './states.js';
import { newStateCounts, type StateCounts, StateExplorer } from './states-explorer.js';
import { LogWorld, logAlphabet } from './states-log.js';
import { sequencesOf } from './states-workloads.js';
import type { StateLine } from './states-world.js';

const STATES = 1500;

test('crash states: whatever a power cut leaves, promises hold', async () => {
  await withSeed(async (_prng, seed) => {
    const { details, states, different, parts } = await runStates({
      states: STATES,
      seed: seed % 2 ** 31,
    });
    assert.deepEqual(details, []);
    assert.equal(states, STATES);
    assert(different > 0 && different < states);
    assert((parts['broker, sequences'] ?? 0) > 0);
  });
});

test('crash states: every sequence of up to three operations is there once', () => {
  const names = Object.keys(logAlphabet);
  const planned = [...{ [Symbol.iterator]: () => sequencesOf(names, 1) }];
  assert.equal(names.length, 12);
  assert.equal(planned.length, 1 + 12 + 12 ** 2 + 12 ** 3);
  assert.equal(new Set(planned.map(({ name }) => name)).size, planned.length);
});

/** A log whose first promise is never kept. */
class BrokenWorld extends LogWorld {
  override live(...[workload, disk, promised]: Parameters<LogWorld['live']>) {
    const life = super.live(workload, disk, promised);
    const { recover } = life;
    life.recover = async () => {
      const seen = await recover.call(life);
      return disk.bootId.endsWith('1') ? seen : { ...seen, endOffset: 0, records: [] };
    };
    return life;
  }
}

async function findFirst(): Promise<{ counts: StateCounts; line: StateLine | undefined }> {
  const counts = newStateCounts();
  let line: StateLine | undefined;
  const bounds = { statesPerCall: [8, 2], callsNested: 1, nestedShare: [0.1], statesMax: 400 };
  const explorer = new StateExplorer(new BrokenWorld(), counts, bounds, (violation, found) => {
    assert(violation instanceof OracleViolation);
    line ??= found;
  });
  await explorer.explore({ name: 'small.large', from: 0, statesMax: 400 }, 1);
  return { counts, line };
}

test('crash states: a broken promise is counted, and its line leads to it again', async () => {
  const { counts, line } = await findFirst();
  assert(counts.found.lost > 0);
  assert.equal(counts.found.phantom, 0);
  assert(line !== undefined);
  const again = new StateExplorer(
    new BrokenWorld(),
    newStateCounts(),
    { statesPerCall: [], callsNested: 0, nestedShare: [], statesMax: 1 },
    () => assert.fail('replayed states are not reported'),
  );
  const copied: StateLine = JSON.parse(JSON.stringify(line));
  assert.equal((await again.replay(copied))?.kind, 'lost');
  assert.equal(await replayState(copied), undefined);
});

test('crash states: a line that leads nowhere is refused', async () => {
  const line = { world: 'log', workload: 'small', way: [{ call: 9999, loss: 'kill' }] } as const;
  await assert.rejects(replayState(line), RangeError);
  await assert.rejects(replayState({ ...line, world: 'none' }), RangeError);
  await assert.rejects(replayState({ ...line, workload: 'none' }), RangeError);
});
