// Transactions that cannot end as they would: what is seen, what is refused, and what the next
// open makes of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, MillraceError } from '../../src/base/errors.js';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker } from '../support/broker-fixture.js';
import { until } from '../support/consumer-fixture.js';
import {
  commitAlone,
  inputUpTo,
  lookAt,
  makeWorld,
  openPlaces,
  sendAll,
} from '../support/transaction-fixture.js';

const OUT_1 = /out-1\/\d+\.log/;
const OFFSETS = /__offsets-0\/\d+\.log/;
const nothing = { 'out-0': [], 'out-1': [], 'side-0': [] };
const everything = { 'out-0': ['x'], 'out-1': ['x'], 'side-0': ['x'] };

async function opened(): Promise<{ sim: SimBroker; broker: Broker }> {
  const made = new SimBroker();
  const first = await made.open();
  await makeWorld(first);
  await commitAlone(first, 1);
  // The logs of decisions and of ids are there: what fails is not that they are made.
  await undone(first, 'before');
  await first.close();
  const sim = made.kill();
  const broker = await sim.open();
  await undone(broker, 'again');
  return { sim, broker };
}

/** Every log is written to. */
async function undone(broker: Broker, value: string): Promise<void> {
  const reason = new Error('undone');
  const work = broker.transaction(async (transaction) => {
    await sendAll(transaction, value);
    throw reason;
  });
  await assert.rejects(work, (error) => error === reason);
}

function transact(broker: Broker): Promise<void> {
  return broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    transaction.commitOffsets(inputUpTo(3));
  });
}

/** The code of what it rejects with, and that of the cause. */
async function codesOf(work: Promise<unknown>): Promise<(string | undefined)[]> {
  try {
    await work;
  } catch (error) {
    const { cause } = Object(error);
    const code = error instanceof MillraceError ? error.code : String(error);
    return cause instanceof MillraceError ? [code, cause.code] : [code];
  }
  return [];
}

async function reopened(sim: SimBroker): Promise<Broker> {
  return await sim.kill().open();
}

test('transaction: a partition that is poisoned before the decision undoes all of it', async () => {
  const { sim, broker } = await opened();
  sim.disk.fail({ name: 'datasync', path: OUT_1, errno: 'EIO', repeat: 'forever' });
  assert.deepEqual(await codesOf(transact(broker)), ['TRANSACTION_ABORTED', 'OUTCOME_UNKNOWN']);
  assert.equal((await lookAt(broker)).offset, 1);
  await commitAlone(broker, 2);
  await broker.close().catch(() => undefined);
  const again = await reopened(sim);
  assert.deepEqual(await lookAt(again), { values: nothing, offset: 2 });
  assert.deepEqual(await openPlaces(again), []);
  await transact(again);
  assert.deepEqual(await lookAt(again), { values: everything, offset: 3 });
  await again.close();
});

test('transaction: a decision whose write failed is one or the other at open', async () => {
  for (const pages of ['lost', 'kept-dirty'] as const) {
    const { sim, broker } = await opened();
    const path = /__transactions-0\/\d+\.log/;
    sim.disk.fail({ name: 'datasync', path, errno: 'EIO', repeat: 'forever', pages });
    assert.deepEqual((await codesOf(transact(broker)))[0], 'OUTCOME_UNKNOWN');
    const { values, offset } = await lookAt(broker);
    assert.deepEqual({ values, offset }, { values: nothing, offset: 1 });
    assert.deepEqual(await openPlaces(broker), ['out-0', 'out-1', 'side-0']);
    assert.deepEqual((await codesOf(commitAlone(broker, 2)))[0], 'OFFSET_HELD');
    await broker.close().catch(() => undefined);
    const again = await reopened(sim);
    const found = await lookAt(again);
    const isCommitted = found.offset === 3;
    assert.deepEqual(found.values, isCommitted ? everything : nothing);
    assert.deepEqual(await openPlaces(again), []);
    await again.close();
  }
});

