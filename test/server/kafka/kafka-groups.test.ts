/** Groups over the wire: the classic protocol as two clients live it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { findCoordinator } from '../../../src/server/kafka/messages/cluster.js';
import {
  deleteGroups,
  describeGroups,
  heartbeat,
  joinGroup,
  leaveGroup,
  listGroups,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from '../../../src/server/kafka/messages/groups.js';
import { initProducerId } from '../../../src/server/kafka/messages/transactions.js';
import { type KafkaClient, withServer } from '../../support/kafka-client.js';

const GROUP = { groupId: 'g', protocolType: 'consumer' };
const TIMES = { sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 60_000 };
const PROTOCOLS = [{ name: 'range', metadata: Buffer.from('wishes') }];

function join(client: KafkaClient, memberId: string, more: object = {}) {
  return client.ask(joinGroup, 7, {
    ...GROUP,
    ...TIMES,
    memberId,
    protocols: PROTOCOLS,
    ...more,
  });
}

/** Asks for an id, and joins with it. */
async function joinNew(client: KafkaClient) {
  const { errorCode, memberId } = await join(client, '');
  assert.equal(errorCode, kafkaErrors.MEMBER_ID_REQUIRED);
  return { memberId, joined: join(client, memberId) };
}

test('groups: members join, the leader assigns, one leaves, the other joins again', async () => {
  await withServer(async ({ client, sim }) => {
    const [one, two] = [await client(), await client()];
    const first = await joinNew(one);
    sim.clock.advance(10_000);
    const alone = await first.joined;
    assert.equal(alone.errorCode, kafkaErrors.NONE);
    assert.equal(alone.leader, first.memberId);
    assert.deepEqual(
      alone.members.map(({ metadata }) => Buffer.from(metadata).toString()),
      ['wishes'],
    );
    const { memberId } = first;
    const generationId = alone.generationId;
    const assignments = [{ memberId, assignment: Buffer.from('all') }];
    const asked = { groupId: 'g', generationId, memberId, assignments };
    const synced = await one.ask(syncGroup, 5, {
      ...asked,
      protocolType: 'consumer',
      protocolName: 'range',
    });
    assert.equal(Buffer.from(synced.assignment).toString(), 'all');

    const second = await joinNew(two);
    const beat = await one.ask(heartbeat, 4, { groupId: 'g', generationId, memberId });
    assert.equal(beat.errorCode, kafkaErrors.REBALANCE_IN_PROGRESS);
    const again = join(one, memberId);
    const [both, other] = await Promise.all([again, second.joined]);
    assert.equal(both.generationId, generationId + 1);
    assert.equal(both.members.length, 2);
    assert.equal(other.members.length, 0, 'only the leader is told of the members');

    const left = await two.ask(leaveGroup, 4, {
      groupId: 'g',
      members: [{ memberId: other.memberId, groupInstanceId: null }],
    } as never);
    assert.equal(left.members[0]?.errorCode, kafkaErrors.NONE);
    const stale = await two.ask(heartbeat, 4, {
      groupId: 'g',
      generationId: both.generationId,
      memberId: other.memberId,
    });
    assert.equal(stale.errorCode, kafkaErrors.UNKNOWN_MEMBER_ID);
  });
});

