/** Messages that are taken out of their order, by whoever looks after a group. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import { AcquiredBlock } from '../../src/broker/share/share-acquired.js';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import { testRuns, withSeed } from '../support/seed.js';

const LIMITS = { inFlightMax: 4, underWayMax: 100, deliveriesMax: 5, failuresMax: 5 };

function makeState(isKeyed: boolean) {
  const state = new DeliveryState({
    startOffset: 0,
    nowMs: 0,
    limits: LIMITS,
    ...(isKeyed ? { keyBounds: { keysMax: 10, runsMax: 2 } } : {}),
  });
  const block = new AcquiredBlock(100);
  const given = (): [number, number][] =>
    Array.from({ length: block.count }, (_, at) => [
      block.offsets[at] ?? -1,
      block.receipts[at] ?? -1,
    ]);
  const request = { max: 100, owner: 0, nowMs: 0, leaseMs: 100 };
  return {
    state,
    take: (...offsets: readonly number[]) => {
      state.acquireAll(block, new Set(offsets), request);
      return given();
    },
    acquire: (max: number) => {
      state.acquire(block, { ...request, max });
      return given();
    },
  };
}

const offsetsOf = (messages: readonly [number, number][]) => messages.map(([offset]) => offset);

test('share wanted: past limits and order, but not what somebody has', () => {
  const { state, take, acquire } = makeState(false);
  state.offer(0, 10);
  const [first = [-1, -1]] = acquire(2);
  state.release(...first, { nowMs: 0, delayMs: 0, isFailure: false });
  assert.deepEqual(offsetsOf(take(7, 0, 1, 5, 9, 8, 6)), [0, 7, 5, 9, 8, 6]);
  assert.deepEqual(take(7, 5), [], 'once');
  assert.equal(state.counts().toCome, 3);
});

test('share wanted: what was not offered yet is known from then on', () => {
  for (const isKeyed of [false, true]) {
    const { state, take, acquire } = makeState(isKeyed);
    const [two = [-1, -1]] = take(2);
    assert.equal(state.commitArchive(...two), 'stale', 'it is leased, not held');
    assert.equal(state.freeze(...two), 'done');
    assert.equal(state.commitArchive(...two), 'done');
    for (let offset = 0; offset < 4; offset += 1) {
      if (isKeyed) state.offerKeyed(offset, 'k');
      else state.offer(offset, offset + 1);
    }
    const seen: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      for (const [offset, receipt] of acquire(1)) {
        seen.push(offset);
        state.acknowledge(offset, receipt);
      }
    }
    assert.deepEqual(seen, [0, 1, 3]);
    assert.equal(state.startOffset, 4);
  }
});

test('share wanted: a key goes on behind a message that was taken out of its order', () => {
  const { state, take, acquire } = makeState(true);
  for (const key of ['a', 'b', 'a', 'a', 'b', 'a', 'b', 'a']) {
    state.offerKeyed(state.endOffset, key);
  }
  const taken = take(0, 3, 7);
  assert.deepEqual(offsetsOf(taken), [0, 3, 7]);
  const [seven = [-1, -1]] = taken.slice(2);
  assert.equal(state.withdraw(...seven), 'done', 'it comes next, whatever its key');
  const seen: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const lookUp = state.beginLookUp();
    if (lookUp !== undefined) {
      let offset = lookUp.first;
      for (; offset < lookUp.end; offset += 1) {
        if ('abaababa'[offset] === lookUp.key && !state.addFound(lookUp, offset)) break;
      }
      state.endLookUp(lookUp, offset);
    }
    for (const [offset, receipt] of acquire(1)) {
      seen.push(offset);
      state.acknowledge(offset, receipt);
    }
  }
  assert.deepEqual([...seen].sort(), [1, 2, 4, 5, 6, 7], 'each once');
  assert.deepEqual(
    seen.filter((offset) => 'abaababa'[offset] === 'b'),
    [1, 4, 6],
  );
  assert.equal(state.counts().toCome, 0);
});

const KEYS = ['a', 'b', 'c'];

/** Messages of a few keys, taken in order and out of it; who has which is kept in a plain map. */
class WantedWorld {
  readonly #prng: Prng;
  readonly #made: ReturnType<typeof makeState>;
  readonly #keys: (string | undefined)[] = [];
  readonly #held = new Map<number, number>();
  readonly #finished = new Set<number>();
  #offered = 0;

