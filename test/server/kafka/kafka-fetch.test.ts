/** Fetches that wait, and fetch sessions, over real sockets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { fetch, produce } from '../../../src/server/kafka/messages/data.js';
import type { RequestOf, ResponseOf } from '../../../src/server/kafka/wire-api.js';
import { batchOf } from '../../support/batch-fixtures.js';
import { isPending } from '../../support/fixtures.js';
import { type KafkaClient, until, withServer } from '../../support/kafka-client.js';

type Response = ResponseOf<typeof fetch>;
type Request = RequestOf<typeof fetch>;

const FIRST = 0;
const NO_SESSION = -1;

async function send(client: KafkaClient, topic: string, index: number, value: string) {
  const partitions = [{ index, records: [batchOf([{ value }])] }];
  await client.ask(produce, 9, { acks: -1, topics: [{ name: topic, partitions }] } as never);
}

function wants(topic: string, offsets: Readonly<Record<number, number>>) {
  const partitions = Object.entries(offsets).map(([partition, fetchOffset]) => {
    return { partition: Number(partition), fetchOffset, partitionMaxBytes: 1_000_000 };
  });
  return { topic, partitions };
}

async function ask(
  client: KafkaClient,
  session: readonly [id: number, epoch: number],
  topics: readonly object[],
  more: object = {},
): Promise<Response> {
  const [sessionId, sessionEpoch] = session;
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000 };
  const request = { ...limits, sessionId, sessionEpoch, topics, ...more };
  return await client.ask(fetch, 11, request as unknown as Partial<Request>);
}

/** What came, as `topic-partition: bytes or an error`. */
function told({ topics }: Response): string[] {
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partitionIndex, records, errorCode, highWatermark }) => {
      const hasRecords = (records ?? []).some((piece) => piece.length > 0);
      const what = errorCode === 0 ? (hasRecords ? 'records' : 'none') : `error ${errorCode}`;
      return `${topic}-${partitionIndex} ${what} ${highWatermark}`;
    }),
  );
}

test('fetch: it waits until as many bytes as it wants are there', async () => {
  await withServer(async ({ client, broker, sim }) => {
    await broker.createTopic('t', { partitions: 2 });
    const [reader, writer] = [await client(), await client()];
    const batch = batchOf([{ value: 'a' }]).length;
    const topics = [wants('t', { 0: 0, 1: 0 })];
    const limits = { minBytes: 3 * batch, maxWaitMs: 60_000 };
    const waiting = ask(reader, [0, NO_SESSION], topics, limits);
    await until(() => sim.clock.pendingCount > 0);
    await send(writer, 't', 0, 'a');
    assert.ok(await isPending(waiting), 'one is not enough');
    await send(writer, 't', 1, 'b');
    assert.ok(await isPending(waiting), 'two are not enough');
    await send(writer, 't', 0, 'c');
    assert.deepEqual(told(await waiting), ['t-0 records 2', 't-1 records 1']);
  });
});

test('fetch: when its time is over it gets what has come until then', async () => {
  await withServer(async ({ client, broker, sim }) => {
    await broker.createTopic('t');
    const [reader, writer] = [await client(), await client()];
    const limits = { minBytes: 100_000, maxWaitMs: 5_000 };
    const waiting = ask(reader, [0, NO_SESSION], [wants('t', { 0: 0 })], limits);
    await until(() => sim.clock.pendingCount > 0);
    await send(writer, 't', 0, 'a');
    assert.ok(await isPending(waiting));
    let isOver = false;
    void waiting.then(() => {
      isOver = true;
    });
    await until(() => {
      sim.clock.advance(10);
      return isOver;
    });
    assert.deepEqual(told(await waiting), ['t-0 records 1']);
  });
});

test('fetch: it does not wait for more than may come in one answer', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    await send(one, 't', 0, 'a');
    await send(one, 't', 0, 'b');
    const limits = { minBytes: 100_000, maxBytes: 10, maxWaitMs: 60_000 };
    const { topics } = await ask(one, [0, NO_SESSION], [wants('t', { 0: 0 })], limits);
    const [piece] = topics[0]?.partitions[0]?.records ?? [];
    assert.equal(piece?.length, batchOf([{ value: 'a' }]).length);
  });
});

