/**
 * The coordinator, request by request: what Kafka's clients rely on.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, MillraceError } from '../../src/base/errors.js';
import type { JoinRequest } from '../../src/broker/group/group-requests.js';
import {
  assignmentsOf,
  type GroupFixture,
  joinRequest,
  memberOf,
  openGroups,
  REBALANCE_MS,
  SESSION_MS,
  settle,
  stableGroup,
} from '../support/group-fixture.js';

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof MillraceError && error.code === code;
}

async function stateOf({ coordinator }: GroupFixture, groupId = 'g'): Promise<string> {
  return (await coordinator.admin.describe(groupId)).state;
}

const a = joinRequest({ clientId: 'a' });
const b = joinRequest({ clientId: 'b' });

test('join: members that join together are one generation, and the first one leads', async () => {
  const groups = await openGroups();
  const [first, second] = await stableGroup(groups, [a, b]);
  assert.equal(first?.generation, 1);
  assert.equal(first?.memberId, 'a-001');
  assert.equal(first?.leaderId, 'a-001');
  assert.deepEqual(
    first?.members.map(({ memberId }) => memberId),
    ['a-001', 'b-002'],
  );
  assert.equal(second?.generation, 1);
  assert.deepEqual(second?.members, []);
  assert.equal(await stateOf(groups), 'Stable');
});

test('sync: everybody gets what the leader gave, also who asks again', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const joins = [coordinator.join(a), coordinator.join(b)];
  await settle();
  clock.advance(5);
  const [leader, follower] = await Promise.all(joins);
  assert(leader !== undefined && follower !== undefined);
  const waits = coordinator.sync({ ...memberOf('g', follower), assignments: [] });
  const led = await coordinator.sync({
    ...memberOf('g', leader),
    assignments: assignmentsOf(leader),
  });
  assert.equal(Buffer.from(led.assignment).toString(), leader.memberId);
  assert.equal(Buffer.from((await waits).assignment).toString(), follower.memberId);
  const again = await coordinator.sync({ ...memberOf('g', follower), assignments: [] });
  assert.deepEqual(again, await waits);
});

test('join: a new member makes the others join again, and its join waits for them', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  let calls = 0;
  const [first] = await stableGroup(groups, [{ ...a, onRebalance: () => (calls += 1) }]);
  assert(first !== undefined);
  const joining = coordinator.join(b);
  await settle();
  assert.equal(calls, 1, 'the member is told');
  await assert.rejects(
    coordinator.heartbeat(memberOf('g', first)),
    refused('REBALANCE_IN_PROGRESS'),
  );
  const rejoined = await coordinator.join({ ...a, memberId: first.memberId });
  const second = await joining;
  assert.equal(rejoined.generation, 2);
  assert.equal(second.generation, 2);
  await assert.rejects(coordinator.heartbeat(memberOf('g', first)), refused('ILLEGAL_GENERATION'));
});

test('join: with an id required, the first call only gives it, for a while', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const request = { ...a, requiresKnownMemberId: true };
  let memberId = '';
  await assert.rejects(coordinator.join(request), (error: MillraceError) => {
    memberId = String(error.facts['memberId']);
    return refused('MEMBER_ID_REQUIRED')(error);
  });
  const joining = coordinator.join({ ...request, memberId });
  await settle();
  clock.advance(5);
  assert.equal((await joining).memberId, memberId);
  await assert.rejects(coordinator.join({ ...b, requiresKnownMemberId: true }));
  clock.advance(SESSION_MS);
  await assert.rejects(coordinator.join({ ...b, memberId: 'b-002' }), refused('UNKNOWN_MEMBER'));
});

test('join: a rebalance waits for ids that were given out', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const [first] = await stableGroup(groups, [a]);
  assert(first !== undefined);
  await assert.rejects(coordinator.join({ ...b, requiresKnownMemberId: true }));
  let joined = false;
  const rejoining = coordinator.join({ ...a, memberId: first.memberId });
  rejoining.then(() => {
    joined = true;
  });
  await settle();
  assert.equal(joined, false);
  clock.advance(SESSION_MS);
  assert.equal((await rejoining).generation, 2);
});

test('rebalance timeout: members that do not come are removed, and the others go on', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const [first, second] = await stableGroup(groups, [a, b]);
  assert(first !== undefined && second !== undefined);
  const rejoining = coordinator.join({ ...a, memberId: first.memberId });
  for (let passed = 0; passed < REBALANCE_MS; passed += 5_000) {
    await assert.rejects(
      coordinator.heartbeat(memberOf('g', second)),
      refused('REBALANCE_IN_PROGRESS'),
    );
    clock.advance(5_000);
  }
  const { generation, members } = await rejoining;
  assert.equal(generation, 2);
  assert.deepEqual(
    members.map(({ memberId }) => memberId),
    [first.memberId],
  );
  await assert.rejects(coordinator.heartbeat(memberOf('g', second)), refused('UNKNOWN_MEMBER'));
});

test('rebalance timeout: a leader that gives no assignment is removed', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const joins = [coordinator.join(a), coordinator.join(b)];
  await settle();
  clock.advance(5);
  const [leader, follower] = await Promise.all(joins);
  assert(leader !== undefined && follower !== undefined);
  const waiting = coordinator.sync({ ...memberOf('g', follower), assignments: [] });
  waiting.catch(() => undefined);
  for (let passed = 0; passed < REBALANCE_MS; passed += 5_000) {
    await coordinator.heartbeat(memberOf('g', leader));
    clock.advance(5_000);
  }
  await assert.rejects(waiting, refused('REBALANCE_IN_PROGRESS'));
  const joined = await coordinator.join({ ...b, memberId: follower.memberId });
  assert.equal(joined.leaderId, follower.memberId);
  await assert.rejects(coordinator.heartbeat(memberOf('g', leader)), refused('UNKNOWN_MEMBER'));
});

test('session timeout: counted from the last sign of life, on the monotonic clock', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const [first] = await stableGroup(groups, [a]);
  assert(first !== undefined);
  clock.advance(SESSION_MS - 1);
  await coordinator.heartbeat(memberOf('g', first));
  clock.jumpWall(10 * SESSION_MS);
  clock.advance(SESSION_MS - 1);
  await coordinator.heartbeat(memberOf('g', first));
  clock.advance(SESSION_MS);
  await assert.rejects(coordinator.heartbeat(memberOf('g', first)), refused('UNKNOWN_MEMBER'));
  assert.equal(await stateOf(groups), 'Empty');
});

test('session timeout: whoever waits for an answer of ours is alive', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const short = { ...b, sessionTimeoutMs: 100 };
  const [first] = await stableGroup(groups, [a]);
  assert(first !== undefined);
  const joining = coordinator.join(short);
  await settle();
  clock.advance(5_000);
  const rejoined = await coordinator.join({ ...a, memberId: first.memberId });
  assert.equal((await joining).generation, rejoined.generation);
  const syncing = coordinator.sync({ ...memberOf('g', await joining), assignments: [] });
  clock.advance(5_000);
  await coordinator.sync({ ...memberOf('g', rejoined), assignments: [] });
  await syncing;
  await coordinator.heartbeat(memberOf('g', await joining));
  clock.advance(100);
  await assert.rejects(
    coordinator.heartbeat(memberOf('g', await joining)),
    refused('UNKNOWN_MEMBER'),
  );
});

test('leave: the others rebalance at once; the last one leaves an empty group', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  const [first, second] = await stableGroup(groups, [a, b]);
  assert(first !== undefined && second !== undefined);
  await coordinator.leave({ groupId: 'g', member: { memberId: first.memberId } });
  const joined = await coordinator.join({ ...b, memberId: second.memberId });
  assert.equal(joined.leaderId, second.memberId);
  await coordinator.leave({ groupId: 'g', member: { memberId: second.memberId } });
  assert.equal(await stateOf(groups), 'Empty');
  await assert.rejects(
    coordinator.leave({ groupId: 'g', member: { memberId: second.memberId } }),
    refused('UNKNOWN_MEMBER'),
  );
});

test('rejoin: a follower with nothing new changes nothing, the leader begins anew', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  const [leader, follower] = await stableGroup(groups, [a, b]);
  assert(leader !== undefined && follower !== undefined);
  const same = await coordinator.join({ ...b, memberId: follower.memberId });
  assert.equal(same.generation, 1);
  const leading = coordinator.join({ ...a, memberId: leader.memberId });
  const following = coordinator.join({ ...b, memberId: follower.memberId });
  assert.equal((await leading).generation, 2);
  assert.equal((await following).generation, 2);
});

test('rejoin: another subscription begins a rebalance', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  const [leader, follower] = await stableGroup(groups, [a, b]);
  assert(leader !== undefined && follower !== undefined);
  const changed = joinRequest({ memberId: follower.memberId, topics: ['t', 'u'] });
  const joining = coordinator.join(changed);
  await settle();
  assert.equal(await stateOf(groups), 'PreparingRebalance');
  await coordinator.join({ ...a, memberId: leader.memberId });
  assert.equal((await joining).generation, 2);
});

const stat = (more: Partial<JoinRequest> = {}) =>
  joinRequest({ clientId: 's', instanceId: 'one', ...more });

test('static member: back as a new process it keeps its place without a rebalance', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  const [before, other] = await stableGroup(groups, [stat(), b]);
  assert(before !== undefined && other !== undefined);
  const after = await coordinator.join(stat());
  assert.notEqual(after.memberId, before.memberId);
  assert.equal(after.generation, 1);
  assert.equal(after.skipAssignment, true, 'it led, and the assignment stands');
  const { assignment } = await coordinator.sync({
    ...memberOf('g', after, 'one'),
    assignments: [],
  });
  assert.equal(Buffer.from(assignment).toString(), before.memberId);
  await coordinator.heartbeat(memberOf('g', other));
  for (const call of [
    coordinator.heartbeat(memberOf('g', before, 'one')),
    coordinator.join(stat({ memberId: before.memberId })),
    coordinator.commit({ ...memberOf('g', before, 'one'), offsets: [] }),
  ]) {
    await assert.rejects(call, refused('FENCED_INSTANCE'));
  }
});

test('static member: whoever waits as the old process is fenced', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  const [first] = await stableGroup(groups, [a]);
  assert(first !== undefined);
  const old = coordinator.join(stat());
  old.catch(() => undefined);
  await settle();
  const young = coordinator.join(stat());
  await assert.rejects(old, refused('FENCED_INSTANCE'));
  await coordinator.join({ ...a, memberId: first.memberId });
  assert.equal((await young).generation, 2);
});

test('static member: away, it is in the next generation until its session ends', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  const long = stat({ sessionTimeoutMs: 4 * REBALANCE_MS });
  const [first] = await stableGroup(groups, [a, long]);
  assert(first !== undefined);
  const rejoining = coordinator.join({ ...a, memberId: first.memberId });
  clock.advance(REBALANCE_MS);
  const { members, generation } = await rejoining;
  assert.equal(generation, 2);
  assert.equal(members.length, 2);
  const sync = { ...memberOf('g', await rejoining), assignments: [] };
  await coordinator.sync(sync);
  for (let passed = 0; passed < 3 * REBALANCE_MS; passed += 5_000) {
    clock.advance(5_000);
    await coordinator.heartbeat(sync).catch(() => undefined);
  }
  assert.equal((await coordinator.admin.describe('g')).members, 1);
});

test('protocols: the one that all know, by vote; a member without it is refused', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  const offering = (...names: string[]) => ({
    ...a,
    protocols: names.map((name) => ({ name, metadata: new Uint8Array(0) })),
  });
  const [first] = await stableGroup(groups, [
    offering('x', 'y', 'z'),
    offering('z', 'y'),
    offering('y', 'z'),
  ]);
  assert.equal(first?.protocol, 'y');
  for (const request of [
    offering('x'),
    { ...offering('y'), protocolType: 'connect' },
    offering(),
    offering('y', 'y'),
  ]) {
    await assert.rejects(coordinator.join(request), refused('GROUP_PROTOCOL_CONFLICT'));
  }
  await assert.rejects(
    coordinator.sync({
      ...memberOf('g', first ?? assert.fail()),
      protocol: 'z',
      assignments: [],
    }),
    refused('GROUP_PROTOCOL_CONFLICT'),
  );
});

test('bounds: ids, timeouts, metadata and the number of members', async () => {
  const groups = await openGroups({ groupMaxSize: 2, groupMaxSessionTimeoutMs: 60_000 });
  const { coordinator } = groups;
  await stableGroup(groups, [a, b]);
  const large = [{ name: 'range', metadata: new Uint8Array(1024 * 1024 + 1) }];
  const many = Array.from({ length: 17 }, (_, at) => ({ ...large[0], name: `p${at}` }));
  const cases: [Partial<JoinRequest>, ErrorCode][] = [
    [{}, 'GROUP_FULL'],
    [{ groupId: '' }, 'GROUP_INVALID'],
    [{ groupId: 'x'.repeat(250) }, 'GROUP_INVALID'],
    [{ sessionTimeoutMs: 0 }, 'SESSION_TIMEOUT_INVALID'],
    [{ sessionTimeoutMs: 60_001 }, 'SESSION_TIMEOUT_INVALID'],
    [{ sessionTimeoutMs: Number.NaN }, 'SESSION_TIMEOUT_INVALID'],
    [{ rebalanceTimeoutMs: 0 }, 'MEMBER_INVALID'],
    [{ rebalanceTimeoutMs: Number.POSITIVE_INFINITY }, 'MEMBER_INVALID'],
    [{ instanceId: '' }, 'MEMBER_INVALID'],
    [{ clientId: 'x'.repeat(250) }, 'MEMBER_INVALID'],
    [{ memberId: 'x'.repeat(321) }, 'MEMBER_INVALID'],
    [{ protocolType: '' }, 'MEMBER_INVALID'],
    [{ protocols: large }, 'MEMBER_INVALID'],
    [
      { protocols: many.map(({ name }) => ({ name, metadata: new Uint8Array(0) })) },
      'MEMBER_INVALID',
    ],
    [{ memberId: 'nobody' }, 'UNKNOWN_MEMBER'],
    [{ memberId: 'nobody', groupId: 'other' }, 'UNKNOWN_MEMBER'],
  ];
  for (const [given, code] of cases) {
    await assert.rejects(
      coordinator.join(joinRequest(given)),
      refused(code),
      JSON.stringify(given),
    );
  }
});

test('topics: a change touches the groups that subscribe to the topic', async () => {
  const groups = await openGroups();
  const { coordinator } = groups;
  await stableGroup(groups, [joinRequest({ groupId: 'g', topics: ['t', 'later'] })]);
  await stableGroup(groups, [joinRequest({ groupId: 'h', topics: ['u'] })]);
  coordinator.noticeTopics(['later']);
  assert.equal(await stateOf(groups, 'g'), 'PreparingRebalance');
  assert.equal(await stateOf(groups, 'h'), 'Stable');
});

test('close: whoever waits is told, and nothing goes on', async () => {
  const groups = await openGroups();
  const { coordinator, clock } = groups;
  await stableGroup(groups, [a]);
  const joining = coordinator.join(b);
  joining.catch(() => undefined);
  await settle();
  await coordinator.close();
  await coordinator.close();
  await assert.rejects(joining, refused('BROKER_CLOSED'));
  await assert.rejects(coordinator.join(b), refused('BROKER_CLOSED'));
  await assert.rejects(coordinator.fetch('g'), refused('BROKER_CLOSED'));
  assert.equal(clock.pendingCount, 0);
});

test('restart: groups are empty, and know their generation', async () => {
  const first = await openGroups();
  await stableGroup(first, [a]);
  await first.coordinator.close();
  const { clock, stateLog } = first;
  const second = await openGroups({}, { clock, stateLog });
  assert.equal(await stateOf(second), 'Empty');
  const [joined] = await stableGroup(second, [b]);
  assert.equal(joined?.generation, 2);
});
