/** Share groups from outside: members, settings, and where groups are on their topics. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import {
  deleteGroups,
  listGroups,
  offsetCommit,
} from '../../../src/server/kafka/messages/groups.js';
import {
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  describeShareGroupOffsets,
  shareFetch,
  shareGroupDescribe,
  shareGroupHeartbeat,
} from '../../../src/server/kafka/messages/shares.js';
import {
  describeConfigs,
  incrementalAlterConfigs,
} from '../../../src/server/kafka/messages/topics.js';
import { SimBroker } from '../../support/broker-fixture.js';
import { type KafkaClient, withServer } from '../../support/kafka-client.js';

const { GROUP_ID_NOT_FOUND, INVALID_REQUEST, NONE, NON_EMPTY_GROUP } = kafkaErrors;
const GROUP_RESOURCE = 32;
const FIRST = { groupId: 'g', memberId: 'm', memberEpoch: 0, subscribedTopicNames: ['t'] };

function beat(client: KafkaClient, more: object = {}) {
  return client.ask(shareGroupHeartbeat, 1, { ...FIRST, ...more });
}

async function set(client: KafkaClient, name: string, value: string | null, operation = 0) {
  const configs = [{ name, configOperation: operation, value }];
  const resources = [{ resourceType: GROUP_RESOURCE, resourceName: 'g', configs }];
  const { responses } = await client.ask(incrementalAlterConfigs, 1, { resources } as never);
  return responses[0]?.errorCode;
}

async function offsets(client: KafkaClient, topics: unknown = null) {
  const asked = { groups: [{ groupId: 'g', topics }] };
  const { groups } = await client.ask(describeShareGroupOffsets, 1, asked as never);
  const told = groups[0]?.topics.flatMap(({ topicName, partitions }) =>
    partitions.map(({ partitionIndex, startOffset, lag, errorCode }) =>
      [topicName, partitionIndex, startOffset, lag, errorCode].join(),
    ),
  );
  return { errorCode: groups[0]?.errorCode, told };
}

test('share groups: every member is told of all partitions, also of those that come', async () => {
  await withServer(async ({ client, broker }) => {
    const { hosted } = await broker.createTopic('t', { partitions: 2 });
    const { topicId } = hosted.definition;
    const one = await client();
    const joined = await beat(one);
    assert.deepEqual([joined.errorCode, joined.heartbeatIntervalMs], [NONE, 5_000]);
    assert.deepEqual(JSON.parse(JSON.stringify(joined.assignment)), {
      topicPartitions: [{ topicId, partitions: [0, 1] }],
    });
    const next = { memberEpoch: joined.memberEpoch, subscribedTopicNames: null };
    assert.equal((await beat(one, next)).assignment, null, 'it is told once');
    const other = await beat(await client(), { memberId: 'n' });
    assert.deepEqual(other.assignment?.topicPartitions[0]?.partitions, [0, 1]);
    await broker.engine.topics.grow('t', 3);
    const more = await beat(one, next);
    assert.deepEqual(more.assignment?.topicPartitions[0]?.partitions, [0, 1, 2]);
    assert.ok(more.memberEpoch > joined.memberEpoch);
    assert.equal((await beat(one, next)).errorCode, NONE, 'the answer may have been lost');
    const fenced = { ...next, memberEpoch: more.memberEpoch + 1 };
    assert.equal((await beat(one, fenced)).errorCode, kafkaErrors.FENCED_MEMBER_EPOCH);
    const { groups } = await one.ask(shareGroupDescribe, 1, { groupIds: ['g', 'absent'] });
    assert.deepEqual(
      groups.map(({ errorCode, groupState, members }) => [errorCode, groupState, members.length]),
      [
        [NONE, 'Stable', 2],
        [GROUP_ID_NOT_FOUND, 'Dead', 0],
      ],
    );
    const [member] = groups[0]?.members ?? [];
    assert.deepEqual(member?.subscribedTopicNames, ['t']);
    assert.equal(member?.assignment.topicPartitions[0]?.topicName, 't');
  });
});

test('share groups: who leaves, or is silent for its session, has to join anew', async () => {
  await withServer(async ({ client, sim }) => {
    const one = await client();
    const { memberEpoch } = await beat(one);
    await beat(one, { memberId: 'n' });
    const left = await beat(one, { memberEpoch: -1 });
    assert.deepEqual([left.errorCode, left.memberEpoch], [NONE, -1]);
    const { UNKNOWN_MEMBER_ID } = kafkaErrors;
    assert.equal((await beat(one, { memberEpoch })).errorCode, UNKNOWN_MEMBER_ID);
    sim.clock.advance(45_000);
    const silent = { memberId: 'n', memberEpoch: 2 };
    assert.equal((await beat(one, silent)).errorCode, UNKNOWN_MEMBER_ID);
    const wrong = [
      { memberId: '' },
      { memberEpoch: -2 },
      { subscribedTopicNames: null },
      { memberId: 'x'.repeat(400) },
    ];
    for (const more of wrong) {
      assert.equal((await beat(one, more)).errorCode, INVALID_REQUEST, JSON.stringify(more));
    }
    assert.equal((await beat(one, { groupId: '' })).errorCode, kafkaErrors.INVALID_GROUP_ID);
  });
});

test('share groups: they are listed by their type, and share no id with other groups', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    const partitions = [{ partitionIndex: 0, committedOffset: 0 }];
    const asked = { groupId: 'other', generationIdOrMemberEpoch: -1 };
    await one.ask(offsetCommit, 8, { ...asked, topics: [{ name: 't', partitions }] } as never);
    assert.equal((await beat(one, { groupId: 'other' })).errorCode, GROUP_ID_NOT_FOUND);
    await beat(one);
    const { groups } = await one.ask(listGroups, 5, { typesFilter: ['share'] });
    assert.deepEqual(
      groups.map(({ groupId, groupType, groupState }) => [groupId, groupType, groupState]),
      [['g', 'share', 'Stable']],
    );
    const remove = async (): Promise<number | undefined> => {
      return (await one.ask(deleteGroups, 2, { groupsNames: ['g'] })).results[0]?.errorCode;
    };
    assert.equal(await remove(), NON_EMPTY_GROUP);
    await beat(one, { memberEpoch: -1 });
    assert.equal(await remove(), NONE);
    assert.equal(await remove(), GROUP_ID_NOT_FOUND);
  });
});

test('share groups: settings have the names of Kafka, and are kept over a restart', async () => {
  const sim = new SimBroker();
  const shown = async (client: KafkaClient): Promise<Record<string, string | null>> => {
    const resources = [{ resourceType: GROUP_RESOURCE, resourceName: 'g' }];
    const { results } = await client.ask(describeConfigs, 4, { resources } as never);
    return Object.fromEntries(results[0]?.configs.map(({ name, value }) => [name, value]) ?? []);
  };
  await withServer(
    async ({ client }) => {
      const one = await client();
      assert.equal((await shown(one))['share.auto.offset.reset'], 'latest');
      assert.equal(await set(one, 'share.auto.offset.reset', 'earliest'), NONE);
      assert.equal(await set(one, 'share.session.timeout.ms', '7000'), NONE);
      const { INVALID_CONFIG } = kafkaErrors;
      assert.equal(await set(one, 'share.auto.offset.reset', 'never'), INVALID_CONFIG);
      assert.equal(await set(one, 'share.isolation.level', 'read_uncommitted'), INVALID_CONFIG);
      assert.equal(await set(one, 'share.record.lock.duration.ms', '-1'), INVALID_CONFIG);
      assert.equal(await set(one, 'no.such.setting', '1'), INVALID_CONFIG);
      assert.equal(await set(one, 'share.session.timeout.ms', '1', 2), INVALID_CONFIG);
    },
    {},
    { sim },
  );
  await withServer(
    async ({ client }) => {
      const one = await client();
      const settings = await shown(one);
      assert.equal(settings['share.auto.offset.reset'], 'earliest');
      assert.equal(settings['share.session.timeout.ms'], '7000');
      assert.equal(await set(one, 'share.session.timeout.ms', null, 1), NONE);
      assert.equal((await shown(one))['share.session.timeout.ms'], '45000');
    },
    {},
    { sim },
  );
});

test('share groups: where a group is on its topics is told, set and forgotten', async () => {
  const sim = new SimBroker();
  const named = (startOffset: number): object => ({
    groupId: 'g',
    topics: [{ topicName: 't', partitions: [{ partitionIndex: 0, startOffset }] }],
  });
  await withServer(
    async ({ client, broker }) => {
      await broker.createTopic('t', { partitions: 2 });
      const topic = await broker.topic('t');
      await topic.send(['a', 'b', 'c'].map((value) => ({ value, partition: 0 })));
      const one = await client();
      assert.deepEqual(await offsets(one), { errorCode: GROUP_ID_NOT_FOUND, told: [] });
      await set(one, 'share.auto.offset.reset', 'earliest');
      await beat(one);
      assert.deepEqual((await offsets(one)).told, ['t,0,0,3,0', 't,1,-1,-1,0']);
      const altered = await one.ask(alterShareGroupOffsets, 0, named(2) as never);
      assert.equal(altered.errorCode, NON_EMPTY_GROUP);
      await beat(one, { memberEpoch: -1 });
      const fine = await one.ask(alterShareGroupOffsets, 0, named(2) as never);
      assert.equal(fine.responses[0]?.partitions[0]?.errorCode, NONE);
      const far = await one.ask(alterShareGroupOffsets, 0, named(9) as never);
      const { OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION } = kafkaErrors;
      assert.equal(far.responses[0]?.partitions[0]?.errorCode, OFFSET_OUT_OF_RANGE);
      const absent = [{ topicName: 'absent', partitions: [0] }];
      const unknown = await offsets(one, absent);
      assert.deepEqual(unknown.told, [`absent,0,-1,-1,${UNKNOWN_TOPIC_OR_PARTITION}`]);
    },
    {},
    { sim },
  );
  await withServer(
    async ({ client, broker }) => {
      const one = await client();
      assert.deepEqual((await offsets(one)).told, ['t,0,2,1,0', 't,1,-1,-1,0']);
      const { topicId } = broker.engine.topics.get('t').definition;
      const partitions = [{ partitionIndex: 0, acknowledgementBatches: [] }];
      const { responses } = await one.ask(shareFetch, 1, {
        groupId: 'g',
        memberId: 'm',
        maxRecords: 10,
        topics: [{ topicId, partitions }],
      } as never);
      assert.equal(responses[0]?.partitions[0]?.acquiredRecords[0]?.firstOffset, 2);
      const asked = { groupId: 'g', topics: [{ topicName: 't' }] };
      const used = await one.ask(deleteShareGroupOffsets, 0, asked as never);
      assert.equal(used.responses[0]?.errorCode, NON_EMPTY_GROUP);
      await one.ask(shareFetch, 1, { groupId: 'g', memberId: 'm', shareSessionEpoch: -1 });
      const gone = await one.ask(deleteShareGroupOffsets, 0, asked as never);
      assert.equal(gone.responses[0]?.errorCode, NONE);
      assert.deepEqual(await offsets(one), { errorCode: GROUP_ID_NOT_FOUND, told: [] });
    },
    {},
    { sim },
  );
});

test('share groups: a new one begins where its first member came', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const topic = await broker.topic('t');
    await topic.send([{ value: 'before' }]);
    const one = await client();
    await beat(one);
    await topic.send([{ value: 'after' }]);
    assert.deepEqual((await offsets(one)).told, ['t,0,1,1,0']);
  });
});
