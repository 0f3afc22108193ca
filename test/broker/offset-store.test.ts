/**
 * Committed offsets over a log on a disk that forgets: what was promised is there after any crash.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OffsetStore } from '../../src/broker/group/offset-store.js';
import { PartitionStateLog, stateLogOptions } from '../../src/broker/state/partition-state-log.js';
import { embedPartitionLog } from '../../src/broker/topic/partition-log.js';
import { SimLog } from '../support/log-fixture.js';
import { enumerateCrashes } from '../support/sim-crash.js';

const GROUP = 'a group/with a slash';

const committed = (partition: number, offset: number) => ({
  topic: 't',
  partition,
  offset,
  epoch: 0,
  metadata: '',
  committedAtMs: 5,
});

async function openStore(sim: SimLog): Promise<OffsetStore> {
  const log = embedPartitionLog(await sim.open(stateLogOptions));
  return OffsetStore.open(new PartitionStateLog(log, '__offsets-0'), () => {});
}

test('offset store: after any power cut the promised commits are there, and whole', async () => {
  const sim = new SimLog();
  const store = await openStore(sim);
  await store.commit(GROUP, [committed(0, 1), committed(1, 1)]);
  // Not awaited: it may be there or not, but not in part.
  const promised = store.commit(GROUP, [committed(0, 2), committed(1, 2)]);
  promised.catch(() => undefined);
  let crashes = 0;
  for (const choice of enumerateCrashes(sim.disk, 50)) {
    const after = await openStore(sim.crash(choice));
    const offsets = after.offsets(GROUP).map(({ offset }) => offset);
    assert(['1,1', '2,2'].includes(offsets.join()), offsets.join());
    crashes += 1;
  }
  assert(crashes > 0);
  await promised;
});

test('offset store: removals last, and a group goes with all it has', async () => {
  const sim = new SimLog();
  const store = await openStore(sim);
  await store.commit(GROUP, [committed(0, 1), committed(1, 1)]);
  const facts = { protocolType: 'consumer', generation: 4, emptySinceMs: null, hasEpochs: false };
  await store.noteGroup(GROUP, facts);
  await store.remove(GROUP, [committed(0, 1)]);
  const [first] = enumerateCrashes(sim.disk, 1);
  assert(first !== undefined);
  const next = sim.crash(first);
  const after = await openStore(next);
  assert.deepEqual(after.offsets(GROUP), [committed(1, 1)]);
  assert.equal(after.groups.get(GROUP)?.generation, 4);
  await after.removeGroup(GROUP);
  const last = await openStore(next.kill());
  assert.deepEqual(last.committers, []);
  assert.equal(last.groups.size, 0);
});
