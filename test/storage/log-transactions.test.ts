// Transactions in a log that is written: who sees what, when, and after what.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../../src/storage/log.js';
import { rejection, settled } from '../support/fixtures.js';
import {
  fill,
  nextValues,
  readOffsets,
  readValues,
  SimLog,
  valuesIn,
  valuesOf,
} from '../support/log-fixture.js';
import { TestProducer } from '../support/producer-fixture.js';

const uncommitted = { isolation: 'uncommitted' } as const;

test('transaction: committed readers stop at the open one until it has ended', async () => {
  const log = await new SimLog().open();
  const producer = new TestProducer(7);
  await fill(log, ['before']);
  await producer.send(log, ['t1'], true);
  await fill(log, ['between']);
  assert.deepEqual(await readValues(log), ['before']);
  assert.deepEqual(await readValues(log, uncommitted), ['before', 't1', 'between']);
  assert.equal(log.stableOffset, 1);
  const { offset } = await producer.end(log, 'commit');
  assert.equal(offset, 3);
  assert.equal(log.stableOffset, 4);
  assert.deepEqual(await readValues(log), ['before', 't1', 'between']);
});

test('transaction: an aborted one is passed over, and is there for who asks', async () => {
  const log = await new SimLog().open();
  const [one, two] = [new TestProducer(1), new TestProducer(2)];
  await one.send(log, ['a1'], true);
  await two.send(log, ['b1'], true);
  await one.send(log, ['a2'], true);
  await one.end(log, 'abort');
  assert.equal(log.stableOffset, 1);
  await two.end(log, 'commit');
  await one.send(log, ['a3'], true);
  await one.end(log, 'commit');
  assert.deepEqual(await readValues(log), ['b1', 'a3']);
  assert.deepEqual(await readValues(log, uncommitted), ['a1', 'b1', 'a2', 'a3']);
});

test('transaction: a reader that follows waits at it for a durable marker', async () => {
  const log = await new SimLog().open();
  const producer = new TestProducer(7);
  await fill(log, ['v0']);
  const reader = log.read({ follow: true });
  assert.deepEqual(await nextValues(reader), ['v0']);
  await producer.send(log, ['t'], true);
  let seen: string[] | undefined;
  const next = nextValues(reader).then((values) => {
    seen = values;
  });
  await fill(log, ['v1', 'v2']);
  await settled();
  assert.equal(seen, undefined);
  await producer.end(log, 'commit');
  await next;
  assert.deepEqual(seen, ['t']);
  assert.deepEqual(await nextValues(reader), ['v1']);
  await log.close();
});

test('transaction: a marker that is not durable yet has ended nothing', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const producer = new TestProducer(7);
  await producer.send(log, ['t'], true);
  const ending = producer.end(log, 'commit');
  assert.equal(log.stableOffset, 0);
  await ending;
  assert.equal(log.stableOffset, 2);
});

test('transaction: a batch outside of it, and an older coordinator, are refused', async () => {
  const log = await new SimLog().open();
  const producer = new TestProducer(7);
  await producer.send(log, ['t'], true);
  await rejection(producer.send(log, ['plain']), 'TRANSACTION_STATE_INVALID');
  await producer.end(log, 'abort', 4);
  await rejection(producer.end(log, 'abort', 3), 'COORDINATOR_FENCED');
  producer.producerEpoch = 1;
  await producer.end(log, 'abort', 4);
  producer.producerEpoch = 0;
  await rejection(producer.end(log, 'abort', 4), 'PRODUCER_FENCED');
  await rejection(
    log.appendMarker({ producerId: 1, producerEpoch: 0, kind: 'abort', coordinatorEpoch: -1 }),
    'OPTION_INVALID',
  );
});

test('transaction: a full disk takes back its batches and its marker', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const [one, two] = [new TestProducer(1), new TestProducer(2)];
  await one.send(log, ['a'], true);
  await two.send(log, ['b'], true);
  sim.disk.spaceBytes = sim.disk.list().reduce((sum, path) => {
    return sum + sim.disk.readAll(path).length;
  }, 0);
  const refused = [one.end(log, 'abort'), new TestProducer(3).send(log, ['c'], true)];
  for (const answer of refused) await rejection(answer, 'DISK_FULL');
  await settled();
  assert.equal(log.stableOffset, 0);
  const open = log.producers().map(({ transactionOffset }) => transactionOffset ?? -1);
  assert.deepEqual(open.sort(), [0, 1]);
  sim.disk.spaceBytes = Number.POSITIVE_INFINITY;
  await two.end(log, 'commit');
  assert.equal(log.stableOffset, 0);
  await one.end(log, 'abort');
  assert.deepEqual(await readValues(log), ['b']);
});

