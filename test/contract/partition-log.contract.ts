/**
 * What a broker expects of a partition's log, whatever stores it.
 *
 * Each implementation runs the whole suite over a fresh log whose clock the suite moves.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import type { ReadOptions } from '../../src/storage/read-options.js';
import { batchOf } from '../support/batch-fixtures.js';
import { valuesOfPartition } from '../support/broker-fixture.js';
import { isPending, rejection, thrown } from '../support/fixtures.js';

export interface PartitionUnderTest {
  readonly log: PartitionLog;
  /** Moves the clock of the log. */
  readonly advance: (ms: number) => void;
  /** The time of the log, in milliseconds since 1970. */
  readonly nowMs: () => number;
}

type Check = (name: string, run: (under: PartitionUnderTest) => Promise<void>) => void;

export function partitionLogContract(name: string, make: () => Promise<PartitionUnderTest>): void {
  const check: Check = (behaviour, run) => {
    test(`${name}: ${behaviour}`, async () => {
      const under = await make();
      try {
        await run(under);
      } finally {
        await under.log.close();
      }
    });
  };
  appendContract(check);
  readContract(check);
  producerContract(check);
  transactionContract(check);
  endContract(check);
}

async function fill(log: PartitionLog, ...values: readonly string[]): Promise<void> {
  for (const value of values) await log.append([{ value }]);
}

function stamp(baseSequence: number, producerEpoch = 0, isTransactional = false) {
  return { producer: { producerId: 7n, producerEpoch, baseSequence, isTransactional } };
}

const transactional = (baseSequence: number) => stamp(baseSequence, 0, true);
const one = (value: string) => [{ value }];

function appendContract(check: Check): void {
  check('bytes: of what is stored', async ({ log }) => {
    const first = await log.append([{ value: 'v'.repeat(1_000) }]);
    assert.equal(first.baseOffset, 0);
    const before = await log.bytes();
    assert.ok(before > 1_000 && before < 1_200, `${before} bytes`);
    await log.append([{ value: 'v'.repeat(1_000) }]);
    assert.equal(await log.bytes(), 2 * before);
  });
  check('offsets rise by one, and records come back as they were', async ({ log }) => {
    const records = [
      { key: 'k', value: 'v', headers: [{ key: 'h', value: 'w' }], timestamp: 5 },
      { key: null, value: null },
    ];
    const appended = await log.append(records);
    assert.deepEqual(appended, { baseOffset: 0, lastOffset: 1, isDuplicate: false });
    assert.equal((await log.append(one('x'))).baseOffset, 2);
    const seen: unknown[] = [];
    for await (const batch of log.read()) {
      for (const { offset, key, value, headers } of batch) {
        seen.push([offset, key?.toString(), value?.toString(), headers.length]);
      }
    }
    assert.deepEqual(seen, [
      [0, 'k', 'v', 1],
      [1, undefined, undefined, 0],
      [2, undefined, 'x', 0],
    ]);
  });

  check('an append is all or nothing', async ({ log }) => {
    await rejection(log.append([{ value: 'x' }, { value: 'y', timestamp: -1 }]), 'RECORD_INVALID');
    await rejection(log.append([]), 'RECORD_INVALID');
    await rejection(log.append([{ value: Buffer.alloc(2 << 20) }]), 'RECORD_TOO_LARGE');
    assert.equal(log.writtenOffset, 0);
  });

  check('what was acknowledged is durable, and flush makes the rest so', async ({ log }) => {
    await log.append(one('x'));
    assert.equal(log.durableOffset, 1);
    assert.equal(log.tryAppend({ value: 'y' }), 1);
    assert.equal(await log.flush(), 2);
    assert(log.writtenOffset >= log.durableOffset);
    await rejection(log.flush(2), 'OFFSET_OUT_OF_RANGE');
    await log.writable();
  });

  check('a ready-made batch is stored as it came', async ({ log }) => {
    await fill(log, 'x');
    const batch = batchOf([{ value: 'a', timestamp: 9 }, { value: 'b' }]);
    const result = await log.appendBatch(batch);
    assert.deepEqual(result, { baseOffset: 1, lastOffset: 2, isDuplicate: false });
    assert.deepEqual(await valuesOfPartition(log), ['x', 'a', 'b']);
    const damaged = Buffer.from(batch);
    damaged[damaged.length - 1] = 0x55;
    await rejection(log.appendBatch(damaged), 'BATCH_INVALID');
    await rejection(log.appendBatch(batch.subarray(0, 30)), 'BATCH_INVALID');
    assert.equal(log.writtenOffset, 3);
  });
}

