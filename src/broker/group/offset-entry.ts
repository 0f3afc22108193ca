/**
 * How committed offsets and groups lie in the state log: keys and values, and their checks.
 *
 *     offset/<topic>/<partition>/<group>   [1, offset, epoch, metadata, committed at]
 *     group/<group>                        [1, protocol type, generation, empty since or null],
 *                                          and 'epochs' behind it when it is of the newer protocol
 *     member/...                           one of the newer protocol: `epoch-member-entry.ts`
 *     transaction/<producer id>            [1, epoch]: its offsets are in the same batch
 *
 * A topic's name has no slash, so a group's may have any. Times are wall times in milliseconds.
 * Null instead of a time says that the group had members when the entry was written.
 */

import { createError } from '../../base/errors.js';
import type { StateEntry, StateValue } from '../state/state-log.js';
import { memberNameIn, readMember, type StoredMember } from './epoch-member-entry.js';
import type { TopicPartition } from './group-topics.js';

export interface CommittedOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number;
  /** The writer epoch of the record before it; -1 when there is none. */
  readonly epoch: number;
  readonly metadata: string;
  readonly committedAtMs: number;
}

export interface GroupFacts {
  readonly protocolType: string;
  readonly generation: number;
  readonly emptySinceMs: number | null;
  /** Of the newer protocol, whose epoch the generation is. */
  readonly hasEpochs: boolean;
}

/** What a transaction stores for one group. */
export interface GroupOffsets {
  readonly group: string;
  readonly offsets: readonly CommittedOffset[];
}

/** The transaction whose decision some offsets are. */
export interface OffsetMark {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export type LoadedEntry =
  | { readonly kind: 'offset'; readonly group: string; readonly committed: CommittedOffset }
  | { readonly kind: 'no-offset'; readonly group: string; readonly at: TopicPartition }
  | { readonly kind: 'group'; readonly group: string; readonly facts: GroupFacts }
  | { readonly kind: 'no-group'; readonly group: string }
  | { readonly kind: 'member'; readonly group: string; readonly member: StoredMember }
  | { readonly kind: 'no-member'; readonly group: string; readonly memberId: string }
  | { readonly kind: 'mark'; readonly mark: OffsetMark }
  | { readonly kind: 'no-mark'; readonly producerId: number };

const VERSION = 1;
/** Behind the time: the group is one of the newer protocol. */
const EPOCHS = 'epochs';
const OFFSET_KEY = /^offset\/([a-zA-Z0-9._-]{1,249})\/(0|[1-9]\d{0,8})\/([\s\S]+)$/;
const GROUP_KEY = /^group\/([\s\S]+)$/;
const MARK_KEY = /^transaction\/(0|[1-9]\d{0,15})$/;

export function offsetEntry(group: string, committed: CommittedOffset): StateEntry {
  const { offset, epoch, metadata, committedAtMs } = committed;
  const value = [VERSION, offset, epoch, metadata, committedAtMs];
  return { key: offsetKey(group, committed), value };
}

export function noOffsetEntry(group: string, at: TopicPartition): StateEntry {
  return { key: offsetKey(group, at), value: null };
}

export function groupEntry(group: string, facts: GroupFacts | null): StateEntry {
  if (facts === null) return { key: `group/${group}`, value: null };
  const { protocolType, generation, emptySinceMs, hasEpochs } = facts;
  const value = [VERSION, protocolType, generation, emptySinceMs];
  return { key: `group/${group}`, value: hasEpochs ? [...value, EPOCHS] : value };
}

export function markEntry({ producerId, producerEpoch }: OffsetMark): StateEntry {
  return { key: `transaction/${producerId}`, value: [VERSION, producerEpoch] };
}

export function noMarkEntry(producerId: number): StateEntry {
  return { key: `transaction/${producerId}`, value: null };
}

/** FORMAT_UNSUPPORTED when a newer version wrote it, LOG_CORRUPT when nobody did. */
export function readEntry({ key, value }: StateEntry): LoadedEntry {
  const [, group] = GROUP_KEY.exec(key) ?? [];
  if (group !== undefined) {
    if (value === null) return { kind: 'no-group', group };
    return { kind: 'group', group, facts: readGroup(key, value) };
  }
  const name = memberNameIn(key);
  if (name !== undefined) {
    if (value === null) return { kind: 'no-member', ...name };
    return { kind: 'member', group: name.group, member: readMember(key, name, value) };
  }
  const [, digits] = MARK_KEY.exec(key) ?? [];
  if (digits !== undefined) return readMark(key, Number(digits), value);
  const [, topic, number, owner] = OFFSET_KEY.exec(key) ?? [];
  if (topic === undefined || number === undefined || owner === undefined) throw corrupt(key);
  const at = { topic, partition: Number(number) };
  if (value === null) return { kind: 'no-offset', group: owner, at };
  return { kind: 'offset', group: owner, committed: { ...at, ...readOffset(key, value) } };
}

function readOffset(key: string, value: StateValue): Omit<CommittedOffset, keyof TopicPartition> {
  checkVersion(key, value);
  const [, offset, epoch, metadata, committedAtMs] = value;
  if (!isWhole(offset, 0) || !isWhole(epoch, -1)) throw corrupt(key);
  if (typeof metadata !== 'string' || !isWhole(committedAtMs, 0)) throw corrupt(key);
  return { offset, epoch, metadata, committedAtMs };
}

function readGroup(key: string, value: StateValue): GroupFacts {
  checkVersion(key, value);
  const [, protocolType, generation, emptySinceMs, protocol] = value;
  if (typeof protocolType !== 'string' || !isWhole(generation, 0)) throw corrupt(key);
  if (emptySinceMs !== null && !isWhole(emptySinceMs, 0)) throw corrupt(key);
  if (protocol !== undefined && protocol !== EPOCHS) throw corrupt(key);
  return { protocolType, generation, emptySinceMs, hasEpochs: protocol === EPOCHS };
}

function readMark(key: string, producerId: number, value: StateValue | null): LoadedEntry {
  if (!isWhole(producerId, 0)) throw corrupt(key);
  if (value === null) return { kind: 'no-mark', producerId };
  checkVersion(key, value);
  const [, producerEpoch] = value;
  if (!isWhole(producerEpoch, 0)) throw corrupt(key);
  return { kind: 'mark', mark: { producerId, producerEpoch } };
}

function checkVersion(key: string, value: StateValue): void {
  const [version] = value;
  if (version === VERSION) return;
  if (!isWhole(version, 1)) throw corrupt(key);
  throw createError('FORMAT_UNSUPPORTED', { key, version, expected: VERSION });
}

function isWhole(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= min;
}

function corrupt(key: string) {
  return createError('LOG_CORRUPT', { key, expected: 'an entry of the offsets log' });
}

function offsetKey(group: string, { topic, partition }: TopicPartition): string {
  return `offset/${topic}/${partition}/${group}`;
}
