/** What users may do: each API is refused without the rules of its row, and not with them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessRule, ResourceKind } from '../../../src/server/access/access-rules.js';
import { apis } from '../../../src/server/kafka/apis.js';
import { accessTable } from '../../../src/server/kafka/authorization.js';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { apiVersions, metadata } from '../../../src/server/kafka/messages/cluster.js';
import { fetch } from '../../../src/server/kafka/messages/data.js';
import { listGroups } from '../../../src/server/kafka/messages/groups.js';
import { batchOf } from '../../support/batch-fixtures.js';
import { withServer } from '../../support/kafka-client.js';
import { accessFor, loginPlain, usersOf } from '../../support/kafka-login.js';
import { commitAlone, GROUP, makeWorld } from '../../support/transaction-fixture.js';

const T = 'in';
const ID = 'copier';
const partitions = [0];
const resources = [{ resourceType: 2, resourceName: T }];
const byIndex = [{ name: T, partitions: [{ partitionIndex: 0 }] }];

/** A version, and a request that names a topic, a group or the cluster. */
const requests: Readonly<Record<string, readonly [version: number, request: object]>> = {
  Produce: [
    9,
    {
      acks: -1,
      topics: [{ name: T, partitions: [{ index: 0, records: [batchOf([{ value: 'a' }])] }] }],
    },
  ],
  Fetch: [11, { topics: [{ topic: T, partitions: [{ partition: 0 }] }] }],
  ListOffsets: [7, { topics: byIndex }],
  Metadata: [9, { topics: [{ name: T }] }],
  OffsetCommit: [8, { groupId: GROUP, generationIdOrMemberEpoch: -1, topics: byIndex }],
  OffsetFetch: [7, { groupId: GROUP, topics: [{ name: T, partitionIndexes: partitions }] }],
  FindCoordinator: [4, { coordinatorKeys: [GROUP] }],
  JoinGroup: [5, { groupId: GROUP }],
  Heartbeat: [4, { groupId: GROUP }],
  LeaveGroup: [4, { groupId: GROUP, members: [{ memberId: 'm' }] }],
  SyncGroup: [5, { groupId: GROUP }],
  ConsumerGroupHeartbeat: [
    1,
    {
      groupId: GROUP,
      memberId: 'm',
      rebalanceTimeoutMs: 1_000,
      subscribedTopicNames: [T],
      topicPartitions: [],
    },
  ],
  ConsumerGroupDescribe: [1, { groupIds: [GROUP] }],
  DescribeGroups: [5, { groups: [GROUP] }],
  CreateTopics: [7, { topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1 }] }],
  DeleteTopics: [5, { topicNames: ['side'] }],
  DeleteRecords: [2, { topics: byIndex }],
  InitProducerId: [4, { transactionalId: null }],
  OffsetForLeaderEpoch: [4, { topics: [{ topic: T, partitions: [{ partition: 0 }] }] }],
  DescribeConfigs: [4, { resources }],
  AlterConfigs: [2, { resources: [{ resourceType: 4, resourceName: '0' }, ...resources] }],
  DescribeLogDirs: [4, { topics: null }],
  CreatePartitions: [3, { topics: [{ name: T, count: 2, assignments: null }] }],
  DeleteGroups: [2, { groupsNames: [GROUP] }],
  IncrementalAlterConfigs: [1, { resources }],
  ListPartitionReassignments: [0, { topics: null }],
  OffsetDelete: [0, { groupId: GROUP, topics: byIndex }],
  DescribeProducers: [0, { topics: [{ name: T, partitionIndexes: partitions }] }],
  DescribeTopicPartitions: [0, { topics: [{ name: T }] }],
  AddPartitionsToTxn: [3, { transactionalId: ID, topics: [{ name: T, partitions }] }],
  AddOffsetsToTxn: [3, { transactionalId: ID, groupId: GROUP }],
  EndTxn: [3, { transactionalId: ID, committed: true }],
  TxnOffsetCommit: [3, { transactionalId: ID, groupId: GROUP, topics: byIndex }],
  ShareGroupHeartbeat: [
    1,
    { groupId: GROUP, memberId: 'm', memberEpoch: 0, subscribedTopicNames: [T] },
  ],
  ShareGroupDescribe: [1, { groupIds: [GROUP] }],
  ShareFetch: [1, { groupId: GROUP, memberId: 'm' }],
  ShareAcknowledge: [1, { groupId: GROUP, memberId: 'm', shareSessionEpoch: 1 }],
  DescribeShareGroupOffsets: [1, { groups: [{ groupId: GROUP, topics: null }] }],
  AlterShareGroupOffsets: [0, { groupId: GROUP }],
  DeleteShareGroupOffsets: [0, { groupId: GROUP }],
  DescribeTransactions: [0, { transactionalIds: [ID] }],
};
/** Nothing to deny, or what is not allowed is left out. */
const others = [
  'ApiVersions',
  'SaslHandshake',
  'SaslAuthenticate',
  'DescribeCluster',
  'ListGroups',
  'ListTransactions',
];
const denials: readonly unknown[] = [
  kafkaErrors.TOPIC_AUTHORIZATION_FAILED,
  kafkaErrors.GROUP_AUTHORIZATION_FAILED,
  kafkaErrors.CLUSTER_AUTHORIZATION_FAILED,
  kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
];

