// Messages that are stuck for long: their copies let the log go, and stand in for them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { offerParked } from '../../src/broker/share/parked-messages.js';
import {
  parkedInput,
  parkedKey,
  placeOfKey,
  unparked,
} from '../../src/broker/share/parked-record.js';
import { Parking } from '../../src/broker/share/parking.js';
import { offsetsToPark, type ParkingFacts } from '../../src/broker/share/parking-decision.js';
import type { LogRecord } from '../../src/storage/main.js';
import { SimBroker } from '../support/broker-fixture.js';
import { type StateSource, TransactingFolder } from '../support/delivery-fixture.js';
import { MemoryPartitionLog } from '../support/memory-partition-log.js';
import { testRuns, testSeed, withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

const MIB = 1024 * 1024;
const PARKED = /__parked-/;

const facts: ParkingFacts = {
  logBytes: 200 * MIB,
  logOffsets: 200,
  segmentBytes: 16 * MIB,
  unfinished: [0],
  end: 200,
  room: 1_000,
};

test('parking: one message that keeps 64 MiB of finished ones is worth it', () => {
  assert.deepEqual(offsetsToPark(facts), [0]);
  assert.deepEqual(offsetsToPark({ ...facts, end: 64 }), [], '63 MiB');
  assert.deepEqual(offsetsToPark({ ...facts, end: 65 }), [0], '64 MiB');
});

test('parking: half of a smaller log is worth it, a file at the least', () => {
  const small = { ...facts, logBytes: 40 * MIB, logOffsets: 40 };
  assert.deepEqual(offsetsToPark({ ...small, end: 20 }), []);
  assert.deepEqual(offsetsToPark({ ...small, end: 21 }), [0]);
  const tiny = { ...facts, logBytes: 20 * MIB, logOffsets: 20 };
  assert.deepEqual(offsetsToPark({ ...tiny, end: 16 }), []);
  assert.deepEqual(offsetsToPark({ ...tiny, end: 17 }), [0]);
  assert.deepEqual(offsetsToPark({ ...facts, logBytes: 0, logOffsets: 0 }), []);
});

test('parking: several stuck messages go together, as long as that frees more', () => {
  assert.deepEqual(offsetsToPark({ ...facts, unfinished: [0, 1, 50, 120] }), [0, 1, 50, 120]);
  const half = Array.from({ length: 100 }, (_, index) => 2 * index);
  assert.deepEqual(offsetsToPark({ ...facts, unfinished: half }), [], 'every second one');
  const tail = [0, ...Array.from({ length: 100 }, (_, index) => 100 + index)];
  assert.deepEqual(offsetsToPark({ ...facts, unfinished: tail }), [0], 'what is new stays');
  assert.deepEqual(offsetsToPark({ ...facts, unfinished: [0, 1, 2], room: 2 }), [], 'no room');
});

test('parked record: any message comes back as it was', async () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((part) => Buffer.from(part));
  const part = fc.option(bytes);
  const headers = fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: part }), {
    maxLength: 3,
  });
  const record = fc.record({ key: part, value: part, headers, timestamp: fc.nat() });
  await fc.assert(
    fc.asyncProperty(record, async (given) => {
      const [source, copies] = [new MemoryPartitionLog(() => 5), new MemoryPartitionLog(() => 5)];
      await source.append([given]);
      const original = await only(source);
      const place = { group: 'g/1', partition: 2, offset: 77 };
      await copies.append([parkedInput(place, original)]);
      const copy = await only(copies);
      assert.deepEqual(placeOfKey(copy.key?.toString()), place);
      const back = unparked(77, copy);
      for (const one of [back, back.copy(), back.copyShared()]) {
        assert.equal(one.offset, 77);
        assert.deepEqual(contentOf(one), contentOf(original));
      }
    }),
    { seed: testSeed(), numRuns: testRuns(200) },
  );
});

