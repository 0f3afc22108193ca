/**
 * Which input is tried next: one that reached something new, changed, or two of them joined, or a
 * fresh one. What was found last is changed most, for what lies behind it is new as well.
 */

import type { Prng } from '../src/base/prng.js';
import { INPUT_BYTES_MAX } from './corpus.js';
import { mutate } from './mutate.js';

const FRESH_BYTES: readonly number[] = [16, 64, 256, 1024];
/** How many of the last ones are preferred. */
const RECENT = 16;

export class InputPool {
  readonly #prng: Prng;
  readonly #inputs: Uint8Array[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  get size(): number {
    return this.#inputs.length;
  }

  add(input: Uint8Array): void {
    this.#inputs.push(input);
  }

  /** At most {@link INPUT_BYTES_MAX} bytes. */
  next(): Uint8Array {
    const prng = this.#prng;
    const drawn = prng.integer(100);
    if (this.#inputs.length === 0 || drawn < 10) return prng.bytes(prng.pick(FRESH_BYTES));
    const one = this.#choose();
    const changed = drawn < 25 ? joined(prng, one, this.#choose()) : mutate(prng, one);
    return changed.subarray(0, INPUT_BYTES_MAX);
  }

  #choose(): Uint8Array {
    const count = this.#inputs.length;
    const recent = Math.min(RECENT, count);
    const isRecent = this.#prng.boolean(0.4);
    const slot = isRecent ? count - 1 - this.#prng.integer(recent) : this.#prng.integer(count);
    return this.#inputs[slot] ?? new Uint8Array(0);
  }
}

function joined(prng: Prng, head: Uint8Array, tail: Uint8Array): Uint8Array {
  const kept = head.subarray(0, prng.integer(head.length + 1));
  const added = tail.subarray(prng.integer(tail.length + 1));
  return Uint8Array.from(Buffer.concat([kept, added]));
}
