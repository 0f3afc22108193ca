/** What clients get of topics and records, over real sockets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { apiVersions, metadata } from '../../../src/server/kafka/messages/cluster.js';
import { fetch, listOffsets, produce } from '../../../src/server/kafka/messages/data.js';
import {
  createTopics,
  describeConfigs,
  incrementalAlterConfigs,
} from '../../../src/server/kafka/messages/topics.js';
import { ATTRIBUTES_POSITION } from '../../../src/storage/batch-format.js';
import { stampCrc } from '../../../src/storage/batch-header.js';
import { codecNamed } from '../../../src/storage/compression.js';
import { batchOf, readAll } from '../../support/batch-fixtures.js';
import { isPending, rejection } from '../../support/fixtures.js';
import { type KafkaClient, until, withServer } from '../../support/kafka-client.js';

const DURABLE = -1;
const ZSTD = 4;

async function send(client: KafkaClient, topic: string, batch: Buffer, acks = DURABLE) {
  const partitions = [{ index: 0, records: [batch] }];
  const { topics } = await client.ask(produce, 9, {
    acks,
    timeoutMs: 1_000,
    topics: [{ name: topic, partitions }],
  } as never);
  return topics[0]?.partitions[0];
}

function place(topic: string, fetchOffset: number, partitionMaxBytes = 1_000_000) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes }];
  return { topics: [{ topic, partitions }] };
}

function ask(client: KafkaClient, topic: string, offset: number, more: object = {}) {
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000, isolationLevel: 0 };
  return client.ask(fetch, 11, { ...limits, ...place(topic, offset), ...more } as never);
}

async function fetched(client: KafkaClient, topic: string, offset: number, more: object = {}) {
  const { topics } = await ask(client, topic, offset, more);
  const [partition] = topics[0]?.partitions ?? [];
  assert.ok(partition !== undefined);
  return partition;
}

test('server: an ApiVersions that is not spoken is answered in the oldest form', async () => {
  await withServer(async ({ client }) => {
    const { socket, frame } = await client().then((one) => ({
      socket: one.socket,
      frame: one.frame(),
    }));
    // Key 18, version 99, correlation id 5, no client id.
    socket.write(Buffer.from('0000000a' + '0012' + '0063' + '00000005' + 'ffff', 'hex'));
    const answer = await frame;
    assert.equal(answer?.readInt32BE(0), 5);
    assert.equal(answer?.readInt16BE(4), kafkaErrors.UNSUPPORTED_VERSION);
  });
});

test('server: it tells its versions, and of Produce that it begins at 0', async () => {
  await withServer(async ({ client }) => {
    const one = await client();
    const { apiKeys, errorCode } = await one.ask(apiVersions, 3, {
      clientSoftwareName: 'a',
      clientSoftwareVersion: '1',
    });
    assert.equal(errorCode, kafkaErrors.NONE);
    assert.deepEqual(apiKeys[0], { apiKey: 0, minVersion: 0, maxVersion: produce.versionMax });
    const refused = await one.ask(apiVersions, 3, {
      clientSoftwareName: 'no spaces',
      clientSoftwareVersion: '1',
    });
    assert.equal(refused.errorCode, kafkaErrors.INVALID_REQUEST);
  });
});

test('server: asking about a topic makes it, unless that is not wanted', async () => {
  await withServer(
    async ({ client, broker }) => {
      const one = await client();
      const made = await one.ask(metadata, 9, {
        topics: [{ name: 'orders' }],
        allowAutoTopicCreation: true,
      } as never);
      assert.equal(made.topics[0]?.errorCode, kafkaErrors.NONE);
      assert.equal(made.topics[0]?.partitions.length, 3);
      const others = await one.ask(metadata, 9, {
        topics: [{ name: 'absent' }, { name: 'not a name' }],
        allowAutoTopicCreation: false,
      } as never);
      assert.deepEqual(
        others.topics.map(({ errorCode }) => errorCode),
        [kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, kafkaErrors.INVALID_TOPIC_EXCEPTION],
      );
      assert.deepEqual(
        broker.listTopics().map(({ name }) => name),
        ['orders'],
      );
    },
    { partitions: 3 },
  );
  await withServer(
    async ({ client }) => {
      const asked = { topics: [{ name: 'orders' }], allowAutoTopicCreation: true };
      const { topics } = await (await client()).ask(metadata, 9, asked as never);
      assert.equal(topics[0]?.errorCode, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
    },
    { autoCreateTopics: false },
  );
});

test('server: a topic is found by its id, whatever stands for its name', async () => {
  await withServer(async ({ client, broker }) => {
    const { topicId } = (await broker.createTopic('t')).hosted.definition;
    const one = await client();
    for (const name of [null, '', 'other']) {
      const { topics } = await one.ask(metadata, 12, { topics: [{ topicId, name }] } as never);
      assert.deepEqual([topics[0]?.name, topics[0]?.errorCode], ['t', kafkaErrors.NONE]);
    }
    const absent = { topicId: `${'0'.repeat(31)}1`, name: '' };
    const { topics } = await one.ask(metadata, 12, { topics: [absent] } as never);
    assert.equal(topics[0]?.errorCode, kafkaErrors.UNKNOWN_TOPIC_ID);
    assert.equal(broker.listTopics().length, 1);
  });
});

test('server: a batch is stored as it came, and comes back so but for its offset', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    const batch = batchOf([
      { key: 'k', value: 'a', headers: [{ key: 'h', value: 'x' }], timestamp: 5 },
      { value: 'b', timestamp: 6 },
    ]);
    assert.equal((await send(one, 't', batch))?.baseOffset, 0);
    assert.equal((await send(one, 't', batch))?.baseOffset, 2);
    const { records, highWatermark } = await fetched(one, 't', 0);
    assert.equal(highWatermark, 4);
    const bytes = Buffer.concat([...(records ?? [])]);
    assert.equal(bytes.length, 2 * batch.length);
    // Base offset, length, epoch come first; the checksum does not cover them.
    assert.deepEqual(bytes.subarray(16, batch.length), batch.subarray(16));
    assert.equal(bytes.readBigInt64BE(batch.length), 2n);
  });
});

test('server: an offset within a batch gets the whole batch', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    await send(one, 't', batchOf([{ value: 'a' }, { value: 'b' }, { value: 'c' }]));
    const { records } = await fetched(one, 't', 2);
    const values = readAll(Buffer.concat([...(records ?? [])])).map(({ value }) => value);
    assert.deepEqual(values, ['a', 'b', 'c']);
  });
});

test('server: the first batch of an answer may have any size, the next ones not', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    const batch = batchOf([{ value: 'x'.repeat(500) }]);
    for (let index = 0; index < 3; index += 1) await send(one, 't', batch);
    const small = await fetched(one, 't', 0, { maxBytes: 10 });
    assert.equal(Buffer.concat([...(small.records ?? [])]).length, batch.length);
    const two = await fetched(one, 't', 0, { maxBytes: 2 * batch.length + 1 });
    assert.equal(Buffer.concat([...(two.records ?? [])]).length, 2 * batch.length);
  });
});

test('server: an offset that is not there is told where the log is', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    await send(one, 't', batchOf([{ value: 'a' }]));
    const { errorCode, highWatermark, logStartOffset } = await fetched(one, 't', 7);
    assert.equal(errorCode, kafkaErrors.OFFSET_OUT_OF_RANGE);
    assert.deepEqual([logStartOffset, highWatermark], [0, 1]);
  });
});

test('server: a fetch waits until there is something, or its time is over', async () => {
  await withServer(async ({ client, broker, sim }) => {
    await broker.createTopic('t');
    const [reader, writer] = [await client(), await client()];
    await send(writer, 't', batchOf([{ value: 'a' }]));
    const waiting = fetched(reader, 't', 1, { maxWaitMs: 5_000 });
    await until(() => sim.clock.pendingCount > 0);
    assert.ok(await isPending(waiting));
    await send(writer, 't', batchOf([{ value: 'b' }]));
    assert.equal((await waiting).highWatermark, 2);

    let isOver = false;
    const inVain = fetched(reader, 't', 2, { maxWaitMs: 5_000 });
    const noted = inVain.then(() => {
      isOver = true;
    });
    await until(() => {
      sim.clock.advance(10);
      return isOver;
    });
    await noted;
    assert.equal(Buffer.concat([...((await inVain).records ?? [])]).length, 0);
  });
});

test('server: a fetch of what is committed ends where a transaction is open', async () => {
  await withServer(async ({ client, broker }) => {
    const topic = await broker.createTopic('t');
    const log = await topic.hosted.partition(0);
    const producer = { producerId: 7n, producerEpoch: 0, baseSequence: 0, isTransactional: true };
    await log.append([{ value: 'undone' }], { producer });
    const marker = {
      producerId: 7n,
      producerEpoch: 0,
      kind: 'abort',
      coordinatorEpoch: 0,
    } as const;
    await log.appendMarker(marker);
    await log.append([{ value: 'open' }], { producer: { ...producer, baseSequence: 1 } });
    const one = await client();
    const committed = await fetched(one, 't', 0, { isolationLevel: 1 });
    assert.deepEqual([committed.lastStableOffset, committed.highWatermark], [2, 3]);
    assert.deepEqual(committed.abortedTransactions, [{ producerId: 7, firstOffset: 0 }]);
    const all = await fetched(one, 't', 0);
    assert.equal(all.abortedTransactions, null);
    const bytes = (records: readonly Uint8Array[] | null) =>
      Buffer.concat([...(records ?? [])]).length;
    assert.ok(bytes(all.records) > bytes(committed.records));
  });
});

test('server: what wants no answer gets none, and the next request is served', async () => {
  await withServer(async ({ client, broker }) => {
    const topic = await broker.createTopic('t');
    const one = await client();
    const topics = [
      { name: 't', partitions: [{ index: 0, records: [batchOf([{ value: 'a' }])] }] },
    ];
    one.post(produce, 9, { acks: 0, topics } as never);
    const { topics: told } = await one.ask(metadata, 9, { topics: [{ name: 't' }] } as never);
    assert.equal(told.length, 1);
    const log = await topic.hosted.partition(0);
    await until(() => log.writtenOffset === 1);
  });
});

test('server: requests that overlap are answered in their order', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    const batches = Array.from({ length: 40 }, (_, index) => batchOf([{ value: `${index}` }]));
    const sent = batches.map((batch) => send(one, 't', batch));
    const offsets = (await Promise.all(sent)).map((answer) => answer?.baseOffset);
    assert.deepEqual(offsets, [...batches.keys()]);
    const { records } = await fetched(one, 't', 0);
    assert.equal(records?.[0]?.length, 40 * (batches[0]?.length ?? 0) + 30);
  });
});

test('server: a damaged batch, or more than one, is refused; nothing is stored', async () => {
  await withServer(async ({ client, broker }) => {
    const topic = await broker.createTopic('t');
    const one = await client();
    const batch = batchOf([{ value: 'a' }]);
    const damaged = Buffer.from(batch);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    assert.equal((await send(one, 't', damaged))?.errorCode, kafkaErrors.CORRUPT_MESSAGE);
    const two = Buffer.concat([batch, batch]);
    assert.equal((await send(one, 't', two))?.errorCode, kafkaErrors.INVALID_RECORD);
    assert.equal((await send(one, 't', batch, 7))?.errorCode, kafkaErrors.INVALID_REQUIRED_ACKS);
    assert.equal(
      (await send(one, 'absent', batch))?.errorCode,
      kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION,
    );
    assert.equal((await topic.hosted.partition(0)).writtenOffset, 0);
  });
});

test('server: offsets are found by place and by time', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    await send(
      one,
      't',
      batchOf([
        { value: 'a', timestamp: 10 },
        { value: 'b', timestamp: 30 },
      ]),
    );
    await send(one, 't', batchOf([{ value: 'c', timestamp: 20 }]));
    const found = async (timestamp: number) => {
      const partitions = [{ partitionIndex: 0, timestamp }];
      const { topics } = await one.ask(listOffsets, 7, {
        topics: [{ name: 't', partitions }],
      } as never);
      const [{ offset, timestamp: time } = { offset: -9, timestamp: -9 }] =
        topics[0]?.partitions ?? [];
      return [offset, time];
    };
    assert.deepEqual(await found(-1), [3, -1], 'latest');
    assert.deepEqual(await found(-2), [0, -1], 'earliest');
    assert.deepEqual(await found(-3), [1, 30], 'the largest time');
    assert.deepEqual(await found(10), [0, 10]);
    assert.deepEqual(await found(11), [1, 30]);
    assert.deepEqual(await found(31), [-1, -1]);
  });
});

test('server: settings have the names of Kafka, and change with its operations', async () => {
  await withServer(async ({ client }) => {
    const one = await client();
    const configs = [
      { name: 'retention.ms', value: '1000000' },
      { name: 'min.insync.replicas', value: '1' },
    ];
    const topic = { name: 't', numPartitions: 2, replicationFactor: -1, configs };
    const made = await one.ask(createTopics, 5, { topics: [topic] } as never);
    assert.equal(made.topics[0]?.errorCode, kafkaErrors.NONE, `${made.topics[0]?.errorMessage}`);
    const told = made.topics[0]?.configs?.map(({ name, value, configSource }) => {
      return [name, value, configSource];
    });
    const [ofTopic, usual] = [1, 5];
    assert.deepEqual(
      told?.filter(([name]) => name === 'retention.ms' || name === 'cleanup.policy'),
      [
        ['cleanup.policy', 'delete', usual],
        ['retention.ms', '1000000', ofTopic],
      ],
    );
    const shown = async () => {
      const resources = [{ resourceType: 2, resourceName: 't', configurationKeys: null }];
      const { results } = await one.ask(describeConfigs, 4, { resources } as never);
      return new Map(results[0]?.configs.map(({ name, value }) => [name, value]));
    };
    assert.equal((await shown()).get('retention.ms'), '1000000');
    const change = async (name: string, configOperation: number, value: string | null) => {
      const resources = [
        { resourceType: 2, resourceName: 't', configs: [{ name, configOperation, value }] },
      ];
      const { responses } = await one.ask(incrementalAlterConfigs, 1, { resources } as never);
      return responses[0]?.errorCode;
    };
    assert.equal(await change('cleanup.policy', 2, 'compact'), kafkaErrors.NONE);
    assert.equal((await shown()).get('cleanup.policy'), 'compact,delete');
    assert.equal(await change('cleanup.policy', 3, 'delete'), kafkaErrors.NONE);
    assert.equal((await shown()).get('cleanup.policy'), 'compact');
    assert.equal(await change('retention.ms', 2, '5'), kafkaErrors.INVALID_CONFIG);
    assert.equal(await change('no.such.thing', 0, '5'), kafkaErrors.INVALID_CONFIG);
    assert.equal(await change('min.insync.replicas', 0, '2'), kafkaErrors.INVALID_CONFIG);
  });
});

test('server: a record that a compacted topic cannot take is named by its place', async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t', { cleanup: 'compact' });
    const answer = await send(await client(), 't', batchOf([{ key: 'k' }, { value: 'no key' }]));
    assert.equal(answer?.errorCode, kafkaErrors.INVALID_RECORD);
    assert.deepEqual(
      answer?.recordErrors.map(({ batchIndex }) => batchIndex),
      [1],
    );
  });
});

test('server: max.message.bytes bounds a batch, whatever a record was allowed before', async () => {
  await withServer(async ({ client }) => {
    const one = await client();
    const make = async (name: string, value: string) => {
      const configs = [{ name: 'max.message.bytes', value }];
      const topic = { name, numPartitions: 1, replicationFactor: 1, configs };
      const { topics } = await one.ask(createTopics, 5, { topics: [topic] } as never);
      return topics[0]?.errorCode;
    };
    assert.equal(await make('small', '2000'), kafkaErrors.NONE);
    assert.equal(await make('large', '8000000'), kafkaErrors.NONE);
    assert.equal(await make('wrong', 'much'), kafkaErrors.INVALID_CONFIG);
    const sent = async (topic: string, valueBytes: number) => {
      const batch = batchOf([{ value: Buffer.alloc(valueBytes, 'v') }]);
      return (await send(one, topic, batch))?.errorCode;
    };
    assert.equal(await sent('small', 1_900), kafkaErrors.NONE);
    assert.equal(await sent('small', 2_000), kafkaErrors.MESSAGE_TOO_LARGE);
    assert.equal(await sent('large', 5_000_000), kafkaErrors.NONE);
  });
});

test('server: another address than loopback needs to be allowed', async () => {
  await rejection(
    withServer(async () => undefined, { host: '0.0.0.0' }),
    'OPTION_INVALID',
  );
  await withServer(async ({ server }) => assert.ok(server.address.port > 0), {
    host: '0.0.0.0',
    allowRemote: true,
  });
});

test('server: an address that is taken is ADDRESS_IN_USE', async () => {
  await withServer(async ({ server }) => {
    await rejection(
      withServer(async () => undefined, { port: server.address.port }),
      'ADDRESS_IN_USE',
    );
  });
});

const skip = codecNamed('zstd').isAvailable() ? 'this Node.js has zstd' : false;

test('server: zstd that cannot be read here is passed through', { skip }, async () => {
  await withServer(async ({ client, broker }) => {
    await broker.createTopic('t');
    const one = await client();
    const batch = batchOf([{ value: 'a' }]);
    batch.writeInt16BE(ZSTD, ATTRIBUTES_POSITION);
    stampCrc(batch, 0);
    assert.equal((await send(one, 't', batch))?.errorCode, kafkaErrors.NONE);
    const { records } = await fetched(one, 't', 0);
    assert.deepEqual(records?.[0]?.subarray(16), batch.subarray(16));
  });
});
