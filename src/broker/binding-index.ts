/**
 * Bindings with conditions on attributes, found by the attributes of a message.
 *
 * Each lies under the handles of one of its sets, the one whose handles have fewest bindings so
 * far: a thousand bindings that all ask for one tenant and differ in a number lie under the number.
 * So a message looks at the bindings that it has a handle of, not at all of them. Conditions that
 * no single value settles (ranges, prefixes) lie under the attribute's name.
 */

import { assert } from '../base/assert.js';
import { type AttributeScalar, type Attributes, isList } from './binding-attributes.js';
import type { AttributeMatcher, Handle, HandleSet } from './binding-matcher.js';
import type { RouteWalk, TargetNode } from './exchange-walk.js';

/** A binding in the tables of its exchange. */
export interface PlacedBinding {
  readonly node: TargetNode;
  readonly routingKey: string;
  /** Undefined without conditions on attributes. */
  readonly matcher: AttributeMatcher | undefined;
}

type Bucket = Set<PlacedBinding>;

/** What lies under the handles of one attribute. */
interface Drawer {
  readonly byValue: Map<AttributeScalar, Bucket>;
  /** Under whatever value. */
  readonly byName: Bucket;
}

export class BindingIndex {
  readonly #drawers = new Map<string, Drawer>();
  /** Bindings that every message looks at. */
  readonly #loose: Bucket = new Set();
  /** Under which handles each binding lies. */
  readonly #placed = new Map<PlacedBinding, HandleSet | undefined>();

  get size(): number {
    return this.#placed.size;
  }

  add(binding: PlacedBinding): void {
    const { matcher } = binding;
    assert(matcher !== undefined, 'an indexed binding has conditions');
    assert(!this.#placed.has(binding), 'a binding is indexed once');
    const set = this.#cheapest(matcher.handleSets);
    this.#placed.set(binding, set);
    if (set === undefined) this.#loose.add(binding);
    else for (const handle of set) this.#bucket(handle).add(binding);
  }

  remove(binding: PlacedBinding): void {
    assert(this.#placed.has(binding), 'a binding that goes was indexed');
    const set = this.#placed.get(binding);
    this.#placed.delete(binding);
    if (set === undefined) this.#loose.delete(binding);
    else for (const handle of set) this.#clear(handle, binding);
  }

  collect(attributes: Attributes, walk: RouteWalk): void {
    visit(this.#loose, attributes, walk);
    if (this.#drawers.size === 0) return;
    for (const [name, value] of attributes) {
      const drawer = this.#drawers.get(name);
      if (drawer === undefined) continue;
      visit(drawer.byName, attributes, walk);
      if (!isList(value)) visit(drawer.byValue.get(value), attributes, walk);
      else for (const one of value) visit(drawer.byValue.get(one), attributes, walk);
    }
  }

  #cheapest(sets: readonly HandleSet[]): HandleSet | undefined {
    let cheapest: HandleSet | undefined;
    let cost = Number.POSITIVE_INFINITY;
    for (const set of sets) {
      const bindings = set.reduce((sum, handle) => sum + this.#cost(handle), 0);
      if (bindings >= cost) continue;
      cheapest = set;
      cost = bindings;
    }
    return cheapest;
  }

  /** How many bindings lie there; an attribute's name is met more often than one of its values. */
  #cost({ name, value }: Handle): number {
    const drawer = this.#drawers.get(name);
    if (value === undefined) return 2 * (drawer?.byName.size ?? 0) + 1;
    return drawer?.byValue.get(value)?.size ?? 0;
  }

  #bucket({ name, value }: Handle): Bucket {
    let drawer = this.#drawers.get(name);
    if (drawer === undefined) {
      drawer = { byValue: new Map(), byName: new Set() };
      this.#drawers.set(name, drawer);
    }
    if (value === undefined) return drawer.byName;
    const found = drawer.byValue.get(value);
    if (found !== undefined) return found;
    const made: Bucket = new Set();
    drawer.byValue.set(value, made);
    return made;
  }

  #clear({ name, value }: Handle, binding: PlacedBinding): void {
    const drawer = this.#drawers.get(name);
    if (drawer === undefined) return;
    if (value === undefined) {
      drawer.byName.delete(binding);
    } else {
      const bucket = drawer.byValue.get(value);
      bucket?.delete(binding);
      if (bucket?.size === 0) drawer.byValue.delete(value);
    }
    if (drawer.byName.size === 0 && drawer.byValue.size === 0) this.#drawers.delete(name);
  }
}

function visit(bucket: Bucket | undefined, attributes: Attributes, walk: RouteWalk): void {
  if (bucket === undefined) return;
  for (const { node, matcher } of bucket) {
    if (walk.isSettled(node)) continue;
    if (matcher?.matches(attributes) === true) walk.reach(node);
  }
}
