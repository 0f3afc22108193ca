/**
 * Loops that come, go and stall in two groups while records are sent and partitions are added.
 *
 * One group commits as it goes and must see every record, without a gap from wherever a member
 * began; the other commits before and must see none twice. At no time do two members hold a
 * partition.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Broker } from '../../src/broker/broker.js';
import type { Consumer } from '../../src/broker/consumer/consumer.js';
import type { PartitionLease } from '../../src/broker/consumer/consumer-lease.js';
import type { Topic } from '../../src/broker/topic/topic.js';
import { SimBroker } from '../support/broker-fixture.js';
import { testRuns, testSeed } from '../support/seed.js';

type Step =
  | { readonly kind: 'send'; readonly count: number }
  | { readonly kind: 'join'; readonly isBefore: boolean }
  | { readonly kind: 'leave' | 'break' | 'stall' | 'resume'; readonly which: number }
  | { readonly kind: 'grow' }
  | { readonly kind: 'wait'; readonly ms: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: is('send'), count: fc.integer({ min: 1, max: 9 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: is('join'), isBefore: fc.boolean() }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('leave' as const, 'break' as const, 'stall', 'resume'),
        which: fc.nat(7),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: is('grow') }) },
    { weight: 3, arbitrary: fc.record({ kind: is('wait'), ms: fc.constantFrom(1, 120, 15_000) }) },
  ),
  { maxLength: 40 },
);

test('consumers: every record once at least, or once at most, whatever members do', () =>
  fc.assert(
    fc.asyncProperty(
      steps,
      fc.constantFrom('cooperative-sticky' as const, 'range' as const),
      fc.constantFrom(1, 3, 1_000),
      async (given, assignor, prefetchCount) => {
        const world = await World.open(assignor, prefetchCount);
        for (const one of given) await world.act(one);
        await world.end();
      },
    ),
    { seed: testSeed(), numRuns: testRuns(25) },
  ));

/** What a loop tells of its records: when it gets them, and when it is done with them. */
interface Notes {
  got(offset: number, lease: PartitionLease): void;
  done(offset: number, lease: PartitionLease): void;
}

class Member {
  readonly group: string;
  readonly consumer: Consumer<Buffer>;
  readonly ended: Promise<void>;
  isOver = false;
  willBreak = false;
  #stall: Promise<void> | undefined;
  resume = (): void => undefined;

  constructor(group: string, consumer: Consumer<Buffer>, notes: Notes) {
    this.group = group;
    this.consumer = consumer;
    this.ended = this.#loop(notes).finally(() => {
      this.isOver = true;
    });
  }

  stall(): void {
    this.#stall ??= new Promise((resolve) => {
      this.resume = () => {
        this.#stall = undefined;
        resolve();
      };
    });
  }

  async #loop(notes: Notes): Promise<void> {
    for await (const batch of this.consumer) {
      const { lease } = batch.fetched;
      for (const { offset } of batch) notes.got(offset, lease);
      await this.#stall;
      if (this.willBreak) break;
      for (const { offset } of batch) notes.done(offset, lease);
    }
  }
}

class World {
  readonly #sim: SimBroker;
  readonly #broker: Broker;
  readonly #topic: Topic<Buffer, string | Uint8Array>;
  readonly #options: object;
  readonly #members: Member[] = [];
  /** By group, partition and offset: what a loop is done with, or has got that commits before. */
  readonly #seen = new Set<string>();
  readonly #next = new Map<PartitionLease, number>();
  readonly #ends: number[] = [0, 0];

  private constructor(
    sim: SimBroker,
    broker: Broker,
    topic: Topic<Buffer, string | Uint8Array>,
    options: object,
  ) {
    this.#sim = sim;
    this.#broker = broker;
    this.#topic = topic;
    this.#options = options;
  }

  static async open(assignor: string, prefetchCount: number): Promise<World> {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await broker.topic('orders', { partitions: 2 });
    return new World(sim, broker, topic, { assignor, prefetchCount, rebalanceTimeoutMs: 10_000 });
  }

  async act(one: Step): Promise<void> {
    const live = this.#members.filter(({ isOver }) => !isOver);
    const member = 'which' in one ? live[one.which % Math.max(live.length, 1)] : undefined;
    if (one.kind === 'send') await this.#send(one.count);
    else if (one.kind === 'join' && live.length < 8) this.#join(one.isBefore);
    else if (one.kind === 'grow' && this.#topic.partitions < 5) {
      await this.#broker.growTopic('orders', this.#topic.partitions + 1);
    } else if (one.kind === 'wait') this.#sim.clock.advance(one.ms);
    else if (one.kind === 'stall') member?.stall();
    else if (one.kind === 'resume') member?.resume();
    else if (one.kind === 'leave') void member?.consumer.close();
    else if (one.kind === 'break' && member !== undefined) member.willBreak = true;
    await turns(10);
    this.#checkOwners();
  }

  /** Everybody goes on, until the group that sees all has done so. */
  async end(): Promise<void> {
    for (const member of this.#members) member.resume();
    this.#join(false);
    for (let turn = 0; !(await this.#isDone()); turn += 1) {
      assert.ok(turn < 300, 'the group comes to the end of what was sent');
      for (const member of this.#members) member.resume();
      await turns(10);
      this.#sim.clock.advance(500);
      this.#checkOwners();
    }
    await this.#broker.close();
    await Promise.all(this.#members.map(({ ended }) => ended));
    for (const [partition, end] of this.#ends.entries()) {
      for (let offset = 0; offset < end; offset += 1) {
        const name = `automatic/${partition}/${offset}`;
        assert.ok(this.#seen.has(name), `${name} was seen`);
      }
    }
  }

  async #send(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const partition = (this.#ends.length + index) % this.#topic.partitions;
      await this.#topic.send({ value: 'x', partition });
      this.#ends[partition] = (this.#ends[partition] ?? 0) + 1;
    }
  }

  #join(isBefore: boolean): void {
    const group = isBefore ? 'before' : 'automatic';
    const options = { ...this.#options, group, ...(isBefore ? { commit: 'before' as const } : {}) };
    const got = (offset: number, lease: PartitionLease): void => {
      const expected = this.#next.get(lease);
      if (expected !== undefined) assert.equal(offset, expected, 'a lease has no gap');
      this.#next.set(lease, offset + 1);
      if (!isBefore) return;
      const name = `${group}/${lease.partition}/${offset}`;
      assert.equal(this.#seen.has(name), false, `${name} is seen once at most`);
      this.#seen.add(name);
    };
    const done = (offset: number, lease: PartitionLease): void => {
      this.#seen.add(`${group}/${lease.partition}/${offset}`);
    };
    this.#members.push(new Member(group, this.#topic.consumer(options), { got, done }));
  }

  #checkOwners(): void {
    const owners = new Set<string>();
    for (const { group, consumer } of this.#members) {
      for (const { partition } of consumer.assignment) {
        const name = `${group}/${partition}`;
        assert.equal(owners.has(name), false, `${name} has one owner`);
        owners.add(name);
      }
    }
  }

  async #isDone(): Promise<boolean> {
    const { partitions } = await this.#broker.groups.describe('automatic');
    return this.#ends.every((end, partition) => {
      const known = partitions.find((one) => one.partition === partition);
      return end === 0 || known?.committedOffset === end;
    });
  }
}

function is<Kind extends string>(kind: Kind): fc.Arbitrary<Kind> {
  return fc.constant(kind);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((go) => setImmediate(go));
}
