/**
 * What an assignor gets and gives: pure functions that share partitions among the members of a
 * group.
 *
 * Every assignor gives each partition of a subscribed topic to exactly one member that subscribes
 * to that topic (a cooperative one to at most one), and the same input always yields the same
 * output whatever its order. `eager` members give everything up before they join again;
 * `cooperative` ones keep what they own, and a partition that moves is first given to nobody, so
 * that it is revoked, and assigned in the rebalance that follows.
 */

import type { TopicPartition } from './group-topics.js';

export interface AssignorMember {
  readonly memberId: string;
  /** A static member is placed by it, so that its place outlives its member id. */
  readonly instanceId?: string | undefined;
  readonly topics: readonly string[];
  /** What it says it owns, and in which generation it got that (-1: unknown). */
  readonly owned: readonly TopicPartition[];
  readonly generation: number;
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  /** Topics that exist, with their number of partitions. */
  readonly partitionCounts: ReadonlyMap<string, number>;
}

/** By member id; every member is there. */
export type Assignment = Map<string, TopicPartition[]>;

export interface Assignor {
  readonly protocol: 'eager' | 'cooperative';
  assign(input: AssignorInput): Assignment;
}
