/**
 * One run of a target: a number of events, each drawn from the seed and its own number alone.
 *
 * So any single event can be repeated without those before it. A target counts what it met under
 * short names; the counts show that a run got deep, and not only that it did not fail. What a
 * target throws in an event becomes a {@link FuzzFailure} that knows the event and its input.
 */

import { Prng } from '../src/base/prng.js';

/** Event numbers fill the low bits of the seed of an event. */
export const EVENTS_MAX = 2 ** 21;
export const SEED_MAX = 2 ** 32 - 1;

export interface FuzzOptions {
  /** A whole number from 0 to {@link SEED_MAX}. */
  readonly seed: number;
  readonly events: number;
  /** The first event to run; 0 when absent. */
  readonly firstEvent?: number | undefined;
}

/** How often each thing was met, by name. */
export type FuzzCoverage = ReadonlyMap<string, number>;

export interface FuzzEvent {
  readonly number: number;
  /** Whether the run ends with this one. */
  readonly isLast: boolean;
  readonly prng: Prng;
  /** Counts one more thing that was met. */
  met(name: string): void;
  /** Notes the bytes that are tried now, for the report of a failure. */
  input(bytes: Uint8Array, about: string): void;
}

export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
  readonly seed: number;
  readonly event: number;
  readonly input: Uint8Array | undefined;
  readonly about: string;

  constructor(
    seed: number,
    event: number,
    input: Uint8Array | undefined,
    about: string,
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.seed = seed;
    this.event = event;
    this.input = input;
    this.about = about;
  }
}

/** What a target does in one event: whatever it draws comes from the event. */
export type FuzzOne = (event: FuzzEvent) => void | Promise<void>;

/** Runs `one` for each event, in order. */
export async function runEvents(options: FuzzOptions, one: FuzzOne): Promise<FuzzCoverage> {
  const { seed, events, firstEvent = 0 } = options;
  const coverage = new Map<string, number>();
  for (let number = firstEvent; number < firstEvent + events; number += 1) {
    let tried: Uint8Array | undefined;
    let description = '';
    const event: FuzzEvent = {
      number,
      isLast: number === firstEvent + events - 1,
      prng: new Prng(seed * EVENTS_MAX + number),
      met: (name) => {
        coverage.set(name, (coverage.get(name) ?? 0) + 1);
      },
      input: (bytes, about) => {
        tried = bytes;
        description = about;
      },
    };
    try {
      const running = one(event);
      if (running !== undefined) await running;
    } catch (error) {
      throw new FuzzFailure(seed, number, tried, description, error);
    }
  }
  return coverage;
}
