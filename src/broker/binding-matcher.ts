/**
 * What a condition on attributes offers: an exact answer, and handles to find it by.
 *
 * A set of handles is complete in itself: a message that matches has at least one handle of every
 * set. So a condition needs to be looked at only by messages that have a handle of one chosen set.
 * A condition without sets is looked at by every message; one with an empty set never matches.
 */

import type { AttributeScalar, Attributes } from './binding-attributes.js';

/** An attribute, or one value of it: a list has each of its values. */
export interface Handle {
  readonly name: string;
  /** Undefined stands for whatever value. */
  readonly value: AttributeScalar | undefined;
}

export type HandleSet = readonly Handle[];

export interface AttributeMatcher {
  readonly handleSets: readonly HandleSet[];
  matches(attributes: Attributes): boolean;
}

/** Matches what both match. */
export function matchBoth(one: AttributeMatcher, other: AttributeMatcher): AttributeMatcher {
  return {
    handleSets: [...one.handleSets, ...other.handleSets],
    matches: (attributes) => one.matches(attributes) && other.matches(attributes),
  };
}
