// Requests and replies: who waits, who answers, and what becomes of late ones.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../src/base/limits.js';
import { replyBy, requestBy } from '../../src/broker/queue/queue-request.js';
import type { QueueSendOptions } from '../../src/broker/queue/queue-send-options.js';
import { Replies } from '../../src/broker/queue/request-replies.js';
import { bytes } from '../../src/broker/topic/codec.js';
import { json } from '../../src/broker/topic/codec-json.js';
import type { RecordHeader } from '../../src/storage/main.js';
import { SimClock } from '../support/sim-clock.js';

const RUN = '0123456789abcdef0123456789abcdef';

interface World {
  readonly clock: SimClock;
  readonly replies: Replies;
  /** What was sent, newest last. */
  readonly sent: QueueSendOptions[];
  readonly requester: Parameters<typeof requestBy<unknown>>[0];
  headers(index?: number): readonly RecordHeader[];
}

function makeWorld(): World {
  const clock = new SimClock();
  const replies = new Replies(clock, RUN);
  const sent: QueueSendOptions[] = [];
  const send = async (options: QueueSendOptions): Promise<void> => void sent.push(options);
  return {
    clock,
    replies,
    sent,
    requester: { queue: 'jobs', codec: json(), replies, send },
    headers: (index = 0) =>
      (sent[index]?.headers ?? []).map(({ key, value }) => ({
        key,
        value: typeof value === 'string' ? Buffer.from(value) : null,
      })),
  };
}

test('request: the reply comes back as a value of its own', async () => {
  const { replies, requester, headers, sent } = makeWorld();
  const asking = requestBy(requester, { timeoutMs: 1_000, priority: 2 });
  const answer = { sum: [5] };
  assert.equal(await replyBy(headers(), replies, json(), answer), true);
  const got = await asking;
  assert.deepEqual(got, answer);
  assert.notEqual(got, answer);
  assert.deepEqual([sent[0]?.priority, sent[0]?.ttlMs], [2, 1_000]);
  assert.deepEqual(replies.stats(), { waiting: 0, requests: 1, replies: 1, late: 0, timedOut: 0 });
});

test('request: each gets its own reply, whatever the order', async () => {
  const { replies, requester, headers } = makeWorld();
  const asking = Array.from({ length: 100 }, () => requestBy(requester));
  for (let index = 99; index >= 0; index -= 1)
    await replyBy(headers(index), replies, json(), index);
  assert.deepEqual(
    await Promise.all(asking),
    Array.from({ length: 100 }, (_, index) => index),
  );
});

test('request: without a reply in time it fails, and a late reply is dropped', async () => {
  const { clock, replies, requester, headers } = makeWorld();
  const slow = requestBy(requester, { timeoutMs: 500 });
  const fast = requestBy(requester, { timeoutMs: 100 });
  const refused = assert.rejects(fast, { code: 'REQUEST_TIMED_OUT', retryable: true });
  const slowRefused = assert.rejects(slow, { code: 'REQUEST_TIMED_OUT' });
  clock.advance(99);
  assert.equal(replies.stats().waiting, 2);
  clock.advance(1);
  await refused;
  assert.equal(await replyBy(headers(1), replies, json(), 'late'), false);
  clock.advance(400);
  await slowRefused;
  assert.deepEqual(replies.stats(), { waiting: 0, requests: 2, replies: 0, late: 1, timedOut: 2 });
});

test('request: a second reply, and one to an earlier run, are dropped and counted', async () => {
  const { replies, requester, headers } = makeWorld();
  const asking = requestBy(requester);
  assert.equal(await replyBy(headers(), replies, json(), 1), true);
  assert.equal(await replyBy(headers(), replies, json(), 2), false);
  assert.equal(await asking, 1);
  const next = new Replies(new SimClock(), RUN.replace('0', 'f'));
  assert.equal(await replyBy(headers(), next, json(), 3), false);
  assert.equal(next.stats().late, 1);
  assert.equal(next.reply('nonsense', Buffer.alloc(0)), false);
});

test('request: a message that is no request is not answered', async () => {
  const { replies } = makeWorld();
  assert.equal(await replyBy([], replies, json(), 1), false);
  assert.equal(replies.stats().late, 0);
});

test('request: a signal, a send that fails, and the end of the broker end the wait', async () => {
  const { replies, requester } = makeWorld();
  const patience = new AbortController();
  const left = assert.rejects(requestBy(requester, { signal: patience.signal }), /enough/);
  patience.abort(new Error('enough'));
  await left;
  await assert.rejects(requestBy(requester, { signal: patience.signal }), /enough/);

  const send = async (): Promise<never> => Promise.reject(new Error('not sent'));
  await assert.rejects(requestBy({ ...requester, send }), /not sent/);

  const waiting = assert.rejects(requestBy(requester), { code: 'BROKER_CLOSED' });
  replies.close();
  await waiting;
  await assert.rejects(requestBy(requester), { code: 'BROKER_CLOSED' });
  assert.equal(replies.stats().waiting, 0);
});

test('request: what waits is bounded', async () => {
  const { clock, replies } = makeWorld();
  const refused: Promise<void>[] = [];
  for (let count = 0; count < limits.requestsMax; count += 1) {
    const { reply } = replies.open('jobs', 10, undefined);
    refused.push(assert.rejects(reply, { code: 'REQUEST_TIMED_OUT' }));
  }
  assert.throws(() => replies.open('jobs', 10, undefined), { code: 'BUFFER_FULL' });
  clock.advance(10);
  await Promise.all(refused);
  replies.open('jobs', 10, undefined).fail(new Error('over'));
});

test('request: a reply that the codec cannot read is VALUE_INVALID', async () => {
  const { replies, requester, headers } = makeWorld();
  const asking = requestBy(requester);
  await replyBy(headers(), replies, bytes, '{');
  await assert.rejects(asking, { code: 'VALUE_INVALID' });
  const plain = requestBy(requester, { replyCodec: bytes });
  const memory = Buffer.from('abc');
  await replyBy(headers(1), replies, bytes, memory);
  memory.fill(0);
  assert.equal(String(await plain), 'abc');
});

test('request: options are checked', async () => {
  const { requester } = makeWorld();
  await assert.rejects(requestBy(requester, { timeoutMs: 0 }), { code: 'OPTION_INVALID' });
  const replyCodec = Object({});
  await assert.rejects(requestBy(requester, { replyCodec }), { code: 'OPTION_INVALID' });
});

test('request: one that is passed on has a place of its own for replies', async () => {
  const { requester, headers, replies } = makeWorld();
  const first = requestBy(requester, { headers: [{ key: 'a', value: '1' }] });
  const given = headers().map(({ key, value }) => ({ key, value: String(value) }));
  const second = requestBy(requester, { headers: given });
  assert.equal(headers(1).length, 2);
  await replyBy(headers(1), replies, json(), 'second');
  await replyBy(headers(0), replies, json(), 'first');
  assert.deepEqual([await first, await second], ['first', 'second']);
});

test('request: one that is refused waits for nothing, and leaves no timer', async () => {
  const { clock, replies, requester, headers } = makeWorld();
  const broken = { headers: 5 as unknown as [], timeoutMs: 60_000 };
  await assert.rejects(requestBy(requester, broken), { code: 'OPTION_INVALID' });
  assert.equal(replies.stats().waiting, 0);
  const asking = requestBy(requester, { timeoutMs: 60_000 });
  assert.equal(clock.pendingCount, 1);
  await replyBy(headers(), replies, json(), 'yes');
  assert.equal(await asking, 'yes');
  assert.equal(clock.pendingCount, 0);
});
