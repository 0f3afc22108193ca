// Transactions in segments that a deletion took away in part, and the next open.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOffsets, SimLog } from '../support/log-fixture.js';

test('a transaction whose marker was deleted before its records is not an open one', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 4096 });
  const value = 'v'.repeat(3000);
  const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true };
  await log.append([{ value }], { producer });
  const marker = { producerId: 7, producerEpoch: 0, coordinatorEpoch: 0, kind: 'commit' } as const;
  await log.append([{ value }]);
  await log.appendMarker(marker);
  await log.append([{ value }]);
  await log.append([{ value }]);
  const files = new Map(sim.disk.list('/log').map((path) => [path, sim.disk.readAll(path)]));
  await log.deleteRecordsBefore(4);
  const later = sim.kill();
  // The names come back as a power cut may leave them: the records, and not their marker.
  const first = later.path(0, 'log');
  later.disk.put(first, files.get(first) ?? new Uint8Array(0));
  for (const path of later.disk.list('/log')) {
    if (path.endsWith('.snapshot')) later.disk.remove(path);
  }
  const reopened = await later.open();
  assert.equal(reopened.stableOffset, reopened.durableOffset);
  assert.deepEqual(await readOffsets(reopened), [4]);
  await reopened.close();
});
