/** Attempts as runs, against a plain map of the last attempt of each message. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import { AttemptRuns } from '../../src/broker/share/share-attempt-runs.js';
import type { StoredAttempts } from '../../src/broker/share/share-part.js';
import { testRuns, withSeed } from '../support/seed.js';
import { ShareWorld } from '../support/share-fixture.js';

const SPAN = 40;

type Known = Omit<StoredAttempts, 'offset' | 'count'>;

/** Takes all runs out, a few at a time; each time they rise and are apart. */
function taken(runs: AttemptRuns, max: number): Map<number, Known> {
  const found = new Map<number, Known>();
  while (!runs.isEmpty) {
    const some = runs.take(max);
    assert.ok(some.length <= max);
    let end = -1;
    for (const { offset, count, ...known } of some) {
      assert.ok(offset >= end, `${offset} lies behind ${end}`);
      end = offset + count;
      for (let at = offset; at < end; at += 1) found.set(at, known);
    }
  }
  return found;
}

function addSome(prng: Prng, runs: AttemptRuns, model: Map<number, Known>): void {
  const first = prng.integer(SPAN);
  const [deliveries, failures] = [1 + prng.integer(2), prng.integer(2)];
  if (prng.integer(4) === 0) {
    const known = { deliveries, failures, notBeforeMs: prng.integer(2) };
    runs.add({ offset: first, count: 1, ...known });
    model.set(first, known);
    return;
  }
  const count = 1 + prng.integer(8);
  const offsets = Array.from({ length: count }, (_, at) => first + at * (1 + prng.integer(2)));
  const known = { deliveries, failures };
  runs.addDelivered(offsets.map((offset) => ({ offset, ...known })));
  for (const offset of offsets) model.set(offset, { ...known, notBeforeMs: 0 });
}

test('attempt runs: the last attempt of each message is kept, in runs that are apart', async () => {
  await withSeed((prng) => {
    for (let run = 0; run < testRuns(200); run += 1) {
      const [runs, model] = [new AttemptRuns(), new Map<number, Known>()];
      for (let left = prng.integer(12); left > 0; left -= 1) addSome(prng, runs, model);
      assert.deepEqual(taken(runs, 1 + prng.integer(5)), model);
    }
  });
});

test('attempt runs: fresh messages are one run, however many calls got them', () => {
  const runs = new AttemptRuns();
  for (let offset = 0; offset < 100; offset += 10) {
    const some = Array.from({ length: 10 }, (_, at) => offset + at);
    runs.addDelivered(some.map((each) => ({ offset: each, deliveries: 1, failures: 0 })));
  }
  assert.deepEqual(runs.take(9), [
    { offset: 0, count: 100, deliveries: 1, failures: 0, notBeforeMs: 0 },
  ]);
});

test('attempt runs: the next process reads what was handed out in many pieces', async () => {
  const count = 10_000;
  const world = await ShareWorld.open();
  await world.send(...Array.from({ length: count }, () => '-'));
  const member = world.group.join();
  const first = await member.receive({ max: count });
  await world.group.acknowledge(first.filter(({ offset }) => offset % 2 === 0));
  await world.group.release(first.filter(({ offset }) => offset % 2 === 1));
  const second = await member.receive({ max: count });
  assert.equal(second.length, count / 2);
  const next = await world.kill();
  const again = await next.group.join().receive({ max: count });
  assert.equal(again.length, count / 2);
  assert.ok(again.every(({ deliveries }) => deliveries === 3));
  await next.close();
});
