/**
 * The decision of a transaction: what it names, and how it lies in the state log.
 *
 *     decision/<producer id>   [1, epoch, topics, offsets]
 *                              [2, epoch, topics, offsets, deliveries]
 *                              [3, epoch, topics, offsets, deliveries, writer id, writer epoch]
 *         topics      [[topic id, [partition, ...]], ...]
 *                     in form 3 [[topic id, [[partition, end], ...]], ...]: the end of what the
 *                     transaction wrote there, exclusive
 *         offsets     [[group, [[topic id, topic, partition, offset, epoch, metadata, time]]], ...]
 *         deliveries  [[group, topic id, partition, generation, acknowledged, archived], ...]
 *                     the last two: of each run of offsets its distance from the end of the run
 *                     before, and its length
 *
 * It is there from the moment the transaction is committed until everything that it asks for is
 * done; the next one of the same id takes its place. A client writes with an id and an epoch of its
 * own, transaction after transaction: form 3 names them, and what is open behind an end is another
 * transaction, which the decision says nothing of. Topics are named by id: one that was deleted
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
  /** Of a client's transaction: behind the last record that it wrote there. */
  readonly end?: number;
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
  /** Whose batches these are, when a client wrote them. */
  readonly writer?: TransactionIdentity | undefined;
}

/** Without deliveries, with them, and of a client. */
const FORM_PLAIN = 1;
const FORM_DELIVERIES = 2;
const FORM = 3;
const KEY = /^decision\/(0|[1-9]\d{0,15})$/;
const TOPIC_ID = /^[0-9a-f]{32}$/;

export function decisionEntry(decision: Decision): StateEntry {
  const { producerId, producerEpoch, partitions, groups, deliveries, writer } = decision;
  const byTopic = new Map<string, StatePart[]>();
  for (const { topicId, partition, end = 0 } of partitions) {
    const known = byTopic.get(topicId) ?? [];
    known.push(writer === undefined ? partition : [partition, end]);
    byTopic.set(topicId, known);
  }
  const offsets = groups.map((one): StatePart => [one.group, one.offsets.map(offsetParts)]);
  const key = keyOf(producerId);
  const topics = [...byTopic];
  const states = deliveries.map(deliveryParts);
  if (writer !== undefined) {
    const whose = [writer.producerId, writer.producerEpoch];
    return { key, value: [FORM, producerEpoch, topics, offsets, states, ...whose] };
  }
  if (deliveries.length === 0) return { key, value: [FORM_PLAIN, producerEpoch, topics, offsets] };
  return { key, value: [FORM_DELIVERIES, producerEpoch, topics, offsets, states] };
}

interface DecidedWrites {
  readonly topic: HostedTopic;
  readonly partition: number;
  readonly lastOffset: number;
}

/** What the parties of a transaction have to say of it. */
export interface DecidedParties {
  readonly participants: readonly DecidedWrites[];
  /** When a client wrote. */
  readonly writer?: TransactionIdentity | undefined;
  readonly offsets: readonly GroupOffsets[];
  /** Of a topic that an offset points into. */
  readonly topicIdOf: (topic: string) => string | undefined;
  readonly deliveries: readonly DecidedDeliveries[];
}

export function decisionOf(identity: TransactionIdentity, parties: DecidedParties): Decision {
  const { participants, offsets: decided, topicIdOf, deliveries, writer } = parties;
  const partitions = participants.map(({ topic, partition, lastOffset }) => ({
    topicId: topic.definition.topicId,
    partition,
    ...(writer === undefined ? {} : { end: lastOffset + 1 }),
  }));
  const groups = decided.map(({ group, offsets }) => ({
    group,
    offsets: offsets.map((committed) => {
      const topicId = topicIdOf(committed.topic);
      assert(topicId !== undefined, 'an offset points into a topic');
      return { topicId, committed };
    }),
  }));
  const decision = { ...identity, partitions, groups, deliveries };
  return writer === undefined ? decision : { ...decision, writer };
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
  const [form, producerEpoch, topics, groups, deliveries, writerId, writerEpoch] = value;
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
  }
  const isKnown = form === FORM || form === FORM_DELIVERIES || form === FORM_PLAIN;
  if (!isKnown || !isWhole(producerEpoch)) throw damaged(key);
  const states = form === FORM_PLAIN ? [] : partsOf(key, deliveries);
  const isClient = form === FORM;
  const decision = {
    producerId,
    producerEpoch,
    partitions: partsOf(key, topics).flatMap((topic) => readTopic(key, topic, isClient)),
    groups: partsOf(key, groups).map((group) => readGroup(key, group)),
    deliveries: states.map((state) => readDeliveries(key, state)),
  };
  if (!isClient) return decision;
  if (!isWhole(writerId) || !isWhole(writerEpoch)) throw damaged(key);
  return { ...decision, writer: { producerId: writerId, producerEpoch: writerEpoch } };
}

function readTopic(key: string, part: StatePart, isClient: boolean): readonly DecidedPartition[] {
  const [topicId, partitions] = partsOf(key, part);
  if (!isTopicId(topicId)) throw damaged(key);
  return partsOf(key, partitions).map((written) => {
    const [partition, end] = isClient ? partsOf(key, written) : [written, 0];
    if (!isWhole(partition) || !isWhole(end)) throw damaged(key);
    return isClient ? { topicId, partition, end } : { topicId, partition };
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
