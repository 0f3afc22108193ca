/**
 * The decision of a transaction: what it names, and how it lies in the state log.
 *
 *     decision/<producer id>   [1, epoch, topics, offsets]
 *         topics    [[topic id, [partition, ...]], ...]
 *         offsets   [[group, [[topic id, topic, partition, offset, epoch, metadata, time]]], ...]
 *
 * It is there from the moment the transaction is committed until everything that it asks for is
 * done; the next one of the same id takes its place. Topics are named by id: one that was deleted
 * and made again is another one. The time is a wall time in milliseconds.
 */

import { createError } from '../../base/errors.js';
import type { CommittedOffset, GroupOffsets } from '../group/offset-entry.js';
import type { StateEntry, StatePart, StateValue } from '../state/state-log.js';

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
}

const FORM = 1;
const KEY = /^decision\/(0|[1-9]\d{0,15})$/;
const TOPIC_ID = /^[0-9a-f]{32}$/;

export function decisionEntry(decision: Decision): StateEntry {
  const { producerId, producerEpoch, partitions, groups } = decision;
  const byTopic = new Map<string, number[]>();
  for (const { topicId, partition } of partitions) {
    const known = byTopic.get(topicId);
    if (known === undefined) byTopic.set(topicId, [partition]);
    else known.push(partition);
  }
  const offsets = groups.map((one): StatePart => [one.group, one.offsets.map(offsetParts)]);
  return { key: keyOf(producerId), value: [FORM, producerEpoch, [...byTopic], offsets] };
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
  const [form, producerEpoch, topics, groups] = value;
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
  }
  if (form !== FORM || !isWhole(producerEpoch)) throw damaged(key);
  return {
    producerId,
    producerEpoch,
    partitions: partsOf(key, topics).flatMap((topic) => readTopic(key, topic)),
    groups: partsOf(key, groups).map((group) => readGroup(key, group)),
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
