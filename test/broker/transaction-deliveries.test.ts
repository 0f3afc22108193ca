// Transactions that finish messages: whom they keep off, how they end, and what a failure leaves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import { bytes } from '../../src/broker/topic/codec.js';
import type { Transaction } from '../../src/broker/transaction/transaction.js';
import { SimBroker } from '../support/broker-fixture.js';
import { LIMITS, type StateSource, TransactingFolder } from '../support/delivery-fixture.js';
import { rejection, settled, thrown } from '../support/fixtures.js';
import { LONE_MEMBER } from '../support/transaction-fixture.js';

const SHARES = /__shares-0\/\d+\.log/;
const DECISIONS = /__transactions-0\/\d+\.log/;

interface World {
  readonly sim: SimBroker;
  readonly folder: TransactingFolder;
  readonly source: StateSource;
}

async function world(): Promise<World> {
  const sim = new SimBroker();
  const folder = await TransactingFolder.open(sim);
  await folder.topics.create('jobs', {});
  await folder.topics.create('out', { partitions: 2 });
  await folder.send('jobs', 'm0', 'm1', 'm2', 'm3');
  await folder.send('out', 'before');
  return { sim, folder, source: await folder.source('jobs') };
}

function sendOut(folder: TransactingFolder, transaction: Transaction, value: string) {
  const target = { topic: folder.topics.get('out'), codec: bytes };
  return transaction.sendTo(target, { value, partition: 0 });
}

function writesSince({ disk }: SimBroker, call: number, path: RegExp): number {
  const calls = disk.calls.slice(call);
  return calls.filter((one) => one.name === 'write' && path.test(one.path)).length;
}

/** Closes, or gives up, and opens again what a killed process left. */
async function reopened(sim: SimBroker): Promise<{ folder: TransactingFolder; left: string[] }> {
  const folder = await TransactingFolder.open(sim.kill());
  const source = await folder.source('jobs');
  const left = source.take(10).map(({ record }) => String(record.value));
  return { folder, left };
}

test('acknowledge: with a send, both or neither', async () => {
  const { sim, folder, source } = await world();
  const [m0, m1] = source.take(2);
  assert(m0 && m1);
  await folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m0);
    await sendOut(folder, transaction, 'of m0');
  });
  const undone = folder.transactions.run(async (transaction) => {
    transaction.acknowledge({ delivery: m1 });
    await sendOut(folder, transaction, 'of m1');
    throw new Error('no');
  });
  await assert.rejects(undone, { message: 'no' });
  assert.equal(source.state.startOffset, 1);
  assert.equal(source.state.acknowledge(m1.offset, m1.receipt), 'done', 'its lease goes on');
  assert.deepEqual(await folder.values('out'), ['before', 'of m0']);
  const { folder: again, left } = await reopened(sim);
  assert.deepEqual(left, ['m1', 'm2', 'm3'], 'the second acknowledgement was in memory alone');
  await again.close();
});

test('acknowledge: deliveries alone are decided by the journal', async () => {
  const { sim, folder, source } = await world();
  const other = await folder.source('jobs', 'h');
  const mine = source.take(3);
  const theirs = other.take(1);
  const before = sim.disk.calls.length;
  await folder.transactions.run((transaction) => {
    transaction.acknowledge(mine);
    transaction.acknowledge(theirs);
    transaction.acknowledge(mine);
  });
  assert.equal(writesSince(sim, before, /\.log$/), 1, 'one batch');
  assert.equal(writesSince(sim, before, SHARES), 1);
  assert.equal(source.state.startOffset, 3);
  assert.equal(other.state.startOffset, 1);
  const { folder: again, left } = await reopened(sim);
  assert.deepEqual(left, ['m3']);
  assert.equal((await again.source('jobs', 'h')).state.startOffset, 1);
  await again.close();
});