test('groups: what was committed comes back, with what was said about it', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t', { partitions: 2 });
    await broker.createTopic('u');
    const topic = await broker.topic('t');
    await topic.send([
      { value: 'a', partition: 0 },
      { value: 'b', partition: 0 },
    ]);
    const one = await client();
    const commit = async (generation: number, committedOffset: number) => {
      const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: 'note' }];
      const { topics } = await one.ask(offsetCommit, 8, {
        groupId: 'g',
        generationIdOrMemberEpoch: generation,
        topics: [{ name: 't', partitions }],
      } as never);
      return topics[0]?.partitions[0]?.errorCode;
    };
    assert.equal(await commit(-1, 2), kafkaErrors.NONE);
    assert.equal(await commit(7, 2), kafkaErrors.UNKNOWN_MEMBER_ID);
    assert.equal(await commit(-1, 3), kafkaErrors.OFFSET_OUT_OF_RANGE, 'past the end');
    const asked = [{ name: 't', partitionIndexes: [0, 1] }];
    const { topics } = await one.ask(offsetFetch, 7, { groupId: 'g', topics: asked });
    assert.deepEqual(
      topics[0]?.partitions.map(({ committedOffset, metadata }) => [committedOffset, metadata]),
      [
        [2, 'note'],
        [-1, ''],
      ],
    );
    const { groups } = await one.ask(offsetFetch, 8, {
      groups: [{ groupId: 'g', topics: null }],
    } as never);
    assert.equal(groups[0]?.topics[0]?.partitions.length, 1);
  });
});

test('groups: a commit of -2 is the beginning of a log, and one of -1 its end', async () => {
  await withServer(async ({ client, broker }) => {
    const topic = await broker.createTopic('t');
    for (const value of ['a', 'b', 'c']) await topic.send({ value });
    await (await topic.hosted.partition(0)).deleteRecordsBefore(1);
    const one = await client();
    for (const [given, expected] of [
      [-2, 1],
      [-1, 3],
    ]) {
      const partitions = [{ partitionIndex: 0, committedOffset: given }];
      const topics = [{ name: 't', partitions }];
      const request = { groupId: 'g', generationIdOrMemberEpoch: -1, topics };
      const committed = await one.ask(offsetCommit, 8, request as never);
      assert.equal(committed.topics[0]?.partitions[0]?.errorCode, kafkaErrors.NONE);
      const asked = [{ name: 't', partitionIndexes: [0] }];
      const fetched = await one.ask(offsetFetch, 7, { groupId: 'g', topics: asked });
      assert.equal(fetched.topics[0]?.partitions[0]?.committedOffset, expected);
    }
  });
});

test('groups: they are listed, described and deleted', async () => {
  await withServer(async ({ client, sim }) => {
    const one = await client();
    const { joined, memberId } = await joinNew(one);
    sim.clock.advance(10_000);
    await joined;
    const listed = await one.ask(listGroups, 5, {});
    assert.deepEqual(
      listed.groups.map(({ groupId, groupType }) => [groupId, groupType]),
      [['g', 'classic']],
    );
    const { groups } = await one.ask(describeGroups, 5, { groups: ['g', 'absent'] });
    assert.deepEqual(
      groups.map(({ groupState }) => groupState),
      ['CompletingRebalance', 'Dead'],
    );
    assert.equal(groups[0]?.members[0]?.memberId, memberId);
    const full = await one.ask(deleteGroups, 2, { groupsNames: ['g', 'absent'] });
    assert.deepEqual(
      full.results.map(({ errorCode }) => errorCode),
      [kafkaErrors.NON_EMPTY_GROUP, kafkaErrors.GROUP_ID_NOT_FOUND],
    );
  });
});

test('groups: the one node coordinates all of them, in every version', async () => {
  await withServer(async ({ client, server }) => {
    const one = await client();
    const old = await one.ask(findCoordinator, 0, { key: 'g' });
    assert.equal(old.port, server.address.port);
    const { coordinators } = await one.ask(findCoordinator, 4, { coordinatorKeys: ['g', 'h'] });
    assert.deepEqual(
      coordinators.map(({ key, port }) => [key, port]),
      [
        ['g', server.address.port],
        ['h', server.address.port],
      ],
    );
  });
});

test('producers: each gets an id of its own', async () => {
  await withServer(async ({ client }) => {
    const one = await client();
    const ids = new Set<number>();
    for (let count = 0; count < 3; count += 1) {
      const { producerId, producerEpoch, errorCode } = await one.ask(initProducerId, 4, {});
      assert.deepEqual([errorCode, producerEpoch], [kafkaErrors.NONE, 0]);
      ids.add(producerId);
    }
    assert.equal(ids.size, 3);
  });
});
