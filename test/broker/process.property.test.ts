/**
 * Random lives of workers: they come, go, and die with the broker, while handlers succeed, fail and
 * hang, and topics grow. Whatever happens:
 *
 *     - of one key in one partition, no two handlers run that were not told to end
 *     - a record begins when those of its key before it have succeeded, or were given up
 *     - everything below a commit has succeeded, or is in the dead letters, there once
 *     - nothing is in the dead letters that was not committed past
 *     - in the end everything is committed
 */

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import { processDiagnostics } from '../../src/broker/process/process-diagnostics.js';
import type { ProcessContext, ProcessRecord } from '../../src/broker/process/process-record.js';
import type { ProcessWorker } from '../../src/broker/process/process-worker.js';
import { settled } from '../support/fixtures.js';
import { ProcessWorld } from '../support/process-fixture.js';
import { testRuns, withSeed } from '../support/seed.js';

interface OpenCall {
  readonly place: string;
  readonly line: string;
  readonly value: string;
  readonly context: ProcessContext;
  /** The broker that it runs in. */
  readonly life: number;
  end(error?: Error): void;
}

const WORKERS_MAX = 3;
const OPTIONS = {
  concurrency: 3,
  inFlightRecords: 12,
  commitIntervalMs: 20,
  retry: { attempts: 3, delayMs: 40, backoff: 'fixed' },
} as const;
const GROUP = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 4_000, prefetchCount: 4 };