test('acknowledge: a frozen lease does not end by time, and goes on after an abort', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  const undone = folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m0);
    sim.clock.advance(40_000);
    await settled();
    source.state.expire(sim.clock.monotonicMs(), 10);
    assert.equal(source.state.counts().inFlight, 1);
    throw new Error('no');
  });
  await assert.rejects(undone, { message: 'no' });
  source.state.expire(sim.clock.monotonicMs(), 10);
  assert.equal(source.state.counts().ready, 1, 'its time had passed meanwhile');
  await folder.close();
});

test('acknowledge: nobody else finishes what a transaction has', async () => {
  const { folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  await folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m0);
    assert.equal(source.state.acknowledge(m0.offset, m0.receipt), 'frozen');
    const other = folder.transactions.run((second) => second.acknowledge(m0));
    await rejection(other, 'LEASE_FROZEN');
  });
  await rejection(
    folder.transactions.run((transaction) => transaction.acknowledge(m0)),
    'RECEIPT_STALE',
  );
  await folder.close();
});

test('acknowledge: one that is refused undoes the transaction, also when caught', async () => {
  const { folder, source } = await world();
  const [m0, m1] = source.take(2);
  assert(m0 && m1);
  source.state.acknowledge(m0.offset, m0.receipt);
  const work = folder.transactions.run(async (transaction) => {
    await sendOut(folder, transaction, 'never');
    thrown(() => transaction.acknowledge([m1, m0]), 'RECEIPT_STALE');
  });
  const refused = await rejection(work, 'TRANSACTION_ABORTED');
  assert.equal(Object(refused.cause).code, 'RECEIPT_STALE');
  assert.equal(source.state.acknowledge(m1.offset, m1.receipt), 'done', 'and is thawed');
  await rejection(
    folder.transactions.run((transaction) => transaction.acknowledge(Object('text'))),
    'OPTION_INVALID',
  );
  assert.deepEqual(await folder.values('out'), ['before']);
  await folder.close();
});

test('acknowledge: what is purged until the commit undoes it, as does a reset', async () => {
  const { folder, source } = await world();
  const [m0, m1] = source.take(2);
  assert(m0 && m1);
  const purged = folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m0);
    await sendOut(folder, transaction, 'never');
    source.state.dropBelow(1);
  });
  await rejection(purged, 'RECEIPT_STALE');
  const reset = folder.transactions.run((transaction) => {
    transaction.acknowledge(m1);
    source.generation += 1;
  });
  await rejection(reset, 'RECEIPT_STALE');
  assert.deepEqual(await folder.values('out'), ['before']);
  await folder.close();
});

test('acknowledge: a transaction is bounded', async () => {
  const { folder, source } = await world();
  const held = { ...source, freeze: () => 'done' as const, thaw: () => undefined };
  const partition = Object.assign(Object.create(source), held);
  const work = folder.transactions.run((transaction) => {
    for (let offset = 0; offset <= 4_000; offset += 1) {
      transaction.acknowledge({ partition, offset, receipt: 1 });
    }
  });
  await rejection(work, 'TRANSACTION_TOO_LARGE');
  const many = folder.transactions.run((transaction) => {
    for (let at = 0; at <= 64; at += 1) {
      const one = Object.assign(Object.create(source), held);
      transaction.acknowledge({ partition: one, offset: 0, receipt: 1 });
    }
  });
  await rejection(many, 'TRANSACTION_TOO_LARGE');
  await folder.close();
});

test('acknowledge: with offsets and nothing sent, by one decision', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  await folder.transactions.run((transaction) => {
    const member = LONE_MEMBER;
    transaction.commitOffsets({ topic: 'jobs', partition: 0, nextOffset: 1, member });
    transaction.acknowledge(m0);
  });
  const { folder: again, left } = await reopened(sim);
  assert.deepEqual(left, ['m1', 'm2', 'm3']);
  await again.close();
});

test('acknowledge alone: a full disk undoes it', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  sim.disk.fail({ name: 'write', path: SHARES, errno: 'ENOSPC' });
  await rejection(
    folder.transactions.run((transaction) => transaction.acknowledge(m0)),
    'DISK_FULL',
  );
  assert.equal(source.state.startOffset, 0);
  assert.equal(source.state.isHeld(m0.offset, m0.receipt), true);
  assert.equal(source.isHeld(m0.offset, m0.receipt), false, 'it is thawed');
  await folder.close();
});

