// Segments that are deleted while a pass of compaction is about to read them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { HistoryCleaner } from '../crash/history-cleaner.js';
import { newCounts } from '../crash/history-counts.js';
import { DIRECTORY, readRecords, SimLog, valuesOf } from '../support/log-fixture.js';

for (const lateness of [1, 5, 20, 60, 200]) {
  test(`a pass whose segments are deleted is no failure, ${lateness} turns late`, async () => {
    const sim = new SimLog();
    const plan = { counts: newCounts(), mapBytes: 4096, onGroup: () => undefined };
    const log = await Log.open(
      DIRECTORY,
      { cleanup: 'compact', segmentBytes: 4096, minCleanableDirtyRatio: 1 },
      {
        ...sim.environment,
        acquireCleaner: () => new HistoryCleaner(sim.disk, { ...plan, lateness }),
      },
    );
    for (const value of valuesOf(20, 1000)) await log.append([{ key: value.slice(0, 2), value }]);
    const compacted = log.compact();
    for (let turn = 0; turn < lateness; turn += 1) await Promise.resolve();
    await log.deleteRecordsBefore(13);
    assert.equal((await compacted).hasMore, false);
    const records = await readRecords(log);
    assert(records.every(({ offset }) => offset >= 13));
    assert.equal(new Set(records.map(({ key }) => key)).size, records.length);
    assert.equal(log.describe().state, 'open');
    await log.close();
  });
}
