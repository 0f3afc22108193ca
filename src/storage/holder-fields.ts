/**
 * Reading fields of values that came from outside (JSON of `.lock`, frames of the holder's socket).
 *
 * Only own fields count, so a name such as `constructor` never reaches a prototype. Each function
 * answers undefined for what is absent or of another type; what that means is the caller's
 * business.
 */

/** The own field `name`, of unknown type. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

export function textOf(value: unknown, name: string): string | undefined {
  const field = fieldOf(value, name);
  return typeof field === 'string' ? field : undefined;
}

/** A whole number from 0 to 2^53 - 1. */
export function countOf(value: unknown, name: string): number | undefined {
  const field = fieldOf(value, name);
  return isCount(field) ? field : undefined;
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Whether this is a plain decoded map: no array, no bytes. */
export function isMap(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  );
}
