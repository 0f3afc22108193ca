/** Share groups over the wire: messages are given out one by one, and ended by who got them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../../src/broker/broker.js';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { shareAcknowledge, shareFetch } from '../../../src/server/kafka/messages/shares.js';
import { incrementalAlterConfigs } from '../../../src/server/kafka/messages/topics.js';
import { type KafkaClient, until, withServer } from '../../support/kafka-client.js';

const GROUP_RESOURCE = 32;
const { INVALID_RECORD_STATE, INVALID_REQUEST, NONE } = kafkaErrors;
const ACCEPT = 1;
const RELEASE = 2;
const REJECT = 3;
const RENEW = 4;

/** New groups begin at the end, unless they are told otherwise. */
async function beginEarly(client: KafkaClient, groupId = 'g', more: object = {}): Promise<void> {
  const settings = { 'share.auto.offset.reset': 'earliest', ...more };
  const configs = Object.entries(settings).map(([name, value]) => {
    return { name, configOperation: 0, value: String(value) };
  });
  const resources = [{ resourceType: GROUP_RESOURCE, resourceName: groupId, configs }];
  const { responses } = await client.ask(incrementalAlterConfigs, 1, { resources } as never);
  assert.equal(responses[0]?.errorCode, NONE);
}

/** A topic with values `v0`, `v1`, ... in each partition; returns its id. */
async function topicOf(broker: Broker, name: string, records: number, partitions = 1) {
  const { hosted } = await broker.createTopic(name, { partitions });
  const topic = await broker.topic(name);
  for (let partition = 0; partition < partitions; partition += 1) {
    const values = Array.from({ length: records }, (_, at) => ({ value: `v${at}`, partition }));
    if (records > 0) await topic.send(values);
  }
  return hosted.definition.topicId;
}

interface Ending {
  readonly first: number;
  readonly last: number;
  readonly types: readonly number[];
}

/** A client of the group, which counts its epochs. */
class Sharer {
  readonly #client: KafkaClient;
  readonly #memberId: string;
  readonly #groupId: string;
  epoch = 0;

  constructor(client: KafkaClient, memberId = 'm', groupId = 'g') {
    this.#client = client;
    this.#memberId = memberId;
    this.#groupId = groupId;
  }

  async fetch(topicId: string, more: object = {}, endings: readonly Ending[] = []) {
    const { partitions = [0], ...fields } = Object(more);
    const answer = await this.#client.ask(shareFetch, 2, {
      ...this.#next(),
      minBytes: 1,
      maxRecords: 100,
      topics: [
        {
          topicId,
          partitions: partitions.map((partitionIndex: number) => ({
            partitionIndex,
            acknowledgementBatches: batchesOf(endings),
          })),
        },
      ],
      ...fields,
    } as never);
    const taken = answer.responses.flatMap(({ partitions: told }) =>
      told.flatMap(({ partitionIndex, acquiredRecords }) =>
        acquiredRecords.map(({ firstOffset, lastOffset, deliveryCount }) =>
          [partitionIndex, firstOffset, lastOffset, deliveryCount].join(),
        ),
      ),
    );
    return { ...answer, taken };
  }

  async end(topicId: string, endings: readonly Ending[], more: object = {}): Promise<number> {
    const partitions = [{ partitionIndex: 0, acknowledgementBatches: batchesOf(endings) }];
    const topics = [{ topicId, partitions }];
    const asked = { ...this.#next(), topics, ...more };
    const { errorCode, responses } = await this.#client.ask(shareAcknowledge, 2, asked as never);
    return responses[0]?.partitions[0]?.errorCode ?? errorCode;
  }

  #next(): { groupId: string; memberId: string; shareSessionEpoch: number } {
    const shareSessionEpoch = this.epoch;
    this.epoch += 1;
    return { groupId: this.#groupId, memberId: this.#memberId, shareSessionEpoch };
  }
}

function batchesOf(endings: readonly Ending[]): object[] {
  return endings.map(({ first, last, types }) => {
    return { firstOffset: first, lastOffset: last, acknowledgeTypes: types };
  });
}

test('shares: what is accepted or rejected is over, what is released comes again', async () => {
  await withServer(async ({ client, broker }) => {
    const one = await client();
    const topicId = await topicOf(broker, 't', 4);
    await beginEarly(one);
    const sharer = new Sharer(one);
    const first = await sharer.fetch(topicId);
    assert.deepEqual(first.taken, ['0,0,3,1']);
    assert.equal(first.acquisitionLockTimeoutMs, 30_000);
    assert.ok((first.responses[0]?.partitions[0]?.records?.length ?? 0) > 0);
    const none = await sharer.fetch(topicId);
    assert.deepEqual(none.responses, [], 'nothing is told of a partition without messages');
    const endings = [
      { first: 0, last: 0, types: [ACCEPT] },
      { first: 1, last: 3, types: [RELEASE, REJECT, RELEASE] },
    ];
    assert.equal(await sharer.end(topicId, endings), NONE);
    const again = await sharer.fetch(topicId, {}, []);
    assert.deepEqual(again.taken, ['0,1,1,2', '0,3,3,2']);
    const last = await sharer.fetch(topicId, {}, [
      { first: 1, last: 1, types: [ACCEPT] },
      { first: 3, last: 3, types: [ACCEPT] },
    ]);
    assert.equal(last.responses[0]?.partitions[0]?.acknowledgeErrorCode, NONE);
    const [described] = (await broker.engine.shares.keys()).map(({ group }) => group);
    assert.equal(described, 'g');
  });
});

