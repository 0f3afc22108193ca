/**
 * Definitions of queues: what may be asked, what is stored, and what crashes leave.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { MillraceError } from '../../src/base/errors.js';
import {
  decodeQueueDefinition,
  encodeQueueDefinition,
} from '../../src/broker/queue/queue-definition.js';
import { type QueueOptions, resolveQueueOptions } from '../../src/broker/queue/queue-options.js';
import { queueRecoveryTable } from '../../src/broker/queue/queue-recovery.js';
import { SimBroker } from '../support/broker-fixture.js';
import { Registries } from '../support/queue-fixture.js';

const code = (expected: string) => ({ code: expected });

suite('queue-registry', () => {
  test('a queue is a definition and a topic of its name, also after a restart', async () => {
    const process = new SimBroker();
    const before = await Registries.open(process);
    const options: QueueOptions = { maxDeliveries: 3, priorities: 4, retry: { delayMs: 5 } };
    const made = await before.queues.create('jobs', options);
    assert.equal(made.config.deadLetter, 'jobs-dead');
    assert.equal(before.topics.get('jobs').definition.owner, 'jobs');
    assert.equal(before.topics.get('jobs').partitions, 4);
    await before.close();
    const after = await Registries.open(process);
    assert.deepEqual(after.queues.get('jobs'), made);
    assert.equal(after.topics.get('jobs').definition.config.retentionMs, 'unlimited');
    assert.throws(() => after.queues.checkNoQueue('jobs'), code('QUEUE_CONFLICT'));
    await after.close();
  });

  test('the same options open a queue, others are a conflict that names both values', async () => {
    const all = await Registries.open(new SimBroker());
    await all.queues.declare('jobs', { maxDeliveries: 3, retry: { attempts: 2, delayMs: 5 } });
    await all.queues.declare('jobs', {});
    await all.queues.declare('jobs', { maxDeliveries: 3, retry: { delayMs: 5, attempts: 2 } });
    await assert.rejects(all.queues.declare('jobs', { maxDeliveries: 4 }), (error) => {
      assert.ok(error instanceof MillraceError);
      assert.equal(error.code, 'QUEUE_CONFLICT');
      const { option, expected, actual } = error.facts;
      assert.deepEqual(
        { option, expected, actual },
        { option: 'maxDeliveries', expected: 3, actual: 4 },
      );
      return true;
    });
    await assert.rejects(all.queues.create('jobs', {}), code('QUEUE_EXISTS'));
    await all.queues.create('large', { recordBytesMax: 4 * 2 ** 20, batchBytesMax: 8 * 2 ** 20 });
    await all.queues.declare('large', { recordBytesMax: 4 * 2 ** 20 });
    await assert.rejects(all.queues.declare('large', { fifo: true }), code('QUEUE_CONFLICT'));
    await all.topics.create('events', {});
    await assert.rejects(all.queues.declare('events', {}), code('QUEUE_CONFLICT'));
    await all.close();
  });

  test('options that exclude each other, and names that cannot be, are refused', async () => {
    const all = await Registries.open(new SimBroker());
    const refused: [QueueOptions, string][] = [
      [{ fifo: true, priorities: 2 }, 'OPTION_INVALID'],
      [{ deadLetter: 'jobs' }, 'OPTION_INVALID'],
      [{ deadLetter: 'a/b' }, 'INVALID_TOPIC_NAME'],
      [{ priorities: 33 }, 'OPTION_INVALID'],
      [{ retry: { delayMs: -1 } }, 'OPTION_INVALID'],
      [{ recordBytesMax: 2 ** 20, batchBytesMax: 2 ** 16 }, 'OPTION_INVALID'],
    ];
    for (const [options, expected] of refused) {
      await assert.rejects(all.queues.create('jobs', options), code(expected), expected);
    }
    await assert.rejects(all.queues.create('q'.repeat(201), {}), code('INVALID_TOPIC_NAME'));
    assert.deepEqual(all.queues.list(), []);
    assert.deepEqual(all.topics.all(), []);
    await all.close();
  });

  test('an alteration is durable, and the topic follows it; what a queue is stays', async () => {
    const process = new SimBroker();
    const before = await Registries.open(process);
    await before.queues.create('jobs', { priorities: 2 });
    await before.queues.alter('jobs', { priorities: 5, segmentBytes: 4 * 2 ** 20, ttlMs: 9 });
    assert.equal(before.topics.get('jobs').partitions, 5);
    await assert.rejects(before.queues.alter('jobs', { fifo: true }), code('OPTION_INVALID'));
    await assert.rejects(before.queues.alter('jobs', { priorities: 4 }), code('OPTION_INVALID'));
    await assert.rejects(before.queues.alter('other', {}), code('UNKNOWN_QUEUE'));
    await before.close();
    const after = await Registries.open(process);
    assert.equal(after.queues.get('jobs').config.ttlMs, 9);
    assert.equal(after.topics.get('jobs').definition.config.segmentBytes, 4 * 2 ** 20);
    await after.close();
  });

  test('internal topics are in no list, and go with their queue in one step', async () => {
    const process = new SimBroker();
    const before = await Registries.open(process);
    await before.queues.create('jobs', {});
    const waiting = await before.topics.declareInternal(
      '__delayed-jobs',
      { partitions: 3 },
      'jobs',
    );
    assert.equal(await before.topics.declareInternal('__delayed-jobs', {}, 'jobs'), waiting);
    await before.topics.declareInternal('__delayed-jobs', { recordBytesMax: 2_048 }, 'jobs');
    assert.equal(waiting.definition.config.recordBytesMax, 2_048);
    assert.deepEqual(
      before.topics.list().map(({ name }) => name),
      ['jobs'],
    );
    assert.throws(() => before.topics.get('__delayed-jobs'), code('INVALID_TOPIC_NAME'));
    const missing = before.topics.declareInternal('__delayed-none', {}, 'none');
    await assert.rejects(missing, code('UNKNOWN_TOPIC'));
    const ids = before.topics.all().map(({ definition }) => definition.topicId);
    await before.queues.delete('jobs');
    assert.deepEqual(before.topics.all(), []);
    assert.deepEqual(before.forgotten.sort(), ids.sort());
    await assert.rejects(before.queues.delete('jobs'), code('UNKNOWN_QUEUE'));
    await before.queues.create('jobs', { fifo: true });
    await before.close();
    const after = await Registries.open(process);
    assert.equal(after.queues.get('jobs').config.fifo, true);
    await after.close();
  });

  test('a definition comes back as it was stored', () => {
    const config = resolveQueueOptions('jobs', {
      retry: { backoff: 'fixed', delayMs: 1 },
      overflow: 'drop-oldest',
      lengthMax: 7,
      deadLetter: 'none',
    });
    const definition = {
      name: 'jobs',
      state: 'active',
      createdMs: 5,
      config,
      topicIds: [],
    } as const;
    assert.deepEqual(decodeQueueDefinition('jobs', encodeQueueDefinition(definition)), definition);
    const [, ...rest] = encodeQueueDefinition(definition);
    assert.throws(() => decodeQueueDefinition('jobs', [2, ...rest]), code('FORMAT_UNSUPPORTED'));
    assert.throws(() => decodeQueueDefinition('jobs', [1]), code('LOG_CORRUPT'));
    assert.throws(() => decodeQueueDefinition('jobs', [1, 'gone', 5, [], []]), code('LOG_CORRUPT'));
    const odd = [1, 'active', 5, [['maxDeliveries', 0]], []];
    assert.throws(() => decodeQueueDefinition('jobs', odd), code('LOG_CORRUPT'));
  });
});

suite('queue-recovery', () => {
  test('each state of a definition has an answer for each topic that may be found', () => {
    assert.deepEqual(queueRecoveryTable, {
      creating: { absent: 'undo', own: 'activate', other: 'undo' },
      active: { absent: 'corrupt', own: 'keep', other: 'corrupt' },
      deleting: { absent: 'delete', own: 'delete', other: 'delete' },
    });
  });
});
