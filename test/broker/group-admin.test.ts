/**
 * Groups from outside: list, describe, reset, delete, expiry, lag.
 */

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { type ErrorCode, MillraceError } from '../../src/base/errors.js';
import type { GroupLag } from '../../src/broker/group/group-diagnostics.js';
import type { ResetTarget } from '../../src/broker/group/offset-reset.js';
import {
  type GroupFixture,
  joinRequest,
  memberOf,
  openGroups,
  settle,
  stableGroup,
} from '../support/group-fixture.js';

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof MillraceError && error.code === code;
}

const DAY_MS = 24 * 60 * 60_000;
const alone = { groupId: 'g', memberId: '', generation: -1 };

async function openCommitted(): Promise<GroupFixture> {
  const groups = await openGroups();
  groups.topics.set('t', 2, 100);
  const offsets = [
    { topic: 't', partition: 0, offset: 40 },
    { topic: 't', partition: 1, offset: 100, metadata: 'end' },
  ];
  await groups.coordinator.commit({ ...alone, offsets });
  return groups;
}

test('list: groups with members and groups with offsets, by id', async () => {
  const groups = await openCommitted();
  await stableGroup(groups, [joinRequest({ groupId: 'f' })]);
  assert.deepEqual(groups.coordinator.admin.list(), [
    { groupId: 'f', state: 'Stable', type: 'classic', protocolType: 'consumer', members: 1 },
    { groupId: 'g', state: 'Empty', type: 'classic', protocolType: '', members: 0 },
  ]);
});

test('describe: members, offsets and lag, from the start of the log on', async () => {
  const groups = await openCommitted();
  groups.topics.at('t', 0).startOffset = 60;
  const description = await groups.coordinator.admin.describe('g');
  assert.equal(description.lag, 40);
  assert.deepEqual(description.partitions[0], {
    topic: 't',
    partition: 0,
    memberId: undefined,
    committedOffset: 40,
    metadata: '',
    startOffset: 60,
    endOffset: 100,
    lag: 40,
  });
  assert.equal(description.partitions[1]?.lag, 0);
  const request = joinRequest({ instanceId: 'one', clientHost: 'here' });
  await stableGroup(groups, [request]);
  const { memberList, protocol } = await groups.coordinator.admin.describe('g');
  assert.equal(protocol, 'range');
  assert.equal(memberList[0]?.instanceId, 'one');
  assert.equal(memberList[0]?.clientHost, 'here');
  assert.deepEqual(memberList[0]?.topics, ['t']);
  await assert.rejects(groups.coordinator.admin.describe('none'), refused('GROUP_NOT_FOUND'));
});

test('reset: to either end, an offset, a time, or by a shift, within the log', async () => {
  const groups = await openCommitted();
  const { admin } = groups.coordinator;
  groups.topics.at('t', 0).startOffset = 10;
  const cases: [ResetTarget, number, boolean][] = [
    ['earliest', 10, false],
    ['latest', 100, false],
    [{ offset: 33 }, 33, false],
    [{ offset: 3 }, 10, true],
    [{ offset: 300 }, 100, true],
    [{ timestamp: 1_000_000 + 20_000 }, 20, false],
    [{ timestamp: 9_000_000 }, 100, false],
    [{ shiftBy: -5 }, 35, false],
    [{ shiftBy: -500 }, 10, true],
    [{ shiftBy: 5 }, 45, false],
  ];
  for (const [to, after, isClamped] of cases) {
    const partitions = [{ topic: 't', partition: 0 }];
    const [moved] = await admin.reset('g', { to, partitions, isDryRun: true });
    assert.deepEqual(moved, { ...partitions[0], before: 40, after, isClamped });
  }
  assert.equal((await groups.coordinator.fetch('g'))[0]?.offset, 40, 'a dry run changes nothing');
  await admin.reset('g', { to: 'earliest' });
  const fetched = await groups.coordinator.fetch('g');
  assert.deepEqual(
    fetched.map(({ offset }) => offset),
    [10, 0],
  );
});

test('reset: whole topics, groups that are new, and shifts of nothing', async () => {
  const groups = await openCommitted();
  const { admin } = groups.coordinator;
  const moved = await admin.reset('new', { to: 'latest', topics: ['t'] });
  assert.deepEqual(
    moved.map(({ after }) => after),
    [100, 100],
  );
  const [still] = await admin.reset('newer', { to: { shiftBy: 1 }, topics: ['t'] });
  assert.equal(still?.after, undefined);
  await assert.rejects(
    admin.reset('g', { to: 'latest', topics: ['none'] }),
    refused('UNKNOWN_PARTITION'),
  );
});

