/**
 * kafkajs against a server: `node kafkajs-client.mjs HOST:PORT NAME` prints a transcript. NAME
 * begins the names of the topics and groups that it makes.
 */

import kafkajs from 'kafkajs';
import snappy from 'kafkajs-snappy';
import {
  BASE_MS,
  sampleRecords,
  say,
  sayError,
  section,
  shown,
  sorted,
  until,
  upTo,
} from './transcript.mjs';

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } =
  kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = snappy;

const [server, name] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [server], clientId: name, logLevel: logLevel.NOTHING });
/** A consumer ends with its last fetch. */
const maxWaitTimeInMs = 100;
const codecs = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
};

/** kafkajs says on the wire's behalf what went wrong, deep in an error or right there. */
function typeOf(error) {
  const inner = error.errors?.[0] ?? error.cause ?? error;
  return inner.type ?? inner.name;
}

async function withAdmin(use) {
  const client = kafka.admin();
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.disconnect();
  }
}

async function withProducer(settings, use) {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    ...settings,
  });
  await producer.connect();
  try {
    return await use(producer);
  } finally {
    await producer.disconnect();
  }
}

async function create(topic, numPartitions, configs = {}) {
  const configEntries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  await withAdmin(async (client) => {
    await client.createTopics({ topics: [{ topic, numPartitions, configEntries }] });
    // A leader is known before it leads, and what it refuses until then would be sent twice.
    await until(topic, () =>
      client.fetchTopicOffsets(topic).then(
        () => true,
        () => false,
      ),
    );
  });
}

