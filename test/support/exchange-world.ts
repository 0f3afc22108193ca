/**
 * Random exchanges beside a straightforward reference: changed alike, asked alike, and held against
 * each other. At the end of a run what was stored is opened again and asked, too.
 */

import assert from 'node:assert/strict';
import type { Prng } from '../../src/base/prng.js';
import { isList } from '../../src/broker/exchange/binding-attributes.js';
import type { BindingInput } from '../../src/broker/exchange/binding-definition.js';
import {
  type ExchangePlan,
  ExchangeRegistry,
} from '../../src/broker/exchange/exchange-registry.js';
import type { StateEntry } from '../../src/broker/state/state-log.js';
import { drawAttributes, drawBinding, drawExchange, drawKey, drawTarget } from './exchange-draw.js';
import { ReferenceRouter } from './exchange-reference.js';

const CHANGES = 12;
const ROUNDS = 5;
const MESSAGES = 5;

/** What runs have met. */
export interface RouteCoverage {
  messages: number;
  /** Those that reached a queue or a topic. */
  routed: number;
  targets: number;
  severalTargets: number;
  /** Changes of exchanges and bindings. */
  changes: number;
  reopened: number;
  /** Bindings that were made, those with headers, with a filter policy, and with `*` or `#`. */
  bindings: number;
  withHeaders: number;
  withFilters: number;
  patterns: number;
  /** Attributes of messages, lists among them, and keys that are not empty. */
  attributes: number;
  lists: number;
  keys: number;
}

export function noRoutes(): RouteCoverage {
  const [bindings, withHeaders, withFilters, patterns] = [0, 0, 0, 0];
  const [attributes, lists, keys] = [0, 0, 0];
  const drawn = { bindings, withHeaders, withFilters, patterns, attributes, lists, keys };
  return {
    messages: 0,
    routed: 0,
    targets: 0,
    severalTargets: 0,
    changes: 0,
    reopened: 0,
    ...drawn,
  };
}

export class RouteWorld {
  readonly registry = new ExchangeRegistry(() => false);
  readonly reference = new ReferenceRouter();
  readonly stored: StateEntry[] = [];
  readonly covered: RouteCoverage;
  readonly #prng: Prng;

  constructor(prng: Prng, covered: RouteCoverage) {
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
    this.covered.changes += 1;
    if (prng.boolean(0.75)) {
      this.#noteBinding(binding);
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
    this.covered.severalTargets += found.length > 1 ? 1 : 0;
    this.covered.keys += routingKey === '' ? 0 : 1;
    this.covered.attributes += attributes.size;
    for (const value of attributes.values()) this.covered.lists += isList(value) ? 1 : 0;
  }

  reopened(): ExchangeRegistry {
    this.covered.reopened += 1;
    return ExchangeRegistry.restore(this.stored, () => false);
  }

  #noteBinding({ routingKey = '', headers, filter }: BindingInput): void {
    this.covered.bindings += 1;
    this.covered.withHeaders += headers === undefined ? 0 : 1;
    this.covered.withFilters += filter === undefined ? 0 : 1;
    this.covered.patterns += /[*#]/.test(routingKey) ? 1 : 0;
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

/** One run: thirty messages, changes between them, and a restart. Throws what differs. */
export function runRoutes(prng: Prng, covered: RouteCoverage): void {
  const world = new RouteWorld(prng, covered);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let change = 0; change < CHANGES; change += 1) world.change();
    for (let message = 0; message < MESSAGES; message += 1) world.check(world.registry);
  }
  const reopened = world.reopened();
  for (let message = 0; message < MESSAGES; message += 1) world.check(reopened);
  assert.deepEqual(reopened.list(), world.registry.list());
  assert.equal(reopened.bindingCount, world.registry.bindingCount);
}
