/**
 * A member in this process: what its owner is told, and when.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, hasCode, MillraceError } from '../../src/base/errors.js';
import {
  GroupMembership,
  type MembershipCallbacks,
  type MembershipOptions,
} from '../../src/broker/group/group-membership.js';
import type { TopicPartition } from '../../src/broker/group/group-topics.js';
import { type GroupFixture, nameOf, openGroups, settle } from '../support/group-fixture.js';

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof MillraceError && error.code === code;
}

interface Member {
  readonly membership: GroupMembership;
  /** What its owner was told, oldest first. */
  readonly told: string[];
}

const SESSION_MS = 10_000;

function start(
  { coordinator, clock, topics }: GroupFixture,
  given: Partial<MembershipOptions> = {},
  acts: Partial<MembershipCallbacks> = {},
): Member {
  const told: string[] = [];
  const tell =
    (what: string, act: MembershipCallbacks['onLost'] | undefined) =>
    async (partitions: readonly TopicPartition[]) => {
      told.push(`${what} ${partitions.map(nameOf).join(' ')}`);
      await act?.(partitions);
    };
  const options = {
    groupId: 'g',
    topics: ['t'],
    assignors: ['cooperative-sticky'] as const,
    sessionTimeoutMs: SESSION_MS,
    heartbeatIntervalMs: 3_000,
    rebalanceTimeoutMs: 20_000,
    ...given,
  };
  const callbacks = {
    onAssigned: tell('assigned', acts.onAssigned),
    onRevoked: tell('revoked', acts.onRevoked),
    onLost: tell('lost', acts.onLost),
  };
  const environment = { clock, coordinator, topics };
  return { told, membership: GroupMembership.start(options, callbacks, environment) };
}

async function openTopic(): Promise<GroupFixture> {
  const groups = await openGroups({ groupInitialRebalanceDelayMs: 0 });
  groups.topics.set('t', 4, 100);
  return groups;
}

async function pass({ clock }: GroupFixture, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000);
    await settle();
  }
}

test('membership: cooperative members give up only what moves, before it is given', async () => {
  const groups = await openTopic();
  const first = start(groups);
  await settle();
  const second = start(groups);
  await settle();
  assert.deepEqual(first.told, ['assigned t-0 t-1 t-2 t-3', 'revoked t-2 t-3']);
  assert.deepEqual(second.told, ['assigned t-2 t-3']);
  assert.equal(first.membership.generation, second.membership.generation);
});

test('membership: eager members give everything up, and sticky ones get it back', async () => {
  const groups = await openTopic();
  const first = start(groups, { assignors: ['sticky'] });
  await settle();
  start(groups, { assignors: ['sticky'] });
  await settle();
  assert.deepEqual(first.told, [
    'assigned t-0 t-1 t-2 t-3',
    'revoked t-0 t-1 t-2 t-3',
    'assigned t-0 t-1',
  ]);
});

test('membership: what is revoked can still be committed', async () => {
  const groups = await openTopic();
  const commit = async (partitions: readonly TopicPartition[]) => {
    await first.membership.commit(partitions.map((at) => ({ ...at, offset: 9 })));
  };
  const first = start(groups, { assignors: ['range'] }, { onRevoked: commit });
  await settle();
  start(groups, { assignors: ['range'] });
  await settle();
  const fetched = await groups.coordinator.fetch('g');
  assert.deepEqual(
    fetched.map(({ offset }) => offset),
    [9, 9, 9, 9],
  );
});

test('membership: stop gives up and leaves; a rebalance follows at once', async () => {
  const groups = await openTopic();
  const [first, second] = [start(groups), start(groups)];
  await settle();
  await first.membership.stop();
  await settle();
  assert.equal(first.told.at(-1)?.startsWith('revoked'), true);
  assert.deepEqual(second.membership.owned.map(nameOf).sort(), ['t-0', 't-1', 't-2', 't-3']);
  await second.membership.stop();
  assert.equal(groups.coordinator.admin.list()[0]?.state, 'Empty');
});

