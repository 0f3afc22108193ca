/**
 * What the index of delayed messages knows of each: when it is due, its id, and where it lies.
 *
 * Entries are ordered by due time, then by id. A message that was appended again has several
 * entries of one id; the largest location comes first, and the others are passed over.
 */

import { limits } from '../../base/limits.js';

/** The latest wall time at which a message can be due, in milliseconds since 1970. */
export const DUE_MS_MAX = 2 ** 48 - 1;

/** Stands at an entry, the first of its sort order; there is none when `isEmpty`. */
export interface EntryCursor {
  readonly isEmpty: boolean;
  /** Whether the fields can be looked at; if not, `floorMs` is all that is known. */
  readonly isLoaded: boolean;
  /** No entry is due earlier; Infinity when there is none. */
  readonly floorMs: number;
  readonly dueMs: number;
  readonly id: number;
  readonly location: number;
  /** Makes `isLoaded` true. */
  load(): Promise<void>;
  step(): void;
}

/** Whether the one entry comes before the other. */
export function comesBefore(one: EntryCursor, other: EntryCursor): boolean {
  if (one.dueMs !== other.dueMs) return one.dueMs < other.dueMs;
  return one.id === other.id ? one.location > other.location : one.id < other.id;
}

/** The cursor with the first entry of all; undefined when all are empty. All are loaded. */
export function firstOf<Cursor extends EntryCursor>(
  cursors: readonly Cursor[],
): Cursor | undefined {
  let first: Cursor | undefined;
  for (const cursor of cursors) {
    if (!cursor.isEmpty && (first === undefined || comesBefore(cursor, first))) first = cursor;
  }
  return first;
}

export function isEntry(dueMs: number, id: number, location: number): boolean {
  return dueMs >= 0 && dueMs <= DUE_MS_MAX && id >= 0 && id <= location && isOffset(location);
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value <= limits.offsetMax;
}
