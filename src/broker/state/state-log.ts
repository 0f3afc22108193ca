/**
 * The seam to a log of last values: what the broker keeps over restarts under a key.
 *
 * One append is one batch of the log: all of its entries are stored, or none. Of several values
 * under a key the last one appended counts; null removes the key. A value is a list of plain parts
 * whose first is the number of its form; the log packs it, and whoever loads it checks every part,
 * because the file may be older or newer than the program.
 */

export type StatePart = string | number | boolean | null | readonly StatePart[];
export type StateValue = readonly StatePart[];

export interface StateEntry {
  /** Plain UTF-8 text. */
  readonly key: string;
  readonly value: StateValue | null;
}

export interface StateLog {
  /**
   * Resolves when the entries are durable, or only written; appends take effect in the order of the
   * calls.
   */
  append(entries: readonly StateEntry[], acks?: 'durable' | 'written'): Promise<void>;
  /** Everything that is stored, oldest first; keys may come more than once, also as removed. */
  load(): AsyncIterable<StateEntry>;
}
