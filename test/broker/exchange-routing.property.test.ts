/**
 * Routes agree with a straightforward reference, over random exchanges, bindings and messages.
 *
 * A run changes exchanges and bindings at random between messages, and at its end opens what it has
 * stored. `MILLRACE_RUNS=35000` is a campaign of a million messages.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import {
  type ExchangePlan,
  ExchangeRegistry,
} from '../../src/broker/exchange/exchange-registry.js';
import type { StateEntry } from '../../src/broker/state/state-log.js';
import {
  drawAttributes,
  drawBinding,
  drawExchange,
  drawExchangeName,
  drawKey,
  drawTarget,
} from '../support/exchange-draw.js';
import { ReferenceRouter } from '../support/exchange-reference.js';
import { testRuns, withSeed } from '../support/seed.js';

const CHANGES = 12;
const ROUNDS = 5;
const MESSAGES = 5;

interface Coverage {
  messages: number;
  /** Those that reached a queue or a topic. */
  routed: number;
  targets: number;
}

function nothing(): Coverage {
  return { messages: 0, routed: 0, targets: 0 };
}

class World {
  readonly registry = new ExchangeRegistry(() => false);
  readonly reference = new ReferenceRouter();
  readonly stored: StateEntry[] = [];
  readonly covered: Coverage;
  readonly #prng: Prng;

  constructor(prng: Prng, covered: Coverage) {
    this.#prng = prng;
    this.covered = covered;
  }

  change(): void {
    const prng = this.#prng;
    const { exchanges } = this.reference;
    const names = [...exchanges.keys()];
    if (names.length < 3 || prng.boolean(0.15)) {
      this.#declare();
      return;
    }
    const exchange = exchanges.get(prng.pick(names));
    assert(exchange !== undefined);
    const binding = drawBinding(prng, exchange, names);
    if (prng.boolean(0.75)) {
      this.#store(this.registry.planBind(binding));
      this.reference.bind(binding);
    } else if (prng.boolean(0.7)) {
      const gone = prng.pick([binding, ...this.reference.bindings]);
      this.#store(this.registry.planUnbind(gone));
      this.reference.unbind(gone);
    } else if (prng.boolean(0.5)) {
      const name = prng.pick(names);
      this.#store(this.registry.planDelete(name));
      this.reference.delete(name);
    } else {
      const target = drawTarget(prng, names);
      if (target.kind === 'exchange') return;
      this.#store(this.registry.planForget(target));
      this.reference.forget(target);
    }
    assert.equal(this.registry.bindingCount, this.reference.bindings.length);
  }

  check(registry: ExchangeRegistry): void {
    const prng = this.#prng;
    const from = prng.pick([...this.reference.exchanges.keys()]);
    const [routingKey, attributes] = [drawKey(prng), drawAttributes(prng)];
    const routed = registry.route(from, { routingKey, attributes });
    const found = routed.map(({ kind, name }) => `${kind}/${name}`).sort();
    const expected = this.reference.route(from, routingKey, attributes);
    assert.deepEqual(found, expected, JSON.stringify({ from, routingKey, map: [...attributes] }));
    this.covered.messages += 1;
    this.covered.routed += found.length > 0 ? 1 : 0;
    this.covered.targets += found.length;
  }

  reopened(): ExchangeRegistry {
    return ExchangeRegistry.restore(this.stored, () => false);
  }

  #declare(): void {
    const asked = drawExchange(this.#prng);
    if (this.reference.exchanges.has(asked.name)) return;
    this.#store(this.registry.planDeclare(asked));
    this.reference.exchanges.set(asked.name, asked);
  }

  #store(plan: ExchangePlan): void {
    this.stored.push(...plan);
    this.registry.apply(plan);
  }
}

test('routing: random bindings route as the reference says, also after a restart', async (t) => {
  const covered = nothing();
  await withSeed((prng) => {
    for (let run = testRuns(150); run > 0; run -= 1) {
      const world = new World(prng, covered);
      for (let round = 0; round < ROUNDS; round += 1) {
        for (let change = 0; change < CHANGES; change += 1) world.change();
        for (let message = 0; message < MESSAGES; message += 1) world.check(world.registry);
      }
      const reopened = world.reopened();
      for (let message = 0; message < MESSAGES; message += 1) world.check(reopened);
      assert.deepEqual(reopened.list(), world.registry.list());
      assert.equal(reopened.bindingCount, world.registry.bindingCount);
    }
  });
  const { messages, routed, targets } = covered;
  t.diagnostic(`${messages} messages, ${routed} reached somebody, ${targets} targets`);
  assert(routed > messages / 4, 'most of what is drawn does not meet');
});

test('routing: once everything is deleted nothing is left of it', async () => {
  await withSeed((prng) => {
    const world = new World(prng, nothing());
    for (let change = 0; change < 300; change += 1) world.change();
    for (const { name } of world.registry.list()) {
      world.registry.apply(world.registry.planDelete(name));
    }
    assert.equal(world.registry.bindingCount, 0);
    const name = drawExchangeName(prng);
    world.registry.apply(world.registry.planDeclare({ name, kind: 'fanout' }));
    assert.deepEqual(world.registry.route(name, { routingKey: '' }), []);
  });
});
