// Producers in the log: what is sent again is stored once, also after a restart.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordInput } from '../../src/storage/record.js';
import { rejection, settled } from '../support/fixtures.js';
import { fill, readOffsets, readValues, SimLog, valuesOf } from '../support/log-fixture.js';
import { TestProducer } from '../support/producer-fixture.js';

const one: readonly RecordInput[] = [{ value: 'x' }];

test('producer: a batch that is sent again answers where it is stored', async () => {
  const log = await new SimLog().open();
  const producer = new TestProducer(7);
  const stamp = producer.next(2);
  const records = [{ value: 'a' }, { value: 'b' }];
  await log.append(one);
  const first = await log.append(records, { producer: stamp });
  assert.deepEqual(first, { baseOffset: 1, lastOffset: 2, isDuplicate: false });
  const again = await log.append(records, { producer: stamp });
  assert.deepEqual(again, { baseOffset: 1, lastOffset: 2, isDuplicate: true });
  assert.deepEqual(await readValues(log), ['x', 'a', 'b']);
});

test('producer: five batches are remembered, older ones are known to be stored', async () => {
  const log = await new SimLog().open();
  const producer = new TestProducer(7);
  const stamps = Array.from({ length: 7 }, () => producer.next(1));
  for (const stamp of stamps) await log.append(one, { producer: stamp });
  const answers: number[] = [];
  for (const stamp of stamps) {
    const { baseOffset, isDuplicate } = await log.append(one, { producer: stamp });
    assert.ok(isDuplicate);
    answers.push(baseOffset);
  }
  assert.deepEqual(answers, [-1, -1, 2, 3, 4, 5, 6]);
  assert.equal(log.endOffset, 7);
});

test('producer: a gap, an old epoch and a new one not from 0 are refused', async () => {
  const log = await new SimLog().open();
  const append = (producerEpoch: number, baseSequence: number) =>
    log.append(one, { producer: { producerId: 7, producerEpoch, baseSequence } });
  await append(3, 40);
  const gap = await rejection(append(3, 42), 'OUT_OF_ORDER_SEQUENCE');
  assert.deepEqual([gap.facts['expected'], gap.facts['actual']], [41, 42]);
  await rejection(append(2, 41), 'PRODUCER_FENCED');
  await rejection(append(4, 41), 'OUT_OF_ORDER_SEQUENCE');
  await append(4, 0);
  await rejection(append(3, 41), 'PRODUCER_FENCED');
  assert.equal(log.endOffset, 2);
});

test('producer: what it says of itself is checked', async () => {
  const log = await new SimLog().open();
  const good = { producerId: 1, producerEpoch: 0, baseSequence: 0 };
  for (const bad of [
    { producerId: -1 },
    { producerId: 0.5 },
    { producerId: 2n ** 63n },
    { producerEpoch: -1 },
    { producerEpoch: 2 ** 15 },
    { baseSequence: 2 ** 31 },
    { baseSequence: -1 },
  ]) {
    const error = await rejection(
      log.append(one, { producer: { ...good, ...bad } }),
      'OPTION_INVALID',
    );
    assert.equal(error.facts['option'], Object.keys(bad)[0]);
  }
  await log.append(one, { producer: { ...good, producerId: 2n ** 63n - 1n } });
  assert.equal(log.producers()[0]?.producerId, 2n ** 63n - 1n);
});

test('producer: sent without waiting, batches keep their order, each alone', async () => {
  const log = await new SimLog().open();
  const producer = new TestProducer(7);
  const plain = log.append([{ value: 'p' }]);
  const sent = ['a', 'b', 'c'].map((value) => producer.send(log, [value]));
  await Promise.all([plain, ...sent, log.append([{ value: 'q' }])]);
  const batches: string[] = [];
  for await (const batch of log.read()) {
    batches.push(`${batch.producerId}:${batch.baseSequence}:${batch.count}`);
  }
  assert.deepEqual(batches, ['-1:-1:1', '7:0:1', '7:1:1', '7:2:1', '-1:-1:1']);
});

