/** What a share group sees of transactions, and of what is taken away from under it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled } from '../support/fixtures.js';
import { ShareWorld, valuesOf } from '../support/share-fixture.js';

test('share transactions: an open one holds nobody up, its messages come at commit', async () => {
  const world = await ShareWorld.open();
  const member = world.group.join();
  await world.send('-0');
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const working = world.broker.transaction(async (transaction) => {
    await transaction.send('orders', { value: 't1' });
    await ended;
  });
  await settled();
  await world.send('-2', '-3');
  const waiting = member.receive({ max: 10 });
  assert.deepEqual(valuesOf(await waiting), ['-0', '-2', '-3']);
  assert.deepEqual(await member.receive({ max: 10 }), []);
  const late = member.receive({ max: 10, waitMs: 60_000 });
  await world.send('-4');
  assert.deepEqual(valuesOf(await late), ['-4']);
  const atCommit = member.receive({ max: 10, waitMs: 60_000 });
  end();
  await working;
  assert.deepEqual(valuesOf(await atCommit), ['t1']);
  await world.send('-5');
  assert.deepEqual(valuesOf(await member.receive({ max: 10 })), ['-5']);
  assert.equal(world.group.counts().redelivered, 0);
  await world.close();
});

test('share transactions: what was aborted is never seen, and the start passes it', async () => {
  const world = await ShareWorld.open();
  const member = world.group.join();
  await assert.rejects(
    world.broker.transaction(async (transaction) => {
      await transaction.send('orders', { value: 't1' });
      throw new Error('planned');
    }),
  );
  await world.send('-1');
  const given = await member.receive({ max: 10 });
  assert.deepEqual(valuesOf(given), ['-1']);
  await world.group.acknowledge(given);
  const [partition] = world.group.partitions();
  assert.equal(partition?.startOffset, world.topic.hosted.openPartition(0)?.durableOffset);
  assert.equal(world.group.unfinished(), 0);
  await world.close();
});

test('share transactions: records that retention took are passed over', async () => {
  const world = await ShareWorld.open({ config: { deletesFinished: false } });
  await world.send('-0', '-1', '-2');
  const log = world.topic.hosted.openPartition(0);
  await log?.deleteRecordsBefore(2);
  const member = world.group.join();
  const given = await member.receive({ max: 10 });
  assert.deepEqual(valuesOf(given), ['-2']);
  await world.send('-3', '-4');
  await log?.deleteRecordsBefore(4);
  await world.group.acknowledge(given);
  assert.deepEqual(valuesOf(await member.receive({ max: 10 })).slice(-1), ['-4']);
  await world.close();
});
