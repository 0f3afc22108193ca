/**
 * Groups in a broker: when their log comes into being, what topics and logs learn of it.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createError } from '../../src/base/errors.js';
import { GroupCoordinator } from '../../src/broker/group/group-coordinator.js';
import { SimBroker } from '../support/broker-fixture.js';
import { committedOf, fill, openedBroker, settle, until } from '../support/consumer-fixture.js';

suite('groups of a broker', () => {
  test('a broker without groups has no log of offsets; the first group makes it', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    t.after(() => broker.close());
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 3);
    const names = () => sim.disk.fileSystem.list(sim.path());
    assert.equal((await names()).includes('__offsets-0'), false);
    const consumer = topic.consumer({ group: 'g' });
    await until(() => consumer.assignment.length === 1);
    assert.equal((await names()).includes('__offsets-0'), true);
    assert.deepEqual(
      (await broker.groups.list()).map(({ groupId, state, members }) => [groupId, state, members]),
      [['g', 'Stable', 1]],
    );
  });

  test('list, describe, reset with a dry run, delete', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 2 });
    await fill(topic, 10);
    await assert.rejects(broker.groups.describe('g'), { code: 'GROUP_NOT_FOUND' });
    const to = { offset: 3 };
    const topics = ['orders'];
    const planned = await broker.groups.reset('g', { to, topics, isDryRun: true });
    assert.deepEqual(
      planned.map(({ after }) => after),
      [3, 3],
    );
    assert.deepEqual(await committedOf(broker, 'g'), []);
    await broker.groups.reset('g', { to, topics });
    assert.equal((await broker.groups.describe('g')).lag, 4);
    const consumer = topic.consumer({ group: 'g', commit: 'manual' });
    await until(() => consumer.assignment.length === 2);
    await assert.rejects(broker.groups.reset('g', { to, topics }), { code: 'GROUP_NOT_EMPTY' });
    await assert.rejects(broker.groups.delete('g'), { code: 'GROUP_NOT_EMPTY' });
    const [{ memberId, topics: wanted } = { memberId: '', topics: [] }] = (
      await broker.groups.describe('g')
    ).memberList;
    assert.match(memberId, /^member-/);
    assert.deepEqual(wanted, ['orders']);
    await consumer.close();
    await broker.groups.deleteOffsets('g', [{ topic: 'orders', partition: 0 }]);
    assert.deepEqual(await committedOf(broker, 'g'), [3]);
    await broker.groups.delete('g');
    assert.deepEqual(await broker.groups.list(), []);
  });

  test('retention spares what a protected group has not read, also behind a restart', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    const options = {
      partitions: 1,
      segmentBytes: 4096,
      retentionBytes: 4096,
      protectedGroups: ['slow'],
    };
    const topic = await broker.topic('orders', options);
    for (let index = 0; index < 20; index += 1) await topic.send({ value: 'x'.repeat(1000) });
    const consumer = topic.consumer({ group: 'slow', commit: 'manual' });
    const { value: batch } = await consumer.next();
    await batch?.commit();
    await broker.close();
    const again = await sim.kill().open();
    t.after(() => again.close());
    const log = await (await again.topic('orders')).hosted.partition(0);
    for (let index = 0; index < 20; index += 1) {
      await (await again.topic('orders')).send({ value: 'x'.repeat(1000) });
    }
    for (let passed = 0; passed < 20; passed += 1) {
      sim.clock.advance(60_000);
      await settle();
    }
    assert.equal(log.startOffset, 0, 'the group has read one record only');
    await again.groups.reset('slow', { to: 'latest', topics: ['orders'] });
    for (let passed = 0; passed < 20 && log.startOffset === 0; passed += 1) {
      sim.clock.advance(60_000);
      await settle();
    }
    assert.ok(log.startOffset > 20, `it is done with all: ${log.startOffset}`);
  });

  test('offsets of a topic go with it, also when a crash comes between', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await broker.topic('orders', { partitions: 1 });
    const kept = await broker.topic('kept', { partitions: 1 });
    for (const one of [topic, kept]) {
      await fill(one, 3);
      await broker.groups.reset('g', { to: 'latest', topics: [one.name] });
    }
    await broker.deleteTopic('orders');
    assert.deepEqual(
      (await broker.groups.describe('g')).partitions.map(({ topic: name }) => name),
      ['kept'],
    );
    await broker.topic('orders', { partitions: 1 });
    await broker.groups.reset('g', { to: { offset: 0 }, topics: ['orders'] });
    // The definition goes first: the process dies before the offsets are forgotten.
    const groups = broker.consumers;
    const coordinator = await groups.coordinator();
    coordinator.forgetTopic = () => Promise.reject(new Error('died'));
    await assert.rejects(broker.deleteTopic('orders'), { message: 'died' });
    const again = await sim.kill().open();
    t.after(async () => {
      await broker.close().catch(() => undefined);
      await again.close();
    });
    assert.deepEqual(await committedOf(again, 'g'), [3]);
    await fill(await again.topic('orders', { partitions: 1 }), 2);
    const consumer = again.consumer({ topics: 'orders', group: 'g' });
    const { value: first } = await consumer.next();
    assert.equal(first?.raw.baseOffset, 0);
  });

  test('a full disk does not keep a broker from opening, but a name from use', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    await fill(await broker.topic('orders', { partitions: 1 }), 3);
    await broker.groups.reset('g', { to: 'latest', topics: ['orders'] });
    const forget = GroupCoordinator.prototype.forgetMissing;
    t.after(() => {
      GroupCoordinator.prototype.forgetMissing = forget;
    });
    const full = async () => Promise.reject(createError('DISK_FULL', {}));
    const coordinator = await broker.consumers.coordinator();
    coordinator.forgetTopic = full;
    await assert.rejects(broker.deleteTopic('orders'), { code: 'DISK_FULL' });
    GroupCoordinator.prototype.forgetMissing = full;
    const again = await sim.kill().open();
    t.after(async () => {
      await broker.close().catch(() => undefined);
      await again.close();
    });
    await assert.rejects(again.topic('orders', { partitions: 1 }), { code: 'DISK_FULL' });
    GroupCoordinator.prototype.forgetMissing = forget;
    await again.topic('orders', { partitions: 1 });
    assert.deepEqual(await committedOf(again, 'g'), []);
  });

  test('a commit under way when its topic is deleted leaves nothing behind', async (t) => {
    const broker = await openedBroker(t);
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 3);
    const consumer = topic.consumer({ group: 'g', commit: 'manual' });
    const { value: batch } = await consumer.next();
    const committing = batch?.commit();
    const outcome = committing?.then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    await broker.deleteTopic('orders');
    const code = (await outcome) ?? '';
    assert.ok(['done', 'UNKNOWN_PARTITION', 'ILLEGAL_GENERATION', 'UNKNOWN_TOPIC'].includes(code));
    await consumer.close();
    assert.deepEqual((await broker.groups.describe('g')).partitions, []);
  });

  test('each assignor shares out all partitions, also to members with other topics', async (t) => {
    const broker = await openedBroker(t);
    for (const name of ['a', 'b']) await broker.topic(name, { partitions: 3 });
    for (const assignor of ['range', 'roundrobin', 'sticky', 'cooperative-sticky'] as const) {
      const both = broker.consumer({ topics: ['a', 'b'], group: assignor, assignor });
      const one = broker.consumer({ topics: 'b', group: assignor, assignor });
      const owned = () => [both, one].map(({ assignment }) => assignment.length);
      await until(() => owned()[0] === 3 || owned()[0] === 4 || owned()[0] === 5);
      await until(() => (owned()[0] ?? 0) + (owned()[1] ?? 0) === 6 && owned()[1] !== 0);
      assert.deepEqual([...new Set(one.assignment.map(({ topic }) => topic))], ['b']);
      const { protocol } = await broker.groups.describe(assignor);
      assert.equal(protocol, assignor);
      await Promise.all([both.close(), one.close()]);
    }
    const first = broker.consumer({ topics: 'a', group: 'mixed', assignor: 'range' });
    await until(() => first.assignment.length === 3);
    const other = broker.consumer({ topics: 'a', group: 'mixed', assignor: 'sticky' });
    await assert.rejects(other.next(), { code: 'GROUP_PROTOCOL_CONFLICT' });
  });

  test('offsets expire once the group has been empty for long', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open({
      offsetsRetentionMs: 3_600_000,
      offsetsRetentionCheckIntervalMs: 60_000,
    });
    t.after(() => broker.close());
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 3);
    const consumer = topic.consumer({ group: 'g', commit: 'manual' });
    const { value: batch } = await consumer.next();
    await batch?.commit();
    const pass = async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute += 1) {
        sim.clock.advance(60_000);
        await settle();
      }
    };
    await pass(90);
    assert.deepEqual(await committedOf(broker, 'g'), [3], 'it has a member');
    await consumer.close();
    await pass(30);
    assert.deepEqual(await committedOf(broker, 'g'), [3]);
    await pass(40);
    assert.deepEqual(await broker.groups.list(), []);
  });

  test('the options of groups are those of the broker', async (t) => {
    const sim = new SimBroker();
    const broker = await sim.open({ groupMaxSize: 1, offsetMetadataMaxBytes: 2 });
    t.after(() => broker.close());
    const topic = await broker.topic('orders', { partitions: 1 });
    await fill(topic, 1);
    const first = topic.consumer({ group: 'g', commit: 'manual' });
    const { value: batch } = await first.next();
    await assert.rejects(async () => batch?.commit({ metadata: 'abc' }), {
      code: 'OFFSET_METADATA_TOO_LARGE',
    });
    await assert.rejects(topic.consumer({ group: 'g' }).next(), { code: 'GROUP_FULL' });
  });
});
