/** The coordinator of the newer group protocol, heartbeat by heartbeat. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, MillraceError } from '../../src/base/errors.js';
import type { EpochHeartbeat, EpochPartition } from '../../src/broker/group/epoch-requests.js';
import type { GroupOptions } from '../../src/broker/group/group-options.js';
import { isPending } from '../support/fixtures.js';
import { type GroupFixture, joinRequest, openGroups, settle } from '../support/group-fixture.js';

type Given = Partial<EpochHeartbeat>;

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof MillraceError && error.code === code;
}

async function open(options: GroupOptions = {}): Promise<GroupFixture> {
  const groups = await openGroups(options);
  groups.topics.set('t', 4, 10);
  return groups;
}

function beat({ coordinator }: GroupFixture, memberId: string, epoch: number, given: Given = {}) {
  return coordinator.epochs.heartbeat({ groupId: 'g', memberId, epoch, ...given });
}

function join(groups: GroupFixture, memberId: string, given: Given = {}) {
  const first = { topics: ['t'], owned: [], rebalanceTimeoutMs: 60_000 };
  return beat(groups, memberId, 0, { ...first, ...given });
}

function numbers(assignment: readonly EpochPartition[] | undefined): number[] | undefined {
  return assignment?.map(({ partition }) => partition);
}

/** Two members that have two partitions each. */
async function two(groups: GroupFixture): Promise<{ a: number; b: number }> {
  const first = join(groups, 'a');
  join(groups, 'b');
  const kept = beat(groups, 'a', first.epoch, { owned: first.assignment ?? [] });
  const a = beat(groups, 'a', kept.epoch, { owned: kept.assignment ?? [] }).epoch;
  return { a, b: beat(groups, 'b', a).epoch };
}

test('epochs: a partition moves once its member says that it has given it up', async () => {
  const groups = await open();
  const a = join(groups, 'a');
  assert.deepEqual(numbers(a.assignment), [0, 1, 2, 3]);
  const b = join(groups, 'b');
  assert.deepEqual(numbers(b.assignment), [], 'nothing is free yet');
  const all = a.assignment ?? [];
  const told = beat(groups, 'a', a.epoch, { owned: all });
  assert.equal(told.epoch, a.epoch, 'its epoch rises when it has given up');
  const kept = numbers(told.assignment) ?? [];
  assert.equal(kept.length, 2);
  assert.equal(beat(groups, 'a', a.epoch).assignment, undefined, 'it is told once');
  assert.equal(beat(groups, 'b', b.epoch).assignment, undefined);
  const after = beat(groups, 'a', a.epoch, { owned: told.assignment ?? [] });
  assert.equal(after.epoch, b.epoch);
  const given = numbers(beat(groups, 'b', b.epoch).assignment) ?? [];
  assert.deepEqual([...kept, ...given].sort(), [0, 1, 2, 3]);
  assert.equal(groups.coordinator.epochs.describe('g').state, 'Stable');
});

test('epochs: what a member had that left, or is silent, goes to the others', async () => {
  const groups = await open({ groupConsumerSessionTimeoutMs: 45_000 });
  const { b } = await two(groups);
  beat(groups, 'a', -1);
  const all = beat(groups, 'b', b);
  assert.deepEqual(numbers(all.assignment)?.sort(), [0, 1, 2, 3]);
  groups.clock.advance(44_999);
  beat(groups, 'b', all.epoch);
  groups.clock.advance(44_999);
  assert.equal((await groups.coordinator.admin.describe('g')).members, 1);
  groups.clock.advance(1);
  assert.equal((await groups.coordinator.admin.describe('g')).members, 0);
  assert.throws(() => beat(groups, 'b', all.epoch), refused('UNKNOWN_MEMBER'));
});

