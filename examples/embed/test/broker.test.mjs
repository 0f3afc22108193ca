import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameLimits } from '../frames.mjs';
import { Client, startBroker, tempFolder } from './client.mjs';

const orders = { destination: 'orders' };
/** A wait that never ends is a failure. */
const bounded = { timeout: 30_000 };
const bodies = (client) => client.messages.map(({ body }) => body);

test(
  'a session gets what came while it was away, from behind its acknowledgement',
  bounded,
  async (t) => {
    const broker = await startBroker(t, tempFolder(t));
    const publisher = await Client.connect(broker.port, 'publisher');
    const first = await Client.connect(broker.port, 'reader');
    await first.ask('SUBSCRIBE', orders);
    for (const body of ['a', 'b', 'c']) await publisher.ask('SEND', orders, body);
    await first.until(() => first.messages.length >= 3);
    assert.deepEqual(bodies(first), ['a', 'b', 'c']);
    await first.ask('ACK', { id: first.messages[0].id });
    await first.ask('DISCONNECT', {});
    await first.end();

    await publisher.ask('SEND', orders, 'd');
    const second = await Client.connect(broker.port, 'reader');
    await second.until(() => second.messages.length >= 3);
    assert.deepEqual(bodies(second), ['b', 'c', 'd']);

    const third = await Client.connect(broker.port, 'reader');
    await second.closed();
    assert.equal(second.errorCode, 'SESSION_TAKEN');
    await third.until(() => third.messages.length >= 3);
    assert.equal(await broker.stop('SIGTERM'), 0);
  },
);

test('whatever is wrong is named, and ends that connection alone', bounded, async (t) => {
  const folder = tempFolder(t);
  const broker = await startBroker(t, folder);
  const good = await Client.connect(broker.port, 'good');
  const wrong = [
    ['CONNECT_EXPECTED', undefined, (client) => client.write('SEND', orders, 'x')],
    ['CONNECT_EXPECTED', 'bad', (client) => client.write('CONNECT', { 'client-id': 'bad' })],
    ['NAME_INVALID', 'Bad Name', () => undefined],
    ['NAME_INVALID', 'bad', (client) => client.write('SEND', {}, 'x')],
    ['COMMAND_UNKNOWN', 'bad', (client) => client.write('GET / HTTP/1.1')],
    ['ACK_INVALID', 'bad', (client) => client.write('ACK', { id: 0 })],
    ['ACK_INVALID', 'bad', (client) => client.write('ACK')],
    ['FRAME_INVALID', 'bad', (client) => client.writeBytes('SEND\nno colon\n\n\0')],
    ['HEAD_TOO_LARGE', 'bad', (client) => client.writeBytes('x'.repeat(1024 * 1024))],
    [
      'BODY_TOO_LARGE',
      'bad',
      (client) => client.write('SEND', orders, Buffer.alloc(frameLimits.bodyBytes + 1)),
    ],
  ];
  for (const [code, name, act] of wrong) {
    const client = await Client.connect(broker.port, name);
    act(client);
    await client.closed();
    assert.equal(client.errorCode, code);
  }
  await good.ask('SEND', orders, 'still served');
  assert.equal(await broker.stop('SIGINT'), 0);
});

test(
  'kill -9 in traffic: what had a receipt is there, once, in order, and nothing else',
  bounded,
  async (t) => {
    const folder = tempFolder(t);
    let broker = await startBroker(t, folder);
    const subscriber = await Client.connect(broker.port, 'reader');
    await subscriber.ask('SUBSCRIBE', orders);

    for (const round of [1, 2]) {
      const reader = await Client.connect(broker.port, 'reader');
      const names = [1, 2, 3].map((number) => `publisher-${number}`);
      const publishers = await Promise.all(names.map((name) => Client.connect(broker.port, name)));
      /** Each message in the order of its publisher: the connection and the receipt it asked for. */
      const sent = new Map();
      const traffic = publishers.map(async (client, publisher) => {
        for (let count = 1; ; count += 1) {
          const body = `${round} ${publisher} ${count}`;
          sent.set(body, { client, receipt: client.request('SEND', orders, body) });
          await client.until(() => count - client.receipts.size < 40);
        }
      });
      const ended = Promise.allSettled(traffic);
      await reader.until(() => reader.messages.length >= 400);
      const acknowledged = reader.messages.slice(0, 100);
      await reader.ask('ACK', { id: acknowledged.at(-1).id });
      assert.equal(await broker.stop('SIGKILL'), 'SIGKILL');
      await ended;
      await Promise.all([reader, ...publishers].map((client) => client.closed()));

      broker = await startBroker(t, folder);
      const last = await Client.connect(broker.port, 'last');
      await last.ask('SEND', orders, `last of ${round}`);
      const again = await Client.connect(broker.port, 'reader');
      await again.until(() => again.messages.at(-1)?.body === `last of ${round}`);
      const stored = [...acknowledged, ...again.messages.slice(0, -1)];
      checkStored(stored, sent, reader.messages);
      await again.ask('ACK', { id: again.messages.at(-1).id });
    }
    assert.equal(await broker.stop('SIGTERM'), 0);
  },
);

/** `stored` is what was acknowledged and what came after the restart, `seen` what came before. */
function checkStored(stored, sent, seen) {
  const found = new Set(stored.map(({ body }) => body));
  assert.equal(found.size, stored.length, 'no message is there twice');
  assert.deepEqual(stored.slice(0, seen.length), seen, 'what was delivered has not changed');
  const missing = new Set();
  for (const [body, { client, receipt }] of sent) {
    if (found.has(body)) {
      assert.ok(!missing.has(client), `${body} is there, and one sent before it is not`);
    } else {
      assert.ok(!client.receipts.has(receipt), `${body} had its receipt and is lost`);
      missing.add(client);
    }
  }
  const known = [...sent.keys()].filter((body) => found.has(body));
  assert.equal(known.length, stored.length, 'every message was sent');
  for (const publisher of ['0', '1', '2']) {
    const ofOne = (bodies) => bodies.filter((body) => body.split(' ')[1] === publisher);
    assert.deepEqual(ofOne([...found]), ofOne(known), 'a publisher keeps its order');
  }
}
