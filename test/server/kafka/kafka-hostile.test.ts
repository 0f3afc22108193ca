/** Clients that mean harm, or are broken: they are put out, and nobody else notices. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.js';
import { metadata } from '../../../src/server/kafka/messages/cluster.js';
import { fetch, produce } from '../../../src/server/kafka/messages/data.js';
import { batchOf } from '../../support/batch-fixtures.js';
import { type ServerUnderTest, until, withServer } from '../../support/kafka-client.js';

async function isServed({ client }: ServerUnderTest): Promise<boolean> {
  const { brokers } = await (await client()).ask(metadata, 9, { topics: [] });
  return brokers.length === 1;
}

const nonsense: Readonly<Record<string, string>> = {
  'a negative length': 'ffffffff',
  'a length beyond the limit': '7fffffff00',
  'a frame without a header': '000000020000',
  'an empty frame': '00000000',
  'an API that is not spoken': '0000000a' + '03e7' + '0000' + '00000001' + 'ffff',
  'a version that is not spoken': '0000000a' + '0003' + '00ff' + '00000001' + 'ffff',
  'a list that claims two billion topics':
    '0000000f' + '0003' + '0001' + '00000001' + 'ffff' + '7fffffff' + '00',
  'the beginning of another protocol': Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex'),
};

for (const [what, hex] of Object.entries(nonsense)) {
  test(`hostile: ${what} ends the connection, and no other one`, async () => {
    await withServer(async (under) => {
      const bystander = await under.client();
      const one = await under.client();
      const bytes = Buffer.from(hex, 'hex');
      one.socket.write(bytes.length < 5 ? Buffer.concat([bytes, Buffer.alloc(5)]) : bytes);
      assert.equal(await one.frame(), undefined);
      assert.ok(under.failures.every((error) => hasCode(error, 'FRAME_INVALID')));
      assert.equal(under.failures.length, 1);
      assert.equal((await bystander.ask(metadata, 9, { topics: [] })).brokers.length, 1);
      assert.ok(await isServed(under));
    });
  });
}

test('hostile: bytes behind a request, as librdkafka sends them, change nothing', async () => {
  await withServer(async ({ client, failures }) => {
    const one = await client();
    // Metadata in version 13: all topics, none made, no operations, no tags; and three bytes more.
    const header = '00000012' + '0003' + '000d' + '00000007' + 'ffff' + '00';
    const frame = [header, '00', '00', '00', '00', '010000'].join('');
    one.socket.write(Buffer.from(frame, 'hex'));
    assert.equal((await one.frame())?.readInt32BE(0), 7);
    assert.equal((await one.ask(metadata, 9, { topics: [] })).brokers.length, 1);
    assert.deepEqual(failures, []);
  });
});

test('hostile: beyond the limit connections are closed as they come', async () => {
  await withServer(
    async ({ client, server }) => {
      const [one, two] = [await client(), await client()];
      await until(() => server.connectionCount === 2);
      const three = await client();
      assert.equal(await three.frame(), undefined);
      one.end();
      await until(() => server.connectionCount === 1);
      assert.equal((await two.ask(metadata, 9, { topics: [] })).brokers.length, 1);
    },
    { connections: 2 },
  );
});

test('hostile: from a client that takes no answers nothing more is read', async () => {
  await withServer(
    async (under) => {
      const { client, broker, server } = under;
      await broker.createTopic('t');
      const writer = await client();
      const records = [batchOf([{ value: 'x'.repeat(200_000) }])];
      await writer.ask(produce, 9, {
        acks: -1,
        topics: [{ name: 't', partitions: [{ index: 0, records }] }],
      } as never);
      const greedy = await client();
      greedy.socket.pause();
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
      const asked = { maxBytes: 1_000_000, topics: [{ topic: 't', partitions }] };
      for (let count = 0; count < 2_000; count += 1) greedy.post(fetch, 11, asked as never);
      await until(() => server.bufferedAnswerBytes > 100_000);
      for (let count = 0; count < 20; count += 1) assert.ok(await isServed(under));
      assert.ok(server.bufferedAnswerBytes < 2_000_000, 'its answers are bounded');
    },
    { answerBytesMax: 65_536 },
  );
});

test('hostile: a connection that is silent for long is closed', async () => {
  await withServer(
    async ({ client, sim, server }) => {
      const one = await client();
      await one.ask(metadata, 9, { topics: [] });
      sim.clock.advance(5_000);
      assert.equal(server.connectionCount, 1);
      sim.clock.advance(20_000);
      assert.equal(await one.frame(), undefined);
    },
    { idleMs: 10_000 },
  );
});

test('close: what was begun is answered, then connections end', async () => {
  await withServer(async ({ client, broker, server }) => {
    await broker.createTopic('t');
    const one = await client();
    const records = [batchOf([{ value: 'a' }])];
    const topics = [{ name: 't', partitions: [{ index: 0, records }] }];
    const sent = one.ask(produce, 9, { acks: -1, topics } as never);
    await until(() => server.requestCount === 1);
    const closing = server.close();
    assert.equal((await sent).topics[0]?.partitions[0]?.baseOffset, 0);
    await closing;
    assert.equal(await one.frame(), undefined);
  });
});
