/**
 * @platformatic/kafka against a server: `node platformatic-client.mjs HOST:PORT NAME` prints a
 * transcript. NAME begins the names of the topics and groups that it makes.
 */

import zlib from 'node:zlib';
import * as kafka from '@platformatic/kafka';
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

const [server, name] = process.argv.slice(2);
const common = { clientId: name, bootstrapBrokers: [server], retries: 3 };
const texts = { serializers: kafka.stringSerializers };
const TOPIC = 2;
const [SET, APPEND] = [0, 2];

/** The name of Kafka's error within the one that the client throws. */
function typeOf(error) {
  if (error.apiId !== undefined) return error.apiId;
  const inner = [...(error.errors ?? []), ...(error.cause === undefined ? [] : [error.cause])];
  return inner.map(typeOf).find((each) => each !== undefined);
}

async function withClient(client, use) {
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** A consumer leaves its group, and does not wait for its last fetch. */
async function withConsumer(consumer, use) {
  try {
    return await use(consumer);
  } finally {
    await consumer.close(true);
  }
}

function withAdmin(use) {
  return withClient(new kafka.Admin(common), use);
}

function withProducer(settings, use) {
  return withClient(new kafka.Producer({ ...common, autocreateTopics: false, ...settings }), use);
}

function consumerOf(settings) {
  const groupId = `${name}-${Math.random()}`;
  const given = { groupId, autocommit: false, maxWaitTime: 100, ...settings };
  return new kafka.Consumer({ ...common, ...given });
}

async function partitionsOf(client, topic) {
  const { topics } = await client.metadata({ topics: [topic], forceUpdate: true });
  return topics.get(topic).partitions;
}

async function create(topic, partitions, configs = {}) {
  const given = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  await withAdmin(async (client) => {
    await client.createTopics({ topics: [topic], partitions, replicas: 1, configs: given });
    // A leader is known before it leads, and what it refuses until then would be sent twice.
    const asked = upTo(partitions).map((i) => ({ partitionIndex: i, timestamp: -1n }));
    const places = () => client.listOffsets({ topics: [{ name: topic, partitions: asked }] });
    const isLed = () =>
      places().then(
        () => true,
        () => false,
      );
    await until(topic, isLed);
  });
}

/** The first `count` records of a topic, in the order in which they came. */
async function read(topic, count, settings = {}) {
  return await withConsumer(consumerOf(settings), async (consumer) => {
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest' });
    const records = [];
    for await (const record of stream) {
      records.push(record);
      if (records.length === count) break;
    }
    await stream.close();
    return records;
  });
}

function lineOf({ partition, offset, timestamp, key, value, headers }) {
  return shown(partition, offset, timestamp, { key, value, headers: [...headers] });
}

async function admin() {
  section('admin');
  const topic = `${name}-admin`;
  await withAdmin(async (client) => {
    const configs = [{ name: 'retention.ms', value: '3600000' }];
    const wanted = { topics: [topic], partitions: 2, replicas: 1, configs };
    const [made] = await client.createTopics(wanted);
    say('created', made.partitions, made.replicas, made.configuration['retention.ms']);
    const again = (more) => client.createTopics({ ...wanted, ...more });
    await sayError('created again', () => again({}), typeOf);
    const odd = [{ name: 'no.such', value: '1' }];
    await sayError('a bad setting', () => again({ topics: [`${topic}-2`], configs: odd }), typeOf);
    await sayError('a bad name', () => again({ topics: ['a b'] }), typeOf);
    await sayError('three copies', () => again({ topics: [`${topic}-2`], replicas: 3 }), typeOf);
    await until('the topic', async () => (await client.listTopics()).includes(topic));
    const grow = (count) => client.createPartitions({ topics: [{ name: topic, count }] });
    await grow(4);
    await until('four partitions', async () => (await partitionsOf(client, topic)).length === 4);
    await sayError('shrunk', () => grow(1), typeOf);
    const resource = { resourceType: TOPIC, resourceName: topic };
    const setting = async (key) => {
      const resources = [{ ...resource, configurationKeys: [key] }];
      const [{ configs: found }] = await client.describeConfigs({ resources });
      const { value, readOnly, configSource, configType } = found[0];
      return { value, readOnly, configSource, configType };
    };
    for (const key of ['cleanup.policy', 'retention.ms', 'max.message.bytes']) {
      say(key, await setting(key));
    }
    const alter = (key, configOperation, value) => {
      const changes = [{ name: key, configOperation, value }];
      return client.incrementalAlterConfigs({ resources: [{ ...resource, configs: changes }] });
    };
    await alter('retention.ms', SET, '7200000');
    await until('the change', async () => (await setting('retention.ms')).value === '7200000');
    await alter('cleanup.policy', APPEND, 'compact');
    await until('both', async () => (await setting('cleanup.policy')).value.includes('compact'));
    say('cleanup.policy', (await setting('cleanup.policy')).value.split(',').sort());
    await sayError('a bad value', () => alter('retention.ms', SET, 'soon'), typeOf);
    await client.deleteTopics({ topics: [topic] });
    await until('it is gone', async () => !(await client.listTopics()).includes(topic));
    await sayError('deleted again', () => client.deleteTopics({ topics: [topic] }), typeOf);
  });
}

async function codecs() {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    section(`codec ${compression}`);
    if (compression === 'zstd' && zlib.zstdCompressSync === undefined) {
      say('this Node.js has none');
      continue;
    }
    const topic = `${name}-${compression}`;
    await create(topic, 2);
    const messages = sampleRecords().map(({ key, value, headers, timeMs }) => ({
      topic,
      // Without a key the client draws a partition.
      ...(key === null ? { partition: 0 } : { key }),
      value: value ?? undefined,
      headers: new Map(headers.map(([label, text]) => [Buffer.from(label), Buffer.from(text)])),
      timestamp: BigInt(timeMs),
    }));
    await withProducer({}, (producer) => producer.send({ messages, compression }));
    const records = await read(topic, messages.length);
    for (const line of records.map(lineOf).sort()) say(line);
  }
}

