/**
 * Handles: what a binding with conditions lies under, and a message with such a value has too.
 *
 *     name      the attribute is there           value    it has this very value
 *     prefix    its text begins so               suffix   its text ends so
 *     cell      its number lies in this cell of a grid whose cells are 2^size wide
 *
 * A handle may promise more than the condition: which of the messages match is asked afterwards.
 * Handles of one kind and size form a group, because a value has one key in each group.
 */

import { assert } from '../../base/assert.js';
import type { AttributeScalar } from './binding-attributes.js';
import type { NumericRange } from './binding-numeric.js';

export interface HandleGroup {
  readonly kind: 'name' | 'value' | 'prefix' | 'suffix' | 'cell';
  /** Characters of a prefix or suffix, the exponent of a cell; else 0. */
  readonly size: number;
}

export interface Handle extends HandleGroup {
  readonly name: string;
  readonly key: AttributeScalar;
}

/** A set is complete in itself: what matches has at least one of its handles. */
export type HandleSet = readonly Handle[];

/** Longer texts lie under their beginning or end: groups stay few. */
const TEXT_SIZE_MAX = 64;
/** No finer grid than millionths. */
const EXPONENT_MIN = -20;

export function nameHandle(name: string): Handle {
  return { name, kind: 'name', size: 0, key: null };
}

export function valueHandle(name: string, key: AttributeScalar): Handle {
  return { name, kind: 'value', size: 0, key };
}

export function prefixHandle(name: string, text: string): Handle {
  const size = Math.min(text.length, TEXT_SIZE_MAX);
  return { name, kind: 'prefix', size, key: text.slice(0, size) };
}

export function suffixHandle(name: string, text: string): Handle {
  const size = Math.min(text.length, TEXT_SIZE_MAX);
  return { name, kind: 'suffix', size, key: text.slice(text.length - size) };
}

/** The cells that a range lies in, three at most; the name when it has no end. */
export function rangeHandles(name: string, { lower, upper }: NumericRange): HandleSet {
  if (lower === upper) return [valueHandle(name, lower)];
  const width = upper - lower;
  if (!Number.isFinite(width)) return [nameHandle(name)];
  const size = Math.max(EXPONENT_MIN, Math.ceil(Math.log2(width)));
  const [first, last] = [Math.floor(lower / 2 ** size), Math.floor(upper / 2 ** size)];
  assert(last - first <= 2, 'a cell is about as wide as the range');
  const cells = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return cells.map((key) => ({ name, kind: 'cell', size, key }));
}

/** The key of a value in a group; undefined when it has none there. */
export function keyIn(
  { kind, size }: HandleGroup,
  value: AttributeScalar,
): Handle['key'] | undefined {
  switch (kind) {
    case 'name':
      return null;
    case 'value':
      return value;
    case 'prefix':
      return typeof value === 'string' && value.length >= size ? value.slice(0, size) : undefined;
    case 'suffix':
      if (typeof value !== 'string' || value.length < size) return undefined;
      return value.slice(value.length - size);
    case 'cell':
      return typeof value === 'number' ? Math.floor(value / 2 ** size) : undefined;
  }
}
