// Messages on their way to the dead letters: what the letters say, and what waits when they cannot
// be written.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import type { DeadLetterFailed } from '../../src/broker/share/dead-letter-diagnostics.js';
import { DeadLetterMover } from '../../src/broker/share/dead-letter-mover.js';
import type { HostedTopic } from '../../src/broker/topic/hosted-topic.js';
import type { LogRecord } from '../../src/storage/main.js';
import { SimBroker } from '../support/broker-fixture.js';
import { type StateSource, TransactingFolder } from '../support/delivery-fixture.js';
import { rejection, settled } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

const DEAD = /dead-0\/\d+\.log/;

class World {
  readonly sim: SimBroker;
  readonly folder: TransactingFolder;
  readonly source: StateSource;
  readonly failed: DeadLetterFailed[] = [];
  hasLetters = true;
  targetBytesMax: number | undefined;
  /** Making the target fails with this. */
  refusal: Error | undefined;

  constructor(sim: SimBroker, folder: TransactingFolder, source: StateSource) {
    this.sim = sim;
    this.folder = folder;
    this.source = source;
  }

  static async open(sim = new SimBroker()): Promise<World> {
    const folder = await TransactingFolder.open(sim);
    await folder.topics.declare('jobs', { recordBytesMax: 4_096 });
    return new World(sim, folder, await folder.source('jobs'));
  }

  mover(): DeadLetterMover {
    const { transactions, clock } = this.folder;
    return new DeadLetterMover({
      group: this.source,
      origin: { group: 'g', topic: 'jobs', queue: 'jobs' },
      target: () => this.target(),
      transactions,
      clock,
    });
  }

  async target(): Promise<HostedTopic | undefined> {
    if (this.refusal !== undefined) throw this.refusal;
    if (!this.hasLetters) return undefined;
    const size = this.targetBytesMax;
    const options = size === undefined ? {} : { recordBytesMax: size };
    return await this.folder.topics.declare('dead', options);
  }

  async send(...values: readonly string[]): Promise<void> {
    await this.folder.send('jobs', ...values);
    await this.source.look();
  }

  /** Fails every message that there is as often as it may. */
  exhaust(mover: DeadLetterMover, errorOf: (value: string) => unknown = () => undefined): void {
    for (let round = 0; round < 2; round += 1) {
      for (const delivery of this.source.take(100)) {
        const error = errorOf(String(delivery.record.value));
        if (error !== undefined) mover.noteFailure(delivery, error);
        this.source.fail(delivery);
      }
    }
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      this.sim.clock.advance(250);
      await settled();
      await settled();
    }
  }

  async letters(): Promise<LogRecord[]> {
    const log = await this.folder.topics.get('dead').partition(0);
    const letters: LogRecord[] = [];
    for await (const batch of log.read()) letters.push(...batch);
    return letters;
  }

  async values(): Promise<string[]> {
    return (await this.letters()).map(({ value }) => String(value));
  }

  listen(): () => void {
    const note = (event: unknown): void => void this.failed.push(Object(event));
    subscribe('millrace:dead-letter:failed', note);
    return () => unsubscribe('millrace:dead-letter:failed', note);
  }
}

function textOf({ headers }: LogRecord): Record<string, string> {
  return Object.fromEntries(headers.map(({ key, value }) => [key, String(value)]));
}

test('dead letters: an exhausted message goes with what became of it', async () => {
  const world = await World.open();
  const mover = world.mover();
  const log = await world.folder.topics.get('jobs').partition(0);
  const headers = [
    { key: 'color', value: 'red' },
    { key: 'millrace-ttl', value: '5000' },
    { key: 'dead-letter-reason', value: 'an earlier life' },
  ];
  await log.append([{ key: 'k', value: 'm0', headers, timestamp: 17 }]);
  await world.source.look();
  world.exhaust(mover, () => Object.assign(new Error('no connection'), { code: 'ECONNREFUSED' }));
  await settled();
  await world.pass(250);
  const [letter, ...others] = await world.letters();
  assert(letter);
  assert.equal(others.length, 0);
  assert.equal(String(letter.key), 'k');
  assert.equal(letter.timestamp, 17);
  const text = textOf(letter);
  assert.equal(text['millrace-ttl'], undefined, 'letters do not expire');
  assert.deepEqual(text, {
    color: 'red',
    'dead-letter-topic': 'jobs',
    'dead-letter-partition': '0',
    'dead-letter-offset': '0',
    'dead-letter-timestamp': '17',
    'dead-letter-queue': 'jobs',
    'dead-letter-group': 'g',
    'dead-letter-attempts': '2',
    'dead-letter-deliveries': '2',
    'dead-letter-failures': '2',
    'dead-letter-reason': 'no connection',
    'dead-letter-code': 'ECONNREFUSED',
    'dead-letter-time': text['dead-letter-time'],
    'dead-letter-ttl': '5000',
  });
  assert.equal(world.source.state.startOffset, 1);
  await mover.close();
  await world.folder.close();
});

