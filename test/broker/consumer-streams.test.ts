/**
 * Consumers and producers as Node streams: backpressure, commits at the end, errors.
 */

import assert from 'node:assert/strict';
import { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { suite, test } from 'node:test';
import type { ConsumerBatch } from '../../src/broker/consumer/consumer-batch.js';
import { committedOf, openedBroker, settle, until } from '../support/consumer-fixture.js';

suite('consumer streams', () => {
  test('a slow reader stops the reading; the pipeline commits at its end', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    for (let index = 0; index < 40; index += 1) await topic.send({ value: String(index) });
    const consumer = topic.consumer({ group: 'g', commit: 'manual', prefetchCount: 4 });
    const seen: string[] = [];
    const batches: ConsumerBatch<Buffer>[] = [];
    let go = (): void => undefined;
    const slow = new Transform({
      objectMode: true,
      highWaterMark: 1,
      transform(batch: ConsumerBatch<Buffer>, _encoding, callback): void {
        seen.push(...walked(batch));
        batches.push(batch);
        go = () => callback(null, batch);
      },
    });
    const piping = pipeline(consumer.readable(), slow, consumer.committer());
    await until(() => seen.length === 1);
    await settle();
    assert.deepEqual(seen, ['0']);
    assert.ok(consumer.heldCount <= 4, 'the ring is full');
    const [{ position } = { position: -1 }] = consumer.assignment;
    assert.ok(position <= 4, `no more than the buffers of the stages were taken: ${position}`);
    while (seen.length < 40) {
      const count = seen.length;
      go();
      await until(() => seen.length > count);
    }
    go();
    await until(() => consumer.assignment[0]?.position === 40);
    await settle();
    assert.deepEqual(await committedOf(broker, 'g'), [40]);
    await consumer.close();
    await piping;
    assert.equal(seen.length, 40);
    assert.deepEqual(batches.flatMap(walked), seen, 'a stage may walk a batch at any time');
  });

  test('destroying the stream closes the consumer; its errors reach the stream', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await topic.send([{ value: '1' }, { value: '2' }]);
    const consumer = topic.consumer({ group: 'g', commit: 'manual' });
    const failing = new Writable({
      objectMode: true,
      write: (_batch, _encoding, callback) => callback(new Error('full')),
    });
    await assert.rejects(pipeline(consumer.readable(), failing), { message: 'full' });
    await until(() => consumer.assignment.length === 0);
    assert.equal((await broker.groups.describe('g')).members, 0);
    assert.deepEqual(await committedOf(broker, 'g'), []);
    const strict = topic.consumer({ from: 9, onOutOfRange: 'fail' });
    const draining = pipeline(strict.readable(), new Writable({ objectMode: true }));
    await assert.rejects(draining, { code: 'OFFSET_OUT_OF_RANGE' });
    assert.throws(() => topic.consumer({ group: 'g' }).readable(), { code: 'OPTION_INVALID' });
  });

  test('a commit that is refused fails the stage that commits', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await topic.send({ value: '1' });
    const consumer = topic.consumer();
    await assert.rejects(pipeline(consumer.readable(), consumer.committer()), {
      code: 'GROUP_INVALID',
    });
  });

  test('records are written as a stream, and finish means that they are durable', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    const stream = topic.writable({ highWaterMark: 2 });
    assert.equal(stream.write({ value: 'a' }), true);
    assert.equal(stream.write({ value: 'b' }), false, 'the writer is to wait');
    stream.write({ value: 'c' });
    await new Promise<void>((resolve) => stream.end(resolve));
    const [partition] = (await topic.describe()).partitions;
    assert.equal(partition?.endOffset, 3);
    const refused = topic.writable();
    const failed = new Promise((resolve) => refused.once('error', resolve));
    refused.write({ value: 'x', partition: 7 });
    assert.equal(Object(await failed).code, 'UNKNOWN_PARTITION');
    assert.throws(() => topic.writable({ highWaterMark: 0 }), { code: 'OPTION_INVALID' });
  });
});

/** The values, by a cursor, whose memory a plain loop would use again. */
function walked(batch: ConsumerBatch<Buffer>): string[] {
  const cursor = batch.cursor();
  const values: string[] = [];
  while (cursor.next()) values.push(String(cursor.copyValue()));
  return values;
}