function isDenied(answer: unknown): boolean {
  if (Array.isArray(answer)) return answer.some(isDenied);
  if (typeof answer !== 'object' || answer === null || ArrayBuffer.isView(answer)) return false;
  return Object.entries(answer).some(([name, value]) =>
    name === 'errorCode' ? denials.includes(value) : isDenied(value),
  );
}

/** The rules that the row of an API names, and no others. */
function rulesFor(name: string): AccessRule[] {
  return Object.entries(accessTable[name] ?? {}).map(([target, verb]) => {
    if (target === 'group') return { verbs: [verb], kind: 'group', pattern: GROUP };
    const kind = target === 'newTopic' ? 'topic' : (target as ResourceKind);
    return { verbs: [verb], kind, pattern: '*' };
  });
}

test('access: each API that is spoken has a row, and a request here', async () => {
  await withServer(async ({ client }) => {
    const { apiKeys } = await (await client()).ask(apiVersions, 3, {
      clientSoftwareName: 'a',
      clientSoftwareVersion: '1',
    });
    const names = apiKeys.map(({ apiKey }) => apis.find(({ key }) => key === apiKey)?.name);
    assert.deepEqual(names.sort(), Object.keys(accessTable).sort());
    assert.deepEqual([...names].sort(), [...Object.keys(requests), ...others].sort());
  });
});

for (const [name, [version, request]] of Object.entries(requests)) {
  test(`access: ${name} is denied without its rules, and is not with them`, async () => {
    const access = await accessFor({ nobody: [], somebody: rulesFor(name) });
    await withServer(
      async ({ client, broker, failures }) => {
        await makeWorld(broker);
        await commitAlone(broker, 1);
        const api = apis.find((one) => one.name === name);
        assert.ok(api !== undefined);
        const outcomes: boolean[] = [];
        for (const user of ['nobody', 'somebody']) {
          const one = await client();
          assert.equal(await loginPlain(one, user), 0);
          outcomes.push(isDenied(await one.ask(api, version, request)));
          if (user !== 'nobody') continue;
          assert.deepEqual(
            broker.listTopics().map((topic) => [topic.name, topic.partitionCount]),
            [
              ['in', 1],
              ['out', 2],
              ['side', 1],
            ],
          );
        }
        assert.deepEqual(outcomes, [true, false]);
        assert.deepEqual(failures, []);
      },
      {},
      { access },
    );
  });
}

test('access: lists show what may be seen, and asking makes what may be made', async () => {
  const one: AccessRule = { verbs: ['describe'], kind: 'topic', pattern: 'o*' };
  const access = await accessFor({ alice: [one] });
  await withServer(
    async ({ client, broker }) => {
      await makeWorld(broker);
      await commitAlone(broker, 1);
      const alice = await client();
      await loginPlain(alice, 'alice');
      const { topics } = await alice.ask(metadata, 9, { topics: null });
      assert.deepEqual(
        topics.map(({ name }) => name),
        ['out'],
      );
      assert.deepEqual((await alice.ask(listGroups, 4, {})).groups, []);
      const asked = { topics: [{ name: 'orders' }], allowAutoTopicCreation: true };
      const refused = await alice.ask(metadata, 9, asked as never);
      assert.equal(refused.topics[0]?.errorCode, kafkaErrors.TOPIC_AUTHORIZATION_FAILED);
      access.replace(await usersOf({ alice: [{ ...one, verbs: ['describe', 'create'] }] }));
      const made = await alice.ask(metadata, 9, asked as never);
      assert.equal(made.topics[0]?.errorCode, kafkaErrors.NONE, 'new rules count at once');
      assert.ok(broker.listTopics().some(({ name }) => name === 'orders'));
    },
    {},
    { access },
  );
});

test('access: a topic named by its id is denied like one named by its name', async () => {
  const access = await accessFor({ alice: [] });
  await withServer(
    async ({ client, broker }) => {
      const { hosted } = await broker.createTopic('t');
      const alice = await client();
      await loginPlain(alice, 'alice');
      const { topicId } = hosted.definition;
      const topics = [{ topicId, partitions: [{ partition: 0 }] }];
      const answer = await alice.ask(fetch, 13, { topics } as never);
      const [partition] = answer.topics[0]?.partitions ?? [];
      assert.equal(partition?.errorCode, kafkaErrors.TOPIC_AUTHORIZATION_FAILED);
      access.replace(new Map());
      const gone = await alice.ask(metadata, 9, { topics: [{ name: 't' }] } as never);
      assert.equal(gone.topics[0]?.errorCode, kafkaErrors.TOPIC_AUTHORIZATION_FAILED);
    },
    {},
    { access },
  );
});