test('shares: what a client does not have it cannot end, and then ends nothing of it', async () => {
  await withServer(async ({ client, broker }) => {
    const [one, two] = [await client(), await client()];
    const topicId = await topicOf(broker, 't', 3);
    await beginEarly(one);
    const sharer = new Sharer(one);
    assert.deepEqual((await sharer.fetch(topicId)).taken, ['0,0,2,1']);
    const all = { first: 0, last: 3, types: [ACCEPT] };
    assert.equal(await sharer.end(topicId, [all]), INVALID_RECORD_STATE);
    const huge = { first: 0, last: 2 ** 52, types: [ACCEPT] };
    assert.equal(await sharer.end(topicId, [huge]), INVALID_RECORD_STATE);
    const other = new Sharer(two, 'n');
    assert.deepEqual((await other.fetch(topicId)).taken, []);
    const mine = { first: 0, last: 2, types: [ACCEPT] };
    assert.equal(await other.end(topicId, [mine]), INVALID_RECORD_STATE);
    const wrong: readonly (readonly Ending[])[] = [
      [{ first: 1, last: 0, types: [ACCEPT] }],
      [{ first: 0, last: 2, types: [ACCEPT, ACCEPT] }],
      [{ first: 0, last: 0, types: [] }],
      [{ first: 0, last: 0, types: [9] }],
      [{ first: 0, last: 0, types: [RENEW] }],
      [
        { first: 1, last: 1, types: [ACCEPT] },
        { first: 0, last: 0, types: [ACCEPT] },
      ],
    ];
    for (const endings of wrong) {
      assert.equal(await sharer.end(topicId, endings), INVALID_REQUEST, JSON.stringify(endings));
    }
    assert.equal(await sharer.end(topicId, [mine]), NONE);
    assert.equal(await sharer.end(topicId, [mine]), INVALID_RECORD_STATE, 'they are over');
  });
});

test('shares: a lock that runs out frees the message, and renewing keeps it', async () => {
  await withServer(async ({ client, broker, sim }) => {
    const [one, two] = [await client(), await client()];
    const topicId = await topicOf(broker, 't', 2);
    await beginEarly(one, 'g', { 'share.record.lock.duration.ms': 1_000 });
    const [sharer, other] = [new Sharer(one), new Sharer(two, 'n')];
    assert.equal((await sharer.fetch(topicId)).acquisitionLockTimeoutMs, 1_000);
    sim.clock.advance(900);
    const second = { first: 1, last: 1, types: [RENEW] };
    assert.equal(await sharer.end(topicId, [second], { isRenewAck: true }), NONE);
    sim.clock.advance(900);
    assert.deepEqual((await other.fetch(topicId)).taken, ['0,0,0,2']);
    const first = { first: 0, last: 0, types: [ACCEPT] };
    assert.equal(await sharer.end(topicId, [first]), INVALID_RECORD_STATE);
    assert.equal(await sharer.end(topicId, [{ ...second, types: [ACCEPT] }]), NONE);
    const renewing = { isRenewAck: true, maxRecords: 1 };
    assert.equal((await sharer.fetch(topicId, renewing)).errorCode, INVALID_REQUEST);
  });
});

test('shares: a fetch keeps to what is asked for, in records and in partitions', async () => {
  await withServer(async ({ client, broker }) => {
    const one = await client();
    const topicId = await topicOf(broker, 't', 10, 3);
    await beginEarly(one);
    const sharer = new Sharer(one);
    const some = await sharer.fetch(topicId, { partitions: [1], maxRecords: 4, batchSize: 3 });
    assert.deepEqual(some.taken, ['1,0,2,1', '1,3,3,1']);
    const rest = await sharer.fetch(topicId, { partitions: [1] });
    assert.deepEqual(rest.taken, ['1,4,9,1']);
    const bytes = await sharer.fetch(topicId, { partitions: [0], maxBytes: 1 });
    assert.deepEqual(bytes.taken, ['0,0,0,1'], 'one message goes out anyway');
    const forgottenTopics = [{ topicId, partitions: [0, 1] }];
    const other = await sharer.fetch(topicId, { partitions: [2], forgottenTopics });
    assert.deepEqual(other.taken, ['2,0,9,1']);
    assert.deepEqual((await sharer.fetch(topicId, { partitions: [2] })).taken, []);
    assert.deepEqual((await sharer.fetch(topicId, { maxRecords: 0 })).taken, []);
    const wrong = await sharer.fetch(topicId, { partitions: [7], maxRecords: 0 });
    const { UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID } = kafkaErrors;
    assert.equal(wrong.responses[0]?.partitions[0]?.errorCode, UNKNOWN_TOPIC_OR_PARTITION);
    const absent = await sharer.fetch('f'.repeat(32), { maxRecords: 0 });
    assert.equal(absent.responses[0]?.partitions[0]?.errorCode, UNKNOWN_TOPIC_ID);
  });
});

