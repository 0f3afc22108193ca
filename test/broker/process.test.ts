// A handler on a topic: order per key, what is committed, retries, and dead letters.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createError } from '../../src/base/errors.js';
import { json } from '../../src/broker/topic/codec-json.js';
import { settled, thrown } from '../support/fixtures.js';
import { Calls, ProcessWorld } from '../support/process-fixture.js';

const SOON = { delayMs: 100, backoff: 'fixed', jitter: 'none' } as const;

suite('process', () => {
  test('records of one key are handled one at a time, keys beside each other', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'a2', 'b1', 'c1', 'b2', 'a3');
    const calls = new Calls();
    const worker = world.start(calls.handler);
    await world.pass(10);
    assert.deepEqual(calls.openValues, ['a1', 'b1', 'c1']);
    calls.at('b1').end();
    await settled();
    assert.deepEqual(calls.openValues, ['a1', 'c1', 'b2']);
    calls.at('a1').end();
    await settled();
    assert.deepEqual(calls.openValues, ['c1', 'b2', 'a2']);
    for (const value of ['c1', 'b2', 'a2']) calls.at(value).end();
    await settled();
    calls.at('a3').end();
    await world.over(worker.stop());
    assert.equal(await world.committed(), 6);
    await world.close();
  });

  test('records without a key wait for nobody', async () => {
    const world = await ProcessWorld.open();
    await world.send('-1', '-2', '-3');
    const calls = new Calls();
    world.start(calls.handler);
    await world.pass(10);
    assert.deepEqual(calls.openValues, ['-1', '-2', '-3']);
    await world.close();
  });

  test('no more handlers run than concurrency says', async () => {
    const world = await ProcessWorld.open(2);
    await world.send('-1', '-2', '-3', '-4', '-5');
    const calls = new Calls();
    const worker = world.start(calls.handler, { concurrency: 2 });
    await world.pass(10);
    assert.equal(calls.open.length, 2);
    assert.equal(worker.runningCount, 2);
    calls.open[0]?.end();
    await settled();
    assert.equal(calls.open.length, 2);
    assert.equal(calls.all.length, 3);
    await world.close();
  });

  test('only the contiguous finished prefix is committed', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1', 'c1', 'd1');
    const calls = new Calls();
    const worker = world.start(calls.handler);
    await world.pass(10);
    for (const value of ['b1', 'd1']) calls.at(value).end();
    await world.pass(1_000);
    assert.equal(await world.committed(), undefined);
    calls.at('a1').end();
    await world.pass(1_000);
    assert.equal(await world.committed(), 2);
    await world.over(worker.stop({ drainMs: 0 }));
    await world.close();
  });

  test('what was not finished comes again after a crash', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1', 'c1');
    const calls = new Calls();
    world.start(calls.handler);
    await world.pass(10);
    for (const value of ['a1', 'c1']) calls.at(value).end();
    await world.pass(1_000);
    const later = await ProcessWorld.open(1, world.sim.kill());
    const again = new Calls();
    later.start(again.handler);
    await later.pass(100_000);
    assert.deepEqual(again.openValues, ['b1', 'c1']);
    await later.close();
  });

  test('commits are no closer than their interval', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1', 'c1');
    const calls = new Calls();
    world.start(calls.handler, { commitIntervalMs: 500 });
    await world.pass(10);
    calls.at('a1').end();
    await world.pass(10);
    assert.equal(await world.committed(), 1);
    calls.at('b1').end();
    await world.pass(400);
    assert.equal(await world.committed(), 1);
    await world.pass(200);
    assert.equal(await world.committed(), 2);
    await world.close();
  });

  test('the handler gets the record, and which attempt it is', async () => {
    const world = await ProcessWorld.open();
    const orders = await world.broker.topic('typed', { codec: json() });
    await orders.send({ key: 'k', value: { id: 7 }, headers: [{ key: 'h', value: 'v' }] });
    await orders.send({ key: 'k', value: null });
    const seen: unknown[] = [];
    orders.process({ group: 'mail' }, (record, { attempt, topic, partition, signal }) => {
      const { key, value, headers, offset } = record;
      seen.push([key?.toString(), value, headers[0]?.value?.toString(), offset]);
      seen.push([attempt, topic, partition, signal.aborted, record.topic, record.partition]);
    });
    await world.pass(10);
    assert.deepEqual(seen, [
      ['k', { id: 7 }, 'v', 0],
      [1, 'typed', 0, false, 'typed', 0],
      ['k', null, undefined, 1],
      [1, 'typed', 0, false, 'typed', 0],
    ]);
    await world.close();
  });

  test('a record that fails is tried again after its delay; other keys go on', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'a2', 'b1', 'b2');
    const calls = new Calls();
    world.start(calls.handler, { retry: SOON });
    await world.pass(10);
    calls.at('a1').fail();
    calls.at('b1').end();
    await settled();
    calls.at('b2').end();
    await world.pass(80);
    assert.deepEqual(calls.openValues, []);
    await world.pass(30);
    assert.deepEqual(calls.openValues, ['a1']);
    assert.equal(calls.at('a1').context.attempt, 2);
    calls.at('a1').end();
    await settled();
    assert.deepEqual(calls.openValues, ['a2']);
    assert.equal(calls.at('a2').context.attempt, 1);
    await world.close();
  });

  test('a handler that throws at once has failed as one that rejects', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1', 'a2');
    const seen: string[] = [];
    world.start(
      ({ value }, { attempt }) => {
        seen.push(`${value} ${attempt}`);
        if (String(value) === 'a1' && attempt < 3) throw new Error('planned');
      },
      { retry: SOON },
    );
    await world.pass(1_000);
    assert.deepEqual(seen, ['a1 1', 'b1 1', 'a1 2', 'a1 3', 'a2 1']);
    assert.equal(await world.committed(), 3);
    await world.close();
  });

  test('after the last attempt a record goes to the dead letters, with what is known', async () => {
    const world = await ProcessWorld.open(3);
    await world.send('a1', 'b1', 'a2');
    const cause = Object.assign(new Error('the address is wrong'), { code: 'ADDRESS' });
    const worker = world.start(
      ({ value }) => {
        if (String(value) === 'a1') throw cause;
      },
      { retry: { ...SOON, attempts: 3 } },
    );
    await world.pass(2_000);
    const [letter, ...others] = await world.records('orders-dead');
    assert.equal(others.length, 0);
    assert.equal(letter?.value, 'a1');
    assert.equal(letter?.key, 'a');
    const {
      'dead-letter-timestamp': written,
      'dead-letter-time': died,
      ...headers
    } = letter?.headers ?? {};
    assert.ok(Number(died) > Number(written));
    assert.deepEqual(headers, {
      'dead-letter-topic': 'orders',
      'dead-letter-partition': headers['dead-letter-partition'],
      'dead-letter-offset': '0',
      'dead-letter-group': 'mail',
      'dead-letter-attempts': '3',
      'dead-letter-reason': 'the address is wrong',
      'dead-letter-code': 'ADDRESS',
    });
    const partition = Number(headers['dead-letter-partition']);
    assert.equal(await world.committed(partition), 2);
    await world.over(worker.stop());
    assert.equal((await world.broker.describeTopic('orders-dead')).partitionCount, 3);
    await world.close();
  });

  test('a poison record holds back neither its key nor its partition for ever', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'a2', 'b1', 'a3');
    const seen: string[] = [];
    world.start(
      ({ value }) => {
        if (String(value) === 'a1') throw new Error('poison');
        seen.push(String(value));
      },
      { retry: { attempts: 20, delayMsMax: 60_000 } },
    );
    await world.pass(60_000 * 20);
    assert.deepEqual(seen, ['b1', 'a2', 'a3']);
    assert.equal(await world.committed(), 4);
    assert.deepEqual(await world.values('orders-dead'), ['a1']);
    await world.close();
  });

  test('a dead record waits for those before it; those behind it do not wait', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1', 'b2', 'c1');
    const calls = new Calls();
    world.start(calls.handler, { retry: { attempts: 1 } });
    await world.pass(10);
    calls.at('b1').fail();
    calls.at('c1').fail();
    await world.pass(1_000);
    assert.deepEqual(calls.openValues, ['a1', 'b2']);
    assert.equal(world.broker.listTopics().length, 1, 'nothing is buried yet');
    calls.at('b2').end();
    calls.at('a1').end();
    await world.pass(1_000);
    assert.deepEqual(await world.values('orders-dead'), ['b1', 'c1']);
    assert.equal(await world.committed(), 4);
    await world.close();
  });

  test('a value that the codec cannot read is dead at once', async () => {
    const world = await ProcessWorld.open();
    await world.send('a{', 'a2');
    const orders = await world.broker.topic('orders', { codec: json() });
    const seen: unknown[] = [];
    const worker = orders.process({ group: 'mail' }, ({ value }) => void seen.push(value));
    await world.pass(1_000);
    await world.over(worker.stop());
    assert.deepEqual(seen, []);
    const letters = await world.records('orders-dead');
    assert.deepEqual(
      letters.map(({ value, headers }) => [value, headers['dead-letter-code']]),
      [
        ['a{', 'VALUE_INVALID'],
        ['a2', 'VALUE_INVALID'],
      ],
    );
    assert.equal(letters[0]?.headers['dead-letter-attempts'], '1');
    await world.close();
  });

  test('retryIf decides whether a failure is worth another attempt', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1', 'c1');
    const attempts: string[] = [];
    world.start(
      ({ value }, { attempt }) => {
        attempts.push(`${value} ${attempt}`);
        throw new Error(String(value));
      },
      {
        retry: { ...SOON, attempts: 2 },
        retryIf: (error) => {
          if (String(error).includes('c1')) throw new Error('not sure');
          return String(error).includes('b1');
        },
      },
    );
    await world.pass(1_000);
    assert.deepEqual(attempts, ['a1 1', 'b1 1', 'c1 1', 'b1 2', 'c1 2']);
    assert.deepEqual(await world.values('orders-dead'), ['a1', 'b1', 'c1']);
    await world.close();
  });

  test('a letter that is too large for its topic goes there without its value', async () => {
    const world = await ProcessWorld.open();
    await world.broker.topic('graves', { recordBytesMax: 600 });
    await world.topic.send({ key: 'a', value: 'x'.repeat(5_000) });
    const options = { retry: { attempts: 1 }, deadLetter: 'graves' };
    world.start(() => Promise.reject(new Error('y'.repeat(200))), options);
    await world.pass(1_000);
    const [letter] = await world.records('graves');
    assert.equal(letter?.value, 'null');
    assert.equal(letter?.key, 'a');
    assert.equal(letter?.headers['dead-letter-omitted'], 'value, headers');
    assert.equal(await world.committed(), 1);
    await world.close();
  });

  test('a handler that takes too long is told to end, and has failed', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const calls = new Calls();
    world.start(calls.handler, { attemptTimeoutMs: 1_000, retry: { ...SOON, attempts: 2 } });
    await world.pass(10);
    const [first] = calls.all;
    assert.equal(first?.context.signal.aborted, false);
    await world.pass(1_000);
    assert.equal(first?.context.signal.aborted, true);
    await world.pass(200);
    assert.equal(calls.all[1]?.context.attempt, 2);
    first?.end();
    await world.pass(2_000);
    const [letter] = await world.records('orders-dead');
    assert.equal(letter?.headers['dead-letter-code'], 'ATTEMPT_TIMED_OUT');
    await world.close();
  });

  test('records of a transaction come when it is through, aborted ones never', async () => {
    const world = await ProcessWorld.open();
    const seen: string[] = [];
    world.start(({ value }) => void seen.push(String(value)));
    const log = await world.topic.hosted.partition(0);
    const stamp = { producerId: 77, producerEpoch: 0, isTransactional: true };
    const marker = { producerId: 77, coordinatorEpoch: 0 };
    await log.append([{ key: 'a', value: 'a1' }], { producer: { ...stamp, baseSequence: 0 } });
    await world.pass(100);
    assert.deepEqual(seen, []);
    await log.appendMarker({ ...marker, producerEpoch: 0, kind: 'abort' });
    const second = { ...stamp, producerEpoch: 1, baseSequence: 0 };
    await log.append([{ key: 'a', value: 'a2' }], { producer: second });
    await log.appendMarker({ ...marker, producerEpoch: 1, kind: 'commit' });
    await world.pass(1_000);
    assert.deepEqual(seen, ['a2']);
    assert.equal(await world.committed(), 4, 'the last marker lies behind it');
    const third = { ...stamp, producerEpoch: 2, baseSequence: 0 };
    await log.append([{ key: 'a', value: 'a3' }], { producer: third });
    await log.appendMarker({ ...marker, producerEpoch: 2, kind: 'abort' });
    await world.pass(1_000);
    assert.equal(await world.committed(), 6);
    await world.close();
  });

  test('options are checked before anything begins', async () => {
    const world = await ProcessWorld.open();
    const handler = () => undefined;
    const at = { group: 'mail' };
    const refused = [
      () => world.topic.process(at, handler, { concurrency: 0 }),
      () => world.topic.process(at, handler, { retry: { attempts: 0 } }),
      () => world.topic.process(at, handler, { retry: { delayMs: 10, delayMsMax: 5 } }),
      () => world.topic.process(at, handler, { circuitBreaker: { failureRatio: 2 } }),
      () => world.topic.process(at, handler, { rateLimit: { records: 0 } }),
      () => world.topic.process(at, handler, { deadLetter: 'orders' }),
      () => world.topic.process(JSON.parse('{}'), handler),
      () => world.topic.process(JSON.parse('{ "group": "g", "commit": "manual" }'), handler),
      () => world.topic.process(JSON.parse('{ "group": "g", "partitions": [0] }'), handler),
      () => world.topic.process(at, JSON.parse('7')),
      () => world.topic.process(at, handler, JSON.parse('{ "signal": 1 }')),
      () => world.topic.process(at, handler, JSON.parse('{ "retryIf": 1 }')),
    ];
    for (const call of refused) thrown(call, 'OPTION_INVALID');
    thrown(() => world.topic.process(at, handler, { deadLetter: 'a b' }), 'INVALID_TOPIC_NAME');
    const unknown = JSON.parse('{ "concurency": 3 }');
    assert.equal(
      thrown(() => world.topic.process(at, handler, unknown), 'OPTION_UNKNOWN').facts['nearest'],
      'concurrency',
    );
    await world.broker.deleteTopic('orders');
    thrown(() => world.topic.process(at, handler), 'UNKNOWN_TOPIC');
    await world.close();
    assert.equal(createError('ATTEMPT_ENDED', {}).retryable, true);
  });
});