test('acknowledge alone: a failed sync leaves it open until the next process', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  sim.disk.fail({ name: 'datasync', path: SHARES, errno: 'EIO', pages: 'kept-dirty' });
  await rejection(
    folder.transactions.run((transaction) => transaction.acknowledge(m0)),
    'OUTCOME_UNKNOWN',
  );
  assert.equal(source.isHeld(m0.offset, m0.receipt), true, 'nobody gets it meanwhile');
  await folder.close().catch(() => undefined);
  const { folder: again, left } = await reopened(sim);
  assert.ok(left.length === 4 || left.length === 3, 'it was, or it was not');
  await again.close();
});

test('acknowledge: a full disk behind the decision is waited for', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  sim.disk.fail({ name: 'write', path: SHARES, errno: 'ENOSPC' });
  await folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m0);
    await sendOut(folder, transaction, 'of m0');
  });
  assert.equal(source.state.startOffset, 1, 'it is decided');
  assert.deepEqual(await folder.values('out'), ['before', 'of m0']);
  const { folder: soon, left } = await reopened(sim);
  assert.deepEqual(left, ['m1', 'm2', 'm3'], 'the next open carries the decision out');
  await soon.close();
});

test('acknowledge: what failed behind the decision is stored later', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  sim.disk.fail({ name: 'write', path: SHARES, errno: 'ENOSPC' });
  await folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m0);
    await sendOut(folder, transaction, 'of m0');
  });
  const before = sim.disk.calls.length;
  for (let turn = 0; turn < 10; turn += 1) {
    sim.clock.advance(1_000);
    await settled();
  }
  assert.equal(writesSince(sim, before, SHARES), 1, 'without an open');
  await folder.close();
  const { folder: again, left } = await reopened(sim);
  assert.deepEqual(left, ['m1', 'm2', 'm3']);
  await again.close();
});

test('acknowledge: a decision that fails undoes it', async () => {
  const { sim, folder, source } = await world();
  const [m0, m1] = source.take(2);
  assert(m0 && m1);
  const transact = (): Promise<void> =>
    folder.transactions.run(async (transaction) => {
      transaction.acknowledge(m0);
      await sendOut(folder, transaction, 'x');
    });
  await folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m1);
    await sendOut(folder, transaction, 'first');
  });
  sim.disk.fail({ name: 'write', path: DECISIONS, errno: 'ENOSPC' });
  await rejection(transact(), 'DISK_FULL');
  assert.equal(source.isHeld(m0.offset, m0.receipt), false);
  assert.equal(source.state.isHeld(m0.offset, m0.receipt), true);
  await folder.close();
});

test('redo: deliveries of a group that was reset since are left alone', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  sim.disk.fail({ name: 'write', path: SHARES, errno: 'ENOSPC' });
  await folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m0);
    await sendOut(folder, transaction, 'of m0');
  });
  const empty = { startOffset: 0, acknowledged: [], archived: [], attempts: [] };
  const nowMs = sim.clock.monotonicMs();
  const state = new DeliveryState({ startOffset: 0, nowMs, limits: LIMITS });
  const place = await folder.journal.replace(source.key, empty, state);
  assert.notEqual(place.generation, source.generation);
  const { folder: again, left } = await reopened(sim);
  assert.deepEqual(left, ['m0', 'm1', 'm2', 'm3']);
  await again.close();
});

test('acknowledge alone: a state that is let go of meanwhile keeps what was decided', async () => {
  const { sim, folder, source } = await world();
  const [m0] = source.take(1);
  assert(m0);
  const before = sim.disk.calls.length;
  const committed = folder.transactions.run((transaction) => transaction.acknowledge(m0));
  while (writesSince(sim, before, SHARES) === 0) await Promise.resolve();
  folder.journal.detach(source.key);
  await committed;
  const again = await folder.source('jobs');
  assert.deepEqual(
    again.take(10).map(({ record }) => String(record.value)),
    ['m1', 'm2', 'm3'],
  );
  await folder.close();
});