test('membership: new partitions and other topics come by themselves', async () => {
  const groups = await openTopic();
  const { membership } = start(groups);
  await settle();
  groups.topics.set('t', 5);
  groups.coordinator.noticeTopics(['t']);
  await settle();
  assert.equal(membership.owned.length, 5);
  groups.topics.set('u', 1);
  membership.setTopics(['u']);
  await settle();
  assert.deepEqual(membership.owned.map(nameOf), ['u-0']);
});

test('membership: a callback that takes too long loses all, and commits no more', async () => {
  const groups = await openTopic();
  let goOn = () => {};
  const blocked = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let refusal: unknown;
  const slow = start(
    groups,
    {},
    {
      onRevoked: async (partitions) => {
        await blocked;
        const offsets = partitions.map((at) => ({ ...at, offset: 5 }));
        await slow.membership.commit(offsets).catch((error: unknown) => {
          refusal = error;
        });
      },
    },
  );
  await settle();
  const other = start(groups);
  await pass(groups, 50_000);
  assert.equal(other.membership.owned.length, 4, 'others have it all');
  goOn();
  await settle();
  assert(hasCode(refusal, 'UNKNOWN_MEMBER'), String(refusal));
  await pass(groups, 5_000);
  assert.equal(slow.told.filter((what) => what.startsWith('lost')).length, 1);
  assert.equal(slow.membership.owned.length, 2, 'it is back with its share');
  assert.deepEqual(await groups.coordinator.fetch('g'), []);
});

test('membership: without a generation nothing is committed', async () => {
  const groups = await openTopic();
  const { membership } = start(groups);
  const offsets = [{ topic: 't', partition: 0, offset: 1 }];
  await assert.rejects(membership.commit(offsets), refused('UNKNOWN_MEMBER'));
  await settle();
  await membership.commit(offsets);
  await membership.stop();
  await assert.rejects(membership.commit(offsets), refused('UNKNOWN_MEMBER'));
});

test('membership: a static member keeps its partitions over a restart', async () => {
  const groups = await openTopic();
  const named = { instanceId: 'one' };
  const before = start(groups, named);
  const other = start(groups);
  await settle();
  const owned = before.membership.owned.map(nameOf);
  await before.membership.stop();
  await pass(groups, SESSION_MS / 2);
  const generation = other.membership.generation;
  const after = start(groups, named);
  await settle();
  assert.deepEqual(after.membership.owned.map(nameOf), owned);
  assert.equal(other.membership.generation, generation);
});

test('membership: a second process with its instance id ends it', async () => {
  const groups = await openTopic();
  const before = start(groups, { instanceId: 'one' });
  await settle();
  const after = start(groups, { instanceId: 'one' });
  await settle();
  await assert.rejects(before.membership.finished, refused('FENCED_INSTANCE'));
  assert.deepEqual(before.told, ['assigned t-0 t-1 t-2 t-3', 'lost t-0 t-1 t-2 t-3']);
  assert.equal(after.membership.owned.length, 4);
});

test('membership: closing the coordinator ends it', async () => {
  const groups = await openTopic();
  const member = start(groups);
  await settle();
  await groups.coordinator.close();
  await assert.rejects(member.membership.finished, refused('BROKER_CLOSED'));
  assert.equal(member.told.at(-1), 'lost t-0 t-1 t-2 t-3');
  assert.equal(groups.clock.pendingCount, 0);
});

test('membership: a callback that throws ends it, and the others go on', async () => {
  const groups = await openTopic();
  const failing = start(
    groups,
    {},
    {
      onAssigned: () => {
        throw new RangeError('no');
      },
    },
  );
  await settle();
  await assert.rejects(failing.membership.finished, RangeError);
  const other = start(groups);
  await settle();
  assert.equal(other.membership.owned.length, 4);
});

test('membership: assignors of two kinds are refused', async () => {
  const groups = await openTopic();
  for (const assignors of [['range', 'cooperative-sticky'] as const, []]) {
    assert.throws(() => start(groups, { assignors }), refused('OPTION_CONFLICT'));
  }
});
