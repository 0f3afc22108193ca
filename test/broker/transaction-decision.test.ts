// Decisions in the state log: what is written is read again, and nothing else is believed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../src/base/limits.js';
import { pack, unpack } from '../../src/base/msgpack.js';
import { shapeOf } from '../../src/base/msgpack-shape.js';
import type { StateValue } from '../../src/broker/state/state-log.js';
import {
  type Decision,
  decisionEntry,
  doneEntry,
  readDecision,
} from '../../src/broker/transaction/transaction-decision.js';
import { TransactionIds } from '../../src/broker/transaction/transaction-ids.js';
import { testRuns, testSeed } from '../support/seed.js';

const TOPIC = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);

const decision: Decision = {
  producerId: 17,
  producerEpoch: 3,
  partitions: [
    { topicId: TOPIC, partition: 0 },
    { topicId: TOPIC, partition: 5 },
    { topicId: OTHER, partition: 1 },
  ],
  groups: [
    {
      group: 'g/ä',
      offsets: [
        {
          topicId: OTHER,
          committed: {
            topic: 'in',
            partition: 2,
            offset: 40,
            epoch: -1,
            metadata: 'm',
            committedAtMs: 9,
          },
        },
      ],
    },
  ],
  deliveries: [],
};

const withDeliveries: Decision = {
  ...decision,
  deliveries: [
    {
      group: 'jobs/ä',
      topicId: TOPIC,
      partition: 3,
      generation: 1_700_000_000_000,
      acknowledged: [
        { first: 5, end: 7 },
        { first: 9, end: 10 },
      ],
      archived: [{ first: 2, end: 3 }],
    },
  ],
};

test('decision: what is written is read again', () => {
  const entry = decisionEntry(decision);
  assert.equal(entry.key, 'decision/17');
  assert.deepEqual(readDecision(entry), { producerId: 17, decision });
  assert.deepEqual(readDecision(doneEntry(17)), { producerId: 17, decision: undefined });
});

test('decision: deliveries are told by the second form, others stay in the first', () => {
  assert.equal(decisionEntry(decision).value?.[0], 1);
  const entry = decisionEntry(withDeliveries);
  assert.equal(entry.value?.[0], 2);
  assert.deepEqual(readDecision(entry), { producerId: 17, decision: withDeliveries });
  const unpacked = unpack(pack(entry.value));
  assert.ok(Array.isArray(unpacked));
  const read = readDecision({ key: entry.key, value: unpacked });
  assert.deepEqual(read.decision, withDeliveries);
});

test('decision: another version, and what is damaged, are told apart', () => {
  const { key, value } = decisionEntry(decision);
  const parts = value ?? [];
  const newer = { key, value: [4, ...parts.slice(1)] };
  assert.throws(() => readDecision(newer), { code: 'FORMAT_UNSUPPORTED' });
  const damaged: readonly [string, StateValue | null][] = [
    ['decision/x', parts],
    ['decision/01', parts],
    ['other', null],
    [key, []],
    [key, [1]],
    [key, [1, -1, [], []]],
    [key, [1, 3, [['short', [1]]], []]],
    [key, [1, 3, [[TOPIC, [-1]]], []]],
    [key, [1, 3, [[TOPIC, 7]], []]],
    [key, [1, 3, [], [['g', [[TOPIC, 'in', 0, -1, 0, '', 0]]]]]],
    [key, [1, 3, [], [['g', [[TOPIC, 'in', 0, 1, -2, '', 0]]]]]],
    [key, [1, 3, [], [['g', 'x']]]],
    [key, [1, 3, [], [[7, []]]]],
    [key, [2, 3, [], []]],
    [key, [2, 3, [], [], [[7, TOPIC, 0, 0, [], []]]]],
    [key, [2, 3, [], [], [['g', 'short', 0, 0, [], []]]]],
    [key, [2, 3, [], [], [['g', TOPIC, -1, 0, [], []]]]],
    [key, [2, 3, [], [], [['g', TOPIC, 0, 'x', [], []]]]],
    [key, [2, 3, [], [], [['g', TOPIC, 0, 0, [1], []]]]],
    [key, [2, 3, [], [], [['g', TOPIC, 0, 0, [], [1, 0]]]]],
  ];
  for (const [badKey, bad] of damaged) {
    assert.throws(() => readDecision({ key: badKey, value: bad }), { code: 'LOG_CORRUPT' });
  }
});

