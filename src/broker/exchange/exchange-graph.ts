/**
 * Exchanges with their tables, and the way of a message through them.
 *
 * As in RabbitMQ (rabbit_exchange, rabbitmq.com/docs/e2e and /ae): a message goes through every
 * exchange that it reaches once, whatever cycles there are, and to every queue once. An exchange of
 * which no binding matches hands the message to its alternate, if that is there; one whose binding
 * leads to another exchange has matched, whatever becomes of the message there.
 */

import { assert } from '../../base/assert.js';
import { checkAttributes } from './binding-attributes.js';
import {
  type Binding,
  type BindingTarget,
  type RouteTarget,
  targetText,
} from './binding-definition.js';
import { compileFilter } from './binding-filter-matcher.js';
import { compileHeaders } from './binding-headers.js';
import type { PlacedBinding } from './binding-index.js';
import { type AttributeMatcher, matchBoth } from './binding-matcher.js';
import type { ExchangeDefinition } from './exchange-definition.js';
import { checkKeyBytes } from './exchange-key.js';
import { type ExchangeTable, makeTable, type RoutedMessage } from './exchange-table.js';
import { RouteWalk, type TargetNode } from './exchange-walk.js';

interface ExchangeNode {
  readonly definition: ExchangeDefinition;
  readonly table: ExchangeTable;
  readonly self: TargetNode;
}

interface BoundNode extends TargetNode {
  /** Who holds it: bindings, and the exchange that it is. */
  holders: number;
}

export class ExchangeGraph {
  readonly #exchanges = new Map<string, ExchangeNode>();
  readonly #targets = new Map<string, BoundNode>();
  readonly #placed = new Map<Binding, PlacedBinding>();
  readonly #walk = new RouteWalk();

  addExchange(definition: ExchangeDefinition): void {
    const { name, kind } = definition;
    assert(!this.#exchanges.has(name), 'an exchange is added once');
    const self = this.#hold({ kind: 'exchange', name });
    this.#exchanges.set(name, { definition, table: makeTable(kind), self });
  }

  /** Its bindings are gone already, those to it too. */
  removeExchange(name: string): void {
    assert(this.#exchanges.delete(name), 'an exchange that goes was there');
    this.#release({ kind: 'exchange', name });
  }

  addBinding(binding: Binding): void {
    const exchange = this.#exchanges.get(binding.exchange);
    assert(exchange !== undefined, 'a binding has an exchange');
    assert(!this.#placed.has(binding), 'a binding is added once');
    const [node, matcher] = [this.#hold(binding.target), matcherOf(binding)];
    const placed = { node, routingKey: binding.routingKey, matcher, mark: 0 };
    this.#placed.set(binding, placed);
    exchange.table.add(placed);
  }

  removeBinding(binding: Binding): void {
    const [exchange, placed] = [this.#exchanges.get(binding.exchange), this.#placed.get(binding)];
    assert(exchange !== undefined, 'a binding has an exchange');
    assert(placed !== undefined, 'a binding that goes was there');
    exchange.table.remove(placed);
    this.#placed.delete(binding);
    this.#release(binding.target);
  }

  /**
   * The queues and topics that the message goes to, each once, in no particular order; undefined
   * when there is no such exchange. Throws ROUTING_KEY_INVALID, ATTRIBUTE_INVALID.
   */
  route(exchange: string, message: RoutedMessage): RouteTarget[] | undefined {
    checkKeyBytes(message.routingKey);
    if (message.attributes !== undefined) checkAttributes(message.attributes);
    const first = this.#exchanges.get(exchange);
    if (first === undefined) return undefined;
    const walk = this.#walk;
    walk.begin(first.self);
    for (let name = walk.next(); name !== undefined; name = walk.next()) {
      const node = this.#exchanges.get(name);
      assert(node !== undefined, 'an exchange that is reached is there');
      node.table.collect(message, walk);
      if (walk.hasMatched || node.definition.alternate === undefined) continue;
      const alternate = this.#exchanges.get(node.definition.alternate);
      if (alternate !== undefined) walk.goTo(alternate.self);
    }
    return walk.reached;
  }

  #hold(target: BindingTarget): TargetNode {
    const text = targetText(target);
    const found = this.#targets.get(text);
    if (found !== undefined) {
      found.holders += 1;
      return found;
    }
    const made = { target: Object.freeze({ ...target }), mark: 0, holders: 1 };
    this.#targets.set(text, made);
    return made;
  }

  #release(target: BindingTarget): void {
    const text = targetText(target);
    const node = this.#targets.get(text);
    assert(node !== undefined, 'a target is held until it is released');
    node.holders -= 1;
    if (node.holders === 0) this.#targets.delete(text);
  }
}

function matcherOf({ match, headers, filter }: Binding): AttributeMatcher | undefined {
  const wanted = match === undefined ? undefined : compileHeaders(match, headers);
  const filtered = filter === undefined ? undefined : compileFilter(filter);
  if (wanted === undefined || filtered === undefined) return wanted ?? filtered;
  return matchBoth(wanted, filtered);
}