function readContract(check: Check): void {
  check('reading starts where it is told to', async ({ log, advance, nowMs }) => {
    await fill(log, 'a');
    advance(1_000);
    await fill(log, 'b', 'c');
    const read = (from: ReadOptions['from']) => valuesOfPartition(log, { from });
    assert.deepEqual(await read('earliest'), ['a', 'b', 'c']);
    assert.deepEqual(await read(1), ['b', 'c']);
    assert.deepEqual(await read('latest'), []);
    assert.deepEqual(await read(3), []);
    assert.deepEqual(await read({ timestamp: nowMs() }), ['b', 'c']);
    await rejection(read(4), 'OFFSET_OUT_OF_RANGE');
  });

  check('a record within a batch is a start too', async ({ log }) => {
    await log.append([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
    assert.deepEqual(await valuesOfPartition(log, { from: 1 }), ['b', 'c']);
  });

  check('the first offset at a time is found', async ({ log, advance, nowMs }) => {
    await fill(log, 'a');
    advance(1_000);
    const later = nowMs();
    await fill(log, 'b');
    assert.equal(await log.offsetOf(later), 1);
    assert.equal(await log.offsetOf(later - 1), 1);
    assert.equal(await log.offsetOf(0), 0);
    assert.equal(await log.offsetOf(later + 1), undefined);
  });

  check('an epoch says where its records end', async ({ log }) => {
    await fill(log, 'a', 'b');
    const epoch = log.epochAt(1);
    assert(epoch >= 0);
    assert.equal(log.epochAt(0), epoch);
    assert.equal(log.epochEnd(epoch), 2);
    assert.equal(log.epochEnd(epoch + 1), undefined);
  });

  check('who follows waits for more, and ends with the log', async ({ log }) => {
    await fill(log, 'a');
    const values = valuesOfPartition(log, { follow: true });
    assert(await isPending(values));
    await fill(log, 'b');
    assert(await isPending(values));
    await log.close();
    assert.deepEqual(await values, ['a', 'b']);
  });

  check('a signal ends a reader with its reason', async ({ log }) => {
    const stop = new AbortController();
    const values = valuesOfPartition(log, { follow: true, signal: stop.signal });
    assert(await isPending(values));
    const reason = new Error('stop');
    stop.abort(reason);
    await assert.rejects(values, reason);
  });

  check('records before the start are gone', async ({ log }) => {
    await fill(log, 'a', 'b', 'c');
    assert.equal(await log.deleteRecordsBefore(2), 2);
    assert.equal(log.startOffset, 2);
    assert.deepEqual(await valuesOfPartition(log), ['c']);
    await rejection(valuesOfPartition(log, { from: 1 }), 'OFFSET_OUT_OF_RANGE');
    await rejection(log.deleteRecordsBefore(4), 'OFFSET_OUT_OF_RANGE');
    assert.equal(await log.deleteRecordsBefore(1), 2);
  });
}

function producerContract(check: Check): void {
  check('what a producer sends again is stored once', async ({ log }) => {
    await log.append([{ value: 'a' }, { value: 'b' }], stamp(0));
    const second = await log.append(one('c'), stamp(2));
    assert.deepEqual(second, { baseOffset: 2, lastOffset: 2, isDuplicate: false });
    const again = await log.append([{ value: 'a' }, { value: 'b' }], stamp(0));
    assert.deepEqual(again, { baseOffset: 0, lastOffset: 1, isDuplicate: true });
    assert.deepEqual(await valuesOfPartition(log), ['a', 'b', 'c']);
  });

  check('five batches are remembered, an older one counts as stored', async ({ log }) => {
    for (let sequence = 0; sequence < 6; sequence += 1) {
      await log.append(one(`${sequence}`), stamp(sequence));
    }
    const remembered = await log.append(one('1'), stamp(1));
    assert.deepEqual(remembered, { baseOffset: 1, lastOffset: 1, isDuplicate: true });
    const old = await log.append(one('0'), stamp(0));
    assert.deepEqual(old, { baseOffset: -1, lastOffset: -1, isDuplicate: true });
    assert.equal(log.writtenOffset, 6);
  });

  check('a gap is refused', async ({ log }) => {
    await log.append(one('a'), stamp(0));
    await rejection(log.append(one('c'), stamp(2)), 'OUT_OF_ORDER_SEQUENCE');
    await log.append(one('b'), stamp(1));
    assert.deepEqual(await valuesOfPartition(log), ['a', 'b']);
  });

  check('a new epoch begins at 0, and fences the old one', async ({ log }) => {
    await log.append(one('a'), stamp(5));
    await rejection(log.append(one('b'), stamp(1, 1)), 'OUT_OF_ORDER_SEQUENCE');
    await log.append(one('b'), stamp(0, 1));
    await rejection(log.append(one('c'), stamp(6, 0)), 'PRODUCER_FENCED');
    assert.deepEqual(await valuesOfPartition(log), ['a', 'b']);
  });

  check('what is known of producers can be asked', async ({ log, nowMs }) => {
    assert.deepEqual(log.producers(), []);
    await log.append(one('a'), stamp(0));
    await log.append([{ value: 'b' }, { value: 'c' }], stamp(1));
    assert.deepEqual(log.producers(), [
      {
        producerId: 7n,
        producerEpoch: 0,
        lastSequence: 2,
        lastOffset: 2,
        lastTimestamp: nowMs(),
        coordinatorEpoch: -1,
        transactionOffset: undefined,
      },
    ]);
  });

  check('a producer of a ready-made batch is judged too', async ({ log }) => {
    const producer = { producerId: 3n, producerEpoch: 0, baseSequence: 0 };
    const batch = batchOf([{ value: 'a' }], { producer });
    await log.appendBatch(batch);
    assert.equal((await log.appendBatch(batch)).isDuplicate, true);
    const gap = batchOf([{ value: 'c' }], { producer: { ...producer, baseSequence: 2 } });
    await rejection(log.appendBatch(gap), 'OUT_OF_ORDER_SEQUENCE');
    assert.deepEqual(await valuesOfPartition(log), ['a']);
  });
}

function transactionContract(check: Check): void {
  const marker = { producerId: 7n, producerEpoch: 0, coordinatorEpoch: 1 };
  const uncommitted = { isolation: 'uncommitted' } as const;

  check('readers of committed records stop where a transaction is open', async ({ log }) => {
    await fill(log, 'a');
    await log.append(one('t'), transactional(0));
    await fill(log, 'b');
    assert.equal(log.stableOffset, 1);
    assert.deepEqual(await valuesOfPartition(log), ['a']);
    assert.deepEqual(await valuesOfPartition(log, uncommitted), ['a', 't', 'b']);
    const { offset } = await log.appendMarker({ ...marker, kind: 'commit' });
    assert.equal(offset, 3);
    assert.equal(log.stableOffset, 4);
    assert.deepEqual(await valuesOfPartition(log), ['a', 't', 'b']);
  });

  check('an aborted transaction is passed over', async ({ log }) => {
    await log.append(one('t'), transactional(0));
    await fill(log, 'a');
    await log.appendMarker({ ...marker, kind: 'abort' });
    assert.deepEqual(await valuesOfPartition(log), ['a']);
    assert.deepEqual(await valuesOfPartition(log, uncommitted), ['t', 'a']);
  });

  check('it tells of aborted transactions that have records in a range', async ({ log }) => {
    await fill(log, 'a');
    await log.append(one('t'), transactional(0));
    await log.appendMarker({ ...marker, kind: 'abort' });
    await log.append(one('u'), transactional(1));
    await log.appendMarker({ ...marker, kind: 'commit' });
    const ranges = log.abortedIn(0, 5).map(({ producerId, firstOffset, lastOffset }) => {
      return { producerId, firstOffset, lastOffset };
    });
    assert.deepEqual(ranges, [{ producerId: 7n, firstOffset: 1, lastOffset: 2 }]);
    assert.equal(log.abortedIn(2, 3).length, 1, 'its end lies there');
    assert.equal(log.abortedIn(0, 1).length, 0);
    assert.equal(log.abortedIn(3, 5).length, 0);
  });

  check('batches are there as they are stored, marks too', async ({ log }) => {
    await log.append(one('t'), transactional(0));
    await log.appendMarker({ ...marker, kind: 'commit' });
    const raw: Uint8Array[] = [];
    for await (const batch of log.read({ ...uncommitted, control: true })) raw.push(batch.raw());
    const [first, second, ...others] = raw.map((bytes) => Buffer.from(bytes));
    assert.equal(others.length, 0);
    assert.equal(first?.readBigInt64BE(0), 0n);
    assert.equal(second?.readBigInt64BE(0), 1n);
    assert.equal(first?.readInt32BE(8), (first?.length ?? 0) - 12, 'the length of the batch');
  });

  check('who waits behind the end is woken when there is more', async ({ log }) => {
    await fill(log, 'a');
    await log.waitBeyond(0);
    const waiting = log.waitBeyond(1);
    await isPending(waiting);
    await fill(log, 'b');
    await waiting;
    const ender = new AbortController();
    const ended = log.waitBeyond(2, { signal: ender.signal });
    await isPending(ended);
    ender.abort();
    await ended;
  });

  check('who follows is told where it waits, behind what nobody sees', async ({ log }) => {
    const waits: number[] = [];
    const onWaiting = (nextOffset: number): void => void waits.push(nextOffset);
    const values = valuesOfPartition(log, { follow: true, onWaiting });
    await log.append(one('a'), transactional(0));
    await isPending(values);
    await log.appendMarker({ ...marker, kind: 'abort' });
    await isPending(values);
    await log.close();
    assert.deepEqual(await values, []);
    assert.deepEqual([...new Set(waits)], [0, 2]);
  });

  check('who follows goes on when the transaction ends', async ({ log }) => {
    await log.append(one('t'), transactional(0));
    const values = valuesOfPartition(log, { follow: true });
    await fill(log, 'a');
    assert(await isPending(values));
    await log.appendMarker({ ...marker, kind: 'commit' });
    await isPending(values);
    await log.close();
    assert.deepEqual(await values, ['t', 'a']);
  });

  check('an older coordinator ends nothing', async ({ log }) => {
    await log.append(one('t'), transactional(0));
    await log.appendMarker({ ...marker, coordinatorEpoch: 2, kind: 'commit' });
    await rejection(log.appendMarker({ ...marker, kind: 'abort' }), 'COORDINATOR_FENCED');
  });
}

function endContract(check: Check): void {
  check('a closed log refuses, and closing again is fine', async ({ log }) => {
    await fill(log, 'a');
    await log.close();
    await log.close();
    await rejection(log.append(one('b')), 'LOG_CLOSED');
    thrown(() => log.tryAppend({ value: 'b' }), 'LOG_CLOSED');
    thrown(() => log.read(), 'LOG_CLOSED');
    await rejection(log.flush(), 'LOG_CLOSED');
  });
}