  constructor(prng: Prng, isKeyed: boolean) {
    this.#prng = prng;
    this.#made = makeState(isKeyed);
    for (let offset = 0; offset < 60; offset += 1) {
      this.#keys.push(isKeyed && prng.boolean(0.9) ? prng.pick(KEYS) : undefined);
    }
  }

  step(): void {
    const { state, take, acquire } = this.#made;
    const prng = this.#prng;
    const steps = [
      () => this.#offer(),
      () => this.#got(acquire(1 + prng.integer(3))),
      () => this.#got(take(...this.#some())),
      () => this.#end((offset, receipt) => state.acknowledge(offset, receipt), true),
      () => this.#end((offset, receipt) => state.withdraw(offset, receipt), false),
      () => this.#end((...one) => this.#archive(...one), true),
      () => this.#lookUp(),
    ];
    prng.pick(steps)();
    const { toCome, ready, inFlight } = state.counts();
    assert.equal(inFlight, this.#held.size);
    assert.equal(toCome + ready + inFlight, this.#known - this.#finished.size, 'each counts once');
  }

  drain(): void {
    for (let round = 0; this.#finished.size < this.#keys.length; round += 1) {
      assert.ok(round < 1_000, 'all messages come in the end');
      this.#offer();
      this.#lookUp();
      this.#got(this.#made.acquire(3));
      for (const _ of [...this.#held]) {
        this.#end((offset, receipt) => this.#made.state.acknowledge(offset, receipt), true);
      }
    }
    assert.equal(this.#made.state.startOffset, this.#keys.length);
    assert.equal(this.#made.state.counts().toCome, 0);
  }

  #archive(offset: number, receipt: number): string {
    assert.equal(this.#made.state.freeze(offset, receipt), 'done');
    return this.#made.state.commitArchive(offset, receipt);
  }

  get #known(): number {
    return this.#keys.filter((_, offset) => this.#made.state.isKnown(offset)).length;
  }

  #some(): number[] {
    const all = this.#keys.map((_, offset) => offset);
    return this.#prng.shuffle(all).slice(0, 1 + this.#prng.integer(6));
  }

  #offer(): void {
    const offset = this.#offered;
    if (offset === this.#keys.length) return;
    const key = this.#keys[offset];
    this.#offered += 1;
    if (key === undefined) this.#made.state.offer(offset, offset + 1);
    else assert.equal(this.#made.state.offerKeyed(offset, key), true);
  }

  #got(messages: readonly [number, number][]): void {
    for (const [offset, receipt] of messages) {
      assert.ok(!this.#held.has(offset) && !this.#finished.has(offset), `${offset} once at a time`);
      this.#held.set(offset, receipt);
    }
  }

  #end(end: (offset: number, receipt: number) => string, isFinished: boolean): void {
    const one = [...this.#held].at(this.#prng.integer(Math.max(1, this.#held.size)));
    if (one === undefined) return;
    assert.equal(end(...one), 'done');
    this.#held.delete(one[0]);
    if (isFinished) this.#finished.add(one[0]);
  }

  #lookUp(): void {
    const { state } = this.#made;
    const lookUp = state.beginLookUp();
    if (lookUp === undefined) return;
    let offset = lookUp.first;
    for (; offset < lookUp.end; offset += 1) {
      if (this.#keys[offset] === lookUp.key && !state.addFound(lookUp, offset)) break;
    }
    state.endLookUp(lookUp, offset);
  }
}

for (const isKeyed of [false, true]) {
  const order = isKeyed ? 'key' : 'none';
  test(`share wanted: in any order, each message once, order ${order}`, async () => {
    await withSeed(async (prng) => {
      for (let run = 0; run < testRuns(100); run += 1) {
        const world = new WantedWorld(prng, isKeyed);
        for (let step = 0; step < 150; step += 1) world.step();
        world.drain();
      }
    });
  });
}
