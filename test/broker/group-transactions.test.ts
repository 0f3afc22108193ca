/**
 * Offsets of transactions in the coordinator: held, secured, decided about, stored, given back.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OffsetStore } from '../../src/broker/group/offset-store.js';
import {
  joinRequest,
  MemoryStateLog,
  memberOf,
  openGroups,
  settle,
  stableGroup,
} from '../support/group-fixture.js';

const alone = { groupId: 'g', memberId: '', generation: -1 };
const place = { topic: 't', partition: 0 };
const mark = { producerId: 4, producerEpoch: 2 };

async function opened(records = 100) {
  const groups = await openGroups();
  groups.topics.set('t', 2, records);
  await groups.coordinator.commit({ ...alone, offsets: [{ ...place, offset: 3 }] });
  return groups;
}

function upTo(nextOffset: number) {
  return { ...place, nextOffset, member: alone };
}

test('held offsets: who fetches while it is decided waits for that', async () => {
  const { coordinator, stateLog } = await opened();
  const held = coordinator.holdOffsets();
  held.add(upTo(7));
  await held.secure();
  const before = await coordinator.fetch('g', [place]);
  assert.equal(before[0]?.offset, 3, 'until then nobody waits');
  const decided = held.decide();
  let fetched: number | undefined = -1;
  const fetching = coordinator.fetch('g', [place]).then(([first]) => {
    fetched = first?.offset;
  });
  await settle();
  assert.equal(fetched, -1);
  stateLog.hold();
  const applied = held.apply(decided, mark).then(() => held.release('committed'));
  await settle();
  assert.equal(fetched, -1);
  stateLog.release();
  await Promise.all([applied, fetching]);
  assert.equal(fetched, 7);
  await coordinator.commit({ ...alone, offsets: [{ ...place, offset: 5 }] });
});

test('held offsets: one that is undone lets those who wait see what was', async () => {
  const { coordinator } = await opened();
  const held = coordinator.holdOffsets();
  held.add(upTo(7));
  await held.secure();
  held.decide();
  const fetching = coordinator.fetch('g', [place]);
  held.release('aborted');
  held.release('aborted');
  assert.equal((await fetching)[0]?.offset, 3);
});

test('held offsets: the source is made durable before it is decided about', async () => {
  const { coordinator, topics } = await opened();
  const log = topics.at('t', 0);
  log.writtenOffset = 140;
  const held = coordinator.holdOffsets();
  held.add(upTo(120));
  await held.secure();
  assert.deepEqual(log.flushed, [119]);
  const [of] = held.decide();
  assert.equal(of?.offsets[0]?.offset, 120);
  const beyond = coordinator.holdOffsets();
  beyond.add({ topic: 't', partition: 1, nextOffset: 101, member: alone });
  await assert.rejects(beyond.secure(), { code: 'OFFSET_OUT_OF_RANGE' });
});

test('held offsets: a topic that goes meanwhile takes them along', async () => {
  const { coordinator, topics } = await opened();
  const held = coordinator.holdOffsets();
  held.add(upTo(7));
  await held.secure();
  topics.delete('t');
  await coordinator.forgetTopic('t');
  assert.throws(() => held.decide(), { code: 'UNKNOWN_PARTITION' });
  held.release('aborted');
  assert.deepEqual(await coordinator.fetch('g'), []);
});

test('held offsets: a topic that is made again meanwhile is not asked for its end', async () => {
  const groups = await openGroups();
  const { coordinator, topics } = groups;
  topics.set('t', 2, 100);
  const [first] = await stableGroup(groups, [joinRequest()]);
  assert.ok(first !== undefined);
  const held = coordinator.holdOffsets();
  held.add({ ...upTo(7), member: memberOf('g', first) });
  topics.delete('t');
  await coordinator.forgetTopic('t');
  topics.set('t', 2, 3);
  await assert.rejects(held.secure(), { code: 'UNKNOWN_PARTITION' });
  held.release('aborted');
});

test('held offsets: whoever gave them hears when they are held and how it ended', async () => {
  const { coordinator } = await opened();
  const heard: string[] = [];
  const source = (nextOffset: number) => ({
    ...upTo(nextOffset),
    onHeld: () => void heard.push(`held ${nextOffset}`),
    onEnded: (outcome: string) => void heard.push(`${outcome} ${nextOffset}`),
    handled: async () => void heard.push(`handled ${nextOffset}`),
  });
  const held = coordinator.holdOffsets();
  held.add(source(5));
  held.add(source(6));
  await held.secure();
  await held.apply(held.decide(), undefined);
  held.release('committed');
  assert.deepEqual(heard, ['held 5', 'held 6', 'handled 6', 'committed 5', 'committed 6']);
  const unknown = coordinator.holdOffsets();
  unknown.add(source(7));
  await unknown.secure();
  unknown.decide();
  unknown.leaveUnknown();
  assert.equal(heard.at(-1), 'unknown 7');
  const commit = coordinator.commit({ ...alone, offsets: [{ ...place, offset: 8 }] });
  await assert.rejects(commit, { code: 'OFFSET_HELD' });
  assert.equal((await coordinator.fetch('g', [place]))[0]?.offset, 6, 'nobody waits for ever');
});

test('held offsets: expiry passes over them', async () => {
  const { coordinator, clock } = await opened();
  const held = coordinator.holdOffsets();
  held.add(upTo(7));
  const week = 7 * 24 * 60 * 60 * 1000;
  for (let day = 0; day < 9; day += 1) {
    clock.advance(week / 7);
    await settle();
  }
  await coordinator.expire();
  assert.equal((await coordinator.fetch('g', [place]))[0]?.offset, 3);
  held.release('aborted');
  await coordinator.expire();
  assert.deepEqual(await coordinator.fetch('g'), []);
});

test('marks: stored with the offsets, and dropped when nobody asks', async () => {
  const log = new MemoryStateLog();
  const store = await OffsetStore.open(log, () => undefined);
  const committed = { ...place, offset: 7, epoch: 0, metadata: '', committedAtMs: 1 };
  assert.equal(store.hasMark(mark), false);
  await store.commitHeld([{ group: 'g', offsets: [committed] }], mark);
  const again = await OffsetStore.open(log, () => undefined);
  assert.equal(again.hasMark(mark), true);
  assert.equal(again.hasMark({ ...mark, producerEpoch: 1 }), true, 'an earlier one is done too');
  assert.equal(again.hasMark({ ...mark, producerEpoch: 3 }), false);
  assert.equal(again.offset('g', place)?.offset, 7);
  await again.dropMarks((producerId) => producerId !== mark.producerId);
  assert.equal(again.hasMark(mark), true);
  await again.dropMarks(() => true);
  const last = await OffsetStore.open(log, () => undefined);
  assert.equal(last.hasMark(mark), false);
  assert.equal(last.offset('g', place)?.offset, 7);
});
