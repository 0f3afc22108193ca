// Transactions side by side, one after the other, cut short, and too large.

import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import { limits } from '../../src/base/limits.js';
import type { Broker } from '../../src/broker/broker.js';
import type { Codec } from '../../src/broker/topic/codec.js';
import { json } from '../../src/broker/topic/codec-json.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { settle, until } from '../support/consumer-fixture.js';
import { lookAt, makeWorld, openPlaces, sendAll } from '../support/transaction-fixture.js';

const nothing = { 'out-0': [], 'out-1': [], 'side-0': [] };

async function world(): Promise<{ sim: SimBroker; broker: Broker }> {
  const sim = new SimBroker();
  const broker = await sim.open();
  await makeWorld(broker);
  return { sim, broker };
}

/** Work that has begun, has sent, and ends when it is told to. */
function held(value: string) {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const state = { hasSent: false, release: () => release() };
  const work = async (transaction: Parameters<typeof sendAll>[0]): Promise<void> => {
    await sendAll(transaction, value);
    state.hasSent = true;
    await released;
  };
  return { state, work };
}

test('transactional id: a second producer fences the first in its work', async () => {
  const { broker } = await world();
  const first = broker.producer({ transactionalId: 't' });
  await first.transaction((transaction) => sendAll(transaction, 'a'));
  const { state, work } = held('b');
  const running = first.transaction(work);
  const ended = running.catch((error: unknown) => error);
  await until(() => state.hasSent);
  const second = broker.producer({ transactionalId: 't' });
  await second.transaction((transaction) => sendAll(transaction, 'c'));
  const error = await ended;
  assert.ok(hasCode(error, 'PRODUCER_FENCED'));
  assert.equal(error.facts['kafka'], 'INVALID_PRODUCER_EPOCH');
  assert.equal(first.isFenced, true);
  state.release();
  await settle();
  const late = first.transaction((transaction) => sendAll(transaction, 'd'));
  await assert.rejects(late, { code: 'PRODUCER_FENCED' });
  const { values } = await lookAt(broker);
  assert.deepEqual(values['out-0'], ['a', 'c']);
  assert.deepEqual(await openPlaces(broker), []);
  await first.close();
  const third = broker.producer({ transactionalId: 't' });
  assert.equal(second.isFenced, true, 'closing a fenced producer gives nothing up');
  await third.close();
  await broker.close();
});

test('transactional id: one transaction at a time, none once it is closed', async () => {
  const { broker } = await world();
  const producer = broker.producer({ transactionalId: 't' });
  const { state, work } = held('a');
  const running = producer.transaction(work);
  await until(() => state.hasSent);
  const second = producer.transaction((transaction) => sendAll(transaction, 'b'));
  await assert.rejects(second, (error) => {
    assert.ok(hasCode(error, 'TRANSACTION_STATE_INVALID'));
    assert.equal(error.facts['kafka'], 'CONCURRENT_TRANSACTIONS');
    return true;
  });
  state.release();
  const closed = producer.close();
  await running;
  await closed;
  const late = producer.transaction((transaction) => sendAll(transaction, 'c'));
  await assert.rejects(late, { code: 'PRODUCER_CLOSED' });
  assert.deepEqual((await lookAt(broker)).values['side-0'], ['a']);
  await broker.close();
});

test('transactional id: options that make no sense are refused', async () => {
  const { broker } = await world();
  for (const transactionalId of ['', 'x'.repeat(250), 7]) {
    assert.throws(() => broker.producer(Object({ transactionalId })), { code: 'OPTION_INVALID' });
  }
  const others = Object({ transactionalId: 't', acks: 'none' });
  assert.throws(() => broker.producer(others), { code: 'OPTION_UNKNOWN' });
  const partitioner = Object({ transactionalId: 't', partitioner: 1 });
  assert.throws(() => broker.producer(partitioner), { code: 'OPTION_INVALID' });
  const chosen = broker.producer({ transactionalId: 't', partitioner: () => 1 });
  await chosen.transaction((transaction) => transaction.send('out', { key: 'k', value: 'x' }));
  assert.deepEqual((await lookAt(broker)).values['out-1'], ['x']);
  await broker.close();
});

test('transaction: options and work that make no sense are refused', async () => {
  const { broker } = await world();
  const work = (): void => undefined;
  await assert.rejects(broker.transaction(Object(7)), { code: 'OPTION_INVALID' });
  await assert.rejects(broker.transaction(work, { timeoutMs: 0 }), { code: 'OPTION_INVALID' });
  await assert.rejects(broker.transaction(work, Object({ time: 1 })), { code: 'OPTION_UNKNOWN' });
  const signal = Object('no');
  await assert.rejects(broker.transaction(work, { signal }), { code: 'OPTION_INVALID' });
  assert.equal(await broker.transaction(() => 'nothing done'), 'nothing done');
  await broker.close();
});

test('transaction: many side by side are each seen once, and few ids serve them', async () => {
  const { broker } = await world();
  const ids = new Set<number>();
  const ended = (message: unknown): void => void ids.add(Object(message).producerId);
  channel('millrace:transaction:end').subscribe(ended);
  const values = Array.from({ length: 60 }, (_, index) => `v${index}`);
  const one = async (value: string): Promise<void> => {
    const work = broker.transaction(async (transaction) => {
      await sendAll(transaction, value);
      if (value.endsWith('3')) throw new Error('undone');
    });
    await work.catch((error: unknown) => assert.equal(Object(error).message, 'undone'));
  };
  for (let first = 0; first < values.length; first += 10) {
    await Promise.all(values.slice(first, first + 10).map(one));
  }
  channel('millrace:transaction:end').unsubscribe(ended);
  assert.equal(ids.size, 10);
  const seen = (await lookAt(broker)).values;
  const expected = values.filter((value) => !value.endsWith('3')).sort();
  for (const list of Object.values(seen)) assert.deepEqual([...list].sort(), expected);
  await broker.close();
});

