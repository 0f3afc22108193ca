/** Settings of groups: kept over restarts, and refused where they cannot be what was written. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import { GroupSettings } from '../../src/broker/group/group-settings.js';
import type { StateEntry } from '../../src/broker/state/state-log.js';
import { MemoryStateLog } from '../support/group-fixture.js';

test('group settings: what was set is there again, and what was taken back is not', async () => {
  const log = new MemoryStateLog();
  const open = async (): Promise<MemoryStateLog> => log;
  const settings = await GroupSettings.open(open, { isThere: false });
  await settings.alter('g', new Map([['a', '1']]));
  await Promise.all([
    settings.alter('g', new Map([['b', '2']])),
    settings.alter('h/i', new Map([['a', '3']])),
    settings.alter('g', new Map([['a', null]])),
  ]);
  await settings.alter('h/i', new Map([['a', null]]));
  const again = await GroupSettings.open(open, { isThere: true });
  for (const one of [settings, again]) {
    assert.deepEqual([...one.of('g')], [['b', '2']]);
    assert.equal(one.of('h/i').size, 0);
    assert.equal(one.of('absent').size, 0);
  }
  const alter = (): unknown => again.alter('', new Map());
  assert.throws(alter, (error) => hasCode(error, 'GROUP_INVALID'));
});

test('group settings: what nobody wrote is LOG_CORRUPT, of a newer form is not read', async () => {
  const wrong: readonly [StateEntry, string][] = [
    [{ key: 'other/g', value: [1] }, 'LOG_CORRUPT'],
    [{ key: 'group/g', value: [1, 'a'] }, 'LOG_CORRUPT'],
    [{ key: 'group/g', value: [1, 'a', 2] }, 'LOG_CORRUPT'],
    [{ key: 'group/g', value: ['x'] }, 'LOG_CORRUPT'],
    [{ key: 'group/g', value: [2, 'a', 'b'] }, 'FORMAT_UNSUPPORTED'],
  ];
  for (const [entry, code] of wrong) {
    const log = new MemoryStateLog();
    await log.append([entry]);
    const opening = GroupSettings.open(async () => log, { isThere: true });
    await assert.rejects(opening, { code }, JSON.stringify(entry));
  }
});
