/**
 * Randomness: a seeded generator, and the only doors to the operating system's.
 *
 * {@link Prng} is xoshiro128**: what it yields follows from its seed alone, on every platform, so a
 * simulation replays from one number and jitter can be tested. It keeps no secrets. Names that must
 * differ between processes and machines (nonces, ids, seeds) come from the operating system.
 */

import { randomBytes } from 'node:crypto';
import { assert } from './assert.js';
import { readBigInt64, readUint32 } from './bytes.js';

const TWO_TO_32 = 2 ** 32;

export class Prng {
  readonly seed: number;
  /** Four words of state, never all zero: the seeding below cannot make them so. */
  readonly #state = new Uint32Array(4);

  /** `seed` is a whole number from 0 to 2^53 - 1. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), 'the seed is a safe integer');
    assert(seed >= 0, 'the seed is not negative');
    this.seed = seed;
    let counter = (seed >>> 0) ^ Math.imul(Math.floor(seed / TWO_TO_32), 0x9e37_79b9);
    for (let slot = 0; slot < 4; slot += 1) {
      counter = (counter + 0x9e37_79b9) | 0;
      this.#state[slot] = mix(counter);
    }
  }

  /** A whole number from 0 to `below - 1`, each equally likely; `below` is at most 2^53 - 1. */
  integer(below: number): number {
    assert(Number.isSafeInteger(below), 'the bound is a safe integer');
    assert(below > 0, 'the bound is positive');
    const isWide = below > TWO_TO_32;
    const range = isWide ? 2 ** 53 : TWO_TO_32;
    const fair = range - (range % below);
    for (;;) {
      const drawn = isWide ? this.#draw53() : this.#draw32();
      if (drawn < fair) return drawn % below;
    }
  }

  /** True with the given probability, from 0 (never) to 1 (always). */
  boolean(probability = 0.5): boolean {
    assert(probability >= 0 && probability <= 1, 'the probability lies between 0 and 1');
    return this.#draw53() < probability * 2 ** 53;
  }

  bytes(count: number): Uint8Array {
    const made = new Uint8Array(count);
    for (let position = 0; position < count; position += 4) {
      const drawn = this.#draw32();
      const end = Math.min(position + 4, count);
      for (let at = position; at < end; at += 1) made[at] = drawn >>> (8 * (at - position));
    }
    return made;
  }

  /** Puts the values into another order, in place; returns the same array. */
  shuffle<T>(values: T[]): T[] {
    for (let last = values.length - 1; last > 0; last -= 1) {
      const chosen = this.integer(last + 1);
      const moved = values[last] as T;
      values[last] = values[chosen] as T;
      values[chosen] = moved;
    }
    return values;
  }

  /** One of the values; there must be one. */
  pick<T>(values: readonly T[]): T {
    assert(values.length > 0, 'there is a value to pick');
    return values[this.integer(values.length)] as T;
  }

  #draw53(): number {
    const high = this.#draw32() >>> 11;
    return high * TWO_TO_32 + this.#draw32();
  }

  #draw32(): number {
    const state = this.#state;
    const second = state[1] as number;
    const result = Math.imul(rotateLeft(Math.imul(second, 5), 7), 9) >>> 0;
    const third = (state[2] as number) ^ (state[0] as number);
    const fourth = (state[3] as number) ^ second;
    state[1] = second ^ third;
    state[0] = (state[0] as number) ^ fourth;
    state[2] = third ^ (second << 9);
    state[3] = rotateLeft(fourth, 11);
    return result;
  }
}

/** 64 random bits as a signed number, so it fits an int64 field; never 0, which means none. */
export function randomNonce(): bigint {
  for (;;) {
    const nonce = readBigInt64(randomBytes(8), 0);
    if (nonce !== 0n) return nonce;
  }
}

/** The 16 bytes of a random UUID (version 4), with memory of its own. */
export function randomUuid(): Uint8Array {
  const uuid = new Uint8Array(randomBytes(16));
  uuid[6] = ((uuid[6] as number) & 0x0f) | 0x40;
  uuid[8] = ((uuid[8] as number) & 0x3f) | 0x80;
  return uuid;
}

/** Bytes that nobody foresees, with memory of their own: salts, nonces, keys. */
export function randomSecret(count: number): Uint8Array {
  return new Uint8Array(randomBytes(count));
}

/** A seed for {@link Prng} that nobody foresees: 32 bits. */
export function randomSeed(): number {
  return readUint32(randomBytes(4), 0);
}

/** Spreads a counter over 32 bits (the finalizer of MurmurHash3); a bijection. */
function mix(counter: number): number {
  let mixed = counter;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