test('parked record: what is none is LOG_CORRUPT', async () => {
  const log = new MemoryPartitionLog(() => 5);
  for (const value of ['', 'abc', '\u0004aaaab', '\u0001\u0000\u0000\u0000\u0009x']) {
    await log.append([{ key: 'k', value }]);
  }
  for await (const batch of log.read()) {
    for (const record of batch) {
      assert.throws(() => unparked(1, record), { code: 'LOG_CORRUPT' });
    }
  }
  for (const key of [undefined, '', 'x', '0/1', '0/x/g', '00/1/g', '0/9999999999999999/g']) {
    assert.throws(() => placeOfKey(key), { code: 'LOG_CORRUPT' });
  }
});

async function only(log: MemoryPartitionLog): Promise<LogRecord> {
  for await (const batch of log.read()) for (const record of batch) return record;
  throw new RangeError('there is a record');
}

function contentOf({ key, value, headers, timestamp }: LogRecord) {
  return { key, value, headers: [...headers], timestamp };
}

const MESSAGES = 60;
const LARGE = 'v'.repeat(4_000);

class World {
  readonly sim: SimBroker;
  readonly folder: TransactingFolder;
  readonly parking: Parking;

  private constructor(sim: SimBroker, folder: TransactingFolder) {
    this.sim = sim;
    this.folder = folder;
    this.parking = new Parking(folder);
  }

  /** 60 messages of 4 kB in files of 16 KiB. */
  static async make(): Promise<World> {
    const world = await World.open(new SimBroker());
    await world.folder.topics.create('jobs', { segmentBytes: 16_384 });
    const log = await world.log();
    for (let index = 0; index < MESSAGES; index += 1) {
      const headers = [{ key: 'index', value: String(index) }];
      await log.append([{ key: `k${index}`, value: LARGE, headers }]);
    }
    return world;
  }

  static async open(sim: SimBroker): Promise<World> {
    return new World(sim, await TransactingFolder.open(sim));
  }

  async log() {
    return await this.folder.topics.get('jobs').partition(0);
  }

  /** Opens the state as a share group does, and gives out everything that is there. */
  async consumer(group = 'g') {
    const topic = this.folder.topics.get('jobs');
    const log = await this.log();
    const source = await this.folder.unread('jobs', group);
    const parked = await this.parking.open(topic, source.key);
    await offerParked(source.state, parked, undefined, log.startOffset);
    await source.look((offset) => parked.read(offset));
    const place = { flush: () => Promise.resolve() };
    return { log, source, parked, partition: { log, state: source.state, place } };
  }

  async finish(source: StateSource, ...offsets: readonly number[]): Promise<void> {
    const taken = source.take(100).filter(({ offset }) => offsets.includes(offset));
    await this.folder.transactions.run((transaction) => transaction.acknowledge(taken));
  }
}

const allBut = (...stuck: readonly number[]): number[] =>
  Array.from({ length: MESSAGES }, (_, index) => index).filter((one) => !stuck.includes(one));

test('parked messages: the disk comes back behind one that stays what it was', async () => {
  const world = await World.make();
  const { log, source, parked, partition } = await world.consumer();
  await world.finish(source, ...allBut(0, 40));
  await parked.look(partition);
  world.sim.clock.advance(59_000);
  await parked.look(partition);
  assert.equal(parked.count, 0, 'not for long yet');
  world.sim.clock.advance(1_000);
  await parked.look(partition);
  assert.deepEqual(parked.offsets(), [0, 40]);
  const before = await log.bytes();
  await log.deleteRecordsBefore(MESSAGES);
  assert.ok((await log.bytes()) < before / 4);
  const again = await World.open(world.sim.kill());
  const second = await again.consumer();
  assert.deepEqual(second.parked.offsets(), [0, 40]);
  const left = second.source.take(100);
  assert.deepEqual(
    left.map(({ offset, record }) => [offset, String(record.key), String(record.value) === LARGE]),
    [
      [0, 'k0', true],
      [40, 'k40', true],
    ],
  );
  assert.equal(String(left[1]?.record.headers[0]?.value), '40');
  assert.equal(second.source.state.startOffset, 0);
  await again.folder.close();
});

