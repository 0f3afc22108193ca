// Requests to the holder of a broker: what is sent arrives, and what is not one is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pack } from '../../src/base/msgpack.js';
import type { BrokerRequest } from '../../src/storage/holder-broker-requests.js';
import { FRAME_HEADER_BYTES, makeFrame } from '../../src/storage/holder-frame.js';
import {
  encodeReply,
  encodeRequest,
  isBrokerRequest,
  parseReply,
  parseRequest,
} from '../../src/storage/holder-protocol.js';

const requests: readonly BrokerRequest[] = [
  { kind: 'listTopics', after: '' },
  { kind: 'describeTopic', topic: 'a' },
  { kind: 'createTopic', topic: 'a', options: { partitions: 3, cleanup: 'compact' } },
  { kind: 'alterTopic', topic: 'a', options: { protectedGroups: ['g'] } },
  { kind: 'growTopic', topic: 'a', partitions: 4 },
  { kind: 'deleteTopic', topic: 'a' },
  { kind: 'listGroups', after: 'g' },
  { kind: 'describeGroup', group: 'g', from: 10 },
  {
    kind: 'resetGroup',
    group: 'g',
    to: ['shiftBy', -5],
    topics: ['a', 'b'],
    partitions: [0, 2],
    isDryRun: true,
  },
  { kind: 'resetGroup', group: 'g', to: 'latest', topics: null, partitions: null, isDryRun: false },
  { kind: 'deleteGroup', group: 'g' },
  { kind: 'openSession', topics: ['a'], group: '', from: { timestamp: 7 } },
  { kind: 'openSession', topics: ['a'], group: 'g', from: 12 },
  { kind: 'takeRecords', session: 1, recordsMax: 10, waitMs: 5 },
  { kind: 'commitRecords', session: 1, offsets: [['a', 0, 7]] },
  { kind: 'closeSession', session: 1 },
  { kind: 'listQueues', after: 'q' },
  { kind: 'describeQueue', queue: 'q' },
  { kind: 'createQueue', queue: 'q', options: { fifo: true, maxDeliveries: 3, expired: 'drop' } },
  { kind: 'alterQueue', queue: 'q', options: { retry: '{}' } },
  { kind: 'deleteQueue', queue: 'q' },
  { kind: 'sendMessages', queue: 'q', records: [], options: { priority: 1 } },
  { kind: 'receiveMessages', queue: 'q', max: 3, waitMs: 5, visibilityTimeoutMs: null },
  { kind: 'receiveMessages', queue: 'q', max: 3, waitMs: 5, visibilityTimeoutMs: 7 },
  { kind: 'endMessages', queue: 'q', receipts: ['r'], ending: 'reject', ms: 0, reason: 'bad' },
  { kind: 'peekMessages', queue: 'q', max: 3, after: '0-7', filter: { reason: 'bad' } },
  { kind: 'redriveMessages', queue: 'q', max: 3, to: 'other', filter: { afterMs: 5 } },
  { kind: 'purgeQueue', queue: 'q', olderThanMs: 5, filter: {} },
  { kind: 'listExchanges', after: '' },
  { kind: 'describeExchange', exchange: 'e', from: 7 },
  { kind: 'createExchange', exchange: 'e', exchangeKind: 'topic', alternate: 'spare' },
  { kind: 'deleteExchange', exchange: 'e' },
  {
    kind: 'bindExchange',
    exchange: 'e',
    isUndone: false,
    targetKind: 'queue',
    target: 'q',
    key: '#',
    match: 'any',
    headers: '{}',
    filter: '{}',
  },
  {
    kind: 'publish',
    exchange: 'e',
    key: 'k',
    headers: '{}',
    records: [],
    options: { ttlMs: 5 },
    onUnroutable: 'return',
  },
];

function bodyOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(FRAME_HEADER_BYTES);
}

test('broker requests: each comes out as it went in', () => {
  for (const request of requests) {
    const parsed = parseRequest(bodyOf(encodeRequest(1, request)));
    assert(parsed.outcome === 'request', request.kind);
    assert.deepEqual(parsed.request, request);
    assert(isBrokerRequest(parsed.request));
  }
});

test('broker requests: a field that is missing, or of another kind, is refused by name', () => {
  for (const request of requests) {
    for (const field of Object.keys(request)) {
      if (field === 'kind' || Reflect.get(request, field) === null) continue;
      for (const wrong of [{ not: ['this', 1] }, -1.5, [[null]]]) {
        const body = pack({ version: 1, id: 3, ...request, [field]: wrong });
        const parsed = parseRequest(bodyOf(makeFrame(body)));
        assert.equal(parsed.outcome, 'refused', `${request.kind}.${field}`);
        assert(parsed.outcome === 'refused' && !parsed.reply.ok);
        assert.equal(parsed.reply.code, 'OPTION_INVALID');
        assert.match(parsed.reply.message, new RegExp(`'${field}'`));
      }
    }
  }
});

test('broker requests: places that cannot be are refused', () => {
  const base = { version: 1, id: 3, kind: 'resetGroup', group: 'g', isDryRun: false };
  for (const to of ['middle', ['offset', -1], ['timestamp', 1.5], ['shiftBy'], ['other', 1], 5]) {
    const parsed = parseRequest(bodyOf(makeFrame(pack({ ...base, to }))));
    assert.equal(parsed.outcome, 'refused', JSON.stringify(to));
  }
});

test('broker requests: a reply carries bytes', () => {
  const values = { records: [['a', 0, Buffer.from([0, 255]), null, [['h', Buffer.from('x')]]]] };
  const parsed = parseReply(bodyOf(encodeReply(1, { ok: true, values })));
  assert(parsed.outcome === 'reply' && parsed.reply.ok);
  assert.equal(JSON.stringify(plain(parsed.reply.values)), JSON.stringify(plain(values)));
});

/** Bytes as lists of numbers, whatever kind of array they are in. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}
