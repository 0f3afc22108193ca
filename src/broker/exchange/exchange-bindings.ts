/**
 * The bindings of a broker by number, by what they say, and by who is bound.
 *
 * A number names a binding in the state log, where what it says could be too long for a key. Only
 * so many bindings are taken as fit in memory, by a rough count of what each takes.
 */

import { assert } from '../../base/assert.js';
import { limits } from '../../base/limits.js';
import { type Binding, type BindingTarget, bindingText, targetText } from './binding-definition.js';
import { exchangesFull } from './exchange-errors.js';

export interface NumberedBinding {
  readonly number: number;
  readonly binding: Binding;
}

interface StoredBinding extends NumberedBinding {
  readonly text: string;
}

/** What a word of a pattern, a header or a rule takes besides its text, in bytes. */
const PART_BYTES = 256;

export class ExchangeBindings {
  readonly #byNumber = new Map<number, StoredBinding>();
  readonly #byText = new Map<string, StoredBinding>();
  /** By exchange, and by target. */
  readonly #bySource = new Map<string, Set<StoredBinding>>();
  readonly #byTarget = new Map<string, Set<StoredBinding>>();
  #nextNumber = 1;
  #bytes = 0;

  get count(): number {
    return this.#byNumber.size;
  }

  /** The number that the next new binding gets. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  get(number: number): NumberedBinding | undefined {
    return this.#byNumber.get(number);
  }

  /** The binding that says the same. */
  find(binding: Binding): NumberedBinding | undefined {
    return this.#byText.get(bindingText(binding));
  }

  all(): readonly NumberedBinding[] {
    return [...this.#byNumber.values()];
  }

  from(exchange: string): readonly NumberedBinding[] {
    return [...(this.#bySource.get(exchange) ?? [])];
  }

  to(target: BindingTarget): readonly NumberedBinding[] {
    return [...(this.#byTarget.get(targetText(target)) ?? [])];
  }

  /** Throws EXCHANGES_FULL when there is no room for this one. */
  checkRoom(binding: Binding): void {
    if (this.count >= limits.bindingsMax) throw exchangesFull('bindings', limits.bindingsMax);
    const bytes = this.#bytes + weightOf(binding, bindingText(binding));
    if (bytes > limits.bindingsBytesMax) {
      throw exchangesFull('bytes of bindings', limits.bindingsBytesMax);
    }
  }

  add({ number, binding }: NumberedBinding): void {
    const text = bindingText(binding);
    assert(!this.#byNumber.has(number), 'the number of a binding is free');
    assert(!this.#byText.has(text), 'a binding is there once');
    const stored = { number, binding, text };
    this.#byNumber.set(number, stored);
    this.#byText.set(text, stored);
    put(this.#bySource, binding.exchange, stored);
    put(this.#byTarget, targetText(binding.target), stored);
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    this.#bytes += weightOf(binding, text);
  }

  remove(number: number): void {
    const stored = this.#byNumber.get(number);
    assert(stored !== undefined, 'a binding that goes was there');
    const { binding, text } = stored;
    this.#byNumber.delete(number);
    this.#byText.delete(text);
    take(this.#bySource, binding.exchange, stored);
    take(this.#byTarget, targetText(binding.target), stored);
    this.#bytes -= weightOf(binding, text);
    assert(this.#bytes >= 0, 'what bindings take is not negative');
  }
}

function weightOf({ routingKey, headers, filter }: Binding, text: string): number {
  const words = routingKey.split('.').length;
  const conditions = (filter?.rules ?? []).flatMap((rule) => rule.conditions).length;
  return 2 * text.length + PART_BYTES * (1 + words + headers.length + conditions);
}

function put<Member>(sets: Map<string, Set<Member>>, key: string, member: Member): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([member]));
  else set.add(member);
}

function take<Member>(sets: Map<string, Set<Member>>, key: string, member: Member): void {
  const set = sets.get(key);
  set?.delete(member);
  if (set?.size === 0) sets.delete(key);
}