/** Transactions over many segments: open across them, aborted, committed, interleaved. */
async function fillWithTransactions(log: Log): Promise<string[]> {
  const [one, two, open] = [new TestProducer(1), new TestProducer(2), new TestProducer(3)];
  const committed: string[] = [];
  for (let round = 0; round < 12; round += 1) {
    const [a, b, c] = [`a${round}`, `b${round}`, `c${round}`].map((name) => name.padEnd(500, '.'));
    await one.send(log, [a ?? ''], true);
    await fill(log, [c ?? '']);
    await two.send(log, [b ?? ''], true);
    if (round % 3 === 2) await one.end(log, round % 2 === 0 ? 'abort' : 'commit');
    if (round % 4 === 3) await two.end(log, round % 8 === 3 ? 'abort' : 'commit');
    if (Math.floor(round / 3) % 2 === 1) committed.push(`a${round}`);
    committed.push(`c${round}`);
    if (Math.floor(round / 4) % 2 === 1) committed.push(`b${round}`);
  }
  await open.send(log, ['open'], true);
  await fill(log, ['behind']);
  return committed;
}

const ways = ['a clean close', 'a kill', 'a kill with files lost', 'a kill with files damaged'];
for (const way of ways) {
  test(`transaction: all of them are known after ${way}`, async () => {
    const sim = new SimLog();
    const log = await sim.open({ segmentBytes: 4096 });
    const committed = await fillWithTransactions(log);
    assert.ok(sim.segments().length > 4);
    assert.deepEqual(await readValues(log), committed);
    let next = sim;
    if (way === 'a clean close') await log.close();
    else next = sim.kill();
    for (const path of next.disk.list('/log')) {
      const isState = path.endsWith('.snapshot') || path.endsWith('.txnindex');
      if (!isState) continue;
      if (way === 'a kill with files damaged') next.disk.flipBit(path, 8 * 5 + 3);
      // Only the newest snapshots: what is older is where the walk begins.
      const base = Number(/(\d{20})\./.exec(path)?.[1]);
      const isLate = base > 20 && path.endsWith('.snapshot');
      if (way === 'a kill with files lost' && isLate) next.disk.remove(path);
    }
    const reopened = await next.open();
    assert.deepEqual(await readValues(reopened), committed);
    const [first, ...others] = reopened
      .producers()
      .filter(({ transactionOffset }) => transactionOffset !== undefined);
    assert.deepEqual(others, []);
    assert.equal(reopened.stableOffset, first?.transactionOffset);
    await reopened.appendMarker({
      producerId: 3,
      producerEpoch: 0,
      kind: 'commit',
      coordinatorEpoch: 0,
    });
    assert.deepEqual(await readValues(reopened), [...committed, 'open', 'behind']);
    await reopened.close();
    const readOnly = await next.open({ readOnly: true });
    assert.deepEqual(await readValues(readOnly), [...committed, 'open', 'behind']);
    await readOnly.close();
  });
}

test('transaction: a flipped bit in the files that tell of them changes nothing', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 4096 });
  const committed = await fillWithTransactions(log);
  const producers = JSON.stringify(log.producers(), (_, value) => textOf(value));
  const killed = sim.kill();
  const tried = new Map<string, number>();
  await log.close();
  for (const image of [killed, sim]) {
    for (const path of image.disk.list('/log')) {
      const suffix = path.split('.').at(-1) ?? '';
      if (suffix !== 'snapshot' && suffix !== 'txnindex') continue;
      const bits = image.disk.readAll(path).length * 8;
      for (let bit = (tried.size * 7) % 61; bit < bits; bit += 61) {
        const copy = image.kill();
        copy.disk.flipBit(path, bit);
        const opened = await copy.open();
        assert.equal(opened.describe().state, 'open');
        assert.deepEqual(await readValues(opened), committed, `${path} bit ${bit}`);
        const known = JSON.stringify(opened.producers(), (_, value) => textOf(value));
        assert.equal(known, producers, `${path} bit ${bit}`);
        tried.set(suffix, (tried.get(suffix) ?? 0) + 1);
      }
    }
  }
  assert.ok((tried.get('snapshot') ?? 0) > 50 && (tried.get('txnindex') ?? 0) > 10);
});

function textOf(value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

test('transaction: a log with an open one is closed and opened like any other', async () => {
  const sim = new SimLog();
  const producer = new TestProducer(7);
  let log = await sim.open();
  await producer.send(log, ['t'], true);
  await log.close();
  log = await sim.open();
  assert.equal(log.stableOffset, 0);
  assert.deepEqual(await readValues(log), []);
  await producer.send(log, ['u'], true);
  await producer.end(log, 'commit');
  assert.deepEqual(await readValues(log), ['t', 'u']);
});

test('transaction: a reader in another process stops and goes on like here', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 4096, cleanup: 'compact', minCleanableDirtyRatio: 0 });
  const [one, two] = [new TestProducer(1), new TestProducer(2)];
  let count = 0;
  const put = (producer: TestProducer, value: string) =>
    log.append([{ key: `k${count++}`, value: value.padEnd(500, '.') }], {
      producer: producer.next(1, true),
    });
  await log.append([{ key: 'first', value: 'v0' }]);
  const other = await sim.open({ readOnly: true });
  const reader = other.read({ follow: true });
  assert.deepEqual(await nextValues(reader), ['v0']);
  const read: string[] = [];
  const reading = (async () => {
    for await (const batch of reader) read.push(...valuesIn(batch));
  })();
  const look = async (): Promise<string[]> => {
    for (let turn = 0; turn < 20; turn += 1) {
      sim.clock.advance(25);
      await settled();
    }
    return read.splice(0);
  };
  await put(one, 'a0');
  await put(two, 'b0');
  assert.deepEqual(await look(), []);
  await two.end(log, 'commit');
  assert.deepEqual(await look(), []);
  await one.end(log, 'abort');
  assert.deepEqual(await look(), ['b0']);
  for (let round = 1; round < 9; round += 1) {
    await put(one, `a${round}`);
    await put(two, `b${round}`);
    await one.end(log, round % 2 === 0 ? 'abort' : 'commit');
    await two.end(log, round % 3 === 0 ? 'abort' : 'commit');
    if (round === 4) await log.compact();
  }
  const wanted = ['a1', 'b1', 'b2', 'a3', 'b4', 'a5', 'b5', 'a7', 'b7', 'b8'];
  assert.deepEqual(await look(), wanted);
  await log.compact();
  assert.deepEqual(await readValues(other), ['v0', 'b0', ...wanted]);
  assert.equal(other.stableOffset, other.durableOffset);
  await other.close();
  await reading;
  await log.close();
});

