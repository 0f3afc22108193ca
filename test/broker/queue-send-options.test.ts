/**
 * The options of one message, the headers that come of them, and ids.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  groupIn,
  headersToSend,
  ttlMsIn,
  userHeaders,
} from '../../src/broker/queue/queue-headers.js';
import { messageId, receivedId } from '../../src/broker/queue/queue-message-id.js';
import { resolveQueueOptions } from '../../src/broker/queue/queue-options.js';
import { resolveReceiveOptions } from '../../src/broker/queue/queue-receive-options.js';
import { planSend, type QueueMessageInput } from '../../src/broker/queue/queue-send-options.js';

const plain = resolveQueueOptions('jobs', {});
const levels = resolveQueueOptions('jobs', { priorities: 4, delayMs: 50 });
const fifo = resolveQueueOptions('jobs', { fifo: true });

suite('queue-send-options', () => {
  test('a plain message goes to the lowest priority at once, without headers', () => {
    const { record, due, deduplicationId } = planSend('jobs', plain, { value: 'x' }, 0);
    assert.deepEqual([record.partition, record.headers], [0, undefined]);
    assert.deepEqual([due, deduplicationId], [undefined, undefined]);
  });

  test('priority, group and time to live say where it goes and what it carries', () => {
    assert.equal(planSend('jobs', levels, { priority: 3 }, 0).record.partition, 3);
    const { record } = planSend('jobs', fifo, { group: 'g', ttlMs: 5 }, 0);
    assert.deepEqual(record.headers, [
      { key: 'millrace-group', value: 'g' },
      { key: 'millrace-ttl', value: '5' },
    ]);
  });

  test('a delay is its own, or else the one of the queue; a time that is past is none', () => {
    assert.deepEqual(planSend('jobs', levels, {}, 0).due, { delayMs: 50 });
    assert.deepEqual(planSend('jobs', levels, { delayMs: 7 }, 0).due, { delayMs: 7 });
    assert.equal(planSend('jobs', levels, { delayMs: 0 }, 0).due, undefined);
    assert.deepEqual(planSend('jobs', plain, { at: 1_001 }, 1_000).due, { atMs: 1_001 });
    assert.equal(planSend('jobs', levels, { at: 1_000 }, 1_000).due, undefined);
  });

  test('what cannot be is refused, with the option', () => {
    const refused: [QueueMessageInput<string>, string][] = [
      [{ priority: 1 }, 'priority'],
      [{ priority: -1 }, 'priority'],
      [{ group: 'g' }, 'group'],
      [{ delayMs: 1.5 }, 'delayMs'],
      [{ delayMs: 1, at: 1 }, 'at'],
      [{ at: Number.NaN }, 'at'],
      [{ ttlMs: 0 }, 'ttlMs'],
      [{ deduplicationId: '' }, 'deduplicationId'],
      [{ headers: [{ key: 'millrace-group', value: 'x' }] }, 'headers'],
    ];
    for (const [message, option] of refused) {
      const plan = () => planSend('jobs', plain, message, 0);
      assert.throws(plan, (error: { code?: string; facts?: { option?: string } }) => {
        assert.deepEqual([error.code, error.facts?.option], ['OPTION_INVALID', option]);
        return true;
      });
    }
    const unknown = { value: 'x', prority: 1 };
    assert.throws(() => planSend('jobs', plain, unknown, 0), { code: 'OPTION_UNKNOWN' });
    assert.throws(() => planSend('jobs', fifo, { group: '' }, 0), { code: 'OPTION_INVALID' });
  });

  test('headers of the broker are read, and are not among those of the program', () => {
    const sent = headersToSend([{ key: 'a', value: '1' }], { group: 'g', ttlMs: 12 }) ?? [];
    const stored = sent.map(({ key, value }) => ({ key, value: Buffer.from(String(value)) }));
    assert.equal(groupIn(stored), 'g');
    assert.equal(ttlMsIn(stored), 12);
    assert.deepEqual(userHeaders(stored), [{ key: 'a', value: Buffer.from('1') }]);
    assert.equal(ttlMsIn([{ key: 'millrace-ttl', value: Buffer.from('soon') }]), undefined);
    assert.equal(ttlMsIn([{ key: 'millrace-ttl', value: null }]), undefined);
  });

  test('an id is that of the place, or the one that a delayed message was sent with', () => {
    assert.equal(messageId(3, 17), '3-17');
    assert.equal(receivedId(3, 17, []), '3-17');
    assert.equal(receivedId(3, 17, [{ key: 'millrace-delayed', value: Buffer.from('d5') }]), 'd5');
  });

  test('a receive that makes no sense is refused', () => {
    const { max, waitMs, leaseMs } = resolveReceiveOptions(undefined, 'jobs');
    assert.deepEqual([max, waitMs, leaseMs], [1, 0, undefined]);
    assert.throws(() => resolveReceiveOptions({ max: 0 }, 'jobs'), { code: 'OPTION_INVALID' });
    const never = AbortSignal.abort(new Error('never'));
    assert.throws(() => resolveReceiveOptions({ signal: never }, 'jobs'), /never/);
  });
});
