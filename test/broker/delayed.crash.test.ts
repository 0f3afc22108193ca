// Delayed messages over power cuts: at every call of the file system, each enters once, on time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../src/base/prng.js';
import type { DelayedLimits } from '../../src/broker/delayed/delayed-limits.js';
import { SimBroker } from '../support/broker-fixture.js';
import { DelayedWorld, quiet } from '../support/delayed-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

/** How many of the cuts are tried: others in each run. `MILLRACE_CRASHES=all` tries every one. */
const TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? 1 : 0.03;
/** All of it takes less than a second: then logs begin to reserve space. */
const LONG_MS = 400;

/** So small that everything happens in a few dozen messages. */
const limits: DelayedLimits = {
  memoryEntries: 4,
  uncoveredBytes: 1_500,
  renewedBytes: 3_000,
  factBytes: 2_000,
  pageEntries: 2,
  mergedRuns: 3,
  trimmedPages: 1,
  trimmedBytes: 500,
  keptPages: 2,
  enteringMax: 3,
  enteringBytesMax: 1_000,
  waitingMax: 1_000,
};

type Fate =
  /** It was asked for, and not answered. */
  | 'maybe'
  /** It is to enter, once. */
  | 'sure'
  /** It may have been cancelled. */
  | 'doubtful'
  | 'never';

interface Message {
  fate: Fate;
  readonly dueMs: number;
  id: number;
}

type Messages = ReadonlyMap<string, Message>;

interface Drawn {
  readonly value: string;
  readonly message: Message;
}

interface Cut {
  readonly sim: SimBroker;
  readonly messages: Messages;
  readonly about: string;
}

class History {
  readonly messages = new Map<string, Message>();
  readonly #world: DelayedWorld;
  readonly #prng: Prng;

  constructor(world: DelayedWorld, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
  }

  async steps(count: number): Promise<void> {
    for (let step = 0; step < count; step += 1) await this.#step();
  }

  /** Many messages become due together. */
  async burst(): Promise<void> {
    for (let sent = 0; sent < 48; sent += 4) await this.#sendAll(this.#draw(4, 'maybe', 100));
    await this.#world.pass(200, 1);
    await this.#world.drained();
  }

  /** Messages are sent and cancelled. */
  async cancellations(): Promise<void> {
    await this.#sendAll(this.#draw(8, 'maybe', 300));
    for (let cancelled = 0; cancelled < 6; cancelled += 1) await this.#cancel();
  }

  async #step(): Promise<void> {
    const kind = this.#prng.integer(10);
    if (kind < 5) await this.#send();
    else if (kind < 6) await this.#sendInTransaction();
    else if (kind < 8) await this.#cancel();
    else await this.#world.pass(this.#prng.integer(50), 1);
    await quiet();
  }

  #send(): Promise<void> {
    const acks = this.#prng.boolean(0.25) ? 'written' : 'durable';
    return this.#sendAll(this.#draw(1 + this.#prng.integer(4), 'maybe'), acks);
  }

  async #sendAll(list: readonly Drawn[], acks: 'durable' | 'written' = 'durable'): Promise<void> {
    const ids = await this.#world.over(this.#world.delayed.schedule(asGiven(list), { acks }));
    for (const [at, { message }] of list.entries()) {
      message.id = ids[at] ?? -1;
      if (acks === 'durable') message.fate = 'sure';
    }
  }

  async #sendInTransaction(): Promise<void> {
    const isAborted = this.#prng.boolean(0.3);
    const list = this.#draw(2, isAborted ? 'never' : 'maybe');
    const { broker, delayed } = this.#world;
    const running = broker.transaction(async (transaction) => {
      const ids = await delayed.scheduleIn(transaction, asGiven(list));
      for (const [at, { message }] of list.entries()) message.id = ids[at] ?? -1;
      if (isAborted) throw new Error('planned');
    });
    await this.#world.over(running.catch(() => undefined));
    if (!isAborted) for (const { message } of list) message.fate = 'sure';
  }

  async #cancel(): Promise<void> {
    const sure = [...this.messages.values()].filter(({ fate }) => fate === 'sure');
    if (sure.length === 0) return;
    const message = this.#prng.pick(sure);
    message.fate = 'doubtful';
    const [isCancelled] = await this.#world.over(this.#world.delayed.cancel([message.id]));
    message.fate = isCancelled === true ? 'never' : 'sure';
  }

  #draw(count: number, fate: Fate, leastMs = 0): Drawn[] {
    return Array.from({ length: count }, () => {
      const value = `m${this.messages.size}`;
      const isLong = this.#prng.boolean(0.15);
      const delayMs = isLong ? LONG_MS : this.#prng.integer(100);
      const message = { fate, dueMs: this.#world.delayed.dueAfter(leastMs + delayMs), id: -1 };
      this.messages.set(value, message);
      return { value, message };
    });
  }
}

function sureOf(dueMs: number): Message {
  return { fate: 'sure', dueMs, id: -1 };
}

function listOf(messages: Messages): Drawn[] {
  return [...messages].map(([value, message]) => ({ value, message }));
}