test('fetch: who does not wait gets what was only written, and not by a timer', async () => {
  await withServer(async ({ client, broker }) => {
    const topic = await broker.createTopic('t');
    const log = await topic.hosted.partition(0);
    const reader = await client();
    await log.append([{ value: 'a' }], { acks: 'written' });
    // The clock stands still: nothing is synced because of its age.
    let answer = '';
    for (let asked = 0; asked < 100 && answer !== 't-0 records 1'; asked += 1) {
      [answer = ''] = told(await ask(reader, [0, NO_SESSION], [wants('t', { 0: 0 })]));
    }
    assert.equal(answer, 't-0 records 1');
  });
});

test('fetch: a transaction that ends wakes who reads what is committed', async () => {
  await withServer(async ({ client, broker, sim }) => {
    const topic = await broker.createTopic('t');
    const log = await topic.hosted.partition(0);
    const of = { producerId: 7n, producerEpoch: 0 };
    await log.append([{ value: 'a' }], {
      producer: { ...of, baseSequence: 0, isTransactional: true },
    });
    const limits = { maxWaitMs: 60_000, isolationLevel: 1 };
    const waiting = ask(await client(), [0, NO_SESSION], [wants('t', { 0: 0 })], limits);
    await until(() => sim.clock.pendingCount > 0);
    await log.append([{ value: 'b' }]);
    assert.ok(await isPending(waiting), 'nothing behind an open transaction is committed');
    await log.appendMarker({ ...of, kind: 'commit', coordinatorEpoch: 0 });
    assert.deepEqual(told(await waiting), ['t-0 records 3']);
  });
});

test('fetch session: after the first answer only what is new is told', async () => {
  await withServer(async ({ client, broker, server }) => {
    await broker.createTopic('t', { partitions: 3 });
    const one = await client();
    await send(one, 't', 1, 'a');
    const first = await ask(one, [0, FIRST], [wants('t', { 0: 0, 1: 0, 2: 0 })]);
    const { sessionId } = first;
    assert.ok(sessionId > 0);
    assert.deepEqual(told(first), ['t-0 none 0', 't-1 records 1', 't-2 none 0']);
    assert.equal(server.fetchSessionCount, 1);
    // Partition 1 goes on behind its record; the others are as they were.
    const second = await ask(one, [sessionId, 1], [wants('t', { 1: 1 })]);
    assert.deepEqual([second.sessionId, told(second)], [sessionId, []]);
    await send(one, 't', 2, 'b');
    assert.deepEqual(told(await ask(one, [sessionId, 2], [])), ['t-2 records 1']);
    // Told again and again while the client does not go on.
    assert.deepEqual(told(await ask(one, [sessionId, 3], [])), ['t-2 records 1']);
  });
});

test('fetch session: what is forgotten is not served, what is named anew is told', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t', { partitions: 3 });
    const one = await client();
    const { sessionId } = await ask(one, [0, FIRST], [wants('t', { 0: 0, 1: 0 })]);
    await send(one, 't', 0, 'a');
    await send(one, 't', 1, 'b');
    const forgottenTopics = [{ topic: 't', partitions: [0] }];
    const next = await ask(one, [sessionId, 1], [wants('t', { 2: 0 })], { forgottenTopics });
    assert.deepEqual(told(next), ['t-1 records 1', 't-2 none 0']);
  });
});

test('fetch session: an error is told each time, and its end too', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    const { OFFSET_OUT_OF_RANGE } = kafkaErrors;
    const first = await ask(one, [0, FIRST], [wants('t', { 0: 5 })]);
    const { sessionId } = first;
    const failed = [`t-0 error ${OFFSET_OUT_OF_RANGE} 0`];
    assert.deepEqual(told(first), failed);
    assert.deepEqual(told(await ask(one, [sessionId, 1], [])), failed);
    const mended = await ask(one, [sessionId, 2], [wants('t', { 0: 0 })]);
    assert.deepEqual(told(mended), ['t-0 none 0']);
    assert.deepEqual(told(await ask(one, [sessionId, 3], [])), []);
  });
});

