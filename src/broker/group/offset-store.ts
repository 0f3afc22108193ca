/**
 * Committed offsets: in memory to be read, in the state log to last.
 *
 * Every change is one append, so all of it lasts or nothing, and takes effect in memory once it is
 * durable, in the order of the calls. `settled` tells when what was asked before has taken effect:
 * whoever reads after it sees every commit that was under way, those of transactions too.
 *
 * What a transaction holds is changed by nobody else until that has ended. Its offsets are stored
 * together with a mark that says so: a decision that is found at the next open without its mark is
 * carried out then.
 */

import type { StateEntry, StateLog } from '../state/state-log.js';
import { partitionName } from './assignor-order.js';
import { memberEntry, noMemberEntry, type StoredMember } from './epoch-member-entry.js';
import type { TopicPartition } from './group-topics.js';
import {
  type CommittedOffset,
  type GroupFacts,
  type GroupOffsets,
  groupEntry,
  markEntry,
  noMarkEntry,
  noOffsetEntry,
  type OffsetMark,
  offsetEntry,
  readEntry,
} from './offset-entry.js';
import { OffsetHolds } from './offset-holds.js';

/** Keys have 520 bytes at most, so this many removals fit in a batch of the smallest default. */
const REMOVED_AT_ONCE_MAX = 1_000;

/** What an operation has changed about the members of a group. */
export interface MemberChanges {
  readonly changed: Iterable<StoredMember>;
  /** By their ids. */
  readonly gone: Iterable<string>;
}

/** Must not throw. */
type OffsetChange = (group: string, at: TopicPartition, offset: number | undefined) => void;

export class OffsetStore {
  /** What transactions hold. */
  readonly holds = new OffsetHolds();
  readonly #log: StateLog;
  readonly #onChange: OffsetChange;
  readonly #offsets = new Map<string, Map<string, CommittedOffset>>();
  readonly #groups = new Map<string, GroupFacts>();
  /** Those that were there when the log was read, by group, until they are taken. */
  readonly #members = new Map<string, Map<string, StoredMember>>();
  /** The epoch of the last transaction whose offsets were stored, by producer id. */
  readonly #marks = new Map<number, number>();
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(log: StateLog, onChange: OffsetChange) {
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Reads the whole log; see `readEntry` for its errors. `onChange` hears of what comes after. */
  static async open(log: StateLog, onChange: OffsetChange): Promise<OffsetStore> {
    const store = new OffsetStore(log, onChange);
    for await (const entry of log.load()) store.#load(entry);
    return store;
  }

  /** What is known of groups: also of those without offsets. */
  get groups(): ReadonlyMap<string, GroupFacts> {
    return this.#groups;
  }

  /** The groups that have committed offsets. */
  get committers(): readonly string[] {
    return [...this.#offsets.keys()];
  }

  offset(group: string, at: TopicPartition): CommittedOffset | undefined {
    return this.#offsets.get(group)?.get(partitionName(at));
  }

  offsets(group: string): readonly CommittedOffset[] {
    return [...(this.#offsets.get(group)?.values() ?? [])];
  }

  /** Resolves when all that was asked before has taken effect or failed; never rejects. */
  async settled(): Promise<void> {
    await this.holds.decided();
    await this.#tail;
  }

  /** Resolves when the offsets are durable. Rejects with OFFSET_HELD. */
  async commit(group: string, offsets: readonly CommittedOffset[]): Promise<void> {
    this.holds.check(group, offsets);
    const entries = offsets.map((committed) => offsetEntry(group, committed));
    await this.#append(entries, () => {
      this.#set(group, offsets);
      for (const at of offsets) this.#onChange(group, at, at.offset);
    });
  }

  /** Stores what a transaction holds, all of it or nothing; with a mark that it was. */
  async commitHeld(
    committed: readonly GroupOffsets[],
    mark: OffsetMark | undefined,
  ): Promise<void> {
    const entries = committed.flatMap(({ group, offsets }) =>
      offsets.map((one) => offsetEntry(group, one)),
    );
    if (mark !== undefined) entries.push(markEntry(mark));
    await this.#append(entries, () => {
      for (const { group, offsets } of committed) {
        this.#set(group, offsets);
        for (const at of offsets) this.#onChange(group, at, at.offset);
      }
      if (mark !== undefined) this.#marks.set(mark.producerId, mark.producerEpoch);
    });
  }

