/** The newer group protocol over the wire: heartbeats, epochs with commits, and what is told. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import {
  consumerGroupDescribe,
  consumerGroupHeartbeat,
  deleteGroups,
  describeGroups,
  joinGroup,
  listGroups,
  offsetCommit,
  offsetFetch,
} from '../../../src/server/kafka/messages/groups.js';
import {
  addOffsetsToTxn,
  initProducerId,
  txnOffsetCommit,
} from '../../../src/server/kafka/messages/transactions.js';
import { SimBroker } from '../../support/broker-fixture.js';
import { type KafkaClient, withServer } from '../../support/kafka-client.js';

const FIRST = {
  groupId: 'g',
  memberId: 'm',
  memberEpoch: 0,
  rebalanceTimeoutMs: 60_000,
  subscribedTopicNames: ['t'],
  topicPartitions: [],
};

function join(client: KafkaClient, more: object = {}) {
  return client.ask(consumerGroupHeartbeat, 1, { ...FIRST, ...more });
}

async function commit(client: KafkaClient, memberId: string, epoch: number) {
  const { topics } = await client.ask(offsetCommit, 9, {
    groupId: 'g',
    memberId,
    generationIdOrMemberEpoch: epoch,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: 0 }] }],
  } as never);
  return topics[0]?.partitions[0]?.errorCode;
}

async function fetched(client: KafkaClient, memberId: string | null, memberEpoch: number) {
  const topics = [{ name: 't', partitionIndexes: [0] }];
  const asked = [{ groupId: 'g', memberId, memberEpoch, topics }];
  const { groups } = await client.ask(offsetFetch, 9, { groups: asked } as never);
  return groups[0]?.errorCode;
}

test('epoch groups: two members share a topic, are described, and commit', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t', { partitions: 2 });
    const { topicId } = broker.engine.topics.get('t').definition;
    const one = await client();
    const first = await join(one);
    assert.equal(first.errorCode, kafkaErrors.NONE);
    assert.equal(first.heartbeatIntervalMs, 5_000);
    assert.deepEqual(JSON.parse(JSON.stringify(first.assignment)), {
      topicPartitions: [{ topicId, partitions: [0, 1] }],
    });
    const other = { memberId: 'n', subscribedTopicNames: null, subscribedTopicRegex: 't|u' };
    const second = await join(await client(), other);
    assert.equal(second.memberEpoch, first.memberEpoch + 1);
    assert.deepEqual(second.assignment?.topicPartitions, []);
    const owned = [{ topicId, partitions: [0, 1] }];
    const more = { memberEpoch: first.memberEpoch, topicPartitions: owned };
    const told = await join(one, more);
    assert.equal(told.assignment?.topicPartitions[0]?.partitions.length, 1);

    const { groups } = await one.ask(consumerGroupDescribe, 1, { groupIds: ['g', 'absent'] });
    assert.deepEqual(
      groups.map(({ errorCode, groupState }) => [errorCode, groupState]),
      [
        [kafkaErrors.NONE, 'Reconciling'],
        [kafkaErrors.GROUP_ID_NOT_FOUND, ''],
      ],
    );
    assert.equal(groups[0]?.assignorName, 'uniform');
    assert.deepEqual(
      groups[0]?.members.map((member) => [
        member.memberId,
        member.memberType,
        member.subscribedTopicRegex,
        member.targetAssignment.topicPartitions[0]?.topicName,
        member.assignment.topicPartitions.length,
      ]),
      [
        ['m', 1, null, 't', 1],
        ['n', 1, 't|u', 't', 0],
      ],
    );
    assert.equal(await commit(one, 'm', first.memberEpoch), kafkaErrors.NONE);
    assert.equal(await commit(one, 'm', 77), kafkaErrors.STALE_MEMBER_EPOCH);
    assert.equal(await commit(one, 'x', 1), kafkaErrors.UNKNOWN_MEMBER_ID);
    assert.equal(await fetched(one, 'm', first.memberEpoch), kafkaErrors.NONE);
    assert.equal(await fetched(one, 'm', 77), kafkaErrors.STALE_MEMBER_EPOCH);
    assert.equal(await fetched(one, 'x', 1), kafkaErrors.UNKNOWN_MEMBER_ID);
    assert.equal(await fetched(one, null, -1), kafkaErrors.NONE, 'who only looks');
  });
});

test('epoch groups: they are listed by their type, and are no classic groups', async () => {
  await withServer(async ({ client }) => {
    const one = await client();
    await join(one);
    const listed = async (given: object) => {
      const { groups } = await one.ask(listGroups, 5, given);
      return groups.map(({ groupId, groupType, groupState, protocolType }) =>
        [groupId, groupType, groupState, protocolType].join(),
      );
    };
    assert.deepEqual(await listed({ typesFilter: ['Consumer'] }), ['g,consumer,Stable,consumer']);
    assert.deepEqual(await listed({ typesFilter: ['classic'] }), []);
    assert.deepEqual(await listed({ statesFilter: ['stable'] }), ['g,consumer,Stable,consumer']);
    const classic = { groupId: 'g', protocolType: 'consumer', sessionTimeoutMs: 30_000 };
    const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }];
    const asked = { ...classic, rebalanceTimeoutMs: 60_000, protocols };
    const { errorCode } = await one.ask(joinGroup, 7, asked);
    assert.equal(errorCode, kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
    const states: unknown[] = [];
    for (const version of [5, 6]) {
      const { groups } = await one.ask(describeGroups, version, { groups: ['g'] });
      states.push([groups[0]?.groupState, groups[0]?.errorCode]);
    }
    assert.deepEqual(states, [
      ['Dead', kafkaErrors.NONE],
      ['Dead', kafkaErrors.GROUP_ID_NOT_FOUND],
    ]);
    const remove = () => one.ask(deleteGroups, 2, { groupsNames: ['g'] });
    assert.equal((await remove()).results[0]?.errorCode, kafkaErrors.NON_EMPTY_GROUP);
    const left = await join(one, { memberEpoch: -1 });
    assert.deepEqual([left.errorCode, left.memberEpoch], [kafkaErrors.NONE, -1]);
    assert.equal((await remove()).results[0]?.errorCode, kafkaErrors.NONE);
  });
});

test('epoch groups: each refusal has the number that clients know', async () => {
  await withServer(async ({ client }) => {
    const one = await client();
    const { memberEpoch } = await join(one, { instanceId: 'i' });
    const codes = async (more: object): Promise<number> => (await join(one, more)).errorCode;
    const {
      FENCED_INSTANCE_ID,
      FENCED_MEMBER_EPOCH,
      INVALID_REGULAR_EXPRESSION,
      INVALID_REQUEST,
      UNKNOWN_MEMBER_ID,
      UNRELEASED_INSTANCE_ID,
      UNSUPPORTED_ASSIGNOR,
    } = kafkaErrors;
    const fenced = { instanceId: 'i', memberEpoch: memberEpoch + 1 };
    assert.equal(await codes(fenced), FENCED_MEMBER_EPOCH);
    assert.equal(await codes({ memberId: 'n', instanceId: 'i' }), UNRELEASED_INSTANCE_ID);
    const other = { memberId: 'n', instanceId: 'i', memberEpoch };
    assert.equal(await codes(other), FENCED_INSTANCE_ID);
    assert.equal(await codes({ memberId: 'n', memberEpoch }), UNKNOWN_MEMBER_ID);
    assert.equal(await codes({ memberId: 'n', serverAssignor: 'x' }), UNSUPPORTED_ASSIGNOR);
    const pattern = { memberId: 'n', subscribedTopicRegex: '(?=x)' };
    assert.equal(await codes(pattern), INVALID_REGULAR_EXPRESSION);
    assert.equal(await codes({ memberId: '' }), INVALID_REQUEST);
    const old = await one.ask(consumerGroupHeartbeat, 0, { ...FIRST, memberId: '' });
    assert.equal(old.errorCode, kafkaErrors.NONE, 'the first version gives an id out');
    assert.notEqual(old.memberId, '');
  });
});

test('epoch groups: a transaction commits the offsets of a member in its epoch', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t', { partitions: 1 });
    const one = await client();
    const { memberEpoch } = await join(one);
    const transactionalId = 'copier';
    const { producerId, producerEpoch } = await one.ask(initProducerId, 5, {
      transactionalId,
      transactionTimeoutMs: 60_000,
      producerId: -1,
      producerEpoch: -1,
    });
    const writer = { transactionalId, producerId, producerEpoch };
    await one.ask(addOffsetsToTxn, 4, { ...writer, groupId: 'g' });
    const asked = async (generationId: number) => {
      const { topics } = await one.ask(txnOffsetCommit, 4, {
        ...writer,
        groupId: 'g',
        generationId,
        memberId: 'm',
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: 0 }] }],
      } as never);
      return topics[0]?.partitions[0]?.errorCode;
    };
    assert.equal(await asked(memberEpoch + 1), kafkaErrors.ILLEGAL_GENERATION);
    assert.equal(await asked(memberEpoch), kafkaErrors.NONE);
  });
});

test('epoch groups: a restart keeps the group, its members and its offsets', async () => {
  const sim = new SimBroker();
  let epoch = 0;
  await withServer(
    async ({ client, broker }) => {
      await broker.createTopic('t', { partitions: 1 });
      const one = await client();
      epoch = (await join(one)).memberEpoch;
      assert.equal(await commit(one, 'm', epoch), kafkaErrors.NONE);
    },
    {},
    { sim },
  );
  await withServer(
    async ({ client }) => {
      const one = await client();
      const { groups } = await one.ask(listGroups, 5, {});
      assert.deepEqual(
        groups.map(({ groupType, groupState }) => [groupType, groupState]),
        [['consumer', 'Stable']],
      );
      const next = { memberEpoch: epoch, topicPartitions: null, rebalanceTimeoutMs: -1 };
      const told = await join(one, next);
      assert.deepEqual([told.errorCode, told.memberEpoch], [kafkaErrors.NONE, epoch]);
      assert.equal(await commit(one, 'm', epoch), kafkaErrors.NONE);
      assert.equal(await fetched(one, null, -1), kafkaErrors.NONE);
    },
    {},
    { sim },
  );
});
