/**
 * Copies with deduplication ids, in one transaction with all others.
 *
 * An id counts in the window of the topic that a copy goes to, its own or its queue's. Each is
 * claimed there first, as a send with an id does it: one that is known is a duplicate, and its copy
 * is left out; one that is new is on its way from then on, and whoever sends it meanwhile waits.
 * With all claims held the copies go out, with the ids in their headers; then the windows note
 * where they are, or, when the transaction was undone, that they are nowhere. Claims are taken in
 * one order everywhere, so two publishes never wait for each other.
 */

import { assert } from '../../base/assert.js';
import type { StoredPlace } from '../producer/deduplication-window.js';
import type { Deduplications } from '../producer/deduplications.js';
import type { DeduplicatedPlace } from '../producer/topic-deduplication.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { FoundTarget, TargetCopies } from './exchange-copies.js';
import type { RoutedSend } from './exchange-targets.js';

/** What one target gets: messages, and the headers of ids that were claimed for them. */
export interface ClaimedCopies {
  readonly target: FoundTarget;
  readonly messages: readonly RoutedSend[];
  readonly ids: readonly (string | undefined)[];
}

/** Stores all of them, or throws; answers where each is, by target and message. */
type Store = (copies: readonly ClaimedCopies[]) => Promise<readonly (readonly StoredPlace[])[]>;

interface Claim {
  readonly topic: HostedTopic;
  readonly id: string;
  readonly copy: Copy;
}

interface Copy {
  readonly message: RoutedSend;
  /** The header of its id, once that was claimed. */
  header: string | undefined;
  isDuplicate: boolean;
  place: StoredPlace | undefined;
}

/** Stores what is not known yet; resolves when it is durable. */
export async function storeOnce(
  given: readonly TargetCopies[],
  deduplications: Deduplications,
  store: Store,
): Promise<void> {
  const sends = given.map(({ target, messages }) => ({
    target,
    copies: messages.map((message): Copy => {
      return { message, header: undefined, isDuplicate: false, place: undefined };
    }),
  }));
  const claims = claimsOf(sends);
  await claimFrom(0);

  /** Those before have been claimed. */
  async function claimFrom(index: number): Promise<void> {
    const claim = claims[index];
    if (claim === undefined) return await storeClaimed();
    const { topic, id, copy } = claim;
    const { isDuplicate }: DeduplicatedPlace = await deduplications.of(topic).send({
      id,
      acks: 'durable',
      signal: undefined,
      send: async (header, after) => {
        await after;
        copy.header = header;
        await claimFrom(index + 1);
        assert(copy.place !== undefined, 'what was stored has a place');
        return copy.place;
      },
      detach: async () => copy.message.value.length,
    });
    if (!isDuplicate) return;
    copy.isDuplicate = true;
    await claimFrom(index + 1);
  }

  async function storeClaimed(): Promise<void> {
    const left = sends
      .map(({ target, copies }) => ({ target, copies: copies.filter((one) => !one.isDuplicate) }))
      .filter(({ copies }) => copies.length > 0);
    if (left.length === 0) return;
    const places = await store(
      left.map(({ target, copies }) => ({
        target,
        messages: copies.map(({ message }) => message),
        ids: copies.map(({ header }) => header),
      })),
    );
    for (const [index, { copies }] of left.entries()) {
      for (const [at, copy] of copies.entries()) copy.place = places[index]?.[at];
    }
  }
}

/** In the order in which everybody claims. A copy with the id of another one is a duplicate. */
function claimsOf(
  sends: readonly { readonly target: FoundTarget; readonly copies: readonly Copy[] }[],
): readonly Claim[] {
  const claims = new Map<string, Claim>();
  for (const { target, copies } of sends) {
    const topic = target.kind === 'queue' ? target.queue.topic : target.topic;
    const { topicId } = topic.definition;
    for (const copy of copies) {
      const id = idOf(target, copy.message);
      if (id === undefined) continue;
      const key = `${topicId}/${id}`;
      if (claims.has(key)) copy.isDuplicate = true;
      else claims.set(key, { topic, id, copy });
    }
  }
  const sorted = [...claims].sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.map(([, claim]) => claim);
}

function idOf(target: FoundTarget, message: RoutedSend): string | undefined {
  return target.kind === 'queue' ? target.queue.idOf(message) : message.deduplicationId;
}