test('epochs: who does not give up in its time is put out', async () => {
  const groups = await open();
  const a = join(groups, 'a', { rebalanceTimeoutMs: 5_000 });
  const b = join(groups, 'b');
  beat(groups, 'a', a.epoch, { owned: a.assignment ?? [] });
  groups.clock.advance(4_999);
  assert.equal(numbers(beat(groups, 'b', b.epoch).assignment), undefined);
  groups.clock.advance(1);
  assert.throws(() => beat(groups, 'a', a.epoch), refused('UNKNOWN_MEMBER'));
  assert.equal(numbers(beat(groups, 'b', b.epoch).assignment)?.length, 4);
});

test('epochs: another epoch fences the member, unless an answer was lost', async () => {
  const groups = await open();
  const a = join(groups, 'a');
  assert.throws(() => beat(groups, 'a', a.epoch + 1), refused('MEMBER_FENCED'));
  const b = join(groups, 'b');
  const kept = beat(groups, 'a', a.epoch, { owned: a.assignment ?? [] }).assignment ?? [];
  const risen = beat(groups, 'a', a.epoch, { owned: kept });
  assert.equal(risen.epoch, b.epoch);
  assert.equal(beat(groups, 'a', a.epoch, { owned: kept }).epoch, b.epoch, 'asked again');
  assert.throws(() => beat(groups, 'a', a.epoch), refused('MEMBER_FENCED'), 'says nothing');
  const all = { owned: a.assignment ?? [] };
  assert.throws(() => beat(groups, 'a', a.epoch, all), refused('MEMBER_FENCED'), 'has too much');
  assert.throws(() => beat(groups, 'absent', 1), refused('UNKNOWN_MEMBER'));
});

test('epochs: a static member that left its place gets back what it had', async () => {
  const groups = await open();
  const instanceId = 'i';
  const a = join(groups, 'a', { instanceId });
  const b = join(groups, 'b');
  const had = beat(groups, 'a', a.epoch, { instanceId, owned: a.assignment ?? [] }).assignment;
  const { epoch } = beat(groups, 'a', a.epoch, { instanceId, owned: had ?? [] });
  assert.throws(() => join(groups, 'c', { instanceId }), refused('INSTANCE_IN_USE'));
  assert.equal(beat(groups, 'a', -2, { instanceId }).epoch, -2);
  assert.equal(numbers(beat(groups, 'b', b.epoch).assignment)?.length, 2, 'nobody gets its part');
  assert.equal(beat(groups, 'b', b.epoch).assignment, undefined);
  const back = join(groups, 'c', { instanceId });
  assert.deepEqual(numbers(back.assignment)?.sort(), numbers(had)?.sort());
  assert.equal(back.epoch, b.epoch, 'nothing changed for the others');
  const old = { instanceId };
  assert.throws(() => beat(groups, 'a', epoch, old), refused('FENCED_INSTANCE'));
  const other = { instanceId: 'unknown' };
  assert.throws(() => beat(groups, 'c', back.epoch, other), refused('UNKNOWN_MEMBER'));
  assert.equal(beat(groups, 'c', -1, { instanceId }).epoch, -1);
  assert.equal((await groups.coordinator.admin.describe('g')).members, 1);
});

