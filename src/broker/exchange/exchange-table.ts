/**
 * The table of one exchange: which of its bindings a message matches, by the kind of the exchange.
 *
 *     direct            those whose key is the message's
 *     topic             those whose pattern matches the message's key
 *     fanout, headers   all of them, and then their conditions
 */

import { assert } from '../../base/assert.js';
import { type Attributes, NO_ATTRIBUTES } from './binding-attributes.js';
import type { PlacedBinding } from './binding-index.js';
import { BindingSet } from './binding-set.js';
import type { ExchangeKind } from './exchange-definition.js';
import { TopicTrie } from './exchange-trie.js';
import type { RouteWalk } from './exchange-walk.js';

export interface RoutedMessage {
  readonly routingKey: string;
  /** What headers exchanges and filters look at; none when absent. */
  readonly attributes?: Attributes | undefined;
}

export interface ExchangeTable {
  add(binding: PlacedBinding): void;
  remove(binding: PlacedBinding): void;
  collect(message: RoutedMessage, walk: RouteWalk): void;
}

export function makeTable(kind: ExchangeKind): ExchangeTable {
  switch (kind) {
    case 'direct':
      return new DirectTable();
    case 'topic':
      return new TopicTable();
    case 'fanout':
    case 'headers':
      return new WholeTable();
  }
}

class DirectTable implements ExchangeTable {
  readonly #sets = new Map<string, BindingSet>();

  add(binding: PlacedBinding): void {
    let set = this.#sets.get(binding.routingKey);
    if (set === undefined) {
      set = new BindingSet();
      this.#sets.set(binding.routingKey, set);
    }
    set.add(binding);
  }

  remove(binding: PlacedBinding): void {
    const set = this.#sets.get(binding.routingKey);
    assert(set !== undefined, 'a binding that goes has a place');
    set.remove(binding);
    if (set.isEmpty) this.#sets.delete(binding.routingKey);
  }

  collect({ routingKey, attributes }: RoutedMessage, walk: RouteWalk): void {
    this.#sets.get(routingKey)?.collect(attributes ?? NO_ATTRIBUTES, walk);
  }
}

class TopicTable implements ExchangeTable {
  readonly #trie = new TopicTrie<BindingSet>();
  readonly #found: BindingSet[] = [];

  add(binding: PlacedBinding): void {
    let set = this.#trie.get(binding.routingKey);
    if (set === undefined) {
      set = new BindingSet();
      this.#trie.set(binding.routingKey, set);
    }
    set.add(binding);
  }

  remove(binding: PlacedBinding): void {
    const set = this.#trie.get(binding.routingKey);
    assert(set !== undefined, 'a binding that goes has a place');
    set.remove(binding);
    if (set.isEmpty) this.#trie.delete(binding.routingKey);
  }

  collect({ routingKey, attributes }: RoutedMessage, walk: RouteWalk): void {
    this.#trie.match(routingKey, this.#found);
    for (const set of this.#found) set.collect(attributes ?? NO_ATTRIBUTES, walk);
    this.#found.length = 0;
  }
}

class WholeTable implements ExchangeTable {
  readonly #set = new BindingSet();

  add(binding: PlacedBinding): void {
    this.#set.add(binding);
  }

  remove(binding: PlacedBinding): void {
    this.#set.remove(binding);
  }

  collect({ attributes }: RoutedMessage, walk: RouteWalk): void {
    this.#set.collect(attributes ?? NO_ATTRIBUTES, walk);
  }
}
