// A folder of another engine that is being made ours, and a stop at any call of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DIRECTORY, filledLog, readValues, SimLog } from '../support/log-fixture.js';
import { enumerateCrashes } from '../support/sim-crash.js';
import { SimDisk } from '../support/sim-file-system.js';

/** Only segments, as another engine leaves them. */
async function foreignDisk(): Promise<SimDisk> {
  const sim = new SimLog();
  const log = await filledLog(sim, 10);
  await log.close();
  const disk = new SimDisk({ nowMs: () => sim.clock.nowMs() });
  for (const path of sim.disk.list(DIRECTORY)) {
    if (path.endsWith('.log')) disk.put(path, sim.disk.readAll(path));
  }
  return disk;
}

test('an adoption that is cut short is begun again, wherever it was', async () => {
  const sim = new SimLog(await foreignDisk());
  const images: SimDisk[] = [];
  sim.disk.onCall = () => images.push(sim.disk.kill());
  const adopted = await sim.open();
  const values = await readValues(adopted);
  assert.equal(values.length, 10);
  await adopted.close();
  sim.disk.onCall = undefined;
  assert.ok(!sim.disk.list(DIRECTORY).some((path) => path.endsWith('adopting')));
  for (const [call, image] of images.entries()) {
    for (const choice of ['kill', ...enumerateCrashes(image, 6)] as const) {
      const later = new SimLog(choice === 'kill' ? image.kill() : image.crash(choice));
      const reopened = await later.open();
      assert.equal(reopened.describe().damage, undefined, `call ${call}`);
      assert.deepEqual(await readValues(reopened), values, `call ${call}`);
      await reopened.append([{ value: 'next' }]);
      await reopened.close();
      assert.ok(!later.disk.list(DIRECTORY).some((path) => path.endsWith('adopting')));
    }
  }
});