test('transaction: the signal ends it, with its reason', async () => {
  const { broker } = await world();
  const controller = new AbortController();
  const { state, work } = held('x');
  const running = broker.transaction(work, { signal: controller.signal });
  const ended = running.catch((error: unknown) => error);
  await until(() => state.hasSent);
  const reason = new Error('enough');
  controller.abort(reason);
  assert.equal(await ended, reason);
  assert.deepEqual((await lookAt(broker)).values, nothing);
  const begun = broker.transaction(work, { signal: controller.signal });
  await assert.rejects(begun, (error) => error === reason);
  await broker.close();
});

test('transaction: what has ended takes nothing any more', async () => {
  const { sim, broker } = await world();
  let late: (() => Promise<unknown>) | undefined;
  await broker.transaction((transaction) => {
    late = () => transaction.send('side', { value: 'late' });
  });
  await assert.rejects(async () => late?.(), { code: 'TRANSACTION_STATE_INVALID' });
  const work = broker.transaction(
    async (transaction) => {
      late = () => transaction.send('side', { value: 'late' });
      await new Promise(() => undefined);
    },
    { timeoutMs: 10 },
  );
  const ended = work.catch((error: unknown) => error);
  sim.clock.jumpWall(60_000);
  sim.clock.advance(9);
  await settle();
  sim.clock.advance(1);
  assert.ok(hasCode(await ended, 'TRANSACTION_TIMED_OUT'));
  await assert.rejects(async () => late?.(), { code: 'TRANSACTION_TIMED_OUT' });
  assert.equal(sim.clock.pendingCount > 0, true);
  assert.deepEqual((await lookAt(broker)).values, nothing);
  await broker.close();
});

test('transaction: sends keep their order, also when a codec answers later', async () => {
  const { broker } = await world();
  const slow: Codec<unknown, string> = {
    name: 'slow',
    encode: async (value) => {
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      return value;
    },
    decode: (bytes) => bytes,
  };
  const bytes = await broker.topic('side');
  const late = await broker.topic('side', { codec: slow });
  const typed = await broker.topic('side', { codec: json() });
  const memory = Buffer.from('3');
  const sent = await broker.transaction(async (transaction) => {
    transaction.send(late, { value: '1' });
    transaction.send(typed, { value: { n: 2 } });
    const third = transaction.send(bytes, { value: memory });
    memory[0] = 0x39;
    const list = transaction.send(bytes, [{ value: '4' }, { value: '5' }]);
    return [await third, await list];
  });
  assert.deepEqual(sent, [
    { topic: 'side', partition: 0, offset: 2 },
    { topic: 'side', count: 2, ranges: [{ partition: 0, baseOffset: 3, lastOffset: 4 }] },
  ]);
  const log = await bytes.hosted.partition(0);
  assert.deepEqual(await valuesOfPartition(log), ['1', '{"n":2}', '3', '4', '5']);
  await broker.close();
});

test('transaction: bounded in partitions, offsets, metadata, and in number', async () => {
  const { broker } = await world();
  const wide = limits.transactionPartitionsMax + 1;
  await broker.createTopic('wide', { partitions: wide });
  const tooLarge = { code: 'TRANSACTION_TOO_LARGE' };
  const records = Array.from({ length: wide }, (_, partition) => ({ value: 'x', partition }));
  await assert.rejects(
    broker.transaction((transaction) => transaction.send('wide', records)),
    tooLarge,
  );
  const member = { groupId: 'g', memberId: '', generation: -1 };
  const commit = (count: number, metadata = ''): Promise<void> =>
    broker.transaction((transaction) => {
      for (let partition = 0; partition < count; partition += 1) {
        transaction.commitOffsets({ topic: 'wide', partition, nextOffset: 0, member, metadata });
      }
    });
  await commit(1);
  await assert.rejects(commit(limits.transactionOffsetsMax + 1), tooLarge);
  const metadata = 'm'.repeat(4_096);
  const most = limits.transactionMetadataBytesMax / metadata.length;
  await assert.rejects(commit(most + 1, metadata), tooLarge);
  const forever = Array.from({ length: limits.transactionsMax }, () =>
    broker.transaction(() => new Promise(() => undefined)).catch((error: unknown) => error),
  );
  const oneMore = broker.transaction(() => undefined);
  await assert.rejects(oneMore, { code: 'TRANSACTIONS_FULL' });
  await broker.close();
  for (const ended of await Promise.all(forever)) assert.ok(hasCode(ended, 'BROKER_CLOSED'));
});

test('transaction: a late batch of one that was undone is refused by the log', async () => {
  const { broker } = await world();
  const undone = broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    throw new Error('undone');
  });
  await assert.rejects(undone, { message: 'undone' });
  const log = await (await broker.topic('side')).hosted.partition(0);
  const [producer] = log.producers();
  assert.ok(producer);
  const { producerId, producerEpoch } = producer;
  const zombie = { producerId, producerEpoch: producerEpoch - 1, isTransactional: true };
  const late = log.append([{ value: 'late' }], { producer: { ...zombie, baseSequence: 1 } });
  await assert.rejects(late, { code: 'PRODUCER_FENCED' });
  assert.equal(log.stableOffset, log.durableOffset);
  await broker.close();
});