test('shares: a fetch waits for a message of any topic, or until its time is over', async () => {
  await withServer(async ({ client, broker, sim }) => {
    const one = await client();
    const ids = [await topicOf(broker, 't', 0), await topicOf(broker, 'u', 0)];
    await beginEarly(one);
    const sharer = new Sharer(one);
    const partitions = [{ partitionIndex: 0, acknowledgementBatches: [] }];
    const topics = ids.map((topicId) => ({ topicId, partitions }));
    const waiting = sharer.fetch(ids[0] ?? '', { topics, maxWaitMs: 10_000 });
    const { shares, topics: registry } = broker.engine;
    await until(() => ['t', 'u'].every((name) => shares.find(registry.get(name), 'g')));
    await (await broker.topic('u')).send({ value: 'a' });
    const { responses, taken } = await waiting;
    assert.equal(responses[0]?.topicId, ids[1]);
    assert.deepEqual(taken, ['0,0,0,1']);
    let isOver = false;
    const empty = sharer.fetch(ids[0] ?? '', { topics, maxWaitMs: 10_000 });
    void empty.then(() => {
      isOver = true;
    });
    await until(() => {
      sim.clock.advance(100);
      return isOver;
    });
    assert.deepEqual((await empty).taken, []);
  });
});

test('shares: who leaves, or whose connection ends, gives back what it has', async () => {
  await withServer(async ({ client, broker }) => {
    const [one, two] = [await client(), await client()];
    const topicId = await topicOf(broker, 't', 2);
    await beginEarly(one);
    const [sharer, other] = [new Sharer(one), new Sharer(two, 'n')];
    assert.deepEqual((await sharer.fetch(topicId)).taken, ['0,0,1,1']);
    assert.deepEqual((await other.fetch(topicId)).taken, []);
    sharer.epoch = -1;
    assert.equal(await sharer.end(topicId, [{ first: 0, last: 0, types: [ACCEPT] }]), NONE);
    assert.deepEqual((await other.fetch(topicId)).taken, ['0,1,1,2']);
    two.end();
    const last = new Sharer(one, 'o');
    assert.deepEqual((await last.fetch(topicId, { maxWaitMs: 10_000 })).taken, ['0,1,1,3']);
    const anew = new Sharer(one, 'o');
    assert.deepEqual((await anew.fetch(topicId)).taken, ['0,1,1,4'], 'a session begins anew');
  });
});

test('shares: requests that do not belong to a session are refused', async () => {
  await withServer(
    async ({ client, broker }) => {
      const one = await client();
      const topicId = await topicOf(broker, 't', 1);
      const sharer = new Sharer(one);
      const code = async (epoch: number, endings: readonly Ending[] = []): Promise<number> => {
        sharer.epoch = epoch;
        return (await sharer.fetch(topicId, {}, endings)).errorCode;
      };
      const { INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_NOT_FOUND } = kafkaErrors;
      const accept = { first: 0, last: 0, types: [ACCEPT] };
      assert.equal(await code(1), SHARE_SESSION_NOT_FOUND);
      assert.equal(await code(-1), SHARE_SESSION_NOT_FOUND);
      assert.equal(await code(0, [accept]), INVALID_REQUEST);
      assert.equal(await code(0), NONE);
      assert.equal(await code(2), INVALID_SHARE_SESSION_EPOCH);
      assert.equal(await code(1), NONE);
      sharer.epoch = 0;
      assert.equal(await sharer.end(topicId, [accept]), INVALID_SHARE_SESSION_EPOCH);
      const full = await new Sharer(one, 'n').fetch(topicId);
      assert.equal(full.errorCode, kafkaErrors.SHARE_SESSION_LIMIT_REACHED);
      const nobody = await one.ask(shareFetch, 1, { groupId: null, memberId: 'm' });
      assert.equal(nobody.errorCode, INVALID_REQUEST);
      assert.equal(await code(-1), NONE);
      assert.equal(await code(2), SHARE_SESSION_NOT_FOUND);
    },
    { shareSessions: 1 },
  );
});