test('epochs: what a member may not ask is refused, and the group is as it was', async () => {
  const groups = await open({ groupMaxSize: 1 });
  const wrong: readonly [Given, ErrorCode][] = [
    [{ owned: undefined }, 'MEMBER_INVALID'],
    [{ owned: [{ topic: 't', topicId: 'i', partition: 0 }] }, 'MEMBER_INVALID'],
    [{ topics: undefined }, 'MEMBER_INVALID'],
    [{ rebalanceTimeoutMs: undefined }, 'MEMBER_INVALID'],
    [{ rebalanceTimeoutMs: 0 }, 'MEMBER_INVALID'],
    [{ instanceId: '' }, 'MEMBER_INVALID'],
    [{ memberId: 'x'.repeat(400) }, 'MEMBER_INVALID'],
    [{ topics: ['x'.repeat(2 ** 20 + 1)] }, 'MEMBER_INVALID'],
    [{ epoch: -3 }, 'MEMBER_INVALID'],
    [{ epoch: -2 }, 'MEMBER_INVALID'],
    [{ epoch: 1, memberId: '' }, 'MEMBER_INVALID'],
    [{ groupId: '' }, 'GROUP_INVALID'],
    [{ assignor: 'sticky' }, 'ASSIGNOR_UNKNOWN'],
    [{ pattern: '(' }, 'PATTERN_INVALID'],
  ];
  for (const [given, code] of wrong) {
    assert.throws(() => join(groups, 'a', given), refused(code), `${code} ${Object.keys(given)}`);
  }
  const a = join(groups, '');
  assert.notEqual(a.memberId, '', 'who brings no id gets one');
  assert.throws(() => join(groups, 'b'), refused('GROUP_FULL'));
  assert.equal(join(groups, a.memberId).epoch, a.epoch, 'who is in it may join again');
  const wrongPattern = { pattern: '[' };
  assert.throws(() => beat(groups, a.memberId, a.epoch, wrongPattern), refused('PATTERN_INVALID'));
  assert.equal(beat(groups, a.memberId, a.epoch).epoch, a.epoch);
});

test('epochs: a pattern takes in what comes to match, and what the member may read', async () => {
  const groups = await open();
  groups.topics.set('secret-t', 1);
  const mayRead = (topic: string): boolean => !topic.startsWith('secret');
  const a = join(groups, 'a', { topics: [], pattern: '.*t', mayRead });
  assert.deepEqual(numbers(a.assignment), [0, 1, 2, 3]);
  groups.topics.set('late-t', 1);
  groups.coordinator.noticeTopics(['late-t']);
  const more = beat(groups, 'a', a.epoch);
  assert.deepEqual(
    more.assignment?.map(({ topic }) => topic),
    ['t', 't', 't', 't', 'late-t'],
  );
  assert.equal(beat(groups, 'a', more.epoch, { pattern: 'late.*' }).assignment?.length, 1);
  assert.deepEqual(groups.coordinator.epochs.describe('g').members[0]?.topics, ['late-t']);
});

test('epochs: most members choose the assignor', async () => {
  const groups = await open();
  groups.topics.set('u', 4);
  for (const id of ['a', 'b']) join(groups, id, { topics: ['t', 'u'], assignor: 'range' });
  join(groups, 'c', { topics: ['t', 'u'], assignor: 'uniform' });
  const { assignor, members } = groups.coordinator.epochs.describe('g');
  assert.equal(assignor, 'range');
  const targets = members.map(({ target }) =>
    target.map(({ topic, partition }) => `${topic}${partition}`).sort(),
  );
  assert.deepEqual(targets, [
    ['t0', 't1', 'u0', 'u1'],
    ['t2', 'u2'],
    ['t3', 'u3'],
  ]);
});

test('epochs: a commit counts in the epoch of the member, or of what it had before', async () => {
  const groups = await open();
  const { coordinator } = groups;
  const commit = (memberId: string, generation: number, partition: number) =>
    coordinator.commit({
      groupId: 'g',
      memberId,
      generation,
      offsets: [{ topic: 't', partition, offset: 3 }],
    });
  const a = join(groups, 'a');
  await commit('a', a.epoch, 0);
  join(groups, 'b');
  const told = beat(groups, 'a', a.epoch, { owned: a.assignment ?? [] }).assignment ?? [];
  await commit('a', a.epoch, 3);
  const { epoch } = beat(groups, 'a', a.epoch, { owned: told });
  const [kept = 0] = numbers(told) ?? [];
  const lost = [0, 1, 2, 3].find((partition) => !numbers(told)?.includes(partition)) ?? 0;
  await commit('a', epoch, lost);
  await commit('a', a.epoch, kept);
  await assert.rejects(commit('a', a.epoch, lost), refused('MEMBER_EPOCH_STALE'));
  await assert.rejects(commit('a', epoch + 1, kept), refused('MEMBER_EPOCH_STALE'));
  await assert.rejects(commit('absent', epoch, kept), refused('UNKNOWN_MEMBER'));
  await assert.rejects(commit('', -1, kept), refused('UNKNOWN_MEMBER'), 'members have it');
  const asks = (memberId: string, of: number) =>
    coordinator.epochs.checkFetch('g', { memberId, epoch: of });
  asks('a', epoch);
  assert.throws(() => asks('a', a.epoch), refused('MEMBER_EPOCH_STALE'));
  assert.throws(() => asks('absent', epoch), refused('UNKNOWN_MEMBER'));
});

