/** Messages of keys that did not fit in memory are read again, in order, and none is left. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcquiredBlock } from '../../src/broker/share/share-acquired.js';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import { LookUps } from '../../src/broker/share/share-look-ups.js';
import { readOffsets } from '../../src/broker/share/share-read.js';
import { MemoryPartitionLog } from '../support/memory-partition-log.js';

const LIMITS = { inFlightMax: 100, underWayMax: 100, deliveriesMax: 5, failuresMax: 5 };

async function makeLog(keys: readonly string[]): Promise<MemoryPartitionLog> {
  const log = new MemoryPartitionLog(() => 0);
  for (let at = 0; at < keys.length; at += 3) {
    const some = keys.slice(at, at + 3);
    await log.append(some.map((key, of) => ({ key, value: `${key}${at + of}` })));
  }
  return log;
}

test('share look-ups: what did not fit comes in the order of its key', async () => {
  const keys = Array.from({ length: 60 }, (_, at) => 'abc'[at % 3] ?? '');
  const log = await makeLog(keys);
  const state = new DeliveryState({
    startOffset: 0,
    nowMs: 0,
    limits: LIMITS,
    keyBounds: { keysMax: 3, runsMax: 2 },
  });
  for (const [offset, key] of keys.entries()) assert.ok(state.offerKeyed(offset, key));
  const lookUps = new LookUps(state, log, (record) => record.keyText);
  const block = new AcquiredBlock(100);
  const given: number[] = [];
  for (let round = 0; round < 100 && state.startOffset < keys.length; round += 1) {
    state.acquire(block, { max: 100, owner: 1, nowMs: 0, leaseMs: 1_000 });
    for (let at = 0; at < block.count; at += 1) {
      const offset = block.offsets[at] ?? -1;
      given.push(offset);
      assert.equal(state.acknowledge(offset, block.receipts[at] ?? -1), 'done');
    }
    if (!state.isReady) await lookUps.run();
  }
  assert.deepEqual(
    [...given].sort((one, other) => one - other),
    [...keys.keys()],
  );
  for (const key of ['a', 'b', 'c']) {
    const own = given.filter((offset) => keys[offset] === key);
    assert.deepEqual(
      own,
      [...own].sort((one, other) => one - other),
    );
  }
  assert.equal(await lookUps.run(), false);
});

test('share look-ups: single records are read by their offsets, those that are there', async () => {
  const log = await makeLog(Array.from({ length: 3_000 }, () => 'a'));
  await log.deleteRecordsBefore(10);
  const found: string[] = [];
  await readOffsets(log, [5, 10, 12, 2_900, 2_999, 3_000], ({ value }) => {
    found.push(String(value));
  });
  assert.deepEqual(found, ['a10', 'a12', 'a2900', 'a2999']);
});