test('fetch session: who had records is served last, so that everybody gets a turn', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t', { partitions: 3 });
    const one = await client();
    for (const partition of [0, 1, 2]) {
      for (const value of ['a', 'b', 'c']) await send(one, 't', partition, value);
    }
    const limits = { maxBytes: 10 };
    const first = await ask(one, [0, FIRST], [wants('t', { 0: 0, 1: 0, 2: 0 })], limits);
    const served = [told(first).find((line) => line.includes('records'))];
    for (const epoch of [1, 2, 3]) {
      const [line] = told(await ask(one, [first.sessionId, epoch], [], limits));
      served.push(line);
    }
    const names = served.map((line) => line?.split(' ')[0]);
    assert.deepEqual(names, ['t-0', 't-1', 't-2', 't-0']);
  });
});

test('fetch session: a wrong epoch, a wrong id, and ids of topics among names', async () => {
  await withServer(async ({ client, broker, server }) => {
    const { hosted } = await broker.createTopic('t');
    const one = await client();
    const { sessionId } = await ask(one, [0, FIRST], [wants('t', { 0: 0 })]);
    const refusals: readonly (readonly [number, number, number])[] = [
      [sessionId, 2, kafkaErrors.INVALID_FETCH_SESSION_EPOCH],
      [sessionId === 1 ? 2 : 1, 1, kafkaErrors.FETCH_SESSION_ID_NOT_FOUND],
    ];
    for (const [id, epoch, expected] of refusals) {
      const { errorCode, topics, sessionId: none } = await ask(one, [id, epoch], []);
      assert.deepEqual([errorCode, topics, none], [expected, [], 0]);
    }
    const { topicId } = hosted.definition;
    const topics = [{ topicId, partitions: [{ partition: 0, fetchOffset: 0 }] }];
    const request = { sessionId, sessionEpoch: 1, topics } as never;
    const { errorCode } = await one.ask(fetch, 13, request);
    assert.equal(errorCode, kafkaErrors.FETCH_SESSION_TOPIC_ID_ERROR);
    assert.equal((await ask(one, [sessionId, 1], [])).errorCode, kafkaErrors.NONE);
    // Its last request ends it, and the one that forgets everything does.
    assert.equal((await ask(one, [sessionId, NO_SESSION], [])).sessionId, 0);
    assert.equal(server.fetchSessionCount, 0);
    const next = await ask(one, [0, FIRST], [wants('t', { 0: 0 })]);
    const forgottenTopics = [{ topic: 't', partitions: [0] }];
    const last = await ask(one, [next.sessionId, 1], [], { forgottenTopics });
    assert.deepEqual([last.errorCode, last.sessionId, last.topics], [0, 0, []]);
    assert.equal(server.fetchSessionCount, 0);
  });
});

test('fetch session: there are so many; the one that was idle for longest makes room', async () => {
  await withServer(
    async ({ client, broker, sim, server }) => {
      await broker.createTopic('t');
      const one = await client();
      const topics = [wants('t', { 0: 0 })];
      const ids: number[] = [];
      for (let count = 0; count < 2; count += 1) {
        ids.push((await ask(one, [0, FIRST], topics)).sessionId);
        sim.clock.advance(1_000);
      }
      const none = await ask(one, [0, FIRST], topics);
      assert.deepEqual([none.errorCode, none.sessionId, told(none)], [0, 0, ['t-0 none 0']]);
      const [older = 0, newer = 0] = ids;
      sim.clock.advance(119_000);
      assert.equal((await ask(one, [older, 1], [])).errorCode, 0);
      sim.clock.advance(1_000);
      const made = await ask(one, [0, FIRST], topics);
      assert.ok(made.sessionId > 0);
      assert.equal(server.fetchSessionCount, 2);
      assert.equal((await ask(one, [older, 2], [])).errorCode, 0);
      const { FETCH_SESSION_ID_NOT_FOUND } = kafkaErrors;
      assert.equal((await ask(one, [newer, 1], [])).errorCode, FETCH_SESSION_ID_NOT_FOUND);
    },
    { fetchSessions: 2 },
  );
});