/** A consumer that collects what it reads, until `isDone` says so. */
async function read(topic, settings, isDone) {
  const records = [];
  const consumer = kafka.consumer({
    groupId: `${topic}-reader-${Math.random()}`,
    maxWaitTimeInMs,
    ...settings,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const eachMessage = async ({ partition, message }) =>
    void records.push({ partition, ...message });
  await consumer.run({ eachMessage });
  await until(`all of ${topic}`, () => isDone(records));
  await consumer.disconnect();
  return records;
}

function lineOf({ partition, offset, timestamp, key, value, headers }) {
  return shown(partition, offset, timestamp, { key, value, headers: Object.entries(headers) });
}

async function admin() {
  section('admin');
  const topic = `${name}-admin`;
  await withAdmin(async (client) => {
    const configEntries = [{ name: 'retention.ms', value: '3600000' }];
    const wanted = { topics: [{ topic, numPartitions: 2, replicationFactor: 1, configEntries }] };
    say('created', await client.createTopics(wanted));
    say('created again', await client.createTopics(wanted));
    const one = (facts) => client.createTopics({ topics: [{ topic: `${topic}-2`, ...facts }] });
    await sayError(
      'a bad setting',
      () => one({ configEntries: [{ name: 'no.such', value: '1' }] }),
      typeOf,
    );
    await sayError('a bad name', () => one({ topic: 'a b' }), typeOf);
    await sayError('no partitions', () => one({ numPartitions: 0 }), typeOf);
    await sayError('three copies', () => one({ replicationFactor: 3 }), typeOf);
    const partitions = async () => {
      const { topics } = await client.fetchTopicMetadata({ topics: [topic] });
      return topics[0].partitions;
    };
    say(
      'partitions',
      (await partitions()).length,
      'replicas',
      (await partitions())[0].replicas.length,
    );
    say('grown', await client.createPartitions({ topicPartitions: [{ topic, count: 4 }] }));
    await until('four partitions', async () => (await partitions()).length === 4);
    const less = { topicPartitions: [{ topic, count: 1 }] };
    await sayError('shrunk', () => client.createPartitions(less), typeOf);
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    const setting = async (key) => {
      const asked = { resources: [{ ...resource, configNames: [key] }], includeSynonyms: false };
      const { resources } = await client.describeConfigs(asked);
      const { configValue, configSource, readOnly, isSensitive } = resources[0].configEntries[0];
      return { configValue, configSource, readOnly, isSensitive };
    };
    for (const key of ['cleanup.policy', 'retention.ms', 'max.message.bytes']) {
      say(key, await setting(key));
    }
    const alter = (value) => {
      const entries = [{ name: 'retention.ms', value }];
      const resources = [{ ...resource, configEntries: entries }];
      return client.alterConfigs({ validateOnly: false, resources });
    };
    await alter('7200000');
    await until(
      'the change',
      async () => (await setting('retention.ms')).configValue === '7200000',
    );
    say('retention.ms', await setting('retention.ms'));
    await sayError('a bad value', () => alter('soon'), typeOf);
    await client.deleteTopics({ topics: [topic] });
    await until('it is gone', async () => !(await client.listTopics()).includes(topic));
    await sayError('deleted again', () => client.deleteTopics({ topics: [topic] }), typeOf);
  });
}

async function producing() {
  for (const [codec, compression] of Object.entries(codecs)) {
    section(`codec ${codec}`);
    const topic = `${name}-${codec}`;
    await create(topic, 2);
    const messages = sampleRecords().map(({ key, value, headers, timeMs }) => ({
      // Without a key the client draws a partition.
      ...(key === null ? { partition: 0 } : {}),
      key,
      value,
      headers: Object.fromEntries(headers),
      timestamp: `${timeMs}`,
    }));
    await withProducer({}, (producer) => producer.send({ topic, messages, compression }));
    const records = await read(topic, {}, ({ length }) => length === messages.length);
    for (const line of records.map(lineOf).sort()) say(line);
  }
}

async function idempotent() {
  section('idempotent');
  const topic = `${name}-idempotent`;
  await create(topic, 1);
  await withProducer({ idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
    for (let first = 0; first < 500; first += 50) {
      const messages = upTo(50).map((i) => ({ value: `${first + i}` }));
      const [{ baseOffset }] = await producer.send({ topic, messages, acks: -1 });
      say('acknowledged', baseOffset);
    }
  });
  const records = await read(topic, {}, ({ length }) => length === 500);
  const values = records.map(({ value }) => `${value}`);
  say('in order, once each', values.join() === upTo(500).join());
}

async function refusals() {
  section('refusals');
  const topic = `${name}-compacted`;
  await create(topic, 1, { 'cleanup.policy': 'compact', 'max.message.bytes': '2000' });
  await withProducer({ retry: { retries: 0 } }, async (producer) => {
    const send = (message) => producer.send({ topic, messages: [message] });
    await sayError('without a key', () => send({ value: 'value' }), typeOf);
    await sayError('too large', () => send({ key: 'k', value: 'v'.repeat(5_000) }), typeOf);
    say('with a key', (await send({ key: 'k', value: 'value' }))[0].baseOffset);
  });
}

async function times() {
  section('times');
  const topic = `${name}-times`;
  await create(topic, 1);
  const messages = upTo(10).map((i) => ({ value: `${i}`, timestamp: `${BASE_MS + 1_000 * i}` }));
  await withProducer({}, (producer) => producer.send({ topic, messages }));
  await withAdmin(async (client) => {
    for (const afterMs of [-5_000, 0, 2_500, 9_000, 9_001]) {
      say(`t+${afterMs}`, await client.fetchTopicOffsetsByTimestamp(topic, BASE_MS + afterMs));
    }
    say('ends', await client.fetchTopicOffsets(topic));
    const [{ partition, offset }] = await client.fetchTopicOffsetsByTimestamp(
      topic,
      BASE_MS + 6_500,
    );
    const groupId = `${topic}-group`;
    await client.setOffsets({ groupId, topic, partitions: [{ partition, offset }] });
    const records = await read(topic, { groupId }, ({ length }) => length === 3);
    say(
      'from there',
      records.map(({ value }) => `${value}`),
    );
    await client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] });
    say('ends', await client.fetchTopicOffsets(topic));
  });
}

/** A member of a group, with the partitions that it has and the numbers that it has seen. */
async function join(topic, groupId) {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs, heartbeatInterval: 200 });
  const member = { consumer, partitions: [], seen: new Set() };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.partitions = payload.memberAssignment[topic] ?? [];
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const eachMessage = async ({ message }) => void member.seen.add(Number(message.value));
  await consumer.run({ autoCommitThreshold: 1, eachMessage });
  return member;
}

