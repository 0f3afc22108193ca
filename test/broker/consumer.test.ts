/**
 * Loops over a consumer: values, commits, what a rebalance waits for, and how a loop ends.
 */

import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { ConsumerBatch } from '../../src/broker/consumer/consumer-batch.js';
import type { InvalidRecord } from '../../src/broker/consumer/consumer-decoder.js';
import { consumerDiagnostics } from '../../src/broker/consumer/consumer-diagnostics.js';
import type { Codec } from '../../src/broker/topic/codec.js';
import { json } from '../../src/broker/topic/codec-json.js';
import { SimBroker } from '../support/broker-fixture.js';
import { committedOf, fill, openedBroker, settle, until } from '../support/consumer-fixture.js';

suite('consumer', () => {
  test('commits as the loop asks for the next batch; break commits nothing', async (t) => {
    const broker = await openedBroker(t);
    const topic = await sentOneByOne(broker, ['a', 'b', 'c', 'd']);
    const consumer = topic.consumer({ group: 'g' });
    const seen: string[] = [];
    for await (const batch of consumer) {
      for (const { value } of batch) seen.push(String(value));
      if (seen.length < 3) continue;
      await consumer.commit();
      assert.deepEqual(await committedOf(broker, 'g'), [2], 'the loop is done with two');
      break;
    }
    assert.deepEqual(seen, ['a', 'b', 'c']);
    assert.deepEqual(await committedOf(broker, 'g'), [2]);
    assert.equal((await broker.groups.describe('g')).members, 0, 'the loop closed it');
    assert.deepEqual(await consumer.next(), { done: true, value: undefined });
    await assert.rejects(consumer.seek({ topic: 'orders', partition: 0 }, 0), {
      code: 'CONSUMER_CLOSED',
    });
  });

  test('a commit by hand is not taken back by what the loop did before', async (t) => {
    const broker = await openedBroker(t);
    const topic = await sentOneByOne(broker, ['a', 'b', 'c', 'd']);
    for await (const batch of topic.consumer({ group: 'g' })) {
      if (batch.nextOffset < 3) continue;
      await batch.commit();
      break;
    }
    assert.deepEqual(await committedOf(broker, 'g'), [3]);
  });

  test('an error in the loop commits nothing of its batch', async (t) => {
    const broker = await openedBroker(t);
    const topic = await sentOneByOne(broker, ['a', 'b']);
    const loop = async () => {
      for await (const batch of topic.consumer({ group: 'g' })) {
        if (batch.nextOffset === 2) throw new Error('no');
      }
    };
    await assert.rejects(loop, { message: 'no' });
    assert.deepEqual(await committedOf(broker, 'g'), [1]);
  });

  test('commits by hand: a batch, a record, with metadata', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 6);
    const consumer = topic.consumer({ group: 'g', commit: 'manual' });
    const batch = await nextOf(consumer);
    for (const record of batch) {
      if (record.offset === 2) await batch.commit({ through: record, metadata: 'third' });
    }
    assert.deepEqual(await committedOf(broker, 'g'), [3]);
    assert.equal((await broker.groups.describe('g')).partitions[0]?.metadata, 'third');
    await assert.rejects(batch.commit({ through: 6 }), { code: 'OFFSET_OUT_OF_RANGE' });
    await assert.rejects(batch.commit({ metadata: 'x'.repeat(5000) }), {
      code: 'OFFSET_METADATA_TOO_LARGE',
    });
    await batch.commit();
    assert.deepEqual(await committedOf(broker, 'g'), [6]);
    await consumer.close();
    const alone = await nextOf(topic.consumer());
    await assert.rejects(alone.commit(), { code: 'GROUP_INVALID' });
    for (const commit of ['automatic', 'before'] as const) {
      assert.throws(() => topic.consumer({ commit }), { code: 'OPTION_INVALID' });
    }
  });

  test('partitions that are chosen by hand commit to a group without joining it', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 3 });
    await fill(topic, 6);
    const consumer = topic.consumer({ group: 'g', partitions: [2], commit: 'manual' });
    const batch = await nextOf(consumer);
    assert.equal(batch.partition, 2);
    await batch.commit();
    assert.deepEqual(await committedOf(broker, 'g'), [2]);
    assert.equal((await broker.groups.describe('g')).members, 0);
  });

  test('before: a batch is committed before the loop gets it, and not read twice', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await sentOneByOne(broker, ['a', 'b']);
    const batch = await nextOf(topic.consumer({ group: 'g', commit: 'before' }));
    assert.equal(batch.nextOffset, 1);
    assert.deepEqual(await committedOf(broker, 'g'), [1]);
    const again = await sim.kill().open();
    t.after(async () => {
      await broker.close().catch(() => undefined);
      await again.close();
    });
    const next = await nextOf((await again.topic('orders')).consumer({ group: 'g' }));
    assert.deepEqual([...next].map(String.bind(null)).length, 1);
    assert.equal(next.nextOffset, 2);
  });

  test('values come through the codec; a tombstone is null; so do keys and headers', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1, codec: json() });
    await topic.send([
      { key: 'k', value: { n: 1 }, headers: [{ key: 'h', value: 'v' }], timestamp: 77 },
      { key: 'k', value: null },
    ]);
    const [first, second] = [...(await nextOf(topic.consumer()))];
    assert.deepEqual(first?.value, { n: 1 });
    assert.equal(first?.key?.toString(), 'k');
    assert.equal(first?.timestamp, 77);
    assert.deepEqual(
      first?.headers.map(({ key, value }) => [key, value?.toString()]),
      [['h', 'v']],
    );
    assert.equal(second?.value, null);
    assert.equal(second?.offset, 1);
  });

  test('a value that does not fit ends the loop, is skipped, or goes to a function', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await topic.send([{ value: '1' }, { value: '{' }, { value: '3' }]);
    const read = async (onInvalidValue: 'fail' | 'skip' | ((one: InvalidRecord) => unknown)) => {
      const consumer = broker.consumer({
        topics: 'orders',
        codec: json(),
        group: 'g',
        onInvalidValue,
      });
      const seen: unknown[] = [];
      for await (const batch of consumer) {
        for (const { value } of batch) seen.push(value);
        if (batch.nextOffset === 3) setImmediate(() => consumer.close());
      }
      return seen;
    };
    await assert.rejects(read('fail'), (error: { code?: string; facts?: object }) => {
      assert.equal(error.code, 'VALUE_INVALID');
      const {
        topic: name,
        partition,
        offset,
      } = { partition: -1, topic: '', offset: -1, ...error.facts };
      assert.deepEqual([name, partition, offset], ['orders', 0, 1]);
      return true;
    });
    assert.deepEqual(await committedOf(broker, 'g'), []);
    const refused: InvalidRecord[] = [];
    const failing = read(() => Promise.reject(new Error('no room')));
    await assert.rejects(failing, { message: 'no room' });
    assert.deepEqual(await committedOf(broker, 'g'), [], 'what the function did not manage');
    assert.deepEqual(await read((one) => refused.push(one)), [1, 3]);
    assert.equal(refused[0]?.record.value?.toString(), '{');
    assert.deepEqual(await committedOf(broker, 'g'), [3]);
    await broker.groups.delete('g');
    const told: unknown[] = [];
    const listen = (message: unknown) => told.push(message);
    const { name } = consumerDiagnostics.valueSkipped;
    channel(name).subscribe(listen);
    assert.deepEqual(await read('skip'), [1, 3]);
    channel(name).unsubscribe(listen);
    assert.equal(told.length, 1);
    assert.throws(() => topic.consumer({ onInvalidValue: Object('x') }), {
      code: 'OPTION_INVALID',
    });
  });

  test('a codec that answers later is read by for await, not by a plain loop', async (t) => {
    const broker = await openedBroker(t);
    const later: Codec<string> = {
      name: 'later',
      encode: (value) => value,
      decode: async (stored) => {
        if (stored.toString() === 'bad') throw new Error('bad');
        return stored.toString().toUpperCase();
      },
    };
    const topic = await broker.topic('orders', { partitions: 1, codec: later });
    await topic.send([{ value: 'a' }, { value: 'bad' }, { value: 'c' }]);
    const batch = await nextOf(topic.consumer({ onInvalidValue: 'skip' }));
    assert.throws(() => [...batch], { code: 'VALUE_INVALID' });
    const values: (string | null)[] = [];
    for await (const { value } of batch) values.push(value);
    assert.deepEqual(values, ['A', 'C']);
  });

  test('a rebalance waits until the loop is done with what it gives up', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 2 });
    for (const partition of [0, 1]) await topic.send({ value: 'x', partition });
    const lost: number[] = [];
    const first = topic.consumer({
      group: 'g',
      assignor: 'range',
      onLost: (places) => void lost.push(places.length),
    });
    await nextOf(first);
    const second = topic.consumer({ group: 'g', assignor: 'range' });
    await settle();
    assert.equal(second.assignment.length, 0, 'the first one is in its batch');
    const third = first.next();
    await until(() => first.assignment.length === 1 && second.assignment.length === 1);
    const { partitions } = await broker.groups.describe('g');
    assert.equal(partitions.filter(({ committedOffset }) => committedOffset === 1).length, 1);
    const rest = [third, second.next()];
    const done = await Promise.race(rest);
    assert.equal(done.value?.nextOffset, 1);
    assert.deepEqual(lost, []);
  });

  test('a loop that is stuck loses its partitions, and cannot commit them', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    t.after(() => broker.close());
    const topic = await sentOneByOne(broker, ['a', 'b']);
    const stuck = topic.consumer({ group: 'g', rebalanceTimeoutMs: 5_000, commit: 'manual' });
    const batch = await nextOf(stuck);
    const other = topic.consumer({ group: 'g', assignor: 'cooperative-sticky' });
    await settle();
    // The other one is given the partition by a group that puts the first one out.
    const eager = topic.consumer({ group: 'h', assignor: 'range', rebalanceTimeoutMs: 5_000 });
    const held = await nextOf(eager);
    const heir = topic.consumer({ group: 'h', assignor: 'range' });
    await settle();
    for (let passed = 0; passed < 7_000; passed += 500) {
      sim.clock.advance(500);
      await settle();
    }
    const inherited = await nextOf(heir);
    assert.equal(inherited.nextOffset, 1, 'it begins where the group is');
    await assert.rejects(held.commit(), { code: 'ILLEGAL_GENERATION' });
    await batch.commit();
    await Promise.all([stuck.close(), other.close(), eager.close(), heir.close()]);
  });

  test('seek in the loop moves the group, too', async (t) => {
    const broker = await openedBroker(t);
    const topic = await sentOneByOne(broker, ['a', 'b', 'c']);
    const consumer = topic.consumer({ group: 'g' });
    const seen: string[] = [];
    for await (const batch of consumer) {
      for (const { value } of batch) seen.push(String(value));
      if (seen.length === 2) await consumer.seek({ topic: 'orders', partition: 0 }, 'earliest');
      if (seen.length === 3) {
        await consumer.commit();
        assert.deepEqual(await committedOf(broker, 'g'), [0], 'not behind what it was in');
        break;
      }
    }
    assert.deepEqual(seen, ['a', 'b', 'a']);
    const other = topic.consumer();
    await until(() => other.assignment.length === 1);
    await assert.rejects(other.seek({ topic: 'orders', partition: 9 }, 0), {
      code: 'UNKNOWN_PARTITION',
    });
    await other.seek({ topic: 'orders', partition: 0 }, 'latest');
    assert.equal(other.assignment[0]?.position, 3);
    await other.seek({ topic: 'orders', partition: 0 }, { timestamp: 0 });
    assert.equal((await nextOf(other)).nextOffset, 1);
  });

  test('pause and resume, of one partition or of all', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 2 });
    const consumer = topic.consumer();
    await until(() => consumer.assignment.length === 2);
    consumer.pause();
    for (const partition of [0, 1]) await topic.send({ value: 'x', partition });
    consumer.resume([{ topic: 'orders', partition: 1 }]);
    assert.equal((await nextOf(consumer)).partition, 1);
    assert.deepEqual(
      consumer.assignment.map(({ isPaused }) => isPaused),
      [true, false],
    );
    consumer.resume();
    assert.equal((await nextOf(consumer)).partition, 0);
  });

  test('several topics and patterns in one loop', async (t) => {
    const broker = await openedBroker(t);
    for (const name of ['a', 'b', 'log.1']) {
      await (await broker.topic(name, { partitions: 1 })).send({ value: name });
    }
    const consumer = broker.consumer({ topics: ['a', /^log/], group: 'g' });
    const seen = new Set<string>();
    for await (const batch of consumer) {
      for (const { value } of batch) seen.add(`${batch.topic}=${value}`);
      if (seen.size === 2) break;
    }
    assert.deepEqual([...seen].sort(), ['a=a', 'log.1=log.1']);
    assert.throws(() => broker.consumer({ topics: [] }), { code: 'OPTION_INVALID' });
    assert.throws(() => broker.consumer({ topics: 'no such' }), { code: 'INVALID_TOPIC_NAME' });
    assert.throws(() => broker.consumer({ topics: 'nothing' }), { code: 'UNKNOWN_TOPIC' });
  });

  test('a batch of a partition that went and came back is not committed', async (t) => {
    const broker = await openedBroker(t);
    await sentOneByOne(broker, ['a', 'b', 'c']);
    const options = { topics: [/orders/], group: 'g', commit: 'manual' } as const;
    const consumer = broker.consumer(options);
    await nextOf(consumer);
    const batch = await nextOf(consumer);
    await broker.deleteTopic('orders');
    await sentOneByOne(broker, ['d', 'e', 'f']);
    await until(() => consumer.assignment.some(({ endOffset }) => endOffset === 3));
    await assert.rejects(batch.commit(), { code: 'ILLEGAL_GENERATION' });
    await (await nextOf(consumer)).commit();
    assert.deepEqual(await committedOf(broker, 'g'), [1]);
  });

  test('a topic that is deleted takes nothing else with it', async (t) => {
    const broker = await openedBroker(t);
    for (const name of ['log.1', 'log.2']) {
      const topic = await broker.topic(name, { partitions: 1 });
      for (const value of ['a', 'b', 'c']) await topic.send({ value });
    }
    const consumer = broker.consumer({ topics: /^log/, group: 'g', commitIntervalMs: 0 });
    const seen = new Map<string, number>();
    let deleting: Promise<void> | undefined;
    for await (const batch of consumer) {
      seen.set(batch.topic, (seen.get(batch.topic) ?? 0) + batch.count);
      if (seen.size === 2) deleting ??= broker.deleteTopic('log.1');
      if (seen.get('log.2') === 3) break;
    }
    await deleting;
    assert.deepEqual(await committedOf(broker, 'g'), [2]);
  });

  test('records stay valid when the loop has gone on; a cursor until then', async (t) => {
    const broker = await openedBroker(t);
    const values = Array.from({ length: 300 }, (_, index) => `value ${index}`);
    const topic = await sentOneByOne(broker, values);
    const consumer = topic.consumer({ prefetchCount: 3 });
    const records: { value: Buffer | null }[] = [];
    const walked: string[] = [];
    for (let count = 0; count < values.length; count += 1) {
      const batch = await nextOf(consumer);
      const cursor = batch.cursor();
      await new Promise((resolve) => setImmediate(resolve));
      while (cursor.next()) walked.push(String(cursor.value()));
      records.push(...batch);
    }
    assert.deepEqual(walked, values);
    assert.deepEqual(
      records.map(({ value }) => String(value)),
      values,
    );
  });

  test('what a transaction commits is not committed again, by hand or automatically', async (t) => {
    const broker = await openedBroker(t);
    const topic = await sentOneByOne(broker, ['a', 'b']);
    const consumer = topic.consumer({ group: 'g' });
    const batch = await nextOf(consumer);
    batch.onHeld();
    await assert.rejects(batch.commit(), { code: 'TRANSACTION_STATE_INVALID' });
    assert.equal(batch.member?.groupId, 'g');
    await nextOf(consumer);
    await consumer.commit();
    assert.deepEqual(await committedOf(broker, 'g'), []);
  });

  test('close ends the loop; with time to drain, what it is in is committed', async (t) => {
    const broker = await openedBroker(t);
    const topic = await sentOneByOne(broker, ['a', 'b']);
    for (const [drainMs, committed] of [
      [0, 1],
      [10_000, 2],
    ] as const) {
      const consumer = topic.consumer({ group: `g${drainMs}` });
      const seen: number[] = [];
      let closing = Promise.resolve();
      for await (const batch of consumer) {
        seen.push(batch.nextOffset);
        if (batch.nextOffset === 2) closing = consumer.close({ drainMs });
        await settle();
      }
      await closing;
      assert.deepEqual(seen, [1, 2]);
      assert.deepEqual(await committedOf(broker, `g${drainMs}`), [committed]);
    }
  });

  test('a signal ends the loop with its reason, behind the commit of what is done', async (t) => {
    const broker = await openedBroker(t);
    const topic = await sentOneByOne(broker, ['a']);
    const stop = new AbortController();
    const loop = async () => {
      for await (const batch of topic.consumer({ group: 'g', signal: stop.signal })) {
        assert.equal(batch.count, 1);
        stop.abort(new Error('enough'));
      }
    };
    await assert.rejects(loop, { message: 'enough' });
    assert.deepEqual(await committedOf(broker, 'g'), [1]);
  });

  test('closing the broker ends loops normally; deleting the topic does, too', async (t) => {
    const broker = await openedBroker(t);
    const ended: string[] = [];
    const loopOver = async (name: string) => {
      const topic = await broker.topic(name, { partitions: 1 });
      for await (const batch of topic.consumer({ group: 'g' })) assert.ok(batch);
      ended.push(name);
    };
    const loops = [loopOver('one'), loopOver('two')];
    await until(() => broker.listTopics().length === 2);
    await settle();
    await broker.deleteTopic('one');
    await loops[0];
    assert.deepEqual(ended, ['one']);
    await broker.close();
    await loops[1];
  });
});

async function sentOneByOne(broker: Broker, values: readonly string[]) {
  const topic = await broker.topic('orders', { partitions: 1 });
  for (const value of values) await topic.send({ value });
  return topic;
}

async function nextOf<Value>(
  consumer: AsyncIterator<ConsumerBatch<Value>, undefined>,
): Promise<ConsumerBatch<Value>> {
  const { value } = await consumer.next();
  assert.ok(value, 'there is a next batch');
  return value;
}