  /** Whether the offsets of this transaction were stored, and perhaps others since. */
  hasMark({ producerId, producerEpoch }: OffsetMark): boolean {
    return (this.#marks.get(producerId) ?? -1) >= producerEpoch;
  }

  /** Removes the marks of producers of which no decision will be found any more. */
  async dropMarks(isOver: (producerId: number) => boolean): Promise<void> {
    const over = [...this.#marks.keys()].filter(isOver);
    for (let first = 0; first < over.length; first += REMOVED_AT_ONCE_MAX) {
      const part = over.slice(first, first + REMOVED_AT_ONCE_MAX);
      await this.#append(part.map(noMarkEntry), () => {
        for (const producerId of part) this.#marks.delete(producerId);
      });
    }
  }

  /**
   * What was removed when it fails in the middle stays removed: it can be asked for again. Rejects
   * with OFFSET_HELD.
   */
  async remove(group: string, partitions: readonly TopicPartition[]): Promise<void> {
    this.holds.check(group, partitions);
    await this.forget(group, partitions);
  }

  /** Removes offsets of topics that are gone: who holds one of them cannot store it any more. */
  async forget(group: string, partitions: readonly TopicPartition[]): Promise<void> {
    for (let first = 0; first < partitions.length; first += REMOVED_AT_ONCE_MAX) {
      const part = partitions.slice(first, first + REMOVED_AT_ONCE_MAX);
      const entries = part.map((at) => noOffsetEntry(group, at));
      await this.#append(entries, () => {
        this.#unset(group, part);
        for (const at of part) this.#onChange(group, at, undefined);
      });
    }
  }

  /** Notes what dates a group. */
  async noteGroup(group: string, facts: GroupFacts): Promise<void> {
    await this.#append([groupEntry(group, facts)], () => this.#groups.set(group, facts));
  }

  /** The same of a group of the newer protocol, with the members that have changed or gone. */
  async noteEpochs(group: string, facts: GroupFacts, changes: MemberChanges): Promise<void> {
    const { changed, gone } = changes;
    const entries = [
      groupEntry(group, facts),
      ...[...changed].map((member) => memberEntry(group, member)),
      ...[...gone].map((memberId) => noMemberEntry(group, memberId)),
    ];
    await this.#append(entries, () => this.#groups.set(group, facts));
  }

  /** The members that the group had when the log was read; they are not kept here any longer. */
  takeMembers(group: string): readonly StoredMember[] {
    const members = [...(this.#members.get(group)?.values() ?? [])];
    this.#members.delete(group);
    return members;
  }

  /** Removes a group with all its offsets, which go first. */
  async removeGroup(group: string): Promise<void> {
    await this.remove(group, this.offsets(group));
    await this.#append([groupEntry(group, null)], () => this.#groups.delete(group));
  }

  async #append(entries: readonly StateEntry[], apply: () => void): Promise<void> {
    if (entries.length === 0) return;
    const appended = this.#log.append(entries);
    const before = this.#tail;
    const turn = (async () => {
      await Promise.allSettled([before, appended]);
      await appended;
      apply();
    })();
    this.#tail = turn.catch(ignore);
    await turn;
  }

  #load(stored: StateEntry): void {
    const entry = readEntry(stored);
    if (entry.kind === 'offset') this.#set(entry.group, [entry.committed]);
    else if (entry.kind === 'no-offset') this.#unset(entry.group, [entry.at]);
    else if (entry.kind === 'group') this.#groups.set(entry.group, entry.facts);
    else if (entry.kind === 'member') {
      const known = this.#members.get(entry.group) ?? new Map<string, StoredMember>();
      this.#members.set(entry.group, known.set(entry.member.memberId, entry.member));
    } else if (entry.kind === 'no-member') this.#members.get(entry.group)?.delete(entry.memberId);
    else if (entry.kind === 'mark')
      this.#marks.set(entry.mark.producerId, entry.mark.producerEpoch);
    else if (entry.kind === 'no-mark') this.#marks.delete(entry.producerId);
    else this.#groups.delete(entry.group);
  }

  #set(group: string, offsets: readonly CommittedOffset[]): void {
    let known = this.#offsets.get(group);
    if (known === undefined) {
      known = new Map();
      this.#offsets.set(group, known);
    }
    for (const committed of offsets) known.set(partitionName(committed), committed);
  }

  #unset(group: string, partitions: readonly TopicPartition[]): void {
    const known = this.#offsets.get(group);
    for (const at of partitions) known?.delete(partitionName(at));
    if (known?.size === 0) this.#offsets.delete(group);
  }
}

function ignore(): void {}
