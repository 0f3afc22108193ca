/**
 * node-rdkafka against a server, or what is as it is, @confluentinc/kafka-javascript (librdkafka
 * both): `node rdkafka-client.mjs HOST:PORT NAME` prints a transcript. NAME begins the names of the
 * topics and groups that it makes.
 */

import { BASE_MS, sampleRecords, say, section, shown, sorted, until, upTo } from './transcript.mjs';

const { default: rdkafka } = await import('node-rdkafka').catch(
  () => import('@confluentinc/kafka-javascript'),
);
const [server, name] = process.argv.slice(2);
const common = { 'bootstrap.servers': server, log_level: 0 };
const WAIT_MS_MAX = 30_000;
const client = rdkafka.AdminClient.create(common);

/** The result of a call that ends with a callback. */
function called(target, method, ...args) {
  return new Promise((resolve, reject) => {
    target[method](...args, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

async function sayCode(what, call) {
  try {
    await call();
    say(what, 'no error');
  } catch (error) {
    say(what, error.code);
  }
}

async function create(topic, partitions, config = {}) {
  const wanted = { topic, num_partitions: partitions, replication_factor: 1, config };
  await called(client, 'createTopic', wanted, WAIT_MS_MAX);
  await until(topic, async () => (await partitionsOf(topic)).length === partitions);
}

async function partitionsOf(topic) {
  return await withProducer({}, async (producer) => {
    const { topics } = await called(producer, 'getMetadata', { topic, timeout: WAIT_MS_MAX });
    const found = topics.find((each) => each.name === topic);
    return (found?.partitions ?? []).filter(({ leader }) => leader >= 0);
  });
}

async function withProducer(settings, use) {
  const producer = new rdkafka.Producer({ ...common, dr_cb: true, ...settings });
  producer.on('event.error', () => undefined);
  producer.setPollInterval(10);
  await called(producer, 'connect', {});
  try {
    return await use(producer);
  } finally {
    await called(producer, 'disconnect');
  }
}

/** The offsets at which records were stored; an error rejects. */
async function sendAll(topic, records, settings = {}) {
  return await withProducer(settings, async (producer) => {
    const offsets = [];
    const errors = [];
    producer.on('delivery-report', (error, report) => {
      if (error) errors.push(error);
      else offsets.push(report.offset);
    });
    for (const { partition = null, value, key = null, timeMs, headers } of records) {
      producer.produce(topic, partition, value, key, timeMs, undefined, headers);
    }
    await called(producer, 'flush', WAIT_MS_MAX);
    await until('all reports', () => offsets.length + errors.length === records.length);
    if (errors.length > 0) throw errors[0];
    return offsets;
  });
}

async function withConsumer(settings, use) {
  const given = { 'group.id': `${name}-unused`, 'enable.auto.commit': false, ...settings };
  const consumer = new rdkafka.KafkaConsumer(
    { ...common, ...given },
    { 'auto.offset.reset': 'earliest' },
  );
  consumer.on('event.error', () => undefined);
  consumer.setDefaultConsumeTimeout(100);
  await called(consumer, 'connect', {});
  try {
    return await use(consumer);
  } finally {
    await called(consumer, 'disconnect');
  }
}

async function read(topic, count, settings = {}) {
  const partitions = (await partitionsOf(topic)).map(({ id }) => ({
    topic,
    partition: id,
    offset: 0,
  }));
  return await withConsumer(settings, async (consumer) => {
    consumer.assign(partitions);
    const records = [];
    await until(`all of ${topic}`, async () => {
      records.push(...(await called(consumer, 'consume', 100)));
      return records.length >= count;
    });
    return records;
  });
}

function lineOf({ partition, offset, timestamp, key, value, headers = [] }) {
  const labels = headers.flatMap((each) => Object.entries(each));
  return shown(partition, offset, timestamp, { key, value, headers: labels });
}

async function admin() {
  section('admin');
  const topic = `${name}-admin`;
  await create(topic, 2, { 'retention.ms': '3600000' });
  await sayCode('created again', () => create(topic, 2));
  await sayCode('a bad setting', () => create(`${topic}-2`, 1, { 'no.such': '1' }));
  await sayCode('a bad name', () => create('a b', 1));
  await called(client, 'createPartitions', topic, 4, WAIT_MS_MAX);
  await until('four partitions', async () => (await partitionsOf(topic)).length === 4);
  say('grown to 4');
  await sayCode('shrunk', () => called(client, 'createPartitions', topic, 1, WAIT_MS_MAX));
  await called(client, 'deleteTopic', topic, WAIT_MS_MAX);
  await sayCode('deleted again', () => called(client, 'deleteTopic', topic, WAIT_MS_MAX));
}

async function codecs() {
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    section(`codec ${codec}`);
    if (codec !== 'none' && !rdkafka.features.includes(codec)) {
      say('this build has none');
      continue;
    }
    const topic = `${name}-${codec}`;
    await create(topic, 2);
    const records = sampleRecords().map(({ key, headers, ...facts }) => ({
      ...facts,
      key,
      // Without a key the client draws a partition.
      ...(key === null ? { partition: 0 } : {}),
      headers: headers.map(([label, text]) => ({ [label]: text })),
    }));
    const settings = { 'compression.codec': codec, 'linger.ms': 20, partitioner: 'murmur2_random' };
    await sendAll(topic, records, settings);
    for (const line of (await read(topic, records.length)).map(lineOf).sort()) say(line);
  }
}

async function idempotent() {
  section('idempotent');
  const topic = `${name}-idempotent`;
  await create(topic, 1);
  const records = upTo(500).map((i) => ({ value: Buffer.from(`${i}`) }));
  const settings = { 'enable.idempotence': true, 'batch.num.messages': 20 };
  say('acknowledged', (await sendAll(topic, records, settings)).join() === upTo(500).join());
  const values = (await read(topic, 500)).map(({ value }) => `${value}`);
  say('in order, once each', values.join() === upTo(500).join());
}

async function refusals() {
  section('refusals');
  const topic = `${name}-compacted`;
  await create(topic, 1, { 'cleanup.policy': 'compact', 'max.message.bytes': '2000' });
  const send = (key, bytes) => sendAll(topic, [{ key, value: Buffer.alloc(bytes, 'v') }]);
  await sayCode('without a key', () => send(null, 10));
  await sayCode('too large', () => send('k', 5_000));
  say('with a key', await send('k', 10));
}

async function times() {
  section('times');
  const topic = `${name}-times`;
  await create(topic, 1);
  const records = upTo(10).map((i) => ({
    value: Buffer.from(`${i}`),
    timeMs: BASE_MS + 1_000 * i,
  }));
  await sendAll(topic, records);
  await withConsumer({}, async (consumer) => {
    for (const afterMs of [-5_000, 0, 2_500, 9_000, 9_001]) {
      const asked = [{ topic, partition: 0, offset: BASE_MS + afterMs }];
      const [{ offset }] = await called(consumer, 'offsetsForTimes', asked, WAIT_MS_MAX);
      say(`t+${afterMs}`, offset);
    }
    say('ends', await called(consumer, 'queryWatermarkOffsets', topic, 0, WAIT_MS_MAX));
  });
}

/** A member of a group, with the numbers that it has seen. */
async function join(topic, groupId) {
  const member = { seen: new Set(), isStopped: false, consumer: undefined };
  const work = withConsumer(
    { 'group.id': groupId, 'heartbeat.interval.ms': 200, 'enable.auto.commit': true },
    async (consumer) => {
      member.consumer = consumer;
      consumer.subscribe([topic]);
      while (!member.isStopped) {
        for (const { value } of await called(consumer, 'consume', 100)) {
          member.seen.add(Number(value));
        }
      }
    },
  );
  await until('it is connected', () => member.consumer !== undefined);
  member.partitions = () => member.consumer.assignments().map(({ partition }) => partition);
  member.leave = async () => {
    member.isStopped = true;
    await work;
  };
  return member;
}

async function group() {
  section('group');
  const topic = `${name}-group`;
  await create(topic, 4);
  const send = (from, to) => {
    const numbers = upTo(to - from).map((i) => from + i);
    return sendAll(
      topic,
      numbers.map((i) => ({ partition: i % 4, value: Buffer.from(`${i}`) })),
    );
  };
  await send(0, 40);
  const first = await join(topic, topic);
  await until('all', () => first.partitions().length === 4 && first.seen.size === 40);
  say('one member reads', first.seen.size);
  const second = await join(topic, topic);
  await until('halves', () => [first, second].every(({ partitions }) => partitions().length === 2));
  say('two members share', sorted([...first.partitions(), ...second.partitions()]));
  await second.leave();
  await until('all again', () => first.partitions().length === 4);
  await send(40, 48);
  await until('the rest', () => first.seen.size === 48);
  await first.leave();
  say('the first reads on', sorted(first.seen).join() === upTo(48).join());
  await withConsumer({ 'group.id': topic }, async (consumer) => {
    const asked = upTo(4).map((partition) => ({ topic, partition }));
    const committed = await called(consumer, 'committed', asked, WAIT_MS_MAX);
    say(
      'committed',
      committed.map(({ offset }) => offset),
    );
  });
}

async function transactions() {
  section('transactions');
  const [source, target, groupId] = [`${name}-source`, `${name}-target`, `${name}-copiers`];
  await create(source, 1);
  await create(target, 1);
  await sendAll(
    source,
    upTo(6).map((i) => ({ value: Buffer.from(`${i}`) })),
  );
  await withProducer({ 'transactional.id': name }, async (producer) => {
    await called(producer, 'initTransactions', WAIT_MS_MAX);
    await withConsumer({ 'group.id': groupId }, async (consumer) => {
      consumer.subscribe([source]);
      const records = [];
      await until('six records', async () => {
        records.push(...(await called(consumer, 'consume', 10)));
        return records.length === 6;
      });
      for (const [step, isKept] of [true, false, true].entries()) {
        await called(producer, 'beginTransaction');
        for (const { value } of records.slice(2 * step, 2 * step + 2)) {
          producer.produce(target, 0, Buffer.from(`${value} ${isKept ? 'kept' : 'undone'}`));
        }
        const offsets = [{ topic: source, partition: 0, offset: 2 * step + 2 }];
        await called(producer, 'sendOffsetsToTransaction', offsets, consumer, WAIT_MS_MAX);
        await called(producer, 'flush', WAIT_MS_MAX);
        await called(producer, isKept ? 'commitTransaction' : 'abortTransaction', WAIT_MS_MAX);
        const wanted = isKept ? 2 * step + 2 : 2 * step;
        const asked = [{ topic: source, partition: 0 }];
        // The answer to a commit may come before others see it.
        await until('the commit', async () => {
          return (await called(consumer, 'committed', asked, WAIT_MS_MAX))[0].offset === wanted;
        });
        say('committed', wanted);
      }
    });
    for (const [isolation, count] of [
      ['read_committed', 4],
      ['read_uncommitted', 6],
    ]) {
      const records = await read(target, count, { 'isolation.level': isolation });
      say(
        isolation,
        records.map(({ offset, value }) => `${offset} ${value}`),
      );
    }
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
