// A deletion that a process begins and does not end, and the power cut that comes later.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filledLog, readOffsets, SimLog } from '../support/log-fixture.js';
import { crashNone } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';

test('a start that no process has synced removes nothing before the next open has', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  assert.deepEqual(sim.segments(), [0, 4, 8]);
  let killed: SimDisk | undefined;
  sim.disk.onCall = (_number, name, path) => {
    if (name === 'datasync' && path.endsWith('/watermark')) killed ??= sim.disk.kill();
  };
  await log.deleteRecordsBefore(8);
  assert(killed !== undefined);
  const next = new SimLog(killed, sim.clock);
  const ends: SimDisk[] = [];
  next.disk.onCall = () => ends.push(next.disk.crash(crashNone));
  await (await next.open()).close();
  assert.deepEqual(next.segments(), [8]);
  const starts = new Set<number>();
  for (const end of ends) {
    const after = await new SimLog(end, sim.clock).open();
    const { damage, startOffset } = after.describe();
    assert.equal(damage, undefined);
    assert.equal((await readOffsets(after))[0], startOffset);
    starts.add(startOffset);
  }
  assert.deepEqual([...starts], [0, 8]);
});
