/** The delivery state of a partition: receipts, leases and limits at work, one by one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { hasCode } from '../../src/base/errors.js';
import { AcquiredBlock } from '../../src/broker/share/share-acquired.js';
import { DELIVERY_TIME_MS_MAX } from '../../src/broker/share/share-deadlines.js';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import type { DeliveryOptions } from '../../src/broker/share/share-delivery-options.js';
import { receiptRefused } from '../../src/broker/share/share-errors.js';
import { encodePart, rangesOf, readPart } from '../../src/broker/share/share-part.js';

const LIMITS = { inFlightMax: 100, underWayMax: 100, deliveriesMax: 5, failuresMax: 5 };
const CLOCKS = { nowMs: 0, wallMs: 1_000_000 };

function makeState(options: Partial<DeliveryOptions> = {}) {
  const state = new DeliveryState({ startOffset: 0, nowMs: 0, limits: LIMITS, ...options });
  const block = new AcquiredBlock(100);
  const acquire = (max: number, nowMs = 0, leaseMs = 30_000, owner = 0) => {
    state.acquire(block, { max, owner, nowMs, leaseMs });
    return given(block);
  };
  return { state, block, acquire };
}

function given(block: AcquiredBlock): [offset: number, receipt: number][] {
  const offsets = [...block.offsets.subarray(0, block.count)];
  return offsets.map((offset, at) => [offset, block.receipts[at] ?? -1]);
}

const offsetsOf = (messages: readonly [number, number][]) => messages.map(([offset]) => offset);

test('share delivery: a lease that ended makes its receipt stale, its message comes first', () => {
  const ended: [number, number, number][] = [];
  const { state, acquire } = makeState({
    onLeaseEnded: (offset, receipt, owner) => ended.push([offset, receipt, owner]),
  });
  state.offer(0, 10);
  const [first = [-1, -1]] = acquire(1, 0, 100, 7);
  assert.equal(state.nextMs, 100);
  assert.deepEqual(offsetsOf(acquire(1, 99.5)), [1]);
  const [again = [-1, -1]] = acquire(1, 100);
  assert.deepEqual(ended, [[0, first[1], 7]]);
  assert.equal(again[0], 0);
  assert.notEqual(again[1], first[1]);
  assert.equal(state.acknowledge(...first), 'stale');
  assert.equal(state.acknowledge(...again), 'done');
  assert.equal(state.acknowledge(...again), 'already');
  assert.equal(state.acknowledge(...first), 'stale');
});

test('share delivery: who is late but alone may still acknowledge, and extend', () => {
  const { state, acquire } = makeState();
  state.offer(0, 2);
  const [one = [-1, -1], other = [-1, -1]] = acquire(2, 0, 10);
  assert.equal(state.acknowledge(...one), 'done');
  assert.equal(state.extend(...other, 500, 10), 'done');
  state.expire(509, 10);
  assert.ok(state.isHeld(...other));
  state.expire(510, 10);
  assert.ok(!state.isHeld(...other));
});

test('share delivery: the start is the first offset that is not finished, gaps included', () => {
  const { state, acquire } = makeState();
  state.offer(0, 4);
  state.skip(4, 6);
  state.offer(6, 8);
  const messages = acquire(10);
  assert.deepEqual(offsetsOf(messages), [0, 1, 2, 3, 6, 7]);
  for (const [offset, receipt] of messages.toReversed()) {
    if (offset === 2) continue;
    assert.equal(state.acknowledge(offset, receipt), 'done');
  }
  assert.equal(state.startOffset, 2);
  assert.deepEqual(state.describe(10), [
    { first: 2, end: 3, state: 'Acquired' },
    { first: 3, end: 4, state: 'Acknowledged' },
    { first: 4, end: 6, state: 'Archived' },
    { first: 6, end: 8, state: 'Acknowledged' },
  ]);
  const [, , [offset, receipt] = [-1, -1]] = messages;
  assert.equal(state.reject(offset, receipt), 'done');
  assert.equal(state.startOffset, 8);
  assert.equal(state.endOffset, 8);
});

test('share delivery: limits on what is in flight, under way and repeated', () => {
  const { state, block, acquire } = makeState({
    limits: { inFlightMax: 3, underWayMax: 4, deliveriesMax: 2, failuresMax: 1 },
  });
  state.offer(0, 100);
  const [zero = [-1, -1], one = [-1, -1]] = acquire(10);
  const back = { nowMs: 0, delayMs: 1_000, isFailure: false };
  state.release(...zero, back);
  state.release(...one, { ...back, isFailure: true });
  assert.deepEqual(offsetsOf(acquire(10)), [3]);
  assert.equal(state.counts().exhausted, 1);
  assert.equal(state.takeExhausted(block, 10), 1);
  const [moved = [-1, -1]] = given(block);
  assert.equal(moved[0], 1);
  assert.equal(state.acknowledge(...moved), 'stale');
  assert.equal(state.commitArchive(...moved), 'done');
  assert.deepEqual(offsetsOf(acquire(1, 1_000)), [0]);
  assert.equal(state.counts().inFlight, 3);
});

test('share delivery: what nobody saw is exhausted if the limit was lowered meanwhile', () => {
  const limits = { inFlightMax: 3, underWayMax: 4, deliveriesMax: 3, failuresMax: 3 };
  const { state, acquire } = makeState({ limits });
  state.offer(0, 1);
  const [first = [-1, -1]] = acquire(1);
  state.release(...first, { nowMs: 0, delayMs: 0, isFailure: false });
  const [second = [-1, -1]] = acquire(1);
  state.setLimits({ ...limits, deliveriesMax: 1 });
  assert.equal(state.withdraw(...second), 'done');
  assert.equal(state.counts().exhausted, 1);
  assert.deepEqual(acquire(1), []);
});

test('share delivery: a frozen lease does not end by time, and goes on when thawed', () => {
  const { state, acquire } = makeState();
  state.offer(0, 1);
  const [message = [-1, -1]] = acquire(1, 0, 10);
  assert.equal(state.freeze(...message), 'done');
  assert.deepEqual(acquire(1, 1_000), []);
  assert.equal(state.acknowledge(...message), 'frozen');
  assert.equal(state.thaw(...message), 'done');
  assert.deepEqual(offsetsOf(acquire(1, 1_000)), [0]);
  assert.equal(state.commitAcknowledge(...message), 'stale');
});

test('share delivery: a key has one message under way; others pass, also those of no key', () => {
  const { state, acquire } = makeState({ keyBounds: { keysMax: 2, runsMax: 1_000 } });
  for (const offset of [0, 1, 2]) assert.ok(state.offerKeyed(offset, 'a'));
  state.offer(3, 4);
  assert.ok(state.offerKeyed(4, 'b'));
  assert.ok(!state.offerKeyed(5, 'c'));
  const [ofA = [-1, -1], none = [-1, -1], ofB = [-1, -1]] = acquire(10);
  assert.deepEqual([ofA[0], none[0], ofB[0]], [0, 3, 4]);
  state.release(...ofA, { nowMs: 0, delayMs: 50, isFailure: false });
  assert.deepEqual(acquire(10, 49), []);
  const [again = [-1, -1]] = acquire(10, 50);
  assert.equal(again[0], 0);
  state.acknowledge(...again);
  assert.deepEqual(offsetsOf(acquire(10, 50)), [1]);
  state.acknowledge(...ofB);
  assert.ok(state.offerKeyed(5, 'c'));
});

test('share delivery: messages that did not fit are looked up when their key is free', () => {
  const { state, acquire } = makeState({ keyBounds: { keysMax: 10, runsMax: 0 } });
  for (const offset of [0, 2, 4, 6]) assert.ok(state.offerKeyed(offset, 'a'));
  assert.ok(state.offerKeyed(7, 'b'));
  const [first = [-1, -1], ofB = [-1, -1]] = acquire(10);
  assert.equal(ofB[0], 7);
  state.acknowledge(...first);
  assert.deepEqual(acquire(10), []);
  const lookUp = state.beginLookUp();
  assert.deepEqual(lookUp, { key: 'a', first: 2, end: 7 });
  assert.ok(lookUp !== undefined);
  assert.ok(state.offerKeyed(8, 'a'));
  assert.ok(state.addFound(lookUp, 2));
  assert.ok(!state.addFound(lookUp, 4));
  state.endLookUp(lookUp, 4);
  const [second = [-1, -1]] = acquire(10);
  assert.equal(second[0], 2);
  state.acknowledge(...second);
  assert.equal(state.counts().toCome, 3);
  assert.deepEqual(state.beginLookUp(), { key: 'a', first: 4, end: 9 });
  state.dropBelow(9);
  state.endLookUp(lookUp, 7);
  assert.equal(state.counts().toCome, 0);
});

test('share delivery: what is stored comes back without leases, with counts and delays', () => {
  const { state, acquire } = makeState();
  state.offer(0, 6);
  const [zero = [-1, -1], one = [-1, -1], two = [-1, -1]] = acquire(4);
  state.release(...zero, { nowMs: 0, delayMs: 500, isFailure: true });
  state.acknowledge(...one);
  state.reject(...two);
  const parts = [...state.parts(CLOCKS)].map(encodePart);
  const restored = makeState();
  for (const part of parts) restored.state.restore(readPart(part), { ...CLOCKS, nowMs: 0 });
  restored.state.offer(0, 6);
  assert.throws(() => restored.state.restore(readPart(parts[0] ?? []), CLOCKS), InvariantViolation);
  assert.deepEqual(offsetsOf(restored.acquire(10, 499)), [3, 4, 5]);
  assert.deepEqual([...restored.block.deliveries.subarray(0, 3)], [2, 1, 1]);
  assert.deepEqual(offsetsOf(restored.acquire(10, 500)), [0]);
  assert.deepEqual([restored.block.deliveries[0], restored.block.failures[0]], [2, 1]);
});

test('share delivery: a part that nobody wrote is LOG_CORRUPT, a newer one is told apart', () => {
  const wrong = [[], [0], [2, -1, [], [], []], [2, 0, [1], [], []], [2, 0, [0, 0], [], []]];
  const alsoWrong = [
    [2, 0, [], [], [0, 1, 0, 0, 0]],
    [2, 0, [], [], [0, 0, 1, 0, 0]],
    [2, 0, [], [], [0, 1, 1, 2, 0]],
    [2, 0, 'x', [], []],
  ];
  for (const value of [...wrong, ...alsoWrong]) {
    assert.throws(
      () => readPart(value),
      (error) => hasCode(error, 'LOG_CORRUPT'),
    );
  }
  assert.throws(
    () => readPart([3, 0]),
    (error) => hasCode(error, 'FORMAT_UNSUPPORTED'),
  );
  assert.deepEqual(rangesOf([1, 2, 4]), [
    { first: 1, end: 3 },
    { first: 4, end: 5 },
  ]);
});

test('share delivery: times stay exact when the origin of the clock is moved on', () => {
  const { state, acquire } = makeState();
  state.offer(0, 3);
  const dayMs = 24 * 60 * 60 * 1_000;
  const [first = [-1, -1]] = acquire(1, 0, DELIVERY_TIME_MS_MAX);
  state.freeze(...first);
  const laterMs = 25 * dayMs;
  assert.deepEqual(offsetsOf(acquire(1, laterMs, 10.5)), [1]);
  assert.equal(state.thaw(...first), 'done');
  assert.deepEqual(offsetsOf(acquire(2, laterMs + 10)), [0, 2]);
  assert.deepEqual(offsetsOf(acquire(2, laterMs + 11)), [1]);
});

test('share delivery: the answers have their errors', () => {
  const facts = { offset: 5 };
  assert.ok(hasCode(receiptRefused('stale', facts), 'RECEIPT_STALE'));
  assert.ok(hasCode(receiptRefused('frozen', facts), 'LEASE_FROZEN'));
});
