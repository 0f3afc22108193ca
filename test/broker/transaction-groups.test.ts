// Consume, transform, produce: offsets in transactions, who may commit them, and what they survive.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import type { Broker } from '../../src/broker/broker.js';
import type { Consumer } from '../../src/broker/consumer/consumer.js';
import type { ConsumerBatch } from '../../src/broker/consumer/consumer-batch.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { committedOf, settle, until } from '../support/consumer-fixture.js';
import {
  commitAlone,
  inputUpTo,
  lookAt,
  makeWorld,
  sendAll,
} from '../support/transaction-fixture.js';

const AT = { topic: 'in', partition: 0 };

async function world(sim = new SimBroker()): Promise<{ sim: SimBroker; broker: Broker }> {
  const broker = await sim.open();
  await makeWorld(broker);
  return { sim, broker };
}

/** Upper case of each record, to `side`, with the offset: each exactly once. */
async function transform(broker: Broker, batch: ConsumerBatch<Buffer>): Promise<void> {
  await broker.transaction((transaction) => {
    for (const { value } of batch) {
      transaction.send('side', { value: String(value).toUpperCase() });
    }
    transaction.commitOffsets(batch);
  });
}

async function nextOf(consumer: Consumer<Buffer>): Promise<ConsumerBatch<Buffer>> {
  const { value } = await consumer.next();
  assert.ok(value);
  return value;
}

test('consume, transform, produce: each record once, over kills', async () => {
  let sim = new SimBroker();
  const made = await sim.open();
  const input = await made.createTopic('in');
  await made.createTopic('side');
  const values = Array.from({ length: 12 }, (_, index) => `v${index}`);
  for (const value of values) await input.send({ value });
  await made.close();
  for (let killed = 0; killed < values.length; killed += 1) {
    sim = sim.kill();
    const broker = await sim.open();
    const topic = await broker.topic('in');
    const consumer = topic.consumer({ group: 'upper', sessionTimeoutMs: 6_000 });
    let count = 0;
    for await (const batch of consumer) {
      if (count === killed % 3) break;
      count += 1;
      await transform(broker, batch);
      if (batch.nextOffset === values.length) break;
    }
  }
  const last = await sim.kill().open();
  const log = await (await last.topic('side')).hosted.partition(0);
  const seen = await valuesOfPartition(log);
  assert.deepEqual(
    seen,
    values.slice(0, seen.length).map((value) => value.toUpperCase()),
  );
  assert.deepEqual(await committedOf(last, 'upper'), [seen.length]);
  await last.close();
});

test('commitOffsets: whoever else changes them meanwhile is refused', async () => {
  const { broker } = await world();
  await commitAlone(broker, 1);
  const held = { code: 'OFFSET_HELD' };
  await broker.transaction(async (transaction) => {
    transaction.commitOffsets(inputUpTo(2));
    transaction.commitOffsets(inputUpTo(3));
    await assert.rejects(commitAlone(broker, 5), (error) => {
      assert.ok(hasCode(error, 'OFFSET_HELD'));
      assert.equal(error.facts['kafka'], 'UNSTABLE_OFFSET_COMMIT');
      return true;
    });
    const other = broker.transaction((second) => second.commitOffsets(inputUpTo(4)));
    await assert.rejects(other, held);
    await assert.rejects(broker.groups.reset('g', { to: 'earliest' }), held);
    await assert.rejects(broker.groups.deleteOffsets('g', [AT]), held);
    await assert.rejects(broker.groups.delete('g'), held);
    assert.equal((await lookAt(broker)).offset, 1);
  });
  assert.equal((await lookAt(broker)).offset, 3);
  const undone = broker.transaction((transaction) => {
    transaction.commitOffsets(inputUpTo(5));
    throw new Error('no');
  });
  await assert.rejects(undone, { message: 'no' });
  await commitAlone(broker, 4);
  assert.equal((await lookAt(broker)).offset, 4);
  await broker.groups.delete('g');
  await broker.close();
});

test('commitOffsets: a batch that a transaction holds is not committed a second time', async () => {
  const { broker } = await world();
  const topic = await broker.topic('in');
  const consumer = topic.consumer({ group: 'g', commit: 'manual' });
  const batch = await nextOf(consumer);
  await broker.transaction(async (transaction) => {
    transaction.commitOffsets(batch);
    await assert.rejects(batch.commit(), { code: 'TRANSACTION_STATE_INVALID' });
    const other = broker.transaction((second) => second.commitOffsets(batch));
    await assert.rejects(other, { code: 'OFFSET_HELD' });
  });
  await assert.rejects(batch.commit(), { code: 'TRANSACTION_STATE_INVALID' });
  assert.deepEqual(await committedOf(broker, 'g'), [6]);
  await broker.close();
});

test('commitOffsets: automatic commits leave alone what a transaction commits', async () => {
  const { broker } = await world();
  const topic = await broker.topic('in');
  await topic.send({ value: 'i6' });
  await topic.send({ value: 'i7' });
  const consumer = topic.consumer({ group: 'g', commitIntervalMs: 5_000 });
  const first = await nextOf(consumer);
  assert.equal(first.nextOffset, 6);
  const second = await nextOf(consumer);
  await settle();
  await transform(broker, second);
  assert.deepEqual(await committedOf(broker, 'g'), [7]);
  const third = await nextOf(consumer);
  const undone = broker.transaction((transaction) => {
    transaction.commitOffsets(third);
    throw new Error('no');
  });
  await assert.rejects(undone, { message: 'no' });
  await consumer.close();
  assert.deepEqual(await committedOf(broker, 'g'), [7], 'nor what it has undone');
  await broker.close();
});