test('epochs: a commit for a deleted topic is none for the next of its name', async () => {
  const groups = await open();
  const { coordinator, topics } = groups;
  const a = join(groups, 'a');
  topics.delete('t');
  await coordinator.forgetTopic('t');
  topics.set('t', 1, 10);
  coordinator.noticeTopics(['t']);
  const commit = (generation: number) =>
    coordinator.commit({
      groupId: 'g',
      memberId: 'a',
      generation,
      offsets: [{ topic: 't', partition: 0, offset: 7 }],
    });
  await assert.rejects(commit(a.epoch), refused('UNKNOWN_PARTITION'));
  const told = beat(groups, 'a', a.epoch, { owned: a.assignment ?? [] });
  assert.deepEqual(told.assignment, []);
  const anew = beat(groups, 'a', told.epoch, { owned: [] });
  assert.equal(anew.assignment?.length, 1);
  assert.notEqual(anew.assignment?.[0]?.topicId, a.assignment?.[0]?.topicId);
  await commit(anew.epoch);
});

test('epochs: a group without members changes its protocol, and back', async () => {
  const groups = await open();
  const { coordinator, clock } = groups;
  const classic = joinRequest();
  const joining = coordinator.join(classic);
  await settle();
  clock.advance(10);
  const { memberId, generation } = await joining;
  assert.throws(() => join(groups, 'a'), refused('GROUP_NOT_FOUND'));
  await coordinator.leave({ groupId: 'g', member: { memberId } });
  const a = join(groups, 'a');
  assert.ok(a.epoch > generation, 'the epoch goes on from the generation');
  assert.equal(coordinator.admin.list()[0]?.type, 'consumer');
  await assert.rejects(coordinator.join(classic), refused('GROUP_PROTOCOL_CONFLICT'));
  await assert.rejects(coordinator.admin.delete('g'), refused('GROUP_NOT_EMPTY'));
  const named = [{ topic: 't', partition: 0 }];
  await assert.rejects(coordinator.admin.deleteOffsets('g', named), refused('GROUP_SUBSCRIBED'));
  beat(groups, 'a', -1);
  const again = coordinator.join(classic);
  await settle();
  clock.advance(10);
  assert.ok((await again).generation > a.epoch);
  assert.equal(coordinator.admin.list()[0]?.type, 'classic');
});

/** The next process, over what was stored. */
async function restarted({ coordinator, stateLog, topics, clock }: GroupFixture) {
  await coordinator.close();
  return await openGroups({}, { stateLog, topics, clock });
}

test('epochs: after a restart members go on as if nothing had been', async () => {
  const before = await open();
  const { a, b } = await two(before);
  await before.coordinator.commit({
    groupId: 'g',
    memberId: 'a',
    generation: a,
    offsets: [{ topic: 't', partition: 0, offset: 5 }],
  });
  const described = before.coordinator.epochs.describe('g');
  const after = await restarted(before);
  assert.throws(() => beat(before, 'a', a), refused('BROKER_CLOSED'));
  const [listed] = after.coordinator.admin.list();
  assert.deepEqual([listed?.type, listed?.state, listed?.members], ['consumer', 'Stable', 2]);
  assert.deepEqual(after.coordinator.epochs.describe('g'), described);
  for (const [memberId, epoch] of [
    ['a', a],
    ['b', b],
  ] as const) {
    const told = beat(after, memberId, epoch);
    assert.deepEqual([told.epoch, told.assignment], [epoch, undefined]);
  }
  const [fetched] = await after.coordinator.fetch('g', [{ topic: 't', partition: 0 }]);
  assert.equal(fetched?.offset, 5);
  after.clock.advance(45_000);
  assert.throws(() => beat(after, 'a', a), refused('UNKNOWN_MEMBER'), 'sessions begin anew');
  const last = await restarted(after);
  assert.equal(last.coordinator.admin.list()[0]?.members, 0);
  assert.ok(join(last, 'a').epoch > a);
});

