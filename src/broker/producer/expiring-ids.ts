/**
 * Ids with what is known of each, forgotten when they are old or too many: oldest first.
 */

import { assert } from '../../base/assert.js';

export interface IdBounds {
  readonly windowMs: number;
  readonly idsMax: number;
}

interface Noted {
  /** Monotonic milliseconds, which may be negative. */
  readonly notedMs: number;
}

export class ExpiringIds<Known extends Noted> {
  /** In the order of noting, which is about that of the times. */
  readonly #known = new Map<string, Known>();

  get count(): number {
    return this.#known.size;
  }

  find(id: string): Known | undefined {
    return this.#known.get(id);
  }

  note(id: string, known: Known): void {
    assert(!this.#known.has(id), 'an id is noted once, until it is forgotten');
    this.#known.set(id, known);
  }

  forget(id: string): Known | undefined {
    const known = this.#known.get(id);
    this.#known.delete(id);
    return known;
  }

  /** Forgets what is older than the window, or too much; `forgotten` hears of each. */
  expire(
    nowMs: number,
    { windowMs, idsMax }: IdBounds,
    forgotten: (known: Known) => void = ignore,
  ): void {
    for (const [id, known] of this.#known) {
      if (this.#known.size <= idsMax && nowMs - known.notedMs < windowMs) return;
      this.#known.delete(id);
      forgotten(known);
    }
  }
}

function ignore(): void {}