test('commitOffsets: a member that lost the partition undoes what it sent', async () => {
  const { sim, broker } = await world();
  const topic = await broker.topic('in');
  const options = {
    group: 'g',
    assignor: 'range',
    sessionTimeoutMs: 6_000,
    rebalanceTimeoutMs: 6_000,
  } as const;
  const consumer = topic.consumer(options);
  const batch = await nextOf(consumer);
  const slow = broker.transaction(async (transaction) => {
    transaction.send('side', { value: 'late' });
    transaction.commitOffsets(batch);
    // Another one comes, and this one does not let go in time.
    const other = topic.consumer(options);
    const taken = other.next();
    for (let turn = 0; turn < 20; turn += 1) {
      sim.clock.advance(1_000);
      await settle();
    }
    assert.equal((await taken).value?.raw.baseOffset, 0, 'it begins where this one began');
    await other.close();
  });
  await assert.rejects(slow, (error) => {
    const isFenced = hasCode(error, 'ILLEGAL_GENERATION') || hasCode(error, 'UNKNOWN_MEMBER');
    assert.ok(isFenced, String(error));
    return true;
  });
  const log = await (await broker.topic('side')).hosted.partition(0);
  assert.deepEqual(await valuesOfPartition(log), []);
  assert.deepEqual(await committedOf(broker, 'g'), []);
  await broker.close();
});

test('commitOffsets: who keeps the partition commits in the next generation', async () => {
  const { broker } = await world();
  const topic = await broker.topic('in');
  const consumer = topic.consumer({ group: 'g' });
  const batch = await nextOf(consumer);
  let generation = batch.member?.generation ?? -1;
  await broker.transaction(async (transaction) => {
    transaction.send('side', { value: 'kept' });
    transaction.commitOffsets(batch);
    topic.consumer({ group: 'g' }).next();
    await until(() => (batch.member?.generation ?? -1) > generation);
    generation += 1;
    await settle();
  });
  assert.equal(generation, 2);
  assert.deepEqual(await committedOf(broker, 'g'), [6]);
  await broker.close();
});

test('commitOffsets: what cannot be committed is refused at once', async () => {
  const { broker } = await world();
  const member = { groupId: 'g', memberId: '', generation: -1 };
  await commitAlone(broker, 1);
  const bad: readonly [Parameters<typeof inputUpTo>[0] | object, string][] = [
    [{ topic: 'in', partition: 9, nextOffset: 1, member }, 'UNKNOWN_PARTITION'],
    [{ topic: 'none', partition: 0, nextOffset: 1, member }, 'UNKNOWN_PARTITION'],
    [{ ...AT, nextOffset: -1, member }, 'OFFSET_OUT_OF_RANGE'],
    [{ ...AT, nextOffset: 7, member }, 'OFFSET_OUT_OF_RANGE'],
    [{ ...AT, nextOffset: 1, member: undefined }, 'GROUP_INVALID'],
    [{ ...AT, nextOffset: 1, member: { ...member, groupId: '' } }, 'GROUP_INVALID'],
    [
      { ...AT, nextOffset: 1, member: { ...member, memberId: 'x', generation: 3 } },
      'UNKNOWN_MEMBER',
    ],
    [{ ...AT, nextOffset: 1, member, metadata: 'm'.repeat(9_999) }, 'OFFSET_METADATA_TOO_LARGE'],
  ];
  for (const [source, code] of bad) {
    const work = broker.transaction(async (transaction) => {
      await sendAll(transaction, 'x');
      transaction.commitOffsets(Object(source));
    });
    await assert.rejects(work, { code }, JSON.stringify(source));
  }
  const caught = broker.transaction(async (transaction) => {
    await sendAll(transaction, 'x');
    const nobody = { ...AT, nextOffset: 1, member: undefined };
    assert.throws(() => transaction.commitOffsets(nobody), { code: 'GROUP_INVALID' });
  });
  await assert.rejects(caught, { code: 'TRANSACTION_ABORTED' }, 'one that is caught counts too');
  const { values, offset } = await lookAt(broker);
  assert.deepEqual(values['side-0'], []);
  assert.equal(offset, 1);
  await broker.close();
});

test('commitOffsets: several groups, and no send at all', async () => {
  const { sim, broker } = await world();
  await broker.transaction((transaction) => {
    for (const groupId of ['g', 'h']) {
      const member = { groupId, memberId: '', generation: -1 };
      transaction.commitOffsets({ ...AT, nextOffset: 2, member, metadata: `of ${groupId}` });
    }
  });
  const again = await sim.kill().open();
  for (const group of ['g', 'h']) {
    const { partitions } = await again.groups.describe(group);
    assert.equal(partitions[0]?.committedOffset, 2);
    assert.equal(partitions[0]?.metadata, `of ${group}`);
  }
  await again.close();
});
