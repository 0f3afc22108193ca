/**
 * A fetch session (KIP-227): what a client wants, remembered, so that its next requests name only
 * what has changed, and the answers only what is new.
 *
 * Requests of a session carry an epoch that rises by one with each, so both sides notice when one
 * got lost. Partitions are served in the order in which they came; one that had records goes to
 * the end, so that each gets its turn when an answer is too small for all.
 */

import { kafkaErrors } from './error-codes.js';
import type { fetch } from './messages/data.js';
import type { RequestOf, ResponseOf } from './wire-api.js';

export type FetchRequest = RequestOf<typeof fetch>;
export type FetchResponse = ResponseOf<typeof fetch>;
export type PartitionRequest = FetchRequest['topics'][number]['partitions'][number];
export type PartitionAnswer = FetchResponse['topics'][number]['partitions'][number];

/** A partition by the name or, in newer versions, by the id of its topic. */
export interface FetchPlace {
  readonly topic: string;
  readonly topicId: string;
  readonly asked: PartitionRequest;
}

export interface AnsweredPlace extends FetchPlace {
  readonly answer: PartitionAnswer;
}

/** No session: the request says all that it wants, and nothing is remembered. */
export const NO_SESSION = 0;
/** Asks for a new session, with everything that it is to hold. */
export const FIRST_EPOCH = 0;
/** Wants no session, and ends the one that it names. */
export const LAST_EPOCH = -1;
const EPOCH_MAX = 0x7fff_ffff;
/** What was told of a partition before anything was. */
const UNTOLD = -1;

interface SessionPartition extends FetchPlace {
  readonly toldHighWatermark: number;
  readonly toldStartOffset: number;
}

export class FetchSession {
  readonly id: number;
  /** Whether its topics are named by ids: one that mixes both is refused. */
  readonly usesTopicIds: boolean;
  readonly #partitions = new Map<string, SessionPartition>();
  /** What the next request has to say. */
  #epoch = FIRST_EPOCH + 1;
  usedMs: number;

  constructor(id: number, usesTopicIds: boolean, nowMs: number) {
    this.id = id;
    this.usesTopicIds = usesTopicIds;
    this.usedMs = nowMs;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get partitionCount(): number {
    return this.#partitions.size;
  }

  /** In the order in which they are served. */
  places(): FetchPlace[] {
    return [...this.#partitions.values()];
  }

  /** The next request has come. */
  advance(nowMs: number): void {
    this.#epoch = epochAfter(this.#epoch);
    this.usedMs = nowMs;
  }

  /** What a request names is taken up or changed, and then what it forgets goes. */
  update({ topics, forgottenTopics }: Pick<FetchRequest, 'topics' | 'forgottenTopics'>): void {
    for (const place of placesOf(topics)) {
      const key = keyOf(place, place.asked.partition);
      const known = this.#partitions.get(key);
      const { toldHighWatermark = UNTOLD, toldStartOffset = UNTOLD } = known ?? {};
      this.#partitions.set(key, { ...place, toldHighWatermark, toldStartOffset });
    }
    for (const topic of forgottenTopics) {
      for (const partition of topic.partitions) this.#partitions.delete(keyOf(topic, partition));
    }
  }

  /** Keeps what of an answer has to be told, and remembers it as told. */
  news(answered: readonly AnsweredPlace[]): AnsweredPlace[] {
    return answered.filter((place) => {
      const key = keyOf(place, place.asked.partition);
      const known = this.#partitions.get(key);
      const isNew = isNews(known, place.answer);
      // Forgotten meanwhile, by a request that came over another connection.
      if (known === undefined || !isNew) return isNew;
      const { answer } = place;
      const isFine = answer.errorCode === kafkaErrors.NONE;
      if (hasRecords(answer)) this.#partitions.delete(key);
      this.#partitions.set(key, {
        ...known,
        // After an error the next answer is news, whatever it is.
        toldHighWatermark: isFine ? answer.highWatermark : UNTOLD,
        toldStartOffset: answer.logStartOffset,
      });
      return true;
    });
  }
}

/** The epoch wraps to 1: 0 asks for a new session. */
export function epochAfter(epoch: number): number {
  return epoch >= EPOCH_MAX ? FIRST_EPOCH + 1 : epoch + 1;
}

export function placesOf(topics: FetchRequest['topics']): FetchPlace[] {
  return topics.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((asked) => ({ topic, topicId, asked })),
  );
}

function isNews(known: SessionPartition | undefined, answer: PartitionAnswer): boolean {
  return (
    answer.errorCode !== kafkaErrors.NONE ||
    hasRecords(answer) ||
    answer.highWatermark !== known?.toldHighWatermark ||
    answer.logStartOffset !== known.toldStartOffset
  );
}

function hasRecords({ records }: PartitionAnswer): boolean {
  return records !== null && records.length > 0;
}

function keyOf(
  { topic, topicId }: { readonly topic: string; readonly topicId: string },
  partition: number,
): string {
  return `${partition}/${topicId}/${topic}`;
}