async function idempotent() {
  section('idempotent');
  const topic = `${name}-idempotent`;
  await create(topic, 1);
  await withProducer({ idempotent: true, ...texts }, async (producer) => {
    for (let first = 0; first < 500; first += 50) {
      const messages = upTo(50).map((i) => ({ topic, value: `${first + i}` }));
      const { offsets } = await producer.send({ messages, acks: -1 });
      say('acknowledged', `${offsets[0].offset}`);
    }
  });
  const values = (await read(topic, 500)).map(({ value }) => `${value}`);
  say('in order, once each', values.join() === upTo(500).join());
}

async function refusals() {
  section('refusals');
  const topic = `${name}-compacted`;
  await create(topic, 1, { 'cleanup.policy': 'compact', 'max.message.bytes': '2000' });
  await withProducer(texts, async (producer) => {
    const send = (message) => producer.send({ messages: [{ topic, ...message }] });
    await sayError('without a key', () => send({ value: 'value' }), typeOf);
    await sayError('too large', () => send({ key: 'k', value: 'v'.repeat(5_000) }), typeOf);
    say('with a key', `${(await send({ key: 'k', value: 'value' })).offsets[0].offset}`);
  });
}

async function times() {
  section('times');
  const topic = `${name}-times`;
  await create(topic, 1);
  const messages = upTo(10).map((i) => {
    return { topic, value: `${i}`, timestamp: BigInt(BASE_MS + 1_000 * i) };
  });
  await withProducer(texts, (producer) => producer.send({ messages }));
  await withConsumer(consumerOf(texts), async (consumer) => {
    const place = async (timestamp) => {
      const found = await consumer.listOffsetsWithTimestamps({ topics: [topic], timestamp });
      const { offset, timestamp: time } = found.get(topic).get(0);
      return [Number(offset), time < 0n ? 'no time' : Number(time) - BASE_MS];
    };
    for (const afterMs of [-5_000, 0, 2_500, 9_000, 9_001]) {
      say(`t+${afterMs}`, await place(BigInt(BASE_MS + afterMs)));
    }
    say('earliest', await place(-2n));
    say('latest', await place(-1n));
    const [offset] = await place(BigInt(BASE_MS + 6_500));
    const offsets = [{ topic, partition: 0, offset: BigInt(offset) }];
    const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets });
    const values = [];
    for await (const { value } of stream) if (values.push(`${value}`) === 3) break;
    say('from there', values);
    await stream.close();
  });
  await withAdmin(async (client) => {
    const partitions = [{ partition: 0, offset: 4n }];
    const [deleted] = await client.deleteRecords({ topics: [{ name: topic, partitions }] });
    say('begins at', Number(deleted.partitions[0].lowWatermark));
  });
}

/** A member of a group, with the numbers that it has seen. */
async function join(topic, groupId) {
  const consumer = consumerOf({ groupId, heartbeatInterval: 200, sessionTimeout: 10_000 });
  const mode = 'committed';
  const stream = await consumer.consume({ topics: [topic], mode, fallbackMode: 'earliest' });
  const member = { seen: new Set() };
  const next = new Map();
  stream.on('data', ({ partition, offset, value }) => {
    member.seen.add(Number(value));
    next.set(partition, offset + 1n);
  });
  member.commit = async () => {
    const offsets = [...next].map(([partition, offset]) => {
      return { topic, partition, offset, leaderEpoch: 0 };
    });
    try {
      await consumer.commit({ offsets });
      return true;
    } catch {
      // A group that shares anew refuses it.
      return false;
    }
  };
  member.partitions = () => consumer.assignments?.flatMap(({ partitions }) => partitions) ?? [];
  member.leave = async () => {
    await stream.close();
    await consumer.close(true);
  };
  return member;
}

