/**
 * What an open queue needs of its broker, and how its share group is set up.
 */

import type { Clock } from '../../base/clock.js';
import { limitOf } from '../../base/options.js';
import type { LogRecord } from '../../storage/main.js';
import type { ProducerCore } from '../producer/producer-core.js';
import { FAILURES_MAX } from '../share/share-deliveries.js';
import { DELIVERIES_MAX } from '../share/share-receipt.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { priorityPicker } from './priority-picker.js';
import type { QueueDefinition } from './queue-definition.js';
import type { DeadLetters, GroupSettings, PartitionPicker, QueueGroup } from './queue-group.js';
import { orderKeyOf } from './queue-headers.js';
import type { QueueConfig } from './queue-options.js';
import type { OpenDelays } from './queue-sender.js';
import type { Replies } from './request-replies.js';

/** A share group that others may use too. */
export interface OpenGroup {
  readonly group: QueueGroup;
  release(): Promise<void>;
}

export interface GroupExtras {
  readonly picker: PartitionPicker;
  readonly keyOf: (record: LogRecord) => string | undefined;
  /** Resolves when records of the partition below `end`, all of them done with, may be deleted. */
  readonly deleting: (log: PartitionLog, partition: number, end: number) => Promise<void>;
}

/** What is asked of a queue of dead letters. */
export interface DeadQueue {
  /** Messages in it that are not done with. */
  unfinished(): Promise<number>;
}

export interface QueueSurroundings {
  readonly clock: Clock;
  readonly newSeed: () => number;
  readonly replies: Replies;
  producer(): ProducerCore;
  /** What the ids of these records say stays known when the records are gone. */
  keepIds(topic: HostedTopic, log: PartitionLog, partition: number, end: number): Promise<void>;
  openGroup(topic: HostedTopic, settings: GroupSettings, extras: GroupExtras): Promise<OpenGroup>;
  /** Begins to move what is exhausted. */
  openLetters(queue: QueueDefinition, group: QueueGroup, target: () => string): DeadLetters;
  /** Made when it is not there, unless it has to be. */
  openDelays(queue: QueueDefinition, mayMake: boolean): Promise<OpenDelays | undefined>;
  /** The queue of this name, when it is one. */
  deadQueue(name: string): DeadQueue | undefined;
}

/** What the group is told of the options. */
export function groupSettings(config: QueueConfig): GroupSettings {
  const { maxDeliveries, maxFailures } = config;
  return {
    leaseMs: config.visibilityTimeoutMs,
    deliveriesMax: maxDeliveries === 'unlimited' ? DELIVERIES_MAX : maxDeliveries,
    failuresMax: maxFailures === 'unlimited' ? FAILURES_MAX : maxFailures,
    inFlightCountMax: config.inFlightMax,
    inFlightBytesMax: limitOf(config.inFlightBytesMax),
    order: config.fifo ? 'key' : 'none',
    isSingleActive: config.singleActiveConsumer,
    retainAcknowledgedMs: config.retainAcknowledgedMs,
    deletesFinished: true,
    startsAt: 'earliest',
  };
}

export function groupExtras(
  picker: PartitionPicker,
  topic: HostedTopic,
  { keepIds }: Pick<QueueSurroundings, 'keepIds'>,
): GroupExtras {
  return {
    picker,
    keyOf: orderKeyOf,
    deleting: (log, partition, end) => keepIds(topic, log, partition, end),
  };
}

/** A picker whose order may change while the group is in use. */
export class ChangingPicker implements PartitionPicker {
  #order: QueueConfig['priorityOrder'];
  #picker: PartitionPicker;

  constructor(order: QueueConfig['priorityOrder']) {
    this.#order = order;
    this.#picker = priorityPicker(order);
  }

  change(order: QueueConfig['priorityOrder']): void {
    if (order === this.#order) return;
    this.#order = order;
    this.#picker = priorityPicker(order);
  }

  order(ready: readonly boolean[], into: Uint16Array): number {
    return this.#picker.order(ready, into);
  }

  taken(partition: number, count: number): void {
    this.#picker.taken(partition, count);
  }
}
