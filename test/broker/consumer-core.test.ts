/**
 * What a consumer has, what it hands out, and how much it reads ahead.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createError } from '../../src/base/errors.js';
import type { PartitionLease } from '../../src/broker/consumer/consumer-lease.js';
import { SimBroker } from '../support/broker-fixture.js';
import {
  committedOf,
  consumerCore,
  fill,
  openedBroker,
  settle,
  takeAll,
  textOf,
  until,
} from '../support/consumer-fixture.js';

suite('consumer core', () => {
  test('hands out every partition in order, and follows what comes later', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 3 });
    await fill(topic, 30);
    const core = consumerCore(broker, 'orders', {});
    const seen = await takeAll(core, 30);
    assert.deepEqual([...seen.keys()].sort(), [0, 1, 2]);
    for (const values of seen.values()) assert.deepEqual(values, [...values].sort(byNumber));
    await topic.send({ value: '30', partition: 1 });
    const later = await core.take();
    assert.ok(later);
    assert.deepEqual(textOf(later.batch), ['30']);
    assert.equal(later.nextOffset, 11);
  });

  test('two members of a group share the partitions; a third gets some of them', async (t) => {
    const broker = await openedBroker(t);
    await broker.topic('orders', { partitions: 6 });
    const one = consumerCore(broker, 'orders', { group: 'g' });
    const two = consumerCore(broker, 'orders', { group: 'g' });
    await until(() => one.leases.length + two.leases.length === 6 && two.leases.length === 3);
    const three = consumerCore(broker, 'orders', { group: 'g' });
    await until(() => three.leases.length === 2);
    assert.deepEqual(placesOf(one, two, three), [0, 1, 2, 3, 4, 5]);
    await two.close();
    await until(() => one.leases.length === 3 && three.leases.length === 3);
    assert.deepEqual(placesOf(one, three), [0, 1, 2, 3, 4, 5]);
  });

  test('goes on at the committed offset, also over a restart of the broker', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 10);
    const core = consumerCore(broker, 'orders', { group: 'g' });
    const first = await core.take();
    assert.ok(first);
    await core.commit([{ topic: 'orders', partition: 0, offset: 4, metadata: 'here' }]);
    await broker.close();
    const again = await sim.kill().open();
    t.after(() => again.close());
    const next = await consumerCore(again, 'orders', { group: 'g' }).take();
    assert.ok(next);
    assert.deepEqual(textOf(next.batch), ['4', '5', '6', '7', '8', '9']);
    const { partitions, lag } = await again.groups.describe('g');
    assert.equal(partitions[0]?.committedOffset, 4);
    assert.equal(partitions[0]?.metadata, 'here');
    assert.equal(lag, 6);
  });

  test('stops reading when the ring is full, until a batch is released', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 2 });
    for (let index = 0; index < 20; index += 1) {
      await topic.send({ value: String(index).padEnd(1000, '.'), partition: index % 2 });
    }
    const core = consumerCore(broker, 'orders', { prefetchBytes: 4096, prefetchCount: 100 });
    await until(() => core.heldCount === 3);
    await settle();
    assert.equal(core.heldCount, 3, 'three batches of more than a thousand bytes fit');
    assert.ok(core.heldBytes <= 4096);
    const taken = core.takeReady();
    assert.ok(taken);
    await settle();
    assert.equal(core.heldCount, 3, 'what is handed out still counts');
    core.release(taken);
    core.release(taken);
    await until(() => core.heldCount === 3);
    const seen = await takeAll(core, 19);
    assert.equal([...seen.values()].flat().length, 19);
  });

  test('a batch larger than the bound passes alone', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await topic.send([{ value: 'a'.repeat(10_000) }]);
    await topic.send([{ value: 'b' }]);
    const core = consumerCore(broker, 'orders', { prefetchBytes: 1024 });
    const large = await core.take();
    assert.ok(large);
    await settle();
    assert.equal(core.takeReady(), undefined);
    core.release(large);
    const small = await core.take();
    assert.deepEqual(small && textOf(small.batch), ['b']);
  });

  test('takes from partitions in turn, however full one of them is', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 2 });
    for (let index = 0; index < 50; index += 1) await topic.send({ value: 'x', partition: 0 });
    await topic.send({ value: 'y', partition: 1 });
    const core = consumerCore(broker, 'orders', { prefetchCount: 8 });
    await until(() => core.heldCount === 8);
    const partitions: number[] = [];
    for (let index = 0; index < 12; index += 1) {
      const fetched = await core.take();
      assert.ok(fetched);
      partitions.push(fetched.partition);
      core.release(fetched);
    }
    assert.ok(partitions.includes(1), `partition 1 comes among the first twelve: ${partitions}`);
  });

  test('pause hands out nothing of a partition and costs no room; resume goes on', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 2 });
    for (const partition of [0, 1]) {
      for (const value of ['a', 'b']) await topic.send({ value, partition });
    }
    const core = consumerCore(broker, 'orders', {});
    await until(() => core.heldCount === 4);
    core.lease('orders', 0)?.pause();
    assert.equal(core.heldCount, 2);
    const seen = await takeAll(core, 2);
    assert.deepEqual([...seen], [[1, ['a', 'b']]]);
    await settle();
    assert.equal(core.takeReady(), undefined);
    core.lease('orders', 0)?.resume();
    assert.deepEqual([...(await takeAll(core, 2))], [[0, ['a', 'b']]]);
  });

  test('seek drops what is prefetched and begins at the offset, within a batch too', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 10);
    const core = consumerCore(broker, 'orders', {});
    const all = await core.take();
    assert.ok(all);
    assert.equal(textOf(all.batch).length, 10);
    core.lease('orders', 0)?.seek(7);
    assert.equal(all.isOvertaken, true);
    const rest = await core.take();
    assert.deepEqual(rest && textOf(rest.batch), ['7', '8', '9']);
    assert.throws(() => core.lease('orders', 0)?.seek(-1), { code: 'OFFSET_OUT_OF_RANGE' });
  });

  test('begins at the end, at an offset or at a time when that is asked for', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    t.after(() => broker.close());
    const topic = await broker.topic('orders', { partitions: 1 });
    for (const value of ['a', 'b', 'c']) {
      await topic.send({ value });
      sim.clock.advance(1000);
    }
    const timestamp = sim.clock.nowMs() - 2000;
    const firstOf = async (from: number | 'latest' | { timestamp: number }) => {
      const core = consumerCore(broker, 'orders', { from });
      await until(() => core.leases.length === 1);
      const [lease] = core.leases;
      return lease?.position;
    };
    assert.equal(await firstOf('latest'), 3);
    assert.equal(await firstOf(1), 1);
    assert.equal(await firstOf({ timestamp }), 1);
  });

  test('a group that begins at the end remembers that place at once', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 5);
    const core = consumerCore(broker, 'orders', { group: 'g', from: 'latest' });
    await until(() => core.leases.length === 1);
    await core.close();
    await fill(topic, 5, 5);
    const next = await consumerCore(broker, 'orders', { group: 'g', from: 'latest' }).take();
    t.after(() => broker.close());
    assert.deepEqual(next && textOf(next.batch), ['5', '6', '7', '8', '9']);
  });

  test('a first place that cannot be stored now is stored before anything is read', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    t.after(() => broker.close());
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 5);
    const coordinator = await broker.consumers.coordinator();
    const commit = coordinator.commit.bind(coordinator);
    const errors = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'DISK_FULL'] as const;
    let attempts = 0;
    coordinator.commit = async (request) => {
      const code = errors[attempts];
      attempts += 1;
      if (code !== undefined) throw createError(code, {});
      await commit(request);
    };
    const core = consumerCore(broker, 'orders', { group: 'g', from: 'latest' });
    for (let turn = 0; turn < 10; turn += 1) {
      await settle();
      assert.equal(core.leases.length, attempts > errors.length ? 1 : 0);
      sim.clock.advance(100);
    }
    assert.equal(core.leases.length, 1);
    assert.deepEqual(await committedOf(broker, 'g'), [5]);
  });

  test('a partition that is added is read from its first record, even from latest', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    for (const group of ['', 'g']) {
      const before = topic.partitions;
      const core = consumerCore(broker, 'orders', {
        from: 'latest',
        ...(group === '' ? {} : { group }),
      });
      await until(() => core.leases.length === before);
      await broker.growTopic('orders', before + 1);
      await topic.send({ value: 'first', partition: before });
      const fetched = await core.take();
      assert.equal(fetched?.partition, before);
      assert.deepEqual(fetched && textOf(fetched.batch), ['first']);
    }
  });

  test('a pattern notices topics that are made later, and lets go of those that go', async (t) => {
    const broker = await openedBroker(t);
    await broker.topic('log.a', { partitions: 1 });
    await broker.topic('other', { partitions: 1 });
    for (const group of ['', 'g']) {
      const options = group === '' ? {} : { group };
      const core = consumerCore(broker, /^log\./g, options);
      await until(() => core.leases.length === 1);
      const late = await broker.topic('log.b', { partitions: 2 });
      await late.send({ value: 'x', partition: 1 });
      await until(() => core.leases.length === 3);
      const fetched = await core.take();
      assert.equal(fetched?.topic, 'log.b');
      await broker.deleteTopic('log.b');
      await until(() => core.leases.length === 1);
      await core.close();
    }
  });

  test('ends when its only topic is deleted; a topic that comes back begins anew', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 3);
    const gone = consumerCore(broker, 'orders', { group: 'g' });
    const fetched = await gone.take();
    assert.ok(fetched);
    await gone.commit([{ topic: 'orders', partition: 0, offset: 3 }]);
    const waiting = gone.take();
    const other = consumerCore(broker, /orders/, { group: 'g' });
    await broker.deleteTopic('orders');
    assert.equal(await waiting, undefined);
    assert.equal(fetched.lease.isHeld, false);
    await gone.close();
    const again = await broker.topic('orders', { partitions: 1 });
    await fill(again, 2);
    const first = await other.take();
    assert.deepEqual(first && textOf(first.batch), ['0', '1']);
  });

  test('retention that overtakes the reader moves it to the first record left', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 5);
    const core = consumerCore(broker, 'orders', { group: 'g', from: 2 });
    await until(() => core.leases.length === 1);
    const [lease] = core.leases;
    assert.ok(lease);
    lease.pause();
    await lease.log.deleteRecordsBefore(4);
    lease.resume();
    const fetched = await core.take();
    assert.deepEqual(fetched && textOf(fetched.batch), ['4']);
    lease.seek(100);
    await settle();
    assert.equal(lease.position, 5, 'beyond the end is the end');
    const strict = consumerCore(broker, 'orders', { from: 0, onOutOfRange: 'fail' });
    await assert.rejects(strict.take(), { code: 'OFFSET_OUT_OF_RANGE' });
    strict.lease('orders', 0)?.seek(4);
    const after = await strict.take();
    assert.deepEqual(after && textOf(after.batch), ['4']);
  });

  test('a commit of a partition that is not held is ILLEGAL_GENERATION', async (t) => {
    const broker = await openedBroker(t);
    await broker.topic('orders', { partitions: 1 });
    const revoked: PartitionLease[] = [];
    const core = consumerCore(
      broker,
      'orders',
      { group: 'g' },
      {
        onRevoked: async (leases) => {
          revoked.push(...leases);
          assert.equal(leases[0]?.isHeld, true, 'it is held until the callback ends');
          await core.commit([{ topic: 'orders', partition: 0, offset: 0, metadata: 'last' }]);
        },
      },
    );
    await until(() => core.leases.length === 1);
    assert.equal(core.memberOf()?.groupId, 'g');
    await core.close();
    assert.equal(revoked[0]?.isHeld, false);
    const commit = core.commit([{ topic: 'orders', partition: 0, offset: 0 }]);
    await assert.rejects(commit, (error: Error) => {
      assert.match(error.message, /ILLEGAL_GENERATION/);
      return true;
    });
    assert.equal((await broker.groups.describe('g')).partitions[0]?.metadata, 'last');
  });

  test('take ends with the signal, and with close', async (t) => {
    const broker = await openedBroker(t);
    await broker.topic('orders', { partitions: 1 });
    const core = consumerCore(broker, 'orders', {});
    const stop = new AbortController();
    const aborted = core.take(stop.signal);
    const waiting = core.take();
    stop.abort(new Error('enough'));
    await assert.rejects(aborted, { message: 'enough' });
    await core.close();
    assert.equal(await waiting, undefined);
    assert.equal(await core.take(), undefined);
    assert.throws(() => consumerCore(broker, 'nothing', {}), { code: 'UNKNOWN_TOPIC' });
  });

  test('a second process of a static member takes its place and fences the first', async (t) => {
    const broker = await openedBroker(t);
    await broker.topic('orders', { partitions: 2 });
    const options = { group: 'g', instanceId: 'one' };
    const first = consumerCore(broker, 'orders', options);
    await until(() => first.leases.length === 2);
    const fenced = first.take();
    const second = consumerCore(broker, 'orders', options);
    await assert.rejects(fenced, { code: 'FENCED_INSTANCE' });
    await until(() => second.leases.length === 2);
    assert.equal(
      first.leases.some(({ isHeld }) => isHeld),
      false,
    );
    await first.close();
  });
});

function placesOf(...cores: { leases: readonly PartitionLease[] }[]): number[] {
  return cores.flatMap(({ leases }) => leases.map(({ partition }) => partition)).sort();
}

function byNumber(left: string, right: string): number {
  return Number(left) - Number(right);
}
