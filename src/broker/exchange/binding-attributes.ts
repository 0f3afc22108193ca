/**
 * Attributes: what a message says of itself beside its routing key, for bindings to look at.
 *
 * A value keeps its type: the text `1` is not the number 1. A list stands for several values of one
 * attribute, as String.Array does in SNS. They come from outside, so whoever routes by them checks
 * them first.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';

export type AttributeScalar = string | number | boolean | null;
export type AttributeValue = AttributeScalar | readonly AttributeScalar[];
export type Attributes = ReadonlyMap<string, AttributeValue>;

export const NO_ATTRIBUTES: Attributes = new Map<string, AttributeValue>();

/** Whether this is a text, a finite number, true, false or null. */
export function isScalar(value: unknown): value is AttributeScalar {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  return Number.isFinite(value);
}

export function isList(value: AttributeValue): value is readonly AttributeScalar[] {
  return typeof value === 'object' && value !== null;
}

/** Throws ATTRIBUTE_INVALID. */
export function checkAttributes(attributes: Attributes): void {
  if (attributes.size > limits.attributesMax) {
    throw invalidAttribute(undefined, `more than ${limits.attributesMax} attributes`);
  }
  for (const [name, value] of attributes) {
    if (isScalar(value)) continue;
    if (!Array.isArray(value)) throw invalidAttribute(name, typeof value);
    if (value.length > limits.attributeListMax) {
      throw invalidAttribute(name, `a list of more than ${limits.attributeListMax} values`);
    }
    if (!value.every(isScalar)) throw invalidAttribute(name, 'a list with other values');
  }
}

function invalidAttribute(attribute: string | undefined, actual: string): Error {
  return createError('ATTRIBUTE_INVALID', {
    attribute: attribute?.slice(0, 64),
    expected: 'a text, a finite number, true, false, null or a list of these',
    actual,
  });
}
