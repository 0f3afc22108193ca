/**
 * Random lives of workers on one queue: they come, stop, fail and stall, their leases are lost, and
 * the disk is full now and then, while handlers succeed, fail, hang, and end messages themselves.
 * Whatever happens:
 *
 *     - of one group, no two handlers run that were not told to end
 *     - a message begins when those of its group before it are finished
 *     - what a handler has acknowledged, and was told so, is not given out again
 *     - at most once: a handler runs once for a message
 *     - in the end every message is finished: a handler has succeeded, or it is in the dead letters
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import type { QueueHandlerContext } from '../../src/broker/worker/queue-handler.js';
import type { QueueWorker } from '../../src/broker/worker/queue-worker.js';
import { type FakeMessage, WorkerWorld } from '../support/queue-worker-fixture.js';
import { testRuns, withSeed } from '../support/seed.js';

interface OpenCall {
  readonly message: FakeMessage;
  readonly context: QueueHandlerContext;
  end(error?: Error): void;
}

const WORKERS_MAX = 3;
const GROUPS = ['a', 'b', 'c', 'd'];
const LEASE_MS = 2_000;

class Lives {
  readonly #prng: Prng;
  readonly #world: WorkerWorld;
  readonly #isFifo: boolean;
  readonly #atMostOnce: boolean;
  #workers: QueueWorker[] = [];
  #isCalm = false;
  #wrong: unknown;
  readonly #open = new Set<OpenCall>();
  /** Offsets of each group, in order. */
  readonly #groups = new Map<string, number[]>();
  readonly #succeeded = new Set<number>();
  /** Acknowledged, and its handler knew. */
  readonly #stored = new Set<number>();
  readonly #begun = new Set<number>();

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#isFifo = prng.boolean(0.6);
    this.#atMostOnce = prng.boolean(0.2);
    this.#world = new WorkerWorld({
      isFifo: this.#isFifo,
      leaseMs: LEASE_MS,
      deliveriesMax: prng.pick([4, 1_000]),
      retry: { backoff: 'fixed', delayMs: 40, attempts: prng.pick([3, 1_000]) },
    });
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      this.#step();
      await this.#world.quiet();
      this.#check();
    }
    await this.#calmDown();
  }

  #step(): void {
    const prng = this.#prng;
    const { clock, queue } = this.#world;
    const drawn = prng.integer(100);
    if (drawn < 25) this.#send(1 + prng.integer(8));
    else if (drawn < 55) this.#endSome();
    else if (drawn < 75) clock.advance(prng.pick([1, 20, 50, 300]));
    else if (drawn < 85) this.#startWorker();
    else if (drawn < 90) this.#stopWorker();
    else if (drawn < 94) this.#stall();
    else queue.failures.push('DISK_FULL');
  }

  #send(count: number): void {
    const { queue } = this.#world;
    for (let sent = 0; sent < count; sent += 1) {
      const group = this.#prng.pick(GROUPS);
      const offset = queue.sentCount;
      const nature = this.#prng.pick(['good', 'good', 'good', 'flaky', 'poison']);
      const offsets = this.#groups.get(group) ?? [];
      this.#groups.set(group, offsets);
      offsets.push(offset);
      queue.send({ value: `${offset} ${nature}`, group, priority: this.#prng.integer(3) });
    }
  }

  #startWorker(): void {
    this.#workers = this.#workers.filter(({ state }) => state !== 'over');
    if (this.#workers.length >= WORKERS_MAX) return;
    const prng = this.#prng;
    const options = {
      concurrency: prng.pick([1, 3, 8]),
      acknowledge: this.#atMostOnce ? 'on-receive' : 'on-return',
      attemptTimeoutMs: prng.pick([5_000, 'unlimited'] as const),
      ...(prng.boolean(0.3) ? { circuitBreaker: { calls: 4, openMs: 100 } } : {}),
      ...(prng.boolean(0.3)
        ? { rateLimit: { count: 20, perMs: 1_000, onLimit: prng.pick(['wait', 'delay'] as const) } }
        : {}),
    } as const;
    const handler = (message: FakeMessage, context: QueueHandlerContext): unknown => {
      return this.#handle(message, context);
    };
    this.#workers.push(this.#world.start(options, handler));
  }

  #stopWorker(): void {
    if (this.#workers.length === 0) return;
    const drainMs = this.#prng.pick([0, 500, 20_000]);
    this.#prng.pick(this.#workers).stop({ drainMs }).catch(assert.fail);
  }

  /** The event loop is blocked, and who wakes first is not the timer of the renewals. */
  #stall(): void {
    const { queue, clock } = this.#world;
    queue.state.expire(clock.monotonicMs() + LEASE_MS + 1, this.#prng.integer(5));
    queue.wake();
  }

  #handle(message: FakeMessage, context: QueueHandlerContext): unknown {
    try {
      this.#checkBegin(message, context);
    } catch (error) {
      // A worker takes what a handler throws for a failure.
      this.#wrong ??= error;
    }
    this.#begun.add(message.offset);
    if (this.#isCalm || this.#prng.boolean(0.2)) {
      const error = failureOf(message);
      if (error !== undefined) throw error;
      this.#succeeded.add(message.offset);
      return undefined;
    }
    return new Promise<void>((resolve, reject) => {
      const call: OpenCall = {
        message,
        context,
        end: (error) => {
          this.#open.delete(call);
          if (error === undefined) {
            this.#succeeded.add(message.offset);
            resolve();
          } else reject(error);
        },
      };
      this.#open.add(call);
      // What looks at the signal is told of it.
      context.signal.addEventListener('abort', () => undefined);
    });
  }

  #checkBegin(message: FakeMessage, context: QueueHandlerContext): void {
    const { offset, group } = message;
    assert.ok(!this.#stored.has(offset), `${offset} begins, and was acknowledged`);
    if (this.#atMostOnce) assert.ok(!this.#begun.has(offset), `${offset} begins again`);
    else assert.equal(context.signal.aborted, false);
    if (this.#atMostOnce) return;
    for (const other of this.#open) {
      const isSame =
        other.message.offset === offset || (this.#isFifo && other.message.group === group);
      const isTold = other.context.signal.aborted || this.#released.has(other);
      assert.ok(!isSame || isTold, `${offset} begins beside ${other.message.offset}`);
    }
    if (!this.#isFifo) return;
    for (const before of this.#groups.get(group ?? '') ?? []) {
      if (before >= offset) break;
      const isOver = this.#world.queue.state.isFinished(before);
      assert.ok(isOver, `${offset} begins before ${before} is finished`);
    }
  }

  /** Calls that have ended their message themselves, and go on. */
  readonly #released = new Set<OpenCall>();

  #endSome(): void {
    for (const call of [...this.#open]) {
      const drawn = this.#prng.integer(10);
      if (drawn < 5) call.end(failureOf(call.message));
      else if (drawn < 6) void this.#endItself(call);
    }
  }

  /** The handler ends its message itself. */
  async #endItself(call: OpenCall): Promise<void> {
    const { message } = call;
    const isAcknowledged = this.#prng.boolean(0.5);
    if (isAcknowledged) this.#succeeded.add(message.offset);
    this.#released.add(call);
    try {
      if (isAcknowledged) await message.acknowledge();
      else await message.release(this.#prng.pick([0, 100]));
      if (isAcknowledged) this.#stored.add(message.offset);
    } catch {
      // The lease was lost, or the worker has ended.
    }
  }

  #check(): void {
    if (this.#wrong !== undefined) throw this.#wrong;
    const { dead, state, sentCount } = this.#world.queue;
    const buried = dead.map(({ value }) => Number.parseInt(value, 10));
    assert.equal(new Set(buried).size, buried.length, `buried twice: ${buried.join()}`);
    for (let offset = 0; offset < sentCount; offset += 1) {
      if (!state.isFinished(offset) || this.#atMostOnce) continue;
      const isFine = this.#succeeded.has(offset) || buried.includes(offset);
      assert.ok(isFine, `${offset} is finished, and nobody has done it`);
    }
  }

  async #calmDown(): Promise<void> {
    const world = this.#world;
    this.#isCalm = true;
    world.queue.failures.length = 0;
    for (let round = 0; round < 1_000; round += 1) {
      if (round > 5 && world.queue.unfinished.length === 0 && this.#open.size === 0) break;
      if (this.#workers.every(({ state }) => state === 'over')) this.#startWorker();
      for (const call of [...this.#open]) call.end(failureOf(call.message));
      await world.pass(1_000, 10);
    }
    this.#check();
    assert.deepEqual(world.queue.unfinished, []);
    for (const worker of this.#workers) await world.over(worker.stop());
    assert.equal(this.#open.size, 0);
    assert.equal(world.clock.pendingCount, 0, 'timers are left');
    assert.equal(world.queue.members.size, 0);
  }
}

function failureOf({ value, failures, deliveries }: FakeMessage): Error | undefined {
  if (value.endsWith('poison') && deliveries < 30) return new Error('poison');
  return value.endsWith('flaky') && failures === 0 ? new Error('flaky') : undefined;
}

test('queue worker: one at a time in a group, nothing lost, nothing twice, come what may', () =>
  withSeed(async (prng) => {
    for (let run = 0; run < testRuns(20); run += 1) await new Lives(prng).run(120);
  }));
