/**
 * A queue whose first message is stuck gives its disk back, and the message stays what it was.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { QueueMessage } from '../../src/broker/queue/queue-message.js';
import { SimBroker } from '../support/broker-fixture.js';
import { settled } from '../support/fixtures.js';

const OPTIONS = { segmentBytes: 65_536, visibilityTimeoutMs: 3_600_000 };
const VALUE = 'v'.repeat(8_000);
const MESSAGES = 200;

async function pass({ clock }: SimBroker, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000);
    await settled();
    await settled();
  }
}

async function logBytes(broker: Broker): Promise<number> {
  const queue = await broker.queue('jobs', OPTIONS);
  return await (await queue.hosted.topic.partition(0)).bytes();
}

/** A queue in which all but the stuck ones are acknowledged. */
async function withStuck(options: object, ...stuck: readonly number[]) {
  const process = new SimBroker();
  const broker = await process.open();
  const jobs = await broker.queue('jobs', { ...OPTIONS, ...options });
  for (let index = 0; index < MESSAGES; index += 1) {
    await jobs.send(VALUE, { key: `k${index}`, headers: [{ key: 'at', value: String(index) }] });
  }
  const held: QueueMessage<Buffer>[] = [];
  const done: QueueMessage<Buffer>[] = [];
  for (;;) {
    const messages = await jobs.receive({ max: 50 });
    if (messages.length === 0) break;
    for (const message of messages) (stuck.includes(message.offset) ? held : done).push(message);
  }
  assert.deepEqual([held.length, done.length], [stuck.length, MESSAGES - stuck.length]);
  await jobs.acknowledge(done);
  return { process, broker, jobs, held };
}

suite('queue parking', () => {
  for (const options of [{}, { fifo: true }, { retainAcknowledgedMs: 5_000 }]) {
    test(`the disk comes back behind stuck messages, ${JSON.stringify(options)}`, async () => {
      const { process, broker, jobs, held } = await withStuck(options, 0, 3);
      await pass(process, 3_000);
      const before = await logBytes(broker);
      assert.ok(before > 1_500_000, `${before} bytes while it is not stuck for long`);
      await pass(process, 90_000);
      const after = await logBytes(broker);
      assert.ok(after < 200_000, `${after} bytes of ${before}`);
      const [stuck] = (await jobs.peek()).messages;
      assert.equal(stuck?.offset, 0);
      assert.equal((await jobs.stats()).inFlight, 2);
      await held[0]?.acknowledge();
      const next = process.kill();
      const reopened = await next.open();
      const again = await reopened.queue('jobs', { ...OPTIONS, ...options });
      const [message, ...others] = await again.receive({ max: 10 });
      assert(message);
      assert.equal(others.length, 0);
      assert.deepEqual(
        [message.offset, String(message.key), message.deliveries, String(message.value) === VALUE],
        [3, 'k3', 2, true],
      );
      assert.deepEqual(message.headers, [{ key: 'at', value: Buffer.from('3') }]);
      await message.reject({ reason: 'stuck' });
      const dead = await reopened.queue('jobs-dead', {
        maxDeliveries: 'unlimited',
        deadLetter: 'none',
      });
      const [letter] = (await dead.peek()).messages;
      assert.equal(letter?.deadLetter?.offset, 3);
      await again.send('new');
      const [last] = await again.receive({ max: 10 });
      assert.equal(String(last?.value), 'new');
      await pass(next, 30_000);
      assert.equal((await again.stats()).depth, 0);
      await reopened.close();
    });
  }

  test('a stuck message comes again when its lease is over, from its copy', async () => {
    const { process, broker, jobs } = await withStuck({}, 0);
    await pass(process, 90_000);
    assert.ok((await logBytes(broker)) < 200_000);
    process.clock.advance(3_600_000);
    await settled();
    const [message] = await jobs.receive();
    assert.deepEqual([message?.offset, message?.deliveries], [0, 2]);
    assert.equal(String(message?.value), VALUE);
    await message?.acknowledge();
    await broker.close();
  });
});

suite('share group parking', () => {
  test('a topic that others own is only read; a copy outlives what it keeps', async () => {
    const process = new SimBroker();
    const broker = await process.open();
    const topic = await broker.topic('orders', {
      segmentBytes: 65_536,
      retentionMs: 'unlimited',
      protectedGroups: ['mail'],
    });
    const consumer = topic.share({ group: 'mail', visibilityTimeoutMs: 3_600_000 });
    for (let index = 0; index < MESSAGES; index += 1) await topic.send({ value: VALUE });
    let first = true;
    for (;;) {
      const messages = await consumer.receive({ max: 50 });
      if (messages.length === 0) break;
      await consumer.acknowledge(first ? messages.slice(1) : messages);
      first = false;
    }
    const log = await topic.hosted.partition(0);
    const before = [log.startOffset, log.writtenOffset];
    await pass(process, 90_000);
    assert.deepEqual([log.startOffset, log.writtenOffset], before, 'neither written nor deleted');
    await log.deleteRecordsBefore(MESSAGES);
    const next = process.kill();
    const reopened = await next.open();
    const again = (await reopened.topic('orders')).share({ group: 'mail' });
    const [message, ...others] = await again.receive({ max: 10 });
    assert.equal(message?.offset, 0);
    assert.equal(others.length, 0);
    assert.equal(String(message?.value), VALUE);
    await again.acknowledge([message]);
    await reopened.close();
  });
});
