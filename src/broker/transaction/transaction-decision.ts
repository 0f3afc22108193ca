/**
 * The decision of a transaction: what it names, and how it lies in the state log.
 *
 *     decision/<producer id>   [1, epoch, topics, offsets]
 *                              [2, epoch, topics, offsets, deliveries]
 *         topics      [[topic id, [partition, ...]], ...]
 *         offsets     [[group, [[topic id, topic, partition, offset, epoch, metadata, time]]], ...]
 *         deliveries  [[group, topic id, partition, generation, acknowledged, archived], ...]
 *                     the last two: of each run of offsets its distance from the end of the run
 *                     before, and its length
 *
 * It is there from the moment the transaction is committed until everything that it asks for is
 * done; the next one of the same id takes its place. Topics are named by id: one that was deleted
 * and made again is another one. The time is a wall time in milliseconds.
 */

import { assert } from '../../base/assert.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { CommittedOffset, GroupOffsets } from '../group/offset-entry.js';
import { decodeRanges, encodeRanges } from '../share/share-part.js';
import type { StateEntry, StatePart, StateValue } from '../state/state-log.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { DecidedDeliveries } from './held-deliveries.js';

export interface DecidedPartition {
  readonly topicId: string;
  readonly partition: number;
}

/** An offset that is stored when the transaction commits. */
export interface DecidedOffset {
  readonly topicId: string;
  readonly committed: CommittedOffset;
}

export interface DecidedGroup {
  readonly group: string;
  readonly offsets: readonly DecidedOffset[];
}

/** Which transaction: no two have the same. */
export interface TransactionIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface Decision extends TransactionIdentity {
  readonly partitions: readonly DecidedPartition[];
  readonly groups: readonly DecidedGroup[];
  readonly deliveries: readonly DecidedDeliveries[];
}

/** Without deliveries, and with them. */
const FORM_PLAIN = 1;
const FORM = 2;
const KEY = /^decision\/(0|[1-9]\d{0,15})$/;
const TOPIC_ID = /^[0-9a-f]{32}$/;

export function decisionEntry(decision: Decision): StateEntry {
  const { producerId, producerEpoch, partitions, groups, deliveries } = decision;
  const byTopic = new Map<string, number[]>();
  for (const { topicId, partition } of partitions) {
    const known = byTopic.get(topicId);
    if (known === undefined) byTopic.set(topicId, [partition]);
    else known.push(partition);
  }
  const offsets = groups.map((one): StatePart => [one.group, one.offsets.map(offsetParts)]);
  const key = keyOf(producerId);
  const topics = [...byTopic];
  if (deliveries.length === 0) return { key, value: [FORM_PLAIN, producerEpoch, topics, offsets] };
  const states = deliveries.map(deliveryParts);
  return { key, value: [FORM, producerEpoch, topics, offsets, states] };
}

/** What the parties of a transaction have to say of it. */
export interface DecidedParties {
  readonly participants: readonly { readonly topic: HostedTopic; readonly partition: number }[];
  readonly offsets: readonly GroupOffsets[];
  /** Of a topic that an offset points into. */
  readonly topicIdOf: (topic: string) => string | undefined;
  readonly deliveries: readonly DecidedDeliveries[];
}

export function decisionOf(identity: TransactionIdentity, parties: DecidedParties): Decision {
  const { participants, offsets: decided, topicIdOf, deliveries } = parties;
  const partitions = participants.map(({ topic, partition }) => ({
    topicId: topic.definition.topicId,
    partition,
  }));
  const groups = decided.map(({ group, offsets }) => ({
    group,
    offsets: offsets.map((committed) => {
      const topicId = topicIdOf(committed.topic);
      assert(topicId !== undefined, 'an offset points into a topic');
      return { topicId, committed };
    }),
  }));
  return { ...identity, partitions, groups, deliveries };
}

/** Everything that the decision of this id asked for is done. */
export function doneEntry(producerId: number): StateEntry {
  return { key: keyOf(producerId), value: null };
}