async function group() {
  section('group');
  const [topic, groupId] = [`${name}-group`, `${name}-group`];
  await create(topic, 4);
  const messages = upTo(40).map((i) => ({ partition: i % 4, value: `${i}` }));
  await withProducer({}, (producer) => producer.send({ topic, messages }));
  const first = await join(topic, groupId);
  await until('all', () => first.partitions.length === 4 && first.seen.size === 40);
  say('one member reads', sorted(first.seen).join() === upTo(40).join());
  const second = await join(topic, groupId);
  await until('halves', () => first.partitions.length === 2 && second.partitions.length === 2);
  say('two members share', sorted([...first.partitions, ...second.partitions]));
  await withAdmin(async (client) => {
    const [{ state, protocol, protocolType, members }] = (await client.describeGroups([groupId]))
      .groups;
    say(state, protocol, protocolType, members.length);
    const deleted = () => client.deleteGroups([groupId]);
    await sayError('deleted with members', deleted, (error) => error.groups[0].error.type);
    await second.consumer.disconnect();
    await until('all again', () => first.partitions.length === 4);
    const more = upTo(8).map((i) => ({ partition: i % 4, value: `${40 + i}` }));
    await withProducer({}, (producer) => producer.send({ topic, messages: more }));
    await until('the rest', () => first.seen.size === 48);
    await first.consumer.disconnect();
    say('the first reads on', sorted(first.seen).join() === upTo(48).join());
    say('committed', await client.fetchOffsets({ groupId, topics: [topic] }));
    say(
      'listed',
      (await client.listGroups()).groups.filter((each) => each.groupId === groupId).length,
    );
    await client.resetOffsets({ groupId, topic, earliest: true });
    say('reset', (await client.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0]);
    await client.deleteGroups([groupId]);
    await sayError('deleted again', deleted, (error) => error.groups[0].error.type);
  });
}

async function transactions() {
  section('transactions');
  const [source, target, groupId] = [`${name}-source`, `${name}-target`, `${name}-copiers`];
  await create(source, 1);
  await create(target, 1);
  const given = upTo(3).map((i) => ({ value: `${i}` }));
  await withProducer({}, (producer) => producer.send({ topic: source, messages: given }));
  const settings = { transactionalId: name, idempotent: true, maxInFlightRequests: 1 };
  await withProducer(settings, async (producer) => {
    for (const [step, isKept] of [true, false, true].entries()) {
      const transaction = await producer.transaction();
      const messages = upTo(2).map((i) => ({
        value: `${step} ${i} ${isKept ? 'kept' : 'undone'}`,
      }));
      await transaction.send({ topic: target, messages });
      const topics = [{ topic: source, partitions: [{ partition: 0, offset: `${step + 1}` }] }];
      await transaction.sendOffsets({ consumerGroupId: groupId, topics });
      if (isKept) await transaction.commit();
      else await transaction.abort();
      // The answer to a commit may come before others see it.
      const wanted = `${isKept ? step + 1 : step}`;
      await withAdmin((client) =>
        until('the commit', async () => {
          const [{ partitions }] = await client.fetchOffsets({ groupId, topics: [source] });
          return partitions[0].offset === wanted;
        }),
      );
      say('committed', wanted);
    }
    for (const readUncommitted of [false, true]) {
      const wanted = readUncommitted ? 6 : 4;
      const records = await read(target, { readUncommitted }, ({ length }) => length === wanted);
      say(
        readUncommitted ? 'all' : 'committed ones',
        records.map(({ offset, value }) => `${offset} ${value}`),
      );
    }
    await withProducer(settings, async (other) => {
      const transaction = await other.transaction();
      await transaction.abort();
    });
    const goOn = async () => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: target, messages: [{ value: 'fenced' }] });
    };
    await sayError('the first of two', goOn, typeOf);
  });
}

await admin();
await producing();
await idempotent();
await refusals();
await times();
await group();
await transactions();
section('end');