test('dead letters: a letter without an error says how often it was given out', async () => {
  const world = await World.open();
  const mover = world.mover();
  await world.send('m0');
  world.exhaust(mover);
  await world.pass(250);
  const [letter] = await world.letters();
  assert(letter);
  assert.equal(textOf(letter)['dead-letter-code'], 'DELIVERIES_EXHAUSTED');
  assert.match(textOf(letter)['dead-letter-reason'] ?? '', /2 times/);
  await mover.close();
  await world.folder.close();
});

test('dead letters: many go in batches, each once', async () => {
  const world = await World.open();
  const mover = world.mover();
  const values = Array.from({ length: 250 }, (_, index) => `m${index}`);
  await world.send(...values);
  for (let round = 0; round < 3; round += 1) world.exhaust(mover);
  await world.pass(2_000);
  assert.deepEqual((await world.values()).sort(), [...values].sort());
  assert.equal(world.source.state.startOffset, 250);
  await mover.close();
  await world.folder.close();
});

test('dead letters: where there are none on purpose, messages are archived', async () => {
  const world = await World.open();
  world.hasLetters = false;
  const mover = world.mover();
  await world.send('m0', 'm1');
  const [m0] = world.source.take(1);
  assert(m0);
  await mover.move([m0], { reason: 'no', code: 'MESSAGE_REJECTED' });
  world.exhaust(mover);
  await world.pass(250);
  assert.equal(world.source.state.startOffset, 2);
  assert.equal(world.source.state.counts().archived, 2);
  await mover.close();
  await world.folder.close();
});

test('dead letters: on a full disk nothing is dropped, and it is tried again later', async () => {
  const world = await World.open();
  const unlisten = world.listen();
  const mover = world.mover();
  await world.send('m0', 'm1');
  await world.target();
  world.sim.disk.fail({ name: 'write', path: DEAD, errno: 'ENOSPC', repeat: 'forever' });
  world.exhaust(mover);
  await world.pass(10_000);
  assert.equal(world.source.state.counts().exhausted, 2);
  assert.deepEqual(
    world.failed.map(({ retryMs }) => retryMs),
    [1_000, 2_000, 4_000, 8_000],
  );
  world.sim.disk.heal();
  await world.pass(10_000);
  assert.deepEqual((await world.values()).sort(), ['m0', 'm1']);
  unlisten();
  await mover.close();
  await world.folder.close();
});

test('dead letters: a target that cannot be made is no reason to drop anything', async () => {
  const world = await World.open();
  const mover = world.mover();
  world.refusal = new Error('not now');
  await world.send('m0', 'm1');
  const [m0] = world.source.take(1);
  assert(m0);
  await assert.rejects(mover.move([m0], { error: new Error('bad') }), { message: 'not now' });
  assert.equal(world.source.state.isHeld(m0.offset, m0.receipt), true, 'its lease goes on');
  world.exhaust(mover);
  world.source.fail(m0);
  await world.pass(2_000);
  world.refusal = undefined;
  world.exhaust(mover);
  await world.pass(20_000);
  assert.deepEqual((await world.values()).sort(), ['m0', 'm1']);
  await mover.close();
  await world.folder.close();
});

