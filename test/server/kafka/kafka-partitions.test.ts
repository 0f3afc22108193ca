/** Where partitions are, page by page, and offsets that transactions hold. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { describeLogDirs } from '../../../src/server/kafka/messages/cluster.js';
import { produce } from '../../../src/server/kafka/messages/data.js';
import { offsetFetch } from '../../../src/server/kafka/messages/groups.js';
import {
  describeTopicPartitions,
  listPartitionReassignments,
} from '../../../src/server/kafka/messages/topics.js';
import { type PageCursor, pageOf } from '../../../src/server/kafka/partition-pages.js';
import type { ResponseOf } from '../../../src/server/kafka/wire-api.js';
import { batchOf } from '../../support/batch-fixtures.js';
import { withServer } from '../../support/kafka-client.js';
import { commitAlone, GROUP, inputUpTo, makeWorld } from '../../support/transaction-fixture.js';

type Page = ResponseOf<typeof describeTopicPartitions>;

test('partitions: they come in pages, in the order of their topics, each one once', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('b', { partitions: 3 });
    await broker.createTopic('a', { partitions: 2 });
    const one = await client();
    const seen: string[] = [];
    let cursor: PageCursor | null = null;
    for (let page = 0; page < 9; page += 1) {
      const asked = { responsePartitionLimit: 2, cursor };
      const answer: Page = await one.ask(describeTopicPartitions, 0, asked as never);
      for (const { name, partitions } of answer.topics) {
        seen.push(...partitions.map(({ partitionIndex }) => `${name}-${partitionIndex}`));
      }
      cursor = answer.nextCursor;
      if (cursor === null) break;
    }
    assert.deepEqual(seen, ['a-0', 'a-1', 'b-0', 'b-1', 'b-2']);
    const absent = await one.ask(describeTopicPartitions, 0, { topics: [{ name: 'absent' }] });
    const [topic] = absent.topics;
    assert.equal(topic?.errorCode, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
    const moves = await one.ask(listPartitionReassignments, 0, { topics: null });
    assert.deepEqual([moves.errorCode, moves.topics], [0, []]);
  });
});

test('partitions: a page begins where the one before ended, whatever went meanwhile', () => {
  const topics = [
    { name: 'c', partitions: 2 },
    { name: 'a', partitions: 4 },
  ];
  const cursor = { topicName: 'a', partitionIndex: 3 };
  assert.deepEqual(pageOf(topics, cursor, 2), {
    parts: [
      { name: 'a', first: 3, end: 4 },
      { name: 'c', first: 0, end: 1 },
    ],
    next: { topicName: 'c', partitionIndex: 1 },
  });
  const gone = { topicName: 'b', partitionIndex: 5 };
  assert.deepEqual(pageOf(topics, gone, 9).parts, [{ name: 'c', first: 0, end: 2 }]);
  const shrunk = { topicName: 'c', partitionIndex: 7 };
  assert.deepEqual(pageOf(topics, shrunk, 9).parts, [{ name: 'c', first: 2, end: 2 }]);
  assert.deepEqual(pageOf(topics, null, 4), {
    parts: [{ name: 'a', first: 0, end: 4 }],
    next: { topicName: 'c', partitionIndex: 0 },
  });
});

test('partitions: what a log takes on the disk is told, also before it is used', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t', { partitions: 2 });
    await broker.createTopic('other');
    const one = await client();
    const batch = batchOf([{ value: 'a' }]);
    const partitions = [{ index: 1, records: [batch] }];
    await one.ask(produce, 9, { acks: -1, topics: [{ name: 't', partitions }] } as never);
    const sizes = async (topics: object | null) => {
      const { results } = await one.ask(describeLogDirs, 4, { topics } as never);
      return results[0]?.topics.map((topic) => [
        topic.name,
        topic.partitions.map(({ partitionSize }) => partitionSize),
      ]);
    };
    assert.deepEqual(await sizes(null), [
      ['other', [0]],
      ['t', [0, batch.length]],
    ]);
    assert.deepEqual(await sizes([{ topic: 't', partitions: [1] }]), [['t', [batch.length]]]);
    assert.deepEqual(await sizes([{ topic: 'absent', partitions: [0] }]), []);
  });
});

test('offsets: one that a transaction holds is unstable for who wants it stable', async () => {
  await withServer(async ({ client, broker }) => {
    await makeWorld(broker);
    await commitAlone(broker, 1);
    const one = await client();
    const offsets = async (requireStable: boolean, topics: object | null) => {
      const groups = [{ groupId: GROUP, topics }];
      const answer = await one.ask(offsetFetch, 8, { groups, requireStable } as never);
      const [partition] = answer.groups[0]?.topics[0]?.partitions ?? [];
      return [partition?.committedOffset, partition?.errorCode];
    };
    const named = [{ name: 'in', partitionIndexes: [0] }];
    await broker.transaction(async (transaction) => {
      transaction.commitOffsets(inputUpTo(3));
      for (const topics of [named, null]) {
        assert.deepEqual(await offsets(true, topics), [-1, kafkaErrors.UNSTABLE_OFFSET_COMMIT]);
        assert.deepEqual(await offsets(false, topics), [1, kafkaErrors.NONE]);
      }
    });
    for (const topics of [named, null]) {
      assert.deepEqual(await offsets(true, topics), [3, kafkaErrors.NONE]);
    }
  });
});