test('transaction: compaction stops before an open one and drops what was aborted', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 4096, cleanup: 'compact', minCleanableDirtyRatio: 0 });
  const producer = new TestProducer(7);
  const put = (key: string, value: string, isTransactional: boolean) =>
    log.append([{ key, value: value.padEnd(700, '.') }], {
      producer: producer.next(1, isTransactional),
    });
  await put('k', 'v0', true);
  await producer.end(log, 'commit');
  for (let round = 0; round < 6; round += 1) await put('k', `lost${round}`, true);
  await log.compact();
  assert.deepEqual(await readValues(log), ['v0']);
  await producer.end(log, 'abort');
  await put('other', 'v1', false);
  await log.compact();
  assert.deepEqual(await readValues(log), ['v0', 'v1']);
  assert.deepEqual(await readValues(log, uncommitted), ['v0', 'v1']);
  const next = await sim.kill().open();
  assert.deepEqual(await readValues(next), ['v0', 'v1']);
  assert.equal(next.producers()[0]?.lastSequence, 7);
});

test('transaction: one whose beginning was deleted is open until it is ended', async () => {
  const sim = new SimLog();
  let log = await sim.open({ segmentBytes: 4096 });
  const producer = new TestProducer(7);
  for (let round = 0; round < 9; round += 1) await producer.send(log, valuesOf(1, 900), true);
  await log.deleteRecordsBefore(8);
  assert.equal(log.stableOffset, 8);
  assert.deepEqual(await readValues(log), []);
  await log.close();
  log = await sim.open();
  assert.deepEqual(await readValues(log), []);
  await producer.end(log, 'commit');
  assert.deepEqual(await readValues(log), ['v0']);
  log = await sim.kill().open();
  assert.deepEqual(await readValues(log), ['v0']);
});

test('transaction: deleting segments of aborted ones leaves the rest as it was', async () => {
  const log = await new SimLog().open({ segmentBytes: 4096 });
  const producer = new TestProducer(7);
  const abort = async (from: number): Promise<void> => {
    await producer.send(log, valuesOf(2, 900, from), true);
    await producer.end(log, 'abort');
  };
  await fill(log, ['v0']);
  for (let round = 0; round < 3; round += 1) await abort(round);
  await fill(log, valuesOf(5, 900));
  const reader = log.read();
  assert.deepEqual(await nextValues(reader), ['v0']);
  await log.deleteRecordsBefore(log.durableOffset);
  await rejection(nextValues(reader), 'OFFSET_OUT_OF_RANGE');
  await settled();
  await abort(9);
  assert.deepEqual(await readValues(log), []);
});

test('transaction: offsetOf finds records by time, committed or not', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const producer = new TestProducer(7);
  for (let round = 0; round < 5; round += 1) {
    await producer.send(log, [`v${round}`, `w${round}`], true);
    sim.clock.advance(1000);
  }
  const startMs = sim.clock.nowMs() - 5000;
  assert.equal(await log.offsetOf(startMs), 0);
  assert.equal(await log.offsetOf(startMs + 1), 2);
  assert.equal(await log.offsetOf(startMs + 4000), 8);
  assert.equal(await log.offsetOf(startMs + 4001), undefined);
  await rejection(log.offsetOf(-1), 'OPTION_INVALID');
});

test('transaction: markers take an offset and are shown on demand', async () => {
  const log = await new SimLog().open({ compression: 'gzip' });
  const producer = new TestProducer(7);
  await producer.send(log, valuesOf(3), true);
  await producer.end(log, 'commit');
  assert.deepEqual(await readOffsets(log, { control: true }), [0, 1, 2, 3]);
  const batches: string[] = [];
  for await (const batch of log.read({ control: true })) {
    batches.push(`${batch.isControl} ${batch.codec} ${batch.baseSequence}`);
  }
  assert.deepEqual(batches, ['false gzip 0', 'true none -1']);
});
