// Statistics and cleaning over the holder's socket, and what a holder that errs can do.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { cleanerTaskKinds } from '../../src/storage/cleaner-task.js';
import { connectHolder } from '../../src/storage/holder-client.js';
import { acquireHolderLock } from '../../src/storage/holder-lock.js';
import type { HolderReply, HolderValue } from '../../src/storage/holder-protocol.js';
import { type HeldMaintenance, serveHolder } from '../../src/storage/holder-service.js';
import { requestStats, STATS_PAGE_SEGMENTS, statsPage } from '../../src/storage/holder-stats.js';
import { failure, holderFolder } from '../support/holder-folder.js';
import { statsOf } from '../support/stats-fixture.js';

const others = {
  describe: () => ({}),
  append: () => assert.fail('nobody appends'),
  deleteRecordsBefore: () => assert.fail('nobody deletes'),
  alter: () => assert.fail('nobody alters'),
  stats: () => assert.fail('nobody asks'),
  compact: () => assert.fail('nobody compacts'),
  retain: () => assert.fail('nobody lets go'),
};

async function heldBy(t: TestContext, log: Partial<HeldMaintenance>) {
  const folder = holderFolder(t);
  const lock = await acquireHolderLock(folder);
  t.after(() => lock.release());
  lock.serve((request) => serveHolder({ ...others, ...log }, request));
  const holder = await connectHolder(folder);
  assert.ok(holder !== 'no-holder');
  t.after(() => holder.close());
  return holder;
}

for (const count of [1, STATS_PAGE_SEGMENTS, 2 * STATS_PAGE_SEGMENTS + 1]) {
  test(`holder stats: what a log of ${count} segments says arrives whole`, async (t) => {
    const stats = statsOf(count);
    let asked = 0;
    const holder = await heldBy(t, {
      stats: async () => {
        asked += 1;
        return stats;
      },
    });
    assert.deepEqual(await requestStats((request) => holder.request(request)), stats);
    assert.equal(asked, Math.ceil(count / STATS_PAGE_SEGMENTS));
  });
}

test('holder stats: every kind of task arrives', async (t) => {
  const { pool, ...stats } = statsOf(1);
  assert.ok(pool !== null);
  const running = cleanerTaskKinds.map((kind) => ({ kind, directory: '/', bytes: 1, sinceMs: 2 }));
  const all = { ...stats, pool: { ...pool, running } };
  const holder = await heldBy(t, { stats: async () => all });
  assert.deepEqual(await requestStats((request) => holder.request(request)), all);
});

test('holder stats: what there is nothing to say about is null', async (t) => {
  const stats = { ...statsOf(2), cleaning: null, lastFailure: null, pool: null };
  const holder = await heldBy(t, { stats: async () => stats });
  assert.deepEqual(await requestStats((request) => holder.request(request)), stats);
});

test('holder stats: a page from a segment that is gone begins with the next one', () => {
  const page = statsPage(statsOf(4), 11);
  assert.ok(Array.isArray(page['segments']));
  assert.deepEqual(
    page['segments'].map((segment) => Object(segment).baseOffset),
    [20, 30],
  );
});

test('holder stats: each field that is not as it must be is named', async () => {
  const page = statsPage(statsOf(2), 0);
  for (const name of Object.keys(page)) {
    if (name === 'nextOffset') continue;
    const wrong: HolderValue = name === 'segments' ? [{}] : { wrong: true };
    for (const value of [wrong, 'text', -1]) {
      if (value === 'text' && ['directory', 'logId', 'cleanup', 'why'].includes(name)) continue;
      const reply: HolderReply = { ok: true, values: { ...page, [name]: value } };
      await failure(
        requestStats(async () => reply),
        'HOLDER_FAILED',
      );
    }
  }
});

test('holder stats: a holder that goes round in circles is left', async () => {
  for (const nextOffset of [0, 5]) {
    const reply: HolderReply = { ok: true, values: { ...statsPage(statsOf(2), 0), nextOffset } };
    let asked = 0;
    const answer = requestStats(async () => {
      asked += 1;
      return reply;
    });
    const error = await failure(answer, 'HOLDER_FAILED');
    assert.equal(error.facts['field'], 'nextOffset');
    assert.ok(asked <= 2);
  }
});

test('holder stats: compaction and retention are done by the holder', async (t) => {
  const report = {
    outcome: 'cleaned',
    hasMore: false,
    bytesIn: 9,
    bytesOut: 4,
    recordsIn: 3,
    recordsOut: 1,
    keylessRecords: 1,
  } as const;
  const retained = { startOffset: 5, bytes: 100, rolled: false, kept: 'within limits' };
  const deleted = [{ baseOffset: 0, endOffset: 5, bytes: 100, why: 'old' }];
  const holder = await heldBy(t, {
    compact: async () => report,
    retain: async () => ({ ...retained, deleted }),
  });
  assert.deepEqual(await holder.request({ kind: 'compact' }), { ok: true, values: report });
  assert.deepEqual(await holder.request({ kind: 'retain' }), {
    ok: true,
    values: { ...retained, segments: 1 },
  });
  const refused = await holder.request({ kind: 'stats', fromOffset: 0 });
  assert.ok(!refused.ok && refused.code === 'HOLDER_FAILED');
});
