/**
 * The parked messages of a broker: those of a topic are read once, when a group of it is opened.
 */

import type { Clock } from '../../base/clock.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { ParkedLog, type ParkedTopics } from './parked-log.js';
import { ParkedMessages } from './parked-messages.js';
import type { DeliveryKey } from './share-journal-format.js';

export interface ParkingParts {
  readonly topics: ParkedTopics;
  readonly clock: Clock;
}

export class Parking {
  readonly #parts: ParkingParts;
  readonly #logs = new Map<HostedTopic, Promise<ParkedLog>>();

  constructor(parts: ParkingParts) {
    this.#parts = parts;
  }

  /** Throws what reading them throws; the next call tries again. */
  async open(topic: HostedTopic, key: DeliveryKey): Promise<ParkedMessages> {
    const segmentBytes = (): number => topic.definition.config.segmentBytes;
    return new ParkedMessages(key, await this.#log(topic), this.#parts.clock, segmentBytes);
  }

  /** The group is gone from the topic: nothing of it stays. */
  async forget(topic: HostedTopic, group: string): Promise<void> {
    const log = await this.#log(topic);
    for (const view of log.views()) {
      if (view.group === group) await log.giveBack(view, [...log.copiesOf(view).keys()]);
    }
  }

  #log(topic: HostedTopic): Promise<ParkedLog> {
    for (const known of this.#logs.keys()) if (known.isDeleted) this.#logs.delete(known);
    const known = this.#logs.get(topic);
    if (known !== undefined) return known;
    const opening = ParkedLog.open(this.#parts.topics, topic);
    this.#logs.set(topic, opening);
    opening.catch(() => this.#logs.delete(topic));
    return opening;
  }
}
