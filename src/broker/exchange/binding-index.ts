/**
 * Bindings with conditions on attributes, found by the attributes of a message.
 *
 * Each lies under the handles of one of its sets, the one whose handles have fewest bindings so
 * far: a thousand bindings that all ask for one kind and differ in a tenant lie under the tenant.
 * So a message looks at the bindings that it has a handle of, not at all of them. What no value
 * settles (`anything-but`, ranges without an end) lies under the attribute's name.
 */

import { assert } from '../../base/assert.js';
import {
  type AttributeScalar,
  type Attributes,
  type AttributeValue,
  isList,
} from './binding-attributes.js';
import { type Handle, type HandleGroup, type HandleSet, keyIn } from './binding-handle.js';
import type { AttributeMatcher } from './binding-matcher.js';
import type { RouteWalk, TargetNode } from './exchange-walk.js';

/** A binding in the tables of its exchange. */
export interface PlacedBinding {
  readonly node: TargetNode;
  readonly routingKey: string;
  /** Undefined without conditions on attributes. */
  readonly matcher: AttributeMatcher | undefined;
  /** The last walk that looked at its conditions. */
  mark: number;
}

type Bucket = Set<PlacedBinding>;

/** What lies under the handles of one group. */
interface Drawer extends HandleGroup {
  readonly buckets: Map<AttributeScalar, Bucket>;
}

export class BindingIndex {
  /** By attribute. */
  readonly #drawers = new Map<string, Drawer[]>();
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
    else for (const handle of set) this.#bucketFor(handle).add(binding);
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
      const drawers = this.#drawers.get(name);
      if (drawers === undefined) continue;
      for (const drawer of drawers) search(drawer, value, attributes, walk);
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
  #cost(handle: Handle): number {
    const count = this.#drawer(handle)?.buckets.get(handle.key)?.size ?? 0;
    return handle.kind === 'name' ? 2 * count + 1 : count;
  }

  #drawer({ name, kind, size }: Handle): Drawer | undefined {
    return this.#drawers.get(name)?.find((drawer) => drawer.kind === kind && drawer.size === size);
  }

  #bucketFor(handle: Handle): Bucket {
    let drawer = this.#drawer(handle);
    if (drawer === undefined) {
      const { name, kind, size } = handle;
      drawer = { kind, size, buckets: new Map() };
      this.#drawers.set(name, [...(this.#drawers.get(name) ?? []), drawer]);
    }
    const found = drawer.buckets.get(handle.key);
    if (found !== undefined) return found;
    const made: Bucket = new Set();
    drawer.buckets.set(handle.key, made);
    return made;
  }

  #clear(handle: Handle, binding: PlacedBinding): void {
    const drawer = this.#drawer(handle);
    const bucket = drawer?.buckets.get(handle.key);
    if (drawer === undefined || bucket === undefined) return;
    bucket.delete(binding);
    if (bucket.size === 0) drawer.buckets.delete(handle.key);
    if (drawer.buckets.size > 0) return;
    const left = (this.#drawers.get(handle.name) ?? []).filter((other) => other !== drawer);
    if (left.length === 0) this.#drawers.delete(handle.name);
    else this.#drawers.set(handle.name, left);
  }
}

/** A list has the keys of each of its values; its name it has also when it is empty. */
function search(
  drawer: Drawer,
  value: AttributeValue,
  attributes: Attributes,
  walk: RouteWalk,
): void {
  if (drawer.kind === 'name') {
    visit(drawer.buckets.get(null), attributes, walk);
  } else if (isList(value)) {
    for (const one of new Set(value)) search(drawer, one, attributes, walk);
  } else {
    const key = keyIn(drawer, value);
    if (key !== undefined) visit(drawer.buckets.get(key), attributes, walk);
  }
}

function visit(bucket: Bucket | undefined, attributes: Attributes, walk: RouteWalk): void {
  if (bucket === undefined) return;
  for (const binding of bucket) {
    if (binding.mark === walk.number || walk.isSettled(binding.node)) continue;
    binding.mark = walk.number;
    if (binding.matcher?.matches(attributes) === true) walk.reach(binding.node);
  }
}
