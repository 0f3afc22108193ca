/**
 * A target fed with bytes instead of a seed: what it draws is read from them.
 *
 * So bytes decide every choice of an event, and whoever changes bytes with care changes choices:
 * the guided runs here, and jazzer.js, which calls the `fuzz(data)` that each file of a target
 * exports. Where the bytes end, a generator goes on that follows from the first of them.
 */

import { Prng } from '../src/base/prng.js';
import { type FuzzEvent, FuzzFailure, type FuzzOne } from './event.js';

const TWO_TO_32 = 2 ** 32;
/** Bytes at the begin that the generator behind the end follows from. */
const SEED_BYTES = 4;

/** Draws from bytes as long as there are some. */
class DataPrng extends Prng {
  readonly #data: Uint8Array;
  #at = SEED_BYTES;

  constructor(data: Uint8Array) {
    super(seedOf(data));
    this.#data = data;
  }

  /** As few bytes as the bound needs; not evenly spread, which nobody asks of data. */
  override integer(below: number): number {
    const count = below <= 256 ? 1 : below <= 65_536 ? 2 : below <= TWO_TO_32 ? 4 : 7;
    if (this.#at + count > this.#data.length) return super.integer(below);
    let value = 0;
    for (let left = count; left > 0; left -= 1) value = value * 256 + this.#byte();
    return value % below;
  }

  override boolean(probability = 0.5): boolean {
    if (this.#at >= this.#data.length) return super.boolean(probability);
    return this.#byte() < probability * 256;
  }

  override bytes(count: number): Uint8Array {
    const made = super.bytes(count);
    made.set(this.#data.subarray(this.#at, this.#at + count));
    this.#at = Math.min(this.#data.length, this.#at + count);
    return made;
  }

  #byte(): number {
    const byte = this.#data[this.#at] ?? 0;
    this.#at += 1;
    return byte;
  }
}

/** What goes wrong is a {@link FuzzFailure} with the input that was tried, seed and event 0. */
export async function runData(
  data: Uint8Array,
  one: FuzzOne,
  met: (name: string) => void = () => undefined,
): Promise<void> {
  let tried: Uint8Array | undefined;
  let description = '';
  const event: FuzzEvent = {
    number: 0,
    isLast: true,
    prng: new DataPrng(data),
    met,
    input: (bytes, about) => {
      tried = bytes;
      description = about;
    },
  };
  try {
    const running = one(event);
    if (running !== undefined) await running;
  } catch (error) {
    throw new FuzzFailure(0, 0, tried, description, error);
  }
}

/** The entry that jazzer.js calls. */
export function fuzzWith(one: FuzzOne): (data: Uint8Array) => Promise<void> {
  return (data) => runData(data, one);
}

function seedOf(data: Uint8Array): number {
  let seed = 0;
  for (let at = 0; at < SEED_BYTES; at += 1) seed = seed * 256 + (data[at] ?? 0);
  return seed;
}