async function group() {
  section('group');
  const topic = `${name}-group`;
  const groupId = topic;
  await create(topic, 4);
  const send = (from, to) => {
    const numbers = upTo(to - from).map((i) => from + i);
    const messages = numbers.map((i) => ({ topic, partition: i % 4, value: `${i}` }));
    return withProducer(texts, (producer) => producer.send({ messages }));
  };
  await send(0, 40);
  const first = await join(topic, groupId);
  await until('all', () => first.partitions().length === 4 && first.seen.size === 40);
  say('one member reads', sorted(first.seen).join() === upTo(40).join());
  const second = await join(topic, groupId);
  await until('halves', () => [first, second].every(({ partitions }) => partitions().length === 2));
  say('two members share', sorted([...first.partitions(), ...second.partitions()]));
  await withAdmin(async (client) => {
    const describe = async () => (await client.describeGroups({ groups: [groupId] })).get(groupId);
    await until('a stable group', async () => (await describe()).state === 'STABLE');
    const { protocol, protocolType, members } = await describe();
    say(protocol, protocolType, members.size);
    const deleteGroup = () => client.deleteGroups({ groups: [groupId] });
    await sayError('deleted with members', deleteGroup, typeOf);
    await second.leave();
    await until('all again', () => first.partitions().length === 4);
    await send(40, 48);
    await until('the rest', () => first.seen.size === 48);
    const committed = async () => {
      const [{ topics }] = await client.listConsumerGroupOffsets({ groups: [groupId] });
      const found = topics.flatMap(({ partitions }) => partitions);
      const offsets = found.map(({ partitionIndex, committedOffset }) => {
        return `${partitionIndex}: ${committedOffset}`;
      });
      return offsets.sort().join(', ');
    };
    await until('the commit', () => first.commit());
    say('committed', await committed());
    await first.leave();
    say('the first reads on', sorted(first.seen).join() === upTo(48).join());
    const moved = { name: topic, partitionOffsets: [{ partition: 0, offset: 5n }] };
    await client.alterConsumerGroupOffsets({ groupId, topics: [moved] });
    say('moved', await committed());
    say(
      'listed',
      [...(await client.listGroups()).values()].filter(({ id }) => id === groupId).length,
    );
    await deleteGroup();
    await sayError('deleted again', deleteGroup, typeOf);
  });
}

async function transactions() {
  section('transactions');
  const [source, target] = [`${name}-source`, `${name}-target`];
  await create(source, 1);
  await create(target, 1);
  const given = upTo(6).map((i) => ({ topic: source, value: `${i}` }));
  await withProducer(texts, (producer) => producer.send({ messages: given }));
  const settings = { ...texts, idempotent: true, transactionalId: name };
  await withProducer(settings, async (producer) => {
    await withConsumer(consumerOf({}), async (consumer) => {
      const stream = await consumer.consume({ topics: [source], mode: 'earliest' });
      const records = [];
      for await (const record of stream) if (records.push(record) === 6) break;
      for (const [step, isKept] of [true, false, true].entries()) {
        const batch = records.slice(2 * step, 2 * step + 2);
        const transaction = await producer.beginTransaction();
        await transaction.addConsumer(consumer);
        const end = isKept ? 'kept' : 'undone';
        const messages = batch.map(({ value }) => ({ topic: target, value: `${value} ${end}` }));
        await transaction.send({ messages });
        await transaction.addOffset(batch[1]);
        if (isKept) await transaction.commit();
        else await transaction.abort();
        const wanted = isKept ? 2 * step + 2 : 2 * step;
        const topics = [{ topic: source, partitions: [0] }];
        // The answer to a commit may come before others see it.
        await until('the commit', async () => {
          return (
            Number((await consumer.listCommittedOffsets({ topics })).get(source)[0]) === wanted
          );
        });
        say('committed', wanted);
      }
      await stream.close();
    });
    for (const [isolationLevel, count] of [
      [1, 4],
      [0, 6],
    ]) {
      const records = await read(target, count, { isolationLevel });
      say(
        isolationLevel,
        records.map(({ offset, value }) => `${offset} ${value}`),
      );
    }
    // This client names an epoch with its first request: it takes over from nobody.
    const takeOver = () => withProducer(settings, (other) => other.beginTransaction());
    await sayError('another one', takeOver, typeOf);
  });
}

await admin();
await codecs();
await idempotent();
await refusals();
await times();
await group();
await transactions();
section('end');
process.exit(0);
