/**
 * The deduplication of all topics of a broker: one window for each topic that is sent to with ids.
 *
 * It is the topic's, not a producer's: ids of all producers of the broker count together.
 */

import type { Clock } from '../../base/clock.js';
import type { StateLog } from '../state/state-log.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { DeduplicationFloors } from './deduplication-floors.js';
import type { WaitingNumber } from './deduplication-loading.js';
import { KeptIds } from './kept-ids.js';
import { TopicDeduplication } from './topic-deduplication.js';

export interface DeduplicationHome {
  readonly clock: Clock;
  /** Whether that log was there when the broker was opened. */
  readonly hasState: boolean;
  /** Gives the log of this state when it is first needed. */
  openState(): Promise<StateLog>;
  /** Where records that were sent to the topic wait for their time. */
  waitingRoom(topic: HostedTopic): HostedTopic | undefined;
  readonly numberOf: WaitingNumber;
  /** Ids of the topics that are there. */
  topicIds(): ReadonlySet<string>;
}

export class Deduplications {
  readonly #home: DeduplicationHome;
  readonly #topics = new Map<string, TopicDeduplication>();
  #floors: Promise<DeduplicationFloors> | undefined;

  constructor(home: DeduplicationHome) {
    this.#home = home;
  }

  of(topic: HostedTopic): TopicDeduplication {
    const { topicId } = topic.definition;
    const known = this.#topics.get(topicId);
    if (known !== undefined) return known;
    const made = new TopicDeduplication(topic, {
      clock: this.#home.clock,
      openFloors: () => this.#openFloors(),
      waitingRoom: () => this.#home.waitingRoom(topic),
      numberOf: this.#home.numberOf,
      mayHaveIds: () => this.#home.hasState || this.#floors !== undefined,
    });
    this.#topics.set(topicId, made);
    return made;
  }

  /** Topics that were deleted need no window any more. */
  async forgetDeleted(): Promise<void> {
    for (const [topicId, { topic }] of this.#topics) {
      if (!topic.isDeleted) continue;
      this.#topics.delete(topicId);
      await (await this.#openFloors()).forget(topicId);
    }
  }

  /** Notes where the ids begin; what cannot be noted costs reading at the next open, no more. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#topics.values()].map((topic) => topic.save()));
  }

  #openFloors(): Promise<DeduplicationFloors> {
    this.#floors ??= this.#load().catch((error: unknown) => {
      this.#floors = undefined;
      throw error;
    });
    return this.#floors;
  }

  async #load(): Promise<DeduplicationFloors> {
    const state = await this.#home.openState();
    const kept = new KeptIds(state, this.#home.clock);
    return await DeduplicationFloors.load(state, kept, this.#home.topicIds());
  }
}
