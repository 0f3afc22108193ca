/**
 * What a condition on attributes offers: an exact answer, and handles to find it by.
 *
 * A message that matches has a handle of each set. So a condition needs to be looked at only by
 * messages that have a handle of one set, whichever was chosen. A condition without sets is looked
 * at by every message; one with an empty set never matches.
 */

import type { Attributes } from './binding-attributes.js';
import type { HandleSet } from './binding-handle.js';

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