test('producer: one that waits for room is judged when it gets it', async () => {
  const log = await new SimLog().open({ bufferBytes: 64 * 1024 });
  const producer = new TestProducer(7);
  const value = 'x'.repeat(30_000);
  const stamps = Array.from({ length: 8 }, () => producer.next(1));
  const sent = stamps.map((stamp) => log.append([{ value }], { producer: stamp }));
  const again = log.append([{ value }], { producer: stamps[7] ?? assert.fail() });
  const gap = rejection(
    log.append([{ value }], {
      producer: { producerId: 7, producerEpoch: 0, baseSequence: 9 },
    }),
    'OUT_OF_ORDER_SEQUENCE',
  );
  const offsets = (await Promise.all(sent)).map(({ baseOffset }) => baseOffset);
  assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(await again, { baseOffset: 7, lastOffset: 7, isDuplicate: true });
  await gap;
});

test('producer: a duplicate is answered when the first is as safe as is asked for', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const producer = new TestProducer(7);
  const stamp = producer.next(1);
  await log.append(one, { producer: stamp, acks: 'written' });
  assert.equal(log.durableOffset, 0);
  const written = await log.append(one, { producer: stamp, acks: 'written' });
  assert.equal(written.isDuplicate, true);
  assert.equal(log.durableOffset, 0);
  await log.append(one, { producer: stamp });
  assert.equal(log.durableOffset, 1);
  const later = sim.crash({ kept: [] });
  assert.deepEqual(await readOffsets(await later.open()), [0]);
});

test('producer: old duplicates wait for what they were stored before', async () => {
  const log = await new SimLog().open();
  const producer = new TestProducer(7);
  const stamps = Array.from({ length: 8 }, () => producer.next(1));
  for (const stamp of stamps) await log.append(one, { producer: stamp, acks: 'none' });
  const answer = await log.append(one, { producer: stamps[0] ?? assert.fail() });
  assert.deepEqual(answer, { baseOffset: -1, lastOffset: -1, isDuplicate: true });
  assert.ok(log.durableOffset >= 3);
});

for (const end of ['a clean close', 'a kill'] as const) {
  test(`producer: is known after ${end}`, async () => {
    const sim = new SimLog();
    let log = await sim.open({ segmentBytes: 4096 });
    const producer = new TestProducer(7);
    for (let round = 0; round < 6; round += 1) await producer.send(log, valuesOf(1, 900));
    const last = producer.next(2);
    await log.append([...one, ...one], { producer: last });
    assert.ok(sim.segments().length > 1);
    let next = sim;
    if (end === 'a clean close') await log.close();
    else next = sim.kill();
    log = await next.open();
    const again = await log.append([...one, ...one], { producer: last });
    assert.deepEqual(again, { baseOffset: 6, lastOffset: 7, isDuplicate: true });
    await rejection(
      log.append(one, { producer: { producerId: 7, producerEpoch: 0, baseSequence: 9 } }),
      'OUT_OF_ORDER_SEQUENCE',
    );
    const { baseOffset } = await producer.send(log, ['next']);
    assert.equal(baseOffset, 8);
    assert.deepEqual(
      log.producers().map(({ lastSequence, lastOffset }) => [lastSequence, lastOffset]),
      [[8, 8]],
    );
  });
}

test('producer: a clean close is not walked at the next open, whoever wrote', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const producer = new TestProducer(7);
  await producer.send(log, valuesOf(3));
  await log.close();
  assert.ok(sim.disk.exists(sim.path(3, 'snapshot')));
  for (let round = 0; round < 3; round += 1) {
    const reopened = await sim.open();
    assert.equal(reopened.producers().length, 1);
    await reopened.close();
  }
  // Whoever walked the batches would meet this.
  sim.disk.flipBit(sim.path(0, 'log'), 70 * 8);
  const unwalked = await sim.open();
  assert.equal(unwalked.describe().damage, undefined);
  assert.equal(unwalked.producers().length, 1);
  await unwalked.close();
});

test('producer: snapshots of earlier closes go, that of a segment goes with it', async () => {
  const sim = new SimLog();
  const producer = new TestProducer(7);
  for (let round = 0; round < 8; round += 1) {
    const log = await sim.open({ segmentBytes: 4096 });
    await producer.send(log, valuesOf(1, 1500));
    await log.close();
  }
  const log = await sim.open();
  const snapshots = (): number[] =>
    sim.disk
      .list('/log')
      .filter((path) => path.endsWith('.snapshot'))
      .map((path) => Number(/(\d{20})\./.exec(path)?.[1]));
  const bases = sim.segments().slice(1);
  assert.ok(bases.length > 1);
  assert.deepEqual(
    snapshots(),
    [...bases, 8].sort((one, two) => one - two),
  );
  await log.deleteRecordsBefore(8);
  await settled();
  assert.deepEqual(
    snapshots().filter((offset) => offset < (bases.at(-1) ?? 0)),
    [],
  );
});