test('reset and delete: not while the group has members', async () => {
  const groups = await openCommitted();
  const { admin } = groups.coordinator;
  const [member] = await stableGroup(groups, [joinRequest()]);
  assert(member !== undefined);
  await assert.rejects(admin.reset('g', { to: 'latest' }), refused('GROUP_NOT_EMPTY'));
  await admin.reset('g', { to: 'latest', isDryRun: true });
  await assert.rejects(admin.delete('g'), refused('GROUP_NOT_EMPTY'));
  const first = [{ topic: 't', partition: 0 }];
  await assert.rejects(admin.deleteOffsets('g', first), refused('GROUP_SUBSCRIBED'));
  await groups.coordinator.leave({ groupId: 'g', member: memberOf('g', member) });
  await admin.deleteOffsets('g', first);
  assert.equal((await groups.coordinator.fetch('g')).length, 1);
});

test('delete: the group and its offsets are gone for good', async () => {
  const groups = await openCommitted();
  await groups.coordinator.admin.delete('g');
  assert.deepEqual(groups.coordinator.admin.list(), []);
  await assert.rejects(groups.coordinator.admin.delete('g'), refused('GROUP_NOT_FOUND'));
  const again = await openGroups({}, { stateLog: groups.stateLog, topics: groups.topics });
  assert.deepEqual(again.coordinator.admin.list(), []);
  assert.deepEqual(await again.coordinator.fetch('g'), []);
});

test('delete: what could not be removed is still to be seen', async () => {
  const groups = await openCommitted();
  groups.stateLog.failNext();
  await assert.rejects(groups.coordinator.admin.delete('g'), refused('DISK_FULL'));
  assert.equal(groups.coordinator.admin.list().length, 1);
  await groups.coordinator.admin.delete('g');
});

test('expiry: offsets go once their group has been empty for long, and it goes too', async () => {
  const groups = await openGroups();
  const { coordinator, clock, topics } = groups;
  topics.set('t', 1, 100);
  const [member] = await stableGroup(groups, [joinRequest({ sessionTimeoutMs: 1_000_000 })]);
  assert(member !== undefined);
  const offsets = [{ topic: 't', partition: 0, offset: 1 }];
  await coordinator.commit({ ...memberOf('g', member), offsets });
  for (let day = 0; day < 9; day += 1) {
    for (let part = 0; part < 100; part += 1) {
      clock.advance(DAY_MS / 100);
      await coordinator.heartbeat(memberOf('g', member));
    }
  }
  assert.equal((await coordinator.fetch('g')).length, 1, 'a member keeps them');
  await coordinator.leave({ groupId: 'g', member: memberOf('g', member) });
  clock.advance(6.9 * DAY_MS);
  await coordinator.expire();
  assert.equal((await coordinator.fetch('g')).length, 1);
  clock.advance(0.2 * DAY_MS);
  await coordinator.expire();
  assert.deepEqual(await coordinator.fetch('g'), []);
  assert.deepEqual(coordinator.admin.list(), []);
});

test('expiry: a jump of the wall clock is not believed at once', async () => {
  const groups = await openCommitted();
  groups.clock.jumpWall(30 * DAY_MS);
  await groups.coordinator.expire();
  assert.equal((await groups.coordinator.fetch('g')).length, 2);
});

test('expiry: runs by itself, and survives an offsets log that fails', async () => {
  const groups = await openCommitted();
  groups.stateLog.failNext();
  for (let turn = 0; turn < 8 * 24 * 6; turn += 1) {
    groups.clock.advance(DAY_MS / 24 / 6);
    await settle();
  }
  assert.deepEqual(groups.coordinator.admin.list(), []);
});

test('lag: published with each commit, and from time to time while there are members', async () => {
  const groups = await openGroups();
  const { coordinator, clock, topics } = groups;
  topics.set('t', 1, 100);
  const seen: GroupLag[] = [];
  const listen = (message: unknown) => {
    const lag = message as GroupLag;
    if (lag.group === 'lagging') seen.push(lag);
  };
  subscribe('millrace:group:lag', listen);
  try {
    const [member] = await stableGroup(groups, [
      joinRequest({ groupId: 'lagging', sessionTimeoutMs: 60_000 }),
    ]);
    assert(member !== undefined);
    const offsets = [{ topic: 't', partition: 0, offset: 30 }];
    await coordinator.commit({ ...memberOf('lagging', member), offsets });
    await settle();
    assert.deepEqual(seen, [
      { group: 'lagging', topic: 't', partition: 0, committedOffset: 30, endOffset: 100, lag: 70 },
    ]);
    topics.at('t', 0).fill(150);
    clock.advance(10_000);
    await settle();
    assert.equal(seen.at(-1)?.lag, 120);
    topics.isFailing = true;
    clock.advance(10_000);
    await settle();
    topics.isFailing = false;
    topics.at('t', 0).fill(170);
    clock.advance(10_000);
    await settle();
    assert.equal(seen.at(-1)?.lag, 140, 'a failure ends nothing');
  } finally {
    unsubscribe('millrace:group:lag', listen);
  }
});
