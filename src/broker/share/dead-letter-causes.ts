/**
 * Why messages failed last, by message: what their dead letters will say if they come to that.
 *
 * Kept in memory for the newest of them; after a restart, or for a message whose process died, the
 * letter says how often it was given out.
 */

import { causeOf, type DeadLetterCause } from '../process/process-dead-letter.js';

/** Messages, and letters of their reasons and codes. */
const CAUSES_MAX = 10_000;
const CHARACTERS_MAX = 4 * 1024 * 1024;

export class DeadLetterCauses {
  readonly #causes = new Map<string, DeadLetterCause>();
  #characters = 0;

  get count(): number {
    return this.#causes.size;
  }

  note(partition: number, offset: number, error: unknown): void {
    const key = keyOf(partition, offset);
    this.#forget(key);
    const cause = causeOf(error);
    this.#causes.set(key, cause);
    this.#characters += sizeOf(cause);
    for (const oldest of this.#causes.keys()) {
      if (this.#causes.size <= CAUSES_MAX && this.#characters <= CHARACTERS_MAX) return;
      this.#forget(oldest);
    }
  }

  of(partition: number, offset: number): DeadLetterCause | undefined {
    return this.#causes.get(keyOf(partition, offset));
  }

  forget(partition: number, offset: number): void {
    if (this.#causes.size > 0) this.#forget(keyOf(partition, offset));
  }

  #forget(key: string): void {
    const cause = this.#causes.get(key);
    if (cause === undefined) return;
    this.#causes.delete(key);
    this.#characters -= sizeOf(cause);
  }
}

function keyOf(partition: number, offset: number): string {
  return `${partition}/${offset}`;
}

function sizeOf({ reason, code = '' }: DeadLetterCause): number {
  return reason.length + code.length;
}