test('dead letters: one that the target does not take does not hold up the others', async () => {
  const world = await World.open();
  const mover = world.mover();
  world.targetBytesMax = 500;
  const log = await world.folder.topics.get('jobs').partition(0);
  const long = 'e'.repeat(300);
  await log.append([{ value: 'm0' }, { value: 'm1' }, { value: 'm2' }]);
  await world.source.look();
  world.exhaust(mover, (value) => new Error(value === 'm1' ? long.repeat(3) : 'short'));
  await world.pass(500);
  assert.deepEqual((await world.values()).sort(), ['m0', 'm2']);
  await log.append([{ value: 'm3' }]);
  await world.source.look();
  world.exhaust(mover, () => new Error('short'));
  await world.pass(250);
  assert.deepEqual((await world.values()).sort(), ['m0', 'm2', 'm3']);
  assert.equal(world.source.state.counts().moving, 1, 'set aside');
  await world.folder.topics.alter('dead', { recordBytesMax: 4_096 });
  world.targetBytesMax = 4_096;
  await world.pass(5_000);
  assert.deepEqual((await world.values()).sort(), ['m0', 'm1', 'm2', 'm3']);
  await mover.close();
  await world.folder.close();
});

test('dead letters: a rejected message goes with its reason, once', async () => {
  const world = await World.open();
  const mover = world.mover();
  await world.send('m0', 'm1');
  const [m0, m1] = world.source.take(2);
  assert(m0 && m1);
  await mover.move([m0], { reason: 'not a job', code: 'MESSAGE_REJECTED' });
  await rejection(mover.move([m0], { reason: 'again' }), 'RECEIPT_STALE');
  await mover.move([m1], { error: new TypeError('x is undefined') });
  const [first, second] = await world.letters();
  assert(first && second);
  assert.equal(textOf(first)['dead-letter-reason'], 'not a job');
  assert.equal(textOf(first)['dead-letter-code'], 'MESSAGE_REJECTED');
  assert.equal(textOf(second)['dead-letter-code'], 'TypeError');
  await mover.close();
  await world.folder.close();
});

test('dead letters: a second reject is refused, and leaves the first one alone', async () => {
  const world = await World.open();
  const mover = world.mover();
  await world.send('m0', 'm1');
  const [m0, m1] = world.source.take(2);
  assert(m0 && m1);
  const first = mover.move([m0], { reason: 'first' });
  await rejection(mover.move([m0, m1], { reason: 'second' }), 'LEASE_FROZEN');
  await first;
  assert.deepEqual(await world.values(), ['m0']);
  assert.equal(world.source.state.isHeld(m1.offset, m1.receipt), true);
  world.refusal = new Error('not now');
  await world.folder.transactions.run(async (transaction) => {
    transaction.acknowledge(m1);
    await assert.rejects(mover.move([m1], { reason: 'no' }), { message: 'not now' });
  });
  assert.equal(world.source.state.startOffset, 2);
  await mover.close();
  await world.folder.close();
});

test('dead letters: closed, nothing more is moved, and nothing stays taken', async () => {
  const world = await World.open();
  const mover = world.mover();
  world.refusal = new Error('not now');
  await world.send('m0');
  world.exhaust(mover);
  await mover.close();
  world.refusal = undefined;
  await world.pass(5_000);
  assert.equal(world.source.state.counts().exhausted, 1);
  await world.folder.close();
});

test('dead letters: each once over power cuts at any call', async () => {
  await withSeed(async (prng, seed) => {
    const values = ['m0', 'm1', 'm2'];
    const world = await World.open();
    await world.send(...values);
    await world.target();
    const mover = world.mover();
    const cuts: { readonly sim: SimBroker; readonly about: string }[] = [];
    world.sim.disk.onCall = (number, name, path) => {
      for (const choice of enumerateCrashes(world.sim.disk, 4, seed + number)) {
        cuts.push({ sim: world.sim.crash(choice), about: `call ${number}, ${name} ${path}` });
      }
    };
    world.exhaust(mover);
    await world.pass(500);
    world.sim.disk.onCall = undefined;
    assert.equal(world.source.state.startOffset, values.length);
    for (const { sim, about } of prng.shuffle(cuts).slice(0, 60)) {
      const again = await World.open(sim);
      const movesOn = again.mover();
      for (let round = 0; round < 3; round += 1) again.exhaust(movesOn);
      await again.pass(1_000);
      assert.deepEqual((await again.values()).sort(), values, about);
      assert.equal(again.source.state.startOffset >= values.length, true, about);
      await movesOn.close();
      await again.folder.close();
    }
  });
});