class Lives {
  readonly #prng: Prng;
  #world: ProcessWorld;
  #workers: ProcessWorker[] = [];
  #life = 0;
  #sent = 0;
  #isCalm = false;
  #wrong: unknown;
  readonly #open = new Set<OpenCall>();
  /** Offsets of each key in each partition, in order. */
  readonly #lines = new Map<string, number[]>();
  readonly #succeeded = new Set<string>();
  readonly #died = new Set<string>();
  readonly #note = (event: unknown): void => {
    if (typeof event !== 'object' || event === null) return;
    const { partition, offset } = Object(event);
    this.#died.add(`${partition}/${offset}`);
  };

  constructor(prng: Prng, world: ProcessWorld) {
    this.#prng = prng;
    this.#world = world;
    subscribe(processDiagnostics.recordDied.name, this.#note);
  }

  async run(steps: number): Promise<void> {
    try {
      for (let step = 0; step < steps; step += 1) {
        await this.#step();
        await settled();
        await this.#check();
      }
      await this.#calmDown();
    } finally {
      unsubscribe(processDiagnostics.recordDied.name, this.#note);
    }
  }

  async #step(): Promise<void> {
    const prng = this.#prng;
    const drawn = prng.integer(100);
    if (drawn < 25) await this.#send(1 + prng.integer(6));
    else if (drawn < 60) this.#endSome();
    else if (drawn < 80) await this.#world.pass(prng.pick([5, 50, 300, 1_500]));
    else if (drawn < 88) this.#startWorker();
    else if (drawn < 94) this.#stopWorker();
    else if (drawn < 97) await this.#grow();
    else await this.#die();
  }

  async #send(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1) {
      const key = this.#prng.pick(['a', 'b', 'c', 'd', null]);
      const nature = this.#prng.pick(['good', 'good', 'good', 'flaky', 'poison']);
      const value = `${this.#sent} ${nature}`;
      this.#sent += 1;
      const { partition, offset } = await this.#world.topic.send({ key, value });
      const line = `${partition}/${key ?? value}`;
      const offsets = this.#lines.get(line) ?? [];
      this.#lines.set(line, offsets);
      offsets.push(offset);
    }
  }

  #startWorker(): void {
    this.#workers = this.#workers.filter(({ state }) => state !== 'over');
    if (this.#workers.length >= WORKERS_MAX) return;
    const life = this.#life;
    const handler = (record: ProcessRecord<Buffer>, context: ProcessContext) => {
      if (life === this.#life) return this.#handle(record, context);
      // What is left of a process that is dead: its timers are on the same clock.
      return new Promise<void>(() => undefined);
    };
    this.#workers.push(this.#world.start(handler, OPTIONS, GROUP));
  }

  #stopWorker(): void {
    if (this.#workers.length === 0) return;
    const drainMs = this.#prng.pick([0, 500, 20_000]);
    this.#prng.pick(this.#workers).stop({ drainMs }).catch(assert.fail);
  }

  async #grow(): Promise<void> {
    const partitions = this.#world.topic.partitions + 1;
    if (partitions <= 4) await this.#world.broker.growTopic('orders', partitions);
  }

  /** The process dies, with all its workers; the next one opens the folder. */
  async #die(): Promise<void> {
    this.#life += 1;
    this.#workers = [];
    this.#open.clear();
    this.#world = await ProcessWorld.open(1, this.#world.sim.kill());
  }

  #handle(record: ProcessRecord<Buffer>, context: ProcessContext): unknown {
    const { partition, offset, key } = record;
    const value = String(record.value);
    const line = `${partition}/${key === null ? value : key.toString()}`;
    const place = `${partition}/${offset}`;
    try {
      this.#checkBegin(line, partition, offset, context);
    } catch (error) {
      // A worker takes what a handler throws for a failure.
      this.#wrong ??= error;
    }
    const life = this.#life;
    const settle = (error: Error | undefined): void => {
      if (error === undefined) this.#succeeded.add(place);
    };
    if (this.#isCalm || this.#prng.boolean(0.2)) {
      const error = failureOf(value, context.attempt);
      settle(error);
      if (error !== undefined) throw error;
      return undefined;
    }
    return new Promise<void>((resolve, reject) => {
      const call: OpenCall = {
        place,
        line,
        value,
        context,
        life,
        end: (error) => {
          this.#open.delete(call);
          if (life === this.#life) settle(error);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#open.add(call);
    });
  }

  #checkBegin(line: string, partition: number, offset: number, context: ProcessContext): void {
    for (const other of this.#open) {
      const isSame = other.line === line && !other.context.signal.aborted;
      assert.ok(!isSame, `${line}: ${offset} begins beside ${other.place}`);
    }
    assert.equal(context.signal.aborted, false);
    for (const before of this.#lines.get(line) ?? []) {
      if (before >= offset) break;
      const place = `${partition}/${before}`;
      const isOver = this.#succeeded.has(place) || this.#died.has(place);
      assert.ok(isOver, `${line}: ${offset} begins before ${before} is over`);
    }
  }

  #endSome(): void {
    for (const call of [...this.#open]) {
      if (this.#prng.boolean(0.6)) call.end(failureOf(call.value, call.context.attempt));
    }
  }

  async #check(): Promise<void> {
    if (this.#wrong !== undefined) throw this.#wrong;
    const { broker, topic } = this.#world;
    const dead = broker.listTopics().some(({ name }) => name === 'orders-dead')
      ? await this.#world.records('orders-dead')
      : [];
    const buried = dead.map(({ headers }) => {
      return `${headers['dead-letter-partition']}/${headers['dead-letter-offset']}`;
    });
    assert.equal(new Set(buried).size, buried.length, `buried twice: ${buried.join()}`);
    for (let partition = 0; partition < topic.partitions; partition += 1) {
      const committed = await this.#committed(partition);
      for (let offset = 0; offset < committed; offset += 1) {
        const place = `${partition}/${offset}`;
        const isFine = this.#succeeded.has(place) || buried.includes(place);
        assert.ok(isFine, `${place} is below the commit ${committed}, and not finished`);
      }
      const early = buried.find((place) => {
        const [at, offset] = place.split('/');
        return Number(at) === partition && Number(offset) >= committed;
      });
      assert.equal(early, undefined, `${early} is buried, committed is ${committed}`);
    }
  }

  async #committed(partition: number): Promise<number> {
    const groups = await this.#world.broker.groups.list();
    return groups.length === 0 ? 0 : ((await this.#world.committed(partition)) ?? 0);
  }

  async #calmDown(): Promise<void> {
    this.#isCalm = true;
    this.#startWorker();
    for (let round = 0; round < 60; round += 1) {
      for (const call of [...this.#open]) call.end(failureOf(call.value, call.context.attempt));
      await this.#world.pass(1_000);
      if (round === 30) this.#startWorker();
    }
    await this.#check();
    const { partitions } = await this.#world.broker.describeTopic('orders');
    for (const { partition, endOffset } of partitions) {
      assert.equal(await this.#committed(partition), endOffset, `partition ${partition}`);
    }
    for (const worker of this.#workers) await this.#world.over(worker.stop());
    assert.equal(this.#open.size, 0);
    await this.#world.close();
  }
}

function failureOf(value: string, attempt: number): Error | undefined {
  if (value.endsWith('poison')) return new Error('poison');
  return value.endsWith('flaky') && attempt === 1 ? new Error('flaky') : undefined;
}

test('process: order per key, and commits of what is finished, come what may', () =>
  withSeed(async (prng) => {
    for (let run = 0; run < testRuns(8); run += 1) {
      const lives = new Lives(prng, await ProcessWorld.open(2));
      await lives.run(60);
    }
  }));
