/**
 * From an assignment to leases: opens the logs, finds where each begins, and remembers it.
 *
 * A group's first place in a partition is committed before anything is read there, unless it is
 * the first record: otherwise a member that falls before its first commit would leave the next one
 * to begin at a later end, and what came between would never be read. When that cannot be stored
 * now, because the group is between two generations or the disk is full, the partition is not
 * opened yet.
 */

import { MillraceError } from '../../base/errors.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import type { GroupCoordinator } from '../group/group-coordinator.js';
import type { TopicPartition } from '../group/group-topics.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { consumerDiagnostics } from './consumer-diagnostics.js';
import { Lease, type LeaseHome } from './consumer-lease.js';
import { startingPoint } from './consumer-start.js';

export interface OpeningParts {
  readonly home: LeaseHome;
  readonly find: (topic: string) => HostedTopic | undefined;
  /** Undefined without a group. */
  readonly coordinator: GroupCoordinator | undefined;
  /** Whether the partition came after the consumer had looked at its topics. */
  readonly isNew: (at: TopicPartition) => boolean;
  readonly commit: (offsets: readonly OffsetToCommit[]) => Promise<void>;
}

interface Opened {
  readonly lease: Lease;
  /** Where the group begins, when that is to be remembered. */
  readonly first: OffsetToCommit | undefined;
}

export interface OpenedLeases {
  readonly leases: readonly Lease[];
  /** Some of the partitions are to be opened again later, if they are owned by then. */
  readonly isPartial: boolean;
}

/** Topics that went meanwhile are left out. */
export async function openLeases(
  parts: OpeningParts,
  partitions: readonly TopicPartition[],
): Promise<OpenedLeases> {
  const { home, coordinator } = parts;
  const committed = await coordinator?.fetch(home.config.group, partitions);
  const opening = partitions.map((at, index) => open(parts, at, committed?.[index]?.offset));
  const opened = (await Promise.all(opening)).filter((one) => one !== undefined);
  const firsts = opened.flatMap(({ first }) => (first === undefined ? [] : [first]));
  const all = opened.map(({ lease }) => lease);
  if (coordinator === undefined || firsts.length === 0) return { leases: all, isPartial: false };
  try {
    await parts.commit(firsts);
    return { leases: all, isPartial: false };
  } catch (cause) {
    if (!mayPass(cause)) throw cause;
    consumerDiagnostics.commitDelayed.publish({ group: home.config.group, cause });
  }
  const known = opened.filter(({ first }) => first === undefined);
  return { leases: known.map(({ lease }) => lease), isPartial: true };
}

/** Whether a commit may succeed later: the group settles, or there is room again. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  return error.retryable || error.code === 'ILLEGAL_GENERATION' || error.code === 'UNKNOWN_MEMBER';
}

async function open(
  parts: OpeningParts,
  at: TopicPartition,
  committed: number | undefined,
): Promise<Opened | undefined> {
  const hosted = parts.find(at.topic);
  if (hosted === undefined || at.partition >= hosted.partitions) return undefined;
  const log = await logOf(hosted, at.partition);
  if (log === undefined) return undefined;
  const { topic, partition } = at;
  const leaseAt = (offset: number) => new Lease(parts.home, { topic, partition, log }, offset);
  if (committed !== undefined) return { lease: leaseAt(committed), first: undefined };
  const { offset, isFixed } = await firstOffset(parts, at, log);
  const first = isFixed ? undefined : { topic, partition, offset };
  return { lease: leaseAt(offset), first };
}

/** Undefined when the topic was deleted in this moment. */
async function logOf(hosted: HostedTopic, partition: number): Promise<PartitionLog | undefined> {
  try {
    return await hosted.partition(partition);
  } catch (error) {
    if (hosted.isDeleted) return undefined;
    throw error;
  }
}

/** Where to begin without a commit; fixed when whoever asks later finds the same. */
async function firstOffset(
  { home, isNew }: OpeningParts,
  at: TopicPartition,
  log: PartitionLog,
): Promise<{ readonly offset: number; readonly isFixed: boolean }> {
  const { from, durability } = home.config;
  const point = startingPoint(from, isNew(at));
  if (point === 'earliest') return { offset: log.startOffset, isFixed: true };
  if (typeof point === 'number') return { offset: point, isFixed: true };
  const end = durability === 'durable' ? log.durableOffset : log.writtenOffset;
  if (point === 'latest') return { offset: end, isFixed: false };
  const found = await log.offsetOf(point.timestamp);
  return { offset: Math.min(found ?? end, end), isFixed: found !== undefined };
}