for (const damage of ['lost', 'flipped'] as const) {
  test(`producer: a snapshot that is ${damage} is made up for by walking`, async () => {
    const sim = new SimLog();
    const log = await sim.open({ segmentBytes: 4096 });
    const producer = new TestProducer(7);
    for (let round = 0; round < 9; round += 1) await producer.send(log, valuesOf(1, 1500));
    const next = sim.kill();
    for (const base of sim.segments().slice(2)) {
      const path = next.path(base, 'snapshot');
      if (damage === 'lost') next.disk.remove(path);
      else next.disk.flipBit(path, 100);
    }
    const reopened = await next.open();
    const [known] = reopened.producers();
    assert.deepEqual([known?.lastSequence, known?.lastOffset], [8, 8]);
    const again = await reopened.append(
      valuesOf(1, 1500).map((value) => ({ value })),
      {
        producer: { producerId: 7, producerEpoch: 0, baseSequence: 8 },
      },
    );
    assert.equal(again.isDuplicate, true);
  });
}

test('producer: is known from what compaction left of its batches', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 4096, cleanup: 'compact', minCleanableDirtyRatio: 0 });
  const [quiet, busy] = [new TestProducer(1), new TestProducer(2)];
  const put = (producer: TestProducer, key: string) =>
    log.append([{ key, value: 'x'.repeat(900) }], { producer: producer.next(1) });
  for (let round = 0; round < 3; round += 1) await put(quiet, 'k');
  for (let round = 0; round < 20; round += 1) await put(busy, 'k');
  await log.compact();
  await log.compact();
  assert.deepEqual(await readOffsets(log), [22]);
  const later = sim.kill();
  for (const path of later.disk.list('/log')) {
    if (path.endsWith('.snapshot')) later.disk.remove(path);
  }
  const reopened = await later.open();
  assert.deepEqual(
    reopened
      .producers()
      .map(({ producerId, lastSequence, lastOffset }) => [producerId, lastSequence, lastOffset]),
    [
      [1n, 2, 2],
      [2n, 19, 22],
    ],
  );
});

test('producer: is forgotten after a day without a word', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const producer = new TestProducer(7);
  await producer.send(log, ['a']);
  sim.clock.advance(24 * 60 * 60 * 1000);
  assert.equal(log.producers().length, 1);
  sim.clock.advance(1);
  assert.equal(log.producers().length, 0);
  await log.append(one, { producer: { producerId: 7, producerEpoch: 0, baseSequence: 500 } });
  assert.equal(log.endOffset, 2);
});

test('producer: what a full disk refused is forgotten, and can be sent again', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const producer = new TestProducer(7);
  await producer.send(log, ['a']);
  const used = sim.disk.list().reduce((sum, path) => sum + sim.disk.readAll(path).length, 0);
  sim.disk.spaceBytes = used;
  const stamps = [producer.next(1), producer.next(1)];
  const refused = stamps.map((stamp) => log.append(one, { producer: stamp }));
  const duplicate = log.append(one, { producer: stamps[0] ?? assert.fail() });
  for (const answer of [...refused, duplicate]) await rejection(answer, 'DISK_FULL');
  await settled();
  assert.deepEqual(
    log.producers().map(({ lastSequence, lastOffset }) => [lastSequence, lastOffset]),
    [[0, 0]],
  );
  sim.disk.spaceBytes = Number.POSITIVE_INFINITY;
  for (const [index, stamp] of stamps.entries()) {
    const answer = await log.append(one, { producer: stamp });
    assert.deepEqual(answer, { baseOffset: index + 1, lastOffset: index + 1, isDuplicate: false });
  }
});

test('producer: a compressed log stores its batches compressed, and knows them again', async () => {
  const log = await new SimLog().open({ compression: 'gzip' });
  const producer = new TestProducer(7);
  await producer.send(log, valuesOf(20));
  const again = await new TestProducer(7).send(log, valuesOf(20));
  assert.equal(again.isDuplicate, true);
  for await (const batch of log.read()) assert.equal(batch.codec, 'gzip');
  await fill(log, ['plain']);
  assert.equal(log.endOffset, 21);
});
