/** The journal of share groups: what it stores, writes anew, owes and forgets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import { ShareJournal } from '../../src/broker/share/share-journal.js';
import type { DeliveryKey } from '../../src/broker/share/share-journal-format.js';
import type { DeliveryPart } from '../../src/broker/share/share-part.js';
import { rejection, settled } from '../support/fixtures.js';
import { MemoryPartitionLog } from '../support/memory-partition-log.js';
import { ShareWorld, valuesOf } from '../support/share-fixture.js';
import { SimClock } from '../support/sim-clock.js';

const TOPIC = '0'.repeat(32);
const LIMITS = { inFlightMax: 9, underWayMax: 9, deliveriesMax: 9, failuresMax: 9 };

function keyOf(group: string, partition = 0): DeliveryKey {
  return { group, topicId: TOPIC, partition };
}

function partOf(
  startOffset: number,
  ...acknowledged: [first: number, end: number][]
): DeliveryPart {
  const ranges = acknowledged.map(([first, end]) => ({ first, end }));
  return { startOffset, acknowledged: ranges, archived: [], attempts: [] };
}

function makeState(): DeliveryState {
  return new DeliveryState({ startOffset: 0, nowMs: 0, limits: LIMITS });
}

async function restored(journal: ShareJournal, key: DeliveryKey): Promise<DeliveryState> {
  const state = makeState();
  await journal.attach(key, state);
  return state;
}

class World {
  readonly clock = new SimClock();
  readonly log = new MemoryPartitionLog(() => this.clock.nowMs());

  open(snapshotBytes?: number): Promise<ShareJournal> {
    return ShareJournal.open(this.log, this.clock, snapshotBytes);
  }
}

test('share journal: parts add up, also those of states that nobody uses', async () => {
  const world = new World();
  const journal = await world.open();
  await journal.append(keyOf('a/b'), partOf(3, [5, 7]), 'durable');
  await journal.append(keyOf('a/b'), partOf(0, [3, 5]), 'written');
  await journal.append(keyOf('c', 2), partOf(9), 'written');
  const again = await world.open();
  assert.equal((await restored(again, keyOf('a/b'))).startOffset, 7);
  assert.equal((await restored(again, keyOf('c', 2))).startOffset, 9);
  assert.deepEqual(again.keys(), [keyOf('a/b'), keyOf('c', 2)]);
});

test('share journal: appends of one turn, and those that come meanwhile, are one', async () => {
  const world = new World();
  const journal = await world.open();
  const before = world.log.writtenOffset;
  const state = makeState();
  const place = await journal.attach(keyOf('a'), state);
  const promises = [place.flush('durable'), place.flush('durable')];
  assert.equal(promises[0], promises[1]);
  promises.push(journal.append(keyOf('b'), partOf(1), 'durable'));
  await Promise.all(promises);
  assert.equal(world.log.writtenOffset, before + 1);
});

test('share journal: all states are written anew, and what lies before goes', async () => {
  const world = new World();
  const journal = await world.open(2_000);
  await journal.append(keyOf('rest'), partOf(4, [6, 8]), 'durable');
  for (let at = 0; at < 100; at += 1) {
    await journal.append(keyOf('busy'), partOf(at), 'durable');
    await settled();
  }
  await journal.close();
  assert.ok(world.log.startOffset > 50, `begins at ${world.log.startOffset}`);
  const again = await world.open();
  assert.equal((await restored(again, keyOf('busy'))).startOffset, 99);
  const rest = await restored(again, keyOf('rest'));
  assert.deepEqual([rest.startOffset, rest.isFinished(6), rest.isFinished(8)], [4, true, false]);
});

test('share journal: a later generation begins anew, older ones count no more', async () => {
  const world = new World();
  const journal = await world.open();
  await journal.append(keyOf('a'), partOf(9), 'durable');
  const first = journal.generationOf(keyOf('a')) ?? -1;
  const place = await journal.replace(keyOf('a'), partOf(2), makeState());
  assert.ok(place.generation > first);
  await journal.append(keyOf('a'), partOf(7), 'durable', first);
  const again = await world.open();
  assert.equal(again.generationOf(keyOf('a')), place.generation);
  assert.equal((await restored(again, keyOf('a'))).startOffset, 2);
});

test('share journal: what was forgotten is gone, and begins with another generation', async () => {
  const world = new World();
  const journal = await world.open();
  await journal.append(keyOf('a'), partOf(9), 'durable');
  await journal.append(keyOf('b'), partOf(5), 'durable');
  const first = journal.generationOf(keyOf('a')) ?? -1;
  world.clock.advance(1);
  await journal.forget({ group: 'a' });
  assert.equal(journal.generationOf(keyOf('a')), undefined);
  await journal.append(keyOf('a'), partOf(1), 'durable');
  assert.ok((journal.generationOf(keyOf('a')) ?? -1) > first);
  const again = await world.open();
  assert.equal((await restored(again, keyOf('a'))).startOffset, 1);
  assert.equal((await restored(again, keyOf('b'))).startOffset, 5);
});

test('share journal: a decision changes states once it is stored, or nothing at all', async () => {
  const world = new World();
  const journal = await world.open();
  const landed: number[] = [];
  let hasLanded = false;
  const entries = [
    { key: keyOf('a'), part: partOf(3) },
    { key: keyOf('b'), part: partOf(4) },
  ];
  const deciding = journal.decide(entries, () => landed.push(world.log.durableOffset));
  assert.deepEqual(landed, []);
  await deciding;
  assert.deepEqual(landed, [2]);
  await world.log.close();
  await assert.rejects(
    journal.decide([{ key: keyOf('c'), part: partOf(1) }], () => {
      hasLanded = true;
    }),
  );
  assert.ok(!hasLanded);
});

test('share journal: each process that gives messages out has a life of its own', async () => {
  const world = new World();
  const journal = await world.open(2_000);
  assert.deepEqual([journal.life, journal.isBegun], [0, false]);
  assert.equal((await world.open()).life, 0);
  await journal.begin();
  const next = await world.open(2_000);
  assert.equal(next.life, 1);
  // Also when all is written anew by one that gave nothing out.
  for (let at = 0; at < 100; at += 1) {
    await next.append(keyOf('busy'), partOf(at), 'durable');
    await settled();
  }
  await next.close();
  assert.ok(world.log.startOffset > 10);
  assert.equal((await world.open()).life, 1);
});

test('share journal: what nobody wrote is LOG_CORRUPT', async () => {
  for (const [key, value] of [
    ['no key', 'x'],
    [`a/${TOPIC}/0`, 'x'],
    [`a/${TOPIC}/99999`, null],
  ] as const) {
    const world = new World();
    await world.log.append([{ key, value }]);
    await rejection(world.open(), 'LOG_CORRUPT');
  }
});

test('share journal: what a full disk refused is owed, and durable when repeated', async () => {
  const world = await ShareWorld.open();
  await world.send('-1', '-2', '-3');
  const given = await world.group.join().receive({ max: 2 });
  const { disk } = world.sim;
  disk.spaceBytes = disk.list().reduce((sum, path) => sum + disk.readAll(path).length, 0);
  await rejection(world.group.acknowledge(given), 'DISK_FULL');
  await rejection(world.group.join().receive({ max: 1 }), 'DISK_FULL');
  disk.spaceBytes = Number.POSITIVE_INFINITY;
  await world.pass(5_000);
  await world.group.acknowledge(given);
  const next = await world.kill();
  const again = await next.group.join().receive({ max: 10 });
  assert.deepEqual(valuesOf(again), ['-3']);
  await next.close();
});