test('parked messages: what is finished is given back', async () => {
  const world = await World.make();
  const { source, parked, partition } = await world.consumer();
  await world.finish(source, ...allBut(0));
  await parked.look(partition);
  world.sim.clock.advance(60_000);
  await parked.look(partition);
  assert.equal(parked.count, 1);
  world.sim.clock.advance(60_000);
  await world.finish(source, 0);
  let isStored = false;
  const place = {
    flush: async (): Promise<void> => {
      isStored = true;
      assert.equal(parked.count, 1, 'only behind what is durable');
    },
  };
  await parked.look({ ...partition, place });
  assert.equal(isStored, true);
  assert.equal(parked.count, 0);
  assert.equal(await parked.read(0), undefined);
  const again = await World.open(world.sim.kill());
  assert.equal((await again.consumer()).parked.count, 0);
  await again.folder.close();
});

test('parked messages: groups have their own, and go with it', async () => {
  const world = await World.make();
  for (const group of ['g', 'h/1']) {
    const { source, parked, partition } = await world.consumer(group);
    await world.finish(source, ...allBut(0));
    await parked.look(partition);
    world.sim.clock.advance(60_000);
    await parked.look(partition);
    assert.equal(parked.count, 1);
  }
  const topic = world.folder.topics.get('jobs');
  await world.parking.forget(topic, 'g');
  const key = { topicId: topic.definition.topicId, partition: 0 };
  assert.equal((await world.parking.open(topic, { ...key, group: 'g' })).count, 0);
  assert.equal((await world.parking.open(topic, { ...key, group: 'h/1' })).count, 1);
  assert.equal(parkedKey({ group: 'h/1', partition: 0, offset: 3 }), '0/3/h/1');
  await world.folder.topics.delete('jobs');
  const names = world.folder.topics.all().map(({ name }) => name);
  assert.deepEqual(names, [], 'the parked ones go with the topic');
  await world.folder.close();
});

test('parked messages: a full disk leaves the log as it is until the next look', async () => {
  const world = await World.make();
  const { source, parked, partition } = await world.consumer();
  await world.finish(source, ...allBut(0));
  await parked.look(partition);
  world.sim.clock.advance(60_000);
  world.sim.disk.fail({ name: 'write', path: PARKED, errno: 'ENOSPC', repeat: 'forever' });
  await parked.look(partition);
  assert.equal(parked.count, 0);
  world.sim.disk.heal();
  await parked.look(partition);
  assert.equal(parked.count, 1);
  await world.folder.close();
});

test('parked messages: over power cuts at any call the stuck one is there', async () => {
  await withSeed(async (prng, seed) => {
    const world = await World.make();
    const { log, source, parked, partition } = await world.consumer();
    await world.finish(source, ...allBut(0, 7));
    await parked.look(partition);
    world.sim.clock.advance(60_000);
    const cuts: { readonly sim: SimBroker; readonly about: string }[] = [];
    world.sim.disk.onCall = (number, name, path) => {
      for (const choice of enumerateCrashes(world.sim.disk, 3, seed + number)) {
        cuts.push({ sim: world.sim.crash(choice), about: `call ${number}, ${name} ${path}` });
      }
    };
    await parked.look(partition);
    assert.equal(parked.count, 2);
    await log.deleteRecordsBefore(MESSAGES);
    world.sim.disk.onCall = undefined;
    for (const { sim, about } of prng.shuffle(cuts).slice(0, 60)) {
      const again = await World.open(sim);
      const { source: left } = await again.consumer();
      const taken = left.take(100).map(({ record }) => String(record.key));
      assert.deepEqual(taken, ['k0', 'k7'], about);
      await again.folder.close();
    }
  });
});