function asGiven(list: readonly Drawn[]) {
  return list.map(({ value, message }) => ({
    value,
    dueMs: message.dueMs,
    partition: 0,
    headers: [{ key: 'padding', value: 'x'.repeat(60) }],
  }));
}

/** Opens, lets all enter, and holds it against what is known of the messages. */
async function recover({ sim, messages: known, about }: Cut): Promise<void> {
  const messages = new Map(known);
  try {
    const world = await DelayedWorld.open(limits, sim, 4_096);
    await quiet();
    checkEntered(messages, await world.entered());
    // New messages may get the ids of such as were only written, and are not meant by what was.
    const dueMs = world.delayed.dueAfter(50);
    const later = new Map(['later 1', 'later 2'].map((value) => [value, sureOf(dueMs)]));
    await world.over(world.delayed.schedule(asGiven(listOf(later))));
    for (const [value, message] of later) messages.set(value, message);
    await world.pass(120, 2);
    await world.close();
    const again = await DelayedWorld.open(limits, sim, 4_096);
    await again.pass(2 * LONG_MS, 1);
    await again.drained();
    const entered = await again.entered();
    checkEntered(messages, entered);
    const values = new Set(entered.map(({ value }) => value));
    for (const [value, { fate }] of messages) {
      if (fate === 'sure') assert(values.has(value), `${value} is to enter`);
    }
    assert.equal(again.delayed.count, 0);
    await again.close();
  } catch (error) {
    throw new Error(about, { cause: error });
  }
}

function checkEntered(
  messages: Messages,
  entered: readonly { readonly value: string; readonly timestamp: number }[],
): void {
  const seen = new Set<string>();
  for (const { value, timestamp } of entered) {
    const message = messages.get(value);
    assert(message !== undefined, `${value} was sent`);
    assert(!seen.has(value), `${value} enters once`);
    seen.add(value);
    assert.notEqual(message.fate, 'never', `${value} does not enter`);
    assert(timestamp >= message.dueMs, `${value} enters when it is due`);
  }
}

/** Runs a history and cuts the power at calls of it, in two ways each. */
async function cutHistory(
  prng: Prng,
  tried: number,
  run: (history: History) => Promise<void>,
): Promise<Cut[]> {
  const sim = new SimBroker();
  const first = await DelayedWorld.open(limits, sim, 4_096);
  await first.close();
  const world = await DelayedWorld.open(limits, sim, 4_096);
  const history = new History(world, prng);
  const cuts: Cut[] = [];
  const seed = prng.integer(1_000_000);
  const draws = new Prng(seed);
  sim.disk.onCall = (number, name, path) => {
    for (const choice of enumerateCrashes(sim.disk, draws.boolean(tried) ? 2 : 0, number)) {
      const messages = new Map([...history.messages].map(([value, one]) => [value, { ...one }]));
      const what = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
      cuts.push({ sim: sim.crash(choice), messages, about: what });
    }
  };
  await run(history);
  sim.disk.onCall = undefined;
  cuts.push({ sim: sim.kill(), messages: history.messages, about: 'killed at the end' });
  await world.close();
  return cuts;
}

test('delayed: over a power cut at any call, each message enters once and none early', async () => {
  await withSeed(async (prng) => {
    const cuts = await cutHistory(prng, TRIED, (history) => history.steps(50));
    assert(cuts.length > 20, `${cuts.length} cuts`);
    for (const cut of cuts) await recover(cut);
  });
});

test('delayed: what goes on at an open can be cut short again', async () => {
  await withSeed(async (prng) => {
    const cuts = await cutHistory(prng, TRIED, (history) => history.steps(40));
    let nested = 0;
    for (const cut of prng.shuffle(cuts).slice(0, 6)) {
      const again: Cut[] = [];
      cut.sim.disk.onCall = (number, name, path) => {
        for (const choice of enumerateCrashes(cut.sim.disk, prng.boolean(TRIED) ? 1 : 0, number)) {
          const about = `${cut.about}; then at call ${number}, ${name} ${path}`;
          again.push({ sim: cut.sim.crash(choice), messages: cut.messages, about });
        }
      };
      const world = await DelayedWorld.open(limits, cut.sim, 4_096);
      await world.pass(120, 2);
      await world.close();
      cut.sim.disk.onCall = undefined;
      for (const one of prng.shuffle(again).slice(0, 6)) {
        await recover(one);
        nested += 1;
      }
    }
    assert(nested > 5, `${nested} nested cuts`);
  });
});

test('delayed: a power cut while many enter together loses none of the others', async () => {
  await withSeed(async (prng) => {
    const cuts = await cutHistory(prng, TRIED, (history) => history.burst());
    assert(cuts.length > 5, `${cuts.length} cuts`);
    for (const cut of cuts) await recover(cut);
  });
});

test('delayed: a cancellation that was answered holds over a power cut', async () => {
  await withSeed(async (prng) => {
    const cuts = await cutHistory(prng, 0.4, (history) => history.cancellations());
    assert(cuts.length > 5, `${cuts.length} cuts`);
    for (const cut of cuts) await recover(cut);
  });
});