/** FORMAT_UNSUPPORTED for a newer form, LOG_CORRUPT for what is none; undefined when it is done. */
export function readDecision({ key, value }: StateEntry): {
  readonly producerId: number;
  readonly decision: Decision | undefined;
} {
  const [, digits] = KEY.exec(key) ?? [];
  const producerId = Number(digits);
  if (!Number.isSafeInteger(producerId)) throw damaged(key);
  if (value === null) return { producerId, decision: undefined };
  return { producerId, decision: readValue(key, producerId, value) };
}

/** The offsets as the group's store takes them. */
export function offsetsOf({ groups }: Pick<Decision, 'groups'>): readonly GroupOffsets[] {
  return groups.map(({ group, offsets }) => ({
    group,
    offsets: offsets.map(({ committed }) => committed),
  }));
}

function readValue(key: string, producerId: number, value: StateValue): Decision {
  const [form, producerEpoch, topics, groups, deliveries] = value;
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
  }
  const isKnown = form === FORM || form === FORM_PLAIN;
  if (!isKnown || !isWhole(producerEpoch)) throw damaged(key);
  const states = form === FORM ? partsOf(key, deliveries) : [];
  return {
    producerId,
    producerEpoch,
    partitions: partsOf(key, topics).flatMap((topic) => readTopic(key, topic)),
    groups: partsOf(key, groups).map((group) => readGroup(key, group)),
    deliveries: states.map((state) => readDeliveries(key, state)),
  };
}

function readTopic(key: string, part: StatePart): readonly DecidedPartition[] {
  const [topicId, partitions] = partsOf(key, part);
  if (!isTopicId(topicId)) throw damaged(key);
  return partsOf(key, partitions).map((partition) => {
    if (!isWhole(partition)) throw damaged(key);
    return { topicId, partition };
  });
}

function readGroup(key: string, part: StatePart): DecidedGroup {
  const [group, offsets] = partsOf(key, part);
  if (typeof group !== 'string') throw damaged(key);
  return { group, offsets: partsOf(key, offsets).map((one) => readOffset(key, one)) };
}

function readOffset(key: string, part: StatePart): DecidedOffset {
  const [topicId, topic, partition, offset, epoch, metadata, committedAtMs] = partsOf(key, part);
  if (!isTopicId(topicId) || typeof topic !== 'string' || typeof metadata !== 'string') {
    throw damaged(key);
  }
  if (!isWhole(partition) || !isWhole(offset) || !isWhole(committedAtMs)) throw damaged(key);
  if (epoch !== -1 && !isWhole(epoch)) throw damaged(key);
  return { topicId, committed: { topic, partition, offset, epoch, metadata, committedAtMs } };
}

function readDeliveries(key: string, part: StatePart): DecidedDeliveries {
  const [group, topicId, partition, generation, acknowledged, archived] = partsOf(key, part);
  if (typeof group !== 'string' || !isTopicId(topicId)) throw damaged(key);
  if (!isWhole(partition) || !isWhole(generation)) throw damaged(key);
  const most = limits.transactionDeliveriesMax;
  return {
    group,
    topicId,
    partition,
    generation,
    acknowledged: decodeRanges(0, partsOf(key, acknowledged), most),
    archived: decodeRanges(0, partsOf(key, archived), most),
  };
}

function deliveryParts(state: DecidedDeliveries): StatePart {
  const { group, topicId, partition, generation, acknowledged, archived } = state;
  const runs = [encodeRanges(0, acknowledged), encodeRanges(0, archived)];
  return [group, topicId, partition, generation, ...runs];
}

function offsetParts({ topicId, committed }: DecidedOffset): StatePart {
  const { topic, partition, offset, epoch, metadata, committedAtMs } = committed;
  return [topicId, topic, partition, offset, epoch, metadata, committedAtMs];
}

function keyOf(producerId: number): string {
  return `decision/${producerId}`;
}

function partsOf(key: string, part: StatePart | undefined): readonly StatePart[] {
  if (Array.isArray(part)) return part;
  throw damaged(key);
}

function isTopicId(part: unknown): part is string {
  return typeof part === 'string' && TOPIC_ID.test(part);
}

function isWhole(part: unknown): part is number {
  return Number.isSafeInteger(part) && Number(part) >= 0;
}

function damaged(key: string): Error {
  return createError('LOG_CORRUPT', { key, expected: 'a decision as it was written' });
}
