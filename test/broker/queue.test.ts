/**
 * Queues as programs use them: sent, received, ended, altered, deleted.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { Queue } from '../../src/broker/queue/queue.js';
import type { Codec } from '../../src/broker/topic/codec.js';
import { json } from '../../src/broker/topic/codec-json.js';
import { SimBroker } from '../support/broker-fixture.js';
import { settled } from '../support/fixtures.js';

async function texts(queue: Queue<Buffer, string | Uint8Array>, max = 100): Promise<string[]> {
  const messages = await queue.receive({ max });
  return messages.map(({ value }) => String(value));
}

/** Runs with a broker on an imaginary disk, and closes it. */
async function withBroker(
  run: (broker: Broker, process: SimBroker) => Promise<void>,
  process = new SimBroker(),
): Promise<SimBroker> {
  const broker = await process.open();
  await run(broker, process);
  await broker.close();
  return process.kill();
}

/** Time goes on, and what follows from it happens. */
async function pass({ clock }: SimBroker, ms: number): Promise<void> {
  await settled();
  clock.advance(ms);
  for (let turn = 0; turn < 3; turn += 1) await settled();
}

suite('queue', () => {
  test('a message that was sent is received, and not again once it was acknowledged', async () => {
    const next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      const sent = await jobs.send('one', { key: 'k', headers: [{ key: 'h', value: 'x' }] });
      assert.deepEqual([sent.id, sent.isDuplicate, await sent.cancel()], ['0-0', false, false]);
      const [message, ...more] = await jobs.receive({ max: 10 });
      assert(message !== undefined && more.length === 0);
      assert.equal(message.value?.toString(), 'one');
      assert.equal(message.key?.toString(), 'k');
      assert.deepEqual(message.headers, [{ key: 'h', value: Buffer.from('x') }]);
      assert.deepEqual([message.id, message.deliveries, message.failures], ['0-0', 1, 0]);
      assert.deepEqual(await jobs.receive(), []);
      await message.acknowledge();
      await message.acknowledge();
    });
    await withBroker(async (broker) => {
      assert.deepEqual(await (await broker.queue('jobs')).receive(), []);
    }, next);
  });

  test('a long poll gets the message that comes, and nothing when its time is over', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      const waiting = jobs.receive({ waitMs: 20_000 });
      await settled();
      await jobs.send('late');
      assert.equal((await waiting)[0]?.value?.toString(), 'late');
      const empty = jobs.receive({ waitMs: 20_000 });
      await settled();
      await pass(process, 20_000);
      assert.deepEqual(await empty, []);
      const controller = new AbortController();
      const left = jobs.receive({ waitMs: 20_000, signal: controller.signal });
      await settled();
      controller.abort(new Error('enough'));
      await assert.rejects(left, /enough/);
    });
  });

  test('a message that is not acknowledged comes again, and its old receipt is stale', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs', { visibilityTimeoutMs: 1_000 });
      await jobs.send('x');
      const [first] = await jobs.receive();
      const [none] = await jobs.receive();
      assert.equal(none, undefined);
      await pass(process, 1_000);
      const [second] = await jobs.receive({ visibilityTimeoutMs: 5_000 });
      assert.deepEqual([first?.deliveries, second?.deliveries], [1, 2]);
      await assert.rejects(first?.acknowledge() ?? assert.fail(), { code: 'RECEIPT_STALE' });
      await pass(process, 4_000);
      await second?.extend(4_000);
      await pass(process, 3_000);
      await jobs.acknowledge([second?.receipt ?? '']);
      const [third] = await jobs.receive();
      assert.equal(third, undefined);
    });
  });

  test('released messages come again, at once or after their delay', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }]);
      const [a, b] = await jobs.receive({ max: 2 });
      await a?.release();
      await b?.release({ delayMs: 500 });
      assert.deepEqual(await texts(jobs), ['a']);
      await pass(process, 500);
      assert.deepEqual(await texts(jobs), ['b']);
      await assert.rejects(jobs.release([], { delayMs: -1 }), { code: 'OPTION_INVALID' });
    });
  });

  test('a list does what it can and says what it could not', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs', { visibilityTimeoutMs: 100 });
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }]);
      const old = await jobs.receive({ max: 2 });
      await pass(process, 100);
      const [fresh] = await jobs.receive();
      assert(fresh !== undefined && old[1] !== undefined);
      await assert.rejects(jobs.acknowledge([...old, fresh]), (error: Record<string, unknown>) => {
        assert.equal(error['code'], 'RECEIPT_STALE');
        return true;
      });
      assert.deepEqual(await texts(jobs), ['b']);
      await assert.rejects(jobs.acknowledge(['nonsense']), { code: 'RECEIPT_INVALID' });
    });
  });

  test('batches go to their priorities, and the urgent ones are first', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { priorities: 3 });
      const sent = await jobs.sendBatch([
        { value: 'low' },
        { value: 'high', priority: 2 },
        { value: 'low too' },
        { value: 'mid', priority: 1 },
        { value: 'high too', priority: 2 },
      ]);
      assert.deepEqual(
        sent.map(({ id }) => id),
        ['0-0', '2-0', '0-1', '1-0', '2-1'],
      );
      assert.deepEqual(await texts(jobs), ['high', 'high too', 'mid', 'low', 'low too']);
    });
  });

  test('first in, first out: one message of a group at a time, the others go on', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { fifo: true });
      for (const value of ['a1', 'b1', 'a2', 'b2', 'a3']) {
        await jobs.send(value, { group: value.slice(0, 1) });
      }
      const first = await jobs.receive({ max: 10 });
      assert.deepEqual(
        first.map(({ value, group }) => `${group} ${value}`),
        ['a a1', 'b b1'],
      );
      await first[0]?.acknowledge();
      assert.deepEqual(await texts(jobs), ['a2']);
      await first[1]?.release();
      assert.deepEqual(await texts(jobs), ['b1']);
    });
  });

  test('first in, first out: messages without a group are one group', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { fifo: true });
      await jobs.sendBatch([{ value: '1' }, { value: '2' }]);
      const [one] = await jobs.receive({ max: 10 });
      assert.deepEqual(await texts(jobs), []);
      await one?.acknowledge();
      assert.deepEqual(await texts(jobs), ['2']);
    });
  });

  test('of messages with one id, or one content, one is stored, also over a restart', async () => {
    const next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      const first = await jobs.send('a', { deduplicationId: 'x' });
      const again = await jobs.send('b', { deduplicationId: 'x' });
      assert.deepEqual([again.id, again.isDuplicate], [first.id, true]);
      const same = await broker.queue('same', { deduplication: 'content' });
      const sent = await same.sendBatch([{ value: 'a' }, { value: 'a' }, { value: 'b' }]);
      assert.deepEqual(
        sent.map(({ isDuplicate }) => isDuplicate),
        [false, true, false],
      );
    });
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      assert.equal((await jobs.send('c', { deduplicationId: 'x' })).isDuplicate, true);
      const same = await broker.queue('same');
      assert.equal((await same.send('b')).isDuplicate, true);
      assert.deepEqual([await texts(jobs), await texts(same)], [['a'], ['a', 'b']]);
    }, next);
  });

  test('messages keep the order of the sends, also when a codec answers later', async () => {
    await withBroker(async (broker) => {
      let turns = 5;
      const slow: Codec<string> = {
        name: 'slow',
        encode: async (value) => {
          turns -= 1;
          for (let turn = 0; turn < turns * 10; turn += 1) await Promise.resolve();
          return value;
        },
        decode: async (stored) => stored.toString(),
      };
      const options = { codec: slow, deduplication: 'content', lengthMax: 100 } as const;
      const jobs = await broker.queue('jobs', options);
      const sent = await Promise.all(['a', 'b', 'c', 'd'].map((value) => jobs.send(value)));
      assert.deepEqual(
        sent.map(({ id }) => id),
        ['0-0', '0-1', '0-2', '0-3'],
      );
      const messages = await jobs.receive({ max: 10 });
      assert.equal(messages.map(({ value }) => value).join(''), 'abcd');
    });
  });

  test('a value that its codec cannot read becomes a dead letter, and blocks nobody', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { codec: json() });
      await (await broker.topic('jobs')).send({ value: 'no json' });
      await jobs.send({ n: 1 });
      const messages = await jobs.receive({ max: 10 });
      assert.deepEqual(
        messages.map(({ value }) => value),
        [{ n: 1 }],
      );
      const [letter] = await (await broker.queue('jobs-dead')).receive();
      assert.equal(letter?.value?.toString(), 'no json');
      const code = letter?.headers.find(({ key }) => key === 'dead-letter-code');
      assert.equal(code?.value?.toString(), 'VALUE_INVALID');
    });
  });

  test('a rejected message is a dead letter with its reason, where there are some', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('bad');
      const [bad] = await jobs.receive();
      await bad?.reject({ reason: 'no such account' });
      await bad?.reject();
      const dead = await broker.queue('jobs-dead');
      assert.equal(dead.options.maxDeliveries, 'unlimited');
      const [letter] = await dead.receive();
      const reason = letter?.headers.find(({ key }) => key === 'dead-letter-reason');
      assert.equal(reason?.value?.toString(), 'no such account');
      assert.equal((await jobs.stats()).dead, 1);
      const none = await broker.queue('none', { deadLetter: 'none' });
      await none.send('bad');
      await (await none.receive())[0]?.reject();
      assert.equal((await none.stats()).length, 0);
    });
  });

  test('receipts stand for their messages in every way to end them', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await jobs.sendBatch(['a', 'b', 'c'].map((value) => ({ value })));
      const receipts = (await jobs.receive({ max: 3 })).map(({ receipt }) => receipt);
      const [a = '', b = '', c = ''] = receipts;
      await jobs.extend([a, b, c], 60_000);
      await jobs.acknowledge([a]);
      await jobs.release([b]);
      await jobs.reject([c], { reason: 'no' });
      await assert.rejects(jobs.extend([a], 1), { code: 'RECEIPT_STALE' });
      assert.deepEqual(await texts(jobs), ['b']);
      assert.deepEqual(await texts(await broker.queue('jobs-dead')), ['c']);
    });
  });

  test('after so many deliveries a message is a dead letter', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { maxDeliveries: 2 });
      await jobs.send('poison');
      for (let delivery = 1; delivery <= 2; delivery += 1) {
        await (await jobs.receive())[0]?.release();
      }
      await settled();
      assert.deepEqual(await texts(jobs), []);
      assert.deepEqual(await texts(await broker.queue('jobs-dead')), ['poison']);
    });
  });

  test('options that are altered count at once, and after a restart', async () => {
    const next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { maxDeliveries: 1 });
      await jobs.alter({ maxDeliveries: 3, priorities: 2 });
      await jobs.send('x', { priority: 1 });
      await (await jobs.receive())[0]?.release();
      assert.deepEqual(await texts(jobs), ['x']);
      assert.equal(jobs.options.maxDeliveries, 3);
      await assert.rejects(jobs.alter({ fifo: true }), { code: 'OPTION_INVALID' });
      await assert.rejects(broker.alterTopic('jobs', {}), { code: 'QUEUE_CONFLICT' });
      await assert.rejects(broker.growTopic('jobs', 9), { code: 'QUEUE_CONFLICT' });
      await assert.rejects(broker.deleteTopic('jobs'), { code: 'QUEUE_CONFLICT' });
    });
    await withBroker(async (broker) => {
      assert.equal((await broker.describeQueue('jobs')).options.maxDeliveries, 3);
      await assert.rejects(broker.queue('jobs', { maxDeliveries: 1 }), { code: 'QUEUE_CONFLICT' });
    }, next);
  });

  test('an alteration while the queue is opened counts too', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('x');
      const [messages] = await Promise.all([jobs.receive(), jobs.alter({ maxDeliveries: 1 })]);
      await jobs.release(messages);
      await settled();
      assert.deepEqual(await texts(jobs), []);
      await settled();
      assert.deepEqual(await texts(await broker.queue('jobs-dead')), ['x']);
    });
  });

  test('a queue that is deleted is gone with all it holds, and its handles say so', async () => {
    const next = await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('x');
      await jobs.send('later', { delayMs: 1_000 });
      const [message] = await jobs.receive();
      const waiting = jobs.receive({ waitMs: 20_000 });
      const worker = jobs.consume(() => undefined);
      await settled();
      await jobs.delete();
      assert.deepEqual(await waiting, []);
      await worker.finished;
      await assert.rejects(jobs.send('y'), { code: 'UNKNOWN_QUEUE' });
      await assert.rejects(jobs.receive(), { code: 'UNKNOWN_QUEUE' });
      await assert.rejects(message?.acknowledge() ?? assert.fail());
      assert.deepEqual(await process.folders(), []);
      assert.deepEqual(broker.listQueues(), []);
      const again = await broker.queue('jobs');
      assert.deepEqual(await texts(again), []);
      await assert.rejects(jobs.send('y'), { code: 'UNKNOWN_QUEUE' });
    });
    await withBroker(async (broker) => {
      assert.deepEqual(
        broker.listQueues().map(({ name }) => name),
        ['jobs'],
      );
    }, next);
  });

  test('messages with a delay come when it is over, or are taken back', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      const due = process.clock.nowMs() + 2_000;
      const [kept, taken, timed] = await jobs.sendBatch([
        { value: 'kept', delayMs: 1_000 },
        { value: 'taken', delayMs: 1_000 },
        { value: 'timed', at: due },
      ]);
      assert.equal(await taken?.cancel(), true);
      assert.equal(await taken?.cancel(), false);
      assert.equal(await jobs.cancel('0-0'), false);
      await pass(process, 999);
      assert.deepEqual(await texts(jobs), []);
      assert.equal((await jobs.stats()).delayed, 2);
      await pass(process, 1);
      assert.deepEqual(await texts(jobs), ['kept']);
      assert.equal(await jobs.cancel(kept?.id ?? ''), false);
      assert.equal(await jobs.cancel(timed?.id ?? ''), true);
    });
  });

  test('a receiver has limits of its own, and gives back what it has when it closes', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
      const receiver = jobs.receiver({ inFlightMax: 2 });
      assert.equal((await receiver.receive({ max: 10 })).length, 2);
      assert.deepEqual(await receiver.receive({ max: 10 }), []);
      assert.deepEqual(await texts(jobs), ['c']);
      await receiver.close();
      assert.deepEqual(await texts(jobs), ['a', 'b']);
      await assert.rejects(receiver.receive(), { code: 'CONSUMER_CLOSED' });
      assert.throws(() => jobs.receiver({ inFlightMax: 0 }), { code: 'OPTION_INVALID' });
    });
  });

  test('consumers are closed first when their queue ends, whatever else takes time', async () => {
    for (const how of ['deleted', 'closed']) {
      const broker = await new SimBroker().open();
      const jobs = await broker.queue('jobs');
      const { group, letters } = await jobs.hosted.messages();
      const receiver = await jobs.receiver();
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }]);
      assert.equal((await jobs.receive()).length + (await receiver.receive()).length, 2);
      const waits = [jobs.receive({ waitMs: 60_000 }), receiver.receive({ waitMs: 60_000 })];
      const closeLetters = letters.close.bind(letters);
      const seen: unknown[] = [];
      letters.close = async () => {
        seen.push(await Promise.all(waits), group.counts().inFlight);
        await closeLetters();
      };
      await settled();
      if (how === 'deleted') await jobs.delete();
      await broker.close();
      assert.deepEqual(seen, [[[], []], 0], how);
    }
  });

  test('a single active consumer has all messages, and another takes over', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { singleActiveConsumer: true });
      const [low, high] = [jobs.receiver(), jobs.receiver({ priority: 1 })];
      await settled();
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }]);
      const first = await high.receive();
      assert.equal(first.length, 1);
      assert.deepEqual(await low.receive(), []);
      await high.close();
      assert.equal((await low.receive({ max: 10 })).length, 2);
    });
  });

  test('a copy lets go of the memory around it, and either ends the message', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('x'.repeat(10));
      const [message] = await jobs.receive();
      const copy = message?.copy();
      assert.equal(copy?.value?.buffer.byteLength, 10);
      await copy?.acknowledge();
      assert.equal((await jobs.stats()).length, 0);
    });
  });

  test('statistics say what the queue holds and what has happened', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
      await jobs.send('d', { delayMs: 60_000 });
      const [a, b] = await jobs.receive({ max: 2 });
      await a?.acknowledge();
      await b?.release({ delayMs: 50_000 });
      await pass(process, 10_000);
      const { rates, ...stats } = await jobs.stats();
      const { depth, inFlight, waiting, delayed, length, sent, delivered, acknowledged } = stats;
      assert.deepEqual(
        { depth, inFlight, waiting, delayed, length, sent, delivered, acknowledged },
        {
          depth: 1,
          inFlight: 0,
          waiting: 1,
          delayed: 1,
          length: 3,
          sent: 4,
          delivered: 2,
          acknowledged: 1,
        },
      );
      assert.equal(stats.oldestAgeMs, 10_000);
      assert.equal(rates.sentPerSecond, 0.4);
    });
  });

  test('a request gets the answer of whoever received it', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { codec: json() });
      const asking = jobs.request({ add: [1, 2] });
      const [question] = await jobs.receive({ waitMs: 10 });
      assert.equal(await question?.reply(3), true);
      await question?.acknowledge();
      assert.equal(await asking, 3);
      assert.deepEqual(question?.headers, []);
    });
  });
});
