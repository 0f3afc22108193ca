/**
 * How a member of the newer protocol lies in the state log: what it wants and what it has.
 *
 *     member/<length of the group>/<group>/<member>    [1, instance, rack, client, host,
 *         rebalance timeout (ms), [topic, ...], pattern or '', assignor or null, phase, epoch,
 *         epoch before, whether it is away,
 *         [[topic, topic id, partition, since which epoch], ...] assigned,
 *         [[topic, topic id, partition], ...] to be given up]
 *
 * A group and a member may have any characters: the length tells where the one ends.
 */

import { createError } from '../../base/errors.js';
import type { StateEntry, StatePart, StateValue } from '../state/state-log.js';
import { type HeldPartition, type MemberState, partitionKey } from './epoch-reconciliation.js';
import { type EpochPartition, isEpochAssignor } from './epoch-requests.js';

/** A member as it is kept. */
export interface StoredMember {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly rackId: string | undefined;
  readonly clientId: string | undefined;
  readonly clientHost: string | undefined;
  readonly rebalanceTimeoutMs: number;
  readonly topics: readonly string[];
  /** '': none. */
  readonly pattern: string;
  readonly assignor: string | undefined;
  readonly state: MemberState;
  readonly previousEpoch: number;
  readonly isAway: boolean;
}

export interface MemberName {
  readonly group: string;
  readonly memberId: string;
}

const VERSION = 1;
const KEY = /^member\/(0|[1-9]\d{0,3})\/([\s\S]+)$/;
const phases = ['stable', 'revoking', 'waiting'] as const;

export function memberEntry(group: string, member: StoredMember): StateEntry {
  const { state } = member;
  const value = [
    VERSION,
    member.instanceId ?? null,
    member.rackId ?? null,
    member.clientId ?? null,
    member.clientHost ?? null,
    member.rebalanceTimeoutMs,
    member.topics,
    member.pattern,
    member.assignor ?? null,
    state.phase,
    state.epoch,
    member.previousEpoch,
    member.isAway,
    [...state.assigned.values()].map(({ at, sinceEpoch }) => [...partOf(at), sinceEpoch]),
    [...state.revoking.values()].map(partOf),
  ];
  return { key: keyOf({ group, memberId: member.memberId }), value };
}

export function noMemberEntry(group: string, memberId: string): StateEntry {
  return { key: keyOf({ group, memberId }), value: null };
}

/** Undefined: the key is not that of a member. */
export function memberNameIn(key: string): MemberName | undefined {
  const [, digits, rest = ''] = KEY.exec(key) ?? [];
  if (digits === undefined) return undefined;
  const length = Number(digits);
  const [group, memberId] = [rest.slice(0, length), rest.slice(length + 1)];
  const isWhole = group.length === length && rest[length] === '/' && memberId !== '';
  return isWhole && group !== '' ? { group, memberId } : undefined;
}

/** FORMAT_UNSUPPORTED when a newer version wrote it, LOG_CORRUPT when nobody did. */
export function readMember(key: string, { memberId }: MemberName, value: StateValue): StoredMember {
  const [version, instance, rack, client, host, rebalanceTimeoutMs, topics, ...rest] = value;
  const [pattern, assignor, phase, epoch, previousEpoch, isAway, assigned, revoking] = rest;
  if (version !== VERSION) {
    if (!isWhole(version, 1)) throw corrupt(key);
    throw createError('FORMAT_UNSUPPORTED', { key, version, expected: VERSION });
  }
  const isAssignor = assignor === null || (isText(assignor) && isEpochAssignor(assignor));
  const known = phases.find((one) => one === phase);
  if (!isWhole(rebalanceTimeoutMs, 1) || !isTexts(topics) || !isText(pattern)) throw corrupt(key);
  if (!isAssignor || known === undefined || typeof isAway !== 'boolean') throw corrupt(key);
  if (!isWhole(epoch, 0) || !isWhole(previousEpoch, 0)) throw corrupt(key);
  if (!Array.isArray(assigned) || !Array.isArray(revoking)) throw corrupt(key);
  const held = assigned.map((part: StatePart): HeldPartition => {
    const sinceEpoch = Array.isArray(part) ? part[3] : undefined;
    if (!isWhole(sinceEpoch, 0)) throw corrupt(key);
    return { at: partitionIn(key, part), sinceEpoch };
  });
  const given = revoking.map((part: StatePart) => partitionIn(key, part));
  const text = (part: StatePart | undefined): string | undefined => {
    if (part !== null && !isText(part)) throw corrupt(key);
    return part ?? undefined;
  };
  return {
    memberId,
    instanceId: text(instance),
    rackId: text(rack),
    clientId: text(client),
    clientHost: text(host),
    rebalanceTimeoutMs,
    topics,
    pattern,
    assignor: text(assignor),
    state: {
      phase: known,
      epoch,
      assigned: new Map(held.map((one) => [partitionKey(one.at), one])),
      revoking: new Map(given.map((at) => [partitionKey(at), at])),
    },
    previousEpoch,
    isAway,
  };
}

function keyOf({ group, memberId }: MemberName): string {
  return `member/${group.length}/${group}/${memberId}`;
}

function partOf({ topic, topicId, partition }: EpochPartition): [string, string, number] {
  return [topic, topicId, partition];
}

function partitionIn(key: string, part: StatePart): EpochPartition {
  const [topic, topicId, partition] = Array.isArray(part) ? part : [];
  if (!isText(topic) || !isText(topicId) || !isWhole(partition, 0)) throw corrupt(key);
  return { topic, topicId, partition };
}

function isText(part: unknown): part is string {
  return typeof part === 'string';
}

function isTexts(part: unknown): part is readonly string[] {
  return Array.isArray(part) && part.every(isText);
}

function isWhole(part: unknown, min: number): part is number {
  return Number.isSafeInteger(part) && Number(part) >= min;
}

function corrupt(key: string): Error {
  return createError('LOG_CORRUPT', { key, expected: 'a member of a group' });
}