test('transaction: a lone marker whose write failed is one or the other', async () => {
  for (const pages of ['lost', 'kept-dirty'] as const) {
    const { sim, broker } = await opened();
    sim.disk.fail({ name: 'datasync', path: OUT_1, errno: 'EIO', repeat: 'forever', pages });
    const alone = broker.transaction((transaction) =>
      transaction.send('out', { value: 'x', partition: 1 }),
    );
    assert.deepEqual((await codesOf(alone))[0], 'OUTCOME_UNKNOWN');
    await broker.close().catch(() => undefined);
    const again = await reopened(sim);
    const seen = (await lookAt(again)).values['out-1'] ?? [];
    assert.ok(seen.length === 0 || seen[0] === 'x');
    assert.deepEqual(await openPlaces(again), []);
    await again.close();
  }
});

test('transaction: a decision that finds no space is none', async () => {
  const { sim, broker } = await opened();
  sim.disk.fail({ name: 'write', path: /__transactions-0\/\d+\.log/, errno: 'ENOSPC' });
  assert.deepEqual(await codesOf(transact(broker)), ['DISK_FULL']);
  assert.deepEqual(await lookAt(broker), { values: nothing, offset: 1 });
  assert.deepEqual(await openPlaces(broker), []);
  await transact(broker);
  assert.deepEqual(await lookAt(broker), { values: everything, offset: 3 });
  await broker.close();
});

test('transaction: one that is decided is committed, though a marker is missing', async () => {
  const { sim, broker } = await opened();
  // Its batch is durable, its marker is not.
  sim.disk.fail({ name: 'datasync', path: OUT_1, errno: 'EIO', skip: 1, repeat: 'forever' });
  await broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    await (await (await broker.topic('out')).hosted.partition(1)).flush();
    transaction.commitOffsets(inputUpTo(3));
  });
  const { values, offset } = await lookAt(broker);
  assert.deepEqual(values, { ...everything, 'out-1': [] });
  assert.equal(offset, 3);
  await broker.close().catch(() => undefined);
  const again = await reopened(sim);
  assert.deepEqual(await lookAt(again), { values: everything, offset: 3 });
  await again.close();
});

test('transaction: a marker that finds no space is written when there is some', async () => {
  const { sim, broker } = await opened();
  const out = await broker.topic('out');
  await broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    const log = await out.hosted.partition(1);
    await log.flush();
    sim.disk.fail({ name: 'write', path: OUT_1, errno: 'ENOSPC' });
  });
  assert.deepEqual((await lookAt(broker)).values['out-1'], []);
  assert.deepEqual((await lookAt(broker)).values['out-0'], ['x']);
  sim.clock.advance(250);
  const log = await out.hosted.partition(1);
  await until(() => log.stableOffset === log.durableOffset);
  assert.deepEqual((await lookAt(broker)).values, everything);
  await broker.close();
});

test('transaction: offsets that cannot be stored are held, and stored at open', async () => {
  const { sim, broker } = await opened();
  sim.disk.fail({ name: 'datasync', path: OFFSETS, errno: 'EIO', repeat: 'forever' });
  await transact(broker);
  assert.deepEqual((await lookAt(broker)).values, everything);
  assert.deepEqual((await codesOf(commitAlone(broker, 2)))[0], 'OFFSET_HELD');
  await broker.close().catch(() => undefined);
  const next = sim.kill();
  const again = await next.open();
  assert.deepEqual(await lookAt(again), { values: everything, offset: 3 });
  await commitAlone(again, 2);
  const third = await next.kill().open();
  assert.equal((await lookAt(third)).offset, 2);
  await third.close();
});

test('transaction: a broker that closes ends it, and does not wait for its work', async () => {
  const { sim, broker } = await opened();
  let signal: AbortSignal | undefined;
  let isBegun = false;
  const running = broker.transaction(async (transaction) => {
    signal = transaction.signal;
    await sendAll(transaction, 'x');
    transaction.commitOffsets(inputUpTo(3));
    isBegun = true;
    await new Promise(() => undefined);
  });
  const codes = codesOf(running);
  await until(() => isBegun);
  await broker.close();
  assert.deepEqual(await codes, ['BROKER_CLOSED']);
  assert.equal(signal?.aborted, true);
  assert.ok(hasCode(signal?.reason, 'BROKER_CLOSED'));
  assert.deepEqual(await codesOf(transact(broker)), ['BROKER_CLOSED']);
  const again = await sim.open();
  assert.deepEqual(await lookAt(again), { values: nothing, offset: 1 });
  await again.close();
});