test('epochs: a commit for a deleted topic is none for the next, over a restart too', async () => {
  const before = await open();
  const a = join(before, 'a');
  before.topics.delete('t');
  await before.coordinator.forgetTopic('t');
  before.topics.set('t', 1, 10);
  const after = await restarted(before);
  const offsets = [{ topic: 't', partition: 0, offset: 7 }];
  const commit = { groupId: 'g', memberId: 'a', generation: a.epoch, offsets };
  await assert.rejects(after.coordinator.commit(commit), refused('UNKNOWN_PARTITION'));
});

test('epochs: what a restart cut in two is brought to its end', async () => {
  const first = await open();
  const a = join(first, 'a');
  const b = join(first, 'b');
  const told = beat(first, 'a', a.epoch, { owned: a.assignment ?? [] }).assignment ?? [];
  const instanceId = 'i';
  const away = join(first, 's', { topics: ['u'], instanceId });
  beat(first, 's', -2, { instanceId });
  first.topics.set('late', 1);
  const second = await restarted(first);
  assert.throws(
    () => join(second, 'x', { instanceId, owned: undefined }),
    refused('MEMBER_INVALID'),
  );
  assert.ok(join(second, 'x', { topics: ['u'], instanceId }).epoch >= away.epoch);
  assert.equal(beat(second, 'b', b.epoch).assignment, undefined, 'nothing was given up yet');
  const up = beat(second, 'a', a.epoch, { owned: told });
  assert.ok(up.epoch > a.epoch);
  const third = await restarted(second);
  const given = beat(third, 'b', beat(third, 'b', b.epoch, { owned: [] }).epoch).assignment;
  const had = third.coordinator.epochs.describe('g').members.flatMap((one) => one.assignment);
  assert.deepEqual(numbers(had)?.sort(), [0, 1, 2, 3]);
  assert.equal(given, undefined, 'it was told before');
});

test('epochs: what a member with a pattern may read is asked anew after a restart', async () => {
  const before = await open();
  const wishes = { topics: [], pattern: '.*' };
  const a = join(before, 'a', { ...wishes, mayRead: () => true });
  before.topics.set('secret', 1);
  const after = await restarted(before);
  const told = beat(after, 'a', a.epoch, { mayRead: (topic) => topic !== 'secret' });
  assert.deepEqual([told.epoch, told.assignment], [a.epoch, undefined]);
  const last = await restarted(after);
  const all = beat(last, 'a', a.epoch, { mayRead: () => true });
  assert.equal(all.assignment?.length, 5);
});

test('epochs: what a member is told is durable before, or it hears of it', async () => {
  const groups = await open();
  const { stateLog } = groups;
  stateLog.hold();
  const a = join(groups, 'a');
  assert.ok(await isPending(a.stored));
  stateLog.release();
  await a.stored;
  const entries = stateLog.entries.map(({ key }) => key);
  assert.deepEqual(entries, ['group/g', 'member/1/g/a']);
  await beat(groups, 'a', a.epoch).stored;
  assert.equal(stateLog.entries.length, 2, 'what changes nothing is not stored');
  stateLog.failNext();
  await assert.rejects(join(groups, 'b').stored, refused('DISK_FULL'));
});
