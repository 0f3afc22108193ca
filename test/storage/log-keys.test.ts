// A log that is compacted keeps records by key: those without one are refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rejection, thrown } from '../support/fixtures.js';
import { readOffsets, SimLog } from '../support/log-fixture.js';

for (const cleanup of ['compact', 'compact,delete'] as const) {
  test(`keys: cleanup '${cleanup}' takes records with a key only, an empty one too`, async () => {
    const log = await new SimLog().open({ cleanup });
    for (const key of [undefined, null]) {
      const record = { key, value: 'x' };
      const { facts } = await rejection(
        log.append([{ key: 'k', value: 'x' }, record]),
        'KEY_REQUIRED',
      );
      assert.deepEqual([facts['index'], facts['cleanup']], [1, cleanup]);
      thrown(() => log.tryAppend(record), 'KEY_REQUIRED');
    }
    assert.equal(log.endOffset, 0);
    await log.append([
      { key: '', value: 'x' },
      { key: 'k', value: null },
    ]);
    assert.equal(log.tryAppend({ key: new Uint8Array(1), value: 'x' }), 2);
    await log.flush();
    assert.deepEqual(await readOffsets(log), [0, 1, 2]);
  });
}

test('keys: a log that is not compacted takes any record, and alter changes that', async () => {
  const log = await new SimLog().open();
  await log.append([{ value: 'keyless' }]);
  await log.alter({ cleanup: 'compact' });
  await rejection(log.append([{ value: 'keyless' }]), 'KEY_REQUIRED');
  await log.append([{ key: 'k', value: 'x' }]);
  assert.deepEqual(await readOffsets(log), [0, 1]);
  await log.alter({ cleanup: 'delete' });
  await log.append([{ value: 'keyless' }]);
  assert.equal(log.endOffset, 3);
});