test('transaction: a topic that is deleted meanwhile undoes it', async () => {
  const { broker } = await opened();
  const running = broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    await broker.deleteTopic('side');
  });
  assert.deepEqual(await codesOf(running), ['TRANSACTION_ABORTED', 'UNKNOWN_TOPIC']);
  const log = await (await broker.topic('out')).hosted.partition(0);
  assert.equal(log.stableOffset, log.durableOffset);
  const source = broker.transaction(async (transaction) => {
    transaction.send('out', { value: 'y' });
    transaction.commitOffsets(inputUpTo(3));
    await broker.deleteTopic('in');
    await broker.createTopic('in');
  });
  assert.deepEqual((await codesOf(source))[0], 'UNKNOWN_TOPIC');
  await broker.createTopic('side');
  const { values, offset } = await lookAt(broker);
  assert.deepEqual({ values, offset }, { values: nothing, offset: undefined });
  await broker.close();
});

test('transaction: a decision is not about a topic that was made again', async () => {
  const { sim, broker } = await opened();
  sim.disk.fail({ name: 'datasync', path: OFFSETS, errno: 'EIO', repeat: 'forever' });
  sim.disk.fail({ name: 'datasync', path: OUT_1, errno: 'EIO', skip: 1, repeat: 'forever' });
  await broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    await (await (await broker.topic('out')).hosted.partition(1)).flush();
    transaction.commitOffsets(inputUpTo(3));
  });
  // It is decided, and done in part. The topics are known to be deleted, their logs are there yet.
  await broker.deleteTopic('in').catch(() => undefined);
  await broker.deleteTopic('out').catch(() => undefined);
  await broker.close().catch(() => undefined);
  const again = await sim.kill().open();
  const input = await again.createTopic('in');
  await again.createTopic('out', { partitions: 2 });
  await input.send(['a', 'b', 'c', 'd'].map((value) => ({ value })));
  const { values, offset } = await lookAt(again);
  assert.deepEqual(values, { ...nothing, 'side-0': ['x'] });
  assert.equal(offset, undefined);
  assert.deepEqual(await openPlaces(again), []);
  await again.close();
});

test('transaction: partitions that come while it runs take part', async () => {
  const { broker } = await opened();
  await broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    await broker.growTopic('out', 4);
    await transaction.send('out', { value: 'new', partition: 3 });
    const log = await (await broker.topic('out')).hosted.partition(3);
    assert.equal(log.stableOffset, 0);
  });
  const log = await (await broker.topic('out')).hosted.partition(3);
  assert.equal(log.stableOffset, log.durableOffset);
  assert.equal(log.durableOffset, 2);
  await broker.close();
});

test('transaction: a send that failed undoes it, also when nobody looked', async () => {
  const { broker } = await opened();
  const caught = broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    await transaction.send('out', { value: 'x'.repeat(2 << 20) }).catch(() => undefined);
  });
  assert.deepEqual(await codesOf(caught), ['TRANSACTION_ABORTED', 'RECORD_TOO_LARGE']);
  const notAwaited = broker.transaction((transaction) => {
    transaction.send('side', { value: 'x' });
    transaction.send('out', { value: 'x', partition: 9 });
  });
  assert.deepEqual(await codesOf(notAwaited), ['TRANSACTION_ABORTED', 'UNKNOWN_PARTITION']);
  const unknown = broker.transaction((transaction) => transaction.send('none', { value: 'x' }));
  assert.deepEqual(await codesOf(unknown), ['UNKNOWN_TOPIC']);
  assert.deepEqual(await lookAt(broker), { values: nothing, offset: 1 });
  await broker.close();
});
