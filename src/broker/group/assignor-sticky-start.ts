/**
 * Where the sticky assignors start: what each member keeps, and what is free.
 *
 * A member keeps what it says it owns if the partition exists, it still subscribes to the topic,
 * and nobody claims the partition from a newer generation. Of two claims from one generation
 * neither counts.
 */

import { assert } from '../../base/assert.js';
import type { AssignorInput, AssignorMember } from './assignor.js';
import {
  compareMembers,
  comparePartitions,
  compareText,
  partitionName,
  partitionsOf,
  subscribedTopics,
} from './assignor-order.js';
import type { TopicPartition } from './group-topics.js';

export class StickyMember {
  readonly memberId: string;
  /** The topics that it subscribes to and that exist. */
  readonly topics: ReadonlySet<string>;
  readonly #held = new Map<string, TopicPartition[]>();
  /** What it had at the start, by name; it gives up other things first. */
  readonly #kept: ReadonlyMap<string, TopicPartition>;
  #count = 0;

  constructor(member: AssignorMember, topics: ReadonlySet<string>, kept: TopicPartition[]) {
    this.memberId = member.memberId;
    this.topics = topics;
    this.#kept = new Map(kept.map((partition) => [partitionName(partition), partition]));
    for (const partition of kept.sort(comparePartitions)) this.add(partition);
  }

  get count(): number {
    return this.#count;
  }

  add(partition: TopicPartition): void {
    assert(this.topics.has(partition.topic), 'a member holds what it subscribes to');
    const held = this.#held.get(partition.topic);
    if (held === undefined) this.#held.set(partition.topic, [partition]);
    else held.push(partition);
    this.#count += 1;
  }

  /** Takes a partition of the topic from it: one that moves anyway, or that `taker` had. */
  give(topic: string, taker: StickyMember): TopicPartition {
    const held = this.#held.get(topic) ?? [];
    const cost = (partition: TopicPartition) => {
      const name = partitionName(partition);
      if (taker.#kept.has(name)) return 0;
      return this.#kept.has(name) ? 2 : 1;
    };
    let chosen = held.length - 1;
    for (let index = chosen; index >= 0; index -= 1) {
      const [candidate, best] = [held[index], held[chosen]];
      if (candidate === undefined || best === undefined) continue;
      if (cost(candidate) < cost(best)) chosen = index;
    }
    const [given] = held.splice(chosen, 1);
    assert(given !== undefined, 'a member gives what it has');
    if (held.length === 0) this.#held.delete(topic);
    this.#count -= 1;
    return given;
  }

  holds({ topic, partition }: TopicPartition): boolean {
    return this.#held.get(topic)?.some((held) => held.partition === partition) === true;
  }

  remove({ topic, partition }: TopicPartition): void {
    const held = this.#held.get(topic) ?? [];
    const rest = held.filter((each) => each.partition !== partition);
    assert(rest.length === held.length - 1, 'a member holds what is taken from it');
    if (rest.length === 0) this.#held.delete(topic);
    else this.#held.set(topic, rest);
    this.#count -= 1;
  }

  /** What it had at the start, and has no more. */
  missing(): TopicPartition[] {
    return [...this.#kept.values()].filter((partition) => !this.holds(partition));
  }

  /** What it has, and had not at the start. */
  additions(): TopicPartition[] {
    return this.partitions().filter((partition) => !this.#kept.has(partitionName(partition)));
  }

  heldTopics(): Iterable<string> {
    return this.#held.keys();
  }

  partitions(): TopicPartition[] {
    return [...this.#held.values()].flat().sort(comparePartitions);
  }
}

/** The members in order, each with what it keeps. */
export function stickyMembers({ members, partitionCounts }: AssignorInput): StickyMember[] {
  const ordered = [...members].sort(compareMembers);
  const owners = ownersOf(ordered, partitionCounts);
  return ordered.map((member) => {
    const topics = new Set(member.topics.filter((topic) => partitionCounts.has(topic)));
    const kept = new Map<string, TopicPartition>();
    for (const partition of member.owned) {
      const name = partitionName(partition);
      if (owners.get(name) === member && topics.has(partition.topic)) kept.set(name, partition);
    }
    return new StickyMember(member, topics, [...kept.values()]);
  });
}

/** What no member holds of the topics that some member subscribes to, hardest to place first. */
export function freePartitions(
  input: AssignorInput,
  members: readonly StickyMember[],
): TopicPartition[] {
  const held = new Set(members.flatMap((member) => member.partitions()).map(partitionName));
  const takers = (topic: string) => members.filter(({ topics }) => topics.has(topic)).length;
  return subscribedTopics(input)
    .map((topic) => ({ topic, takers: takers(topic) }))
    .sort((left, right) => left.takers - right.takers || compareText(left.topic, right.topic))
    .flatMap(({ topic }) => partitionsOf(topic, input.partitionCounts.get(topic) ?? 0))
    .filter((partition) => !held.has(partitionName(partition)));
}

/** Whose claim on a partition counts; undefined when two of one generation claim it. */
function ownersOf(
  members: readonly AssignorMember[],
  counts: ReadonlyMap<string, number>,
): Map<string, AssignorMember | undefined> {
  const owners = new Map<string, AssignorMember | undefined>();
  const generations = new Map<string, number>();
  for (const member of members) {
    for (const partition of new Map(member.owned.map((of) => [partitionName(of), of])).values()) {
      if (partition.partition >= (counts.get(partition.topic) ?? 0)) continue;
      const name = partitionName(partition);
      const known = generations.get(name) ?? Number.NEGATIVE_INFINITY;
      if (member.generation < known) continue;
      owners.set(name, member.generation === known ? undefined : member);
      generations.set(name, member.generation);
    }
  }
  return owners;
}
