/**
 * The bindings of one place in an exchange's table: a key, a node of a trie, or all of them.
 */

import { assert } from '../../base/assert.js';
import type { Attributes } from './binding-attributes.js';
import { BindingIndex, type PlacedBinding } from './binding-index.js';
import type { RouteWalk } from './exchange-walk.js';

export class BindingSet {
  /** Bindings that every message matches which comes here. */
  readonly #plain = new Set<PlacedBinding>();
  #conditional: BindingIndex | undefined;

  get isEmpty(): boolean {
    return this.#plain.size === 0 && this.#conditional === undefined;
  }

  add(binding: PlacedBinding): void {
    if (binding.matcher === undefined) {
      assert(!this.#plain.has(binding), 'a binding is placed once');
      this.#plain.add(binding);
      return;
    }
    this.#conditional ??= new BindingIndex();
    this.#conditional.add(binding);
  }

  remove(binding: PlacedBinding): void {
    if (binding.matcher === undefined) {
      assert(this.#plain.delete(binding), 'a binding that goes was placed');
      return;
    }
    assert(this.#conditional !== undefined, 'a binding that goes was placed');
    this.#conditional.remove(binding);
    if (this.#conditional.size === 0) this.#conditional = undefined;
  }

  collect(attributes: Attributes, walk: RouteWalk): void {
    for (const { node } of this.#plain) walk.reach(node);
    this.#conditional?.collect(attributes, walk);
  }
}