test('decision: any list is read or refused, and nothing else', () => {
  const part = fc.letrec((tie) => ({
    part: fc.oneof(
      { maxDepth: 4 },
      fc.integer({ min: -3, max: 9 }),
      fc.constantFrom(TOPIC, 'in', ''),
      fc.constant(null),
      fc.array(tie('part'), { maxLength: 5 }),
    ),
  })).part;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (list) => {
      const value = unpack(pack([1 + (list.length % 2), ...list]));
      if (!Array.isArray(value)) return;
      try {
        readDecision({ key: 'decision/1', value });
      } catch (error) {
        assert.equal(Object(error).code, 'LOG_CORRUPT');
      }
    }),
    { seed: testSeed(), numRuns: testRuns(300) },
  );
});

test('decision: the largest transaction fits in one record', () => {
  const name = 't'.repeat(limits.topicNameMax);
  const metadataBytes = Math.floor(
    limits.transactionMetadataBytesMax / limits.transactionOffsetsMax,
  );
  const largest: Decision = {
    producerId: Number.MAX_SAFE_INTEGER,
    producerEpoch: 2 ** 15 - 2,
    partitions: Array.from({ length: limits.transactionPartitionsMax }, (_, index) => ({
      topicId: index.toString(16).padStart(32, 'f'),
      partition: limits.topicPartitionsMax,
    })),
    groups: Array.from({ length: limits.transactionOffsetsMax }, (_, index) => ({
      group: String(index).padStart(limits.groupNameBytesMax, 'g'),
      offsets: [
        {
          topicId: TOPIC,
          committed: {
            topic: name,
            partition: limits.topicPartitionsMax,
            offset: limits.offsetMax,
            epoch: 2 ** 31 - 1,
            metadata: 'm'.repeat(metadataBytes),
            committedAtMs: Number.MAX_SAFE_INTEGER,
          },
        },
      ],
    })),
    deliveries: Array.from({ length: limits.transactionDeliveryStatesMax }, (_, index) => ({
      group: String(index).padStart(limits.groupNameBytesMax, 'g'),
      topicId: TOPIC,
      partition: limits.topicPartitionsMax,
      generation: Number.MAX_SAFE_INTEGER,
      acknowledged: Array.from(
        { length: limits.transactionDeliveriesMax / limits.transactionDeliveryStatesMax },
        (_, run) => ({ first: 2 ** 45 * (run + 1), end: 2 ** 45 * (run + 1) + 1 }),
      ),
      archived: [],
    })),
  };
  const bytes = pack(decisionEntry(largest).value);
  assert.ok(bytes.length < 1024 * 1024 - 1024, `${bytes.length} bytes`);
  const bounds = { valuesMax: 100_000, depthMax: 8, takesTimes: false };
  assert.equal(shapeOf(bytes, bounds), 'valid');
});

test('transaction ids: used again with the next epoch, until there is none', async () => {
  let last = 0;
  const ids = new TransactionIds(async () => {
    last += 1;
    return { producerId: last };
  });
  const first = await ids.take();
  const second = await ids.take();
  assert.notEqual(first.producerId, second.producerId);
  ids.give(first);
  assert.deepEqual(await ids.take(), { ...first, producerEpoch: 1 });
  ids.give({ producerId: second.producerId, producerEpoch: 2 ** 15 - 2 });
  assert.equal(ids.freeCount, 0, 'an abort of one more would have no epoch');
  assert.throws(() => {
    ids.give(first);
    ids.give(first);
  });
});
