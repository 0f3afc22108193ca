/**
 * Which assignor a group uses: one that all members know, by vote; pure.
 *
 * Each member votes for the first of its protocols that all know; the most votes win, and of equals
 * the one that comes first by name, so that the outcome depends on the members alone.
 */

import { compareText } from './assignor-order.js';
import type { GroupProtocol } from './group-requests.js';

type Offer = readonly Pick<GroupProtocol, 'name'>[];

/** The protocols that all members know, in the order of the first member. */
export function commonProtocols(offers: readonly Offer[]): string[] {
  const [first = [], ...others] = offers;
  const known = others.map((offer) => new Set(offer.map(({ name }) => name)));
  return first.map(({ name }) => name).filter((name) => known.every((names) => names.has(name)));
}

/** The winner; undefined when no protocol is known to all. */
export function chooseProtocol(offers: readonly Offer[]): string | undefined {
  const candidates = new Set(commonProtocols(offers));
  const votes = new Map<string, number>();
  for (const offer of offers) {
    const vote = offer.find(({ name }) => candidates.has(name))?.name;
    if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1);
  }
  const ranked = [...votes].sort(
    ([left, leftVotes], [right, rightVotes]) => rightVotes - leftVotes || compareText(left, right),
  );
  return ranked[0]?.[0];
}
