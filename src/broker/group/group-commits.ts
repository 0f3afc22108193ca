/**
 * Commits and their reading: who may, what is waited for, and in which order.
 *
 * A commit is checked twice: when it comes, and again right before it is stored, because its logs
 * are made durable in between and a rebalance may complete meanwhile. The second check and the
 * append are one synchronous step, so no commit of a past generation gets behind one of the next.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { limits } from '../../base/limits.js';
import type { EpochCoordinator } from './epoch-coordinator.js';
import { checkGroupId } from './group-admission.js';
import { groupDiagnostics } from './group-diagnostics.js';
import type { GroupDirectory } from './group-directory.js';
import { groupError } from './group-errors.js';
import { lagOf } from './group-lag.js';
import type { GroupConfig } from './group-options.js';
import type { GroupRebalancer } from './group-rebalance.js';
import type { MemberIdentity } from './group-requests.js';
import { groupAnswers } from './group-state.js';
import type { GroupPartition, GroupTopics, TopicPartition } from './group-topics.js';
import { clampOffset } from './offset-clamp.js';
import type { CommittedOffset } from './offset-entry.js';
import type { OffsetStore } from './offset-store.js';

export interface OffsetToCommit extends TopicPartition {
  /** The next offset to read: one more than the last one that is done. */
  readonly offset: number;
  /** Comes back from `fetch`; at most `offsetMetadataMaxBytes`. */
  readonly metadata?: string;
}

export interface CommitRequest extends MemberIdentity {
  readonly groupId: string;
  /** Or the member's epoch. -1, without a member id: a consumer that assigns to itself. */
  readonly generation: number;
  readonly offsets: readonly OffsetToCommit[];
}

export interface FetchedOffset extends TopicPartition {
  /** Undefined when nothing was committed. */
  readonly offset: number | undefined;
  readonly epoch: number;
  readonly metadata: string;
}

export interface CommitContext {
  readonly clock: Clock;
  readonly config: GroupConfig;
  readonly directory: GroupDirectory;
  readonly rebalancer: GroupRebalancer;
  readonly epochs: EpochCoordinator;
  readonly store: OffsetStore;
  readonly topics: GroupTopics;
  /** Throws once the coordinator closes. */
  readonly checkOpen: () => void;
}

export class GroupCommits {
  readonly #context: CommitContext;

  constructor(context: CommitContext) {
    this.#context = context;
  }

  /** Resolves when the offsets are durable: all of them, or none when it rejects. */
  async commit(request: CommitRequest): Promise<void> {
    const { groupId } = request;
    checkGroupId(groupId);
    this.authorize(request);
    this.checkOffsets(request);
    this.#context.store.holds.check(groupId, request.offsets);
    const committed = await Promise.all(request.offsets.map((of) => this.secure(groupId, of)));
    this.authorize(request);
    this.checkTopics(request);
    await this.#context.store.commit(groupId, committed);
    this.observeLag([{ group: groupId, offsets: request.offsets }]);
  }

  /** Tells the lag of what was committed; the commit is done, whatever becomes of telling it. */
  observeLag(
    committed: readonly { readonly group: string; readonly offsets: readonly TopicPartition[] }[],
  ): void {
    if (!groupDiagnostics.lag.isObserved) return;
    for (const { group, offsets } of committed) {
      this.publishLag(group, offsets).catch((cause) => {
        groupDiagnostics.upkeepFailed.publish({ task: 'lag', cause });
      });
    }
  }

  /** Committed offsets, of all partitions when none are named; sees what was asked before it. */
  async fetch(groupId: string, partitions?: readonly TopicPartition[]): Promise<FetchedOffset[]> {
    checkGroupId(groupId);
    const { store, checkOpen } = this.#context;
    checkOpen();
    await store.settled();
    const wanted = partitions ?? store.offsets(groupId);
    return Promise.all(
      wanted.map(async ({ topic, partition }) => {
        const committed = store.offset(groupId, { topic, partition });
        if (committed === undefined) {
          return { topic, partition, offset: undefined, epoch: -1, metadata: '' };
        }
        const offset = await this.#clamp(groupId, committed);
        return { topic, partition, offset, epoch: committed.epoch, metadata: committed.metadata };
      }),
    );
  }

  /** The offset as it counts in the log of today; of a log that is gone, as it was committed. */
  async #clamp(group: string, committed: CommittedOffset): Promise<number> {
    const { topic, partition, epoch } = committed;
    const log = await this.#context.topics.partition(topic, partition);
    if (log === undefined) return committed.offset;
    const logEnd = log.writtenOffset;
    const epochEnd = log.epochEnd(epoch);
    const offset = clampOffset({ offset: committed.offset, epoch, epochEnd, logEnd });
    if (offset !== committed.offset) {
      const committedOffset = committed.offset;
      groupDiagnostics.offsetClamped.publish({
        group,
        topic,
        partition,
        committedOffset,
        offset,
        epoch,
      });
    }
    return offset;
  }

  async publishLag(group: string, partitions: readonly TopicPartition[]): Promise<void> {
    const { store, topics } = this.#context;
    for (const { topic, partition } of partitions) {
      const committed = store.offset(group, { topic, partition });
      const log = await topics.partition(topic, partition);
      if (committed === undefined || log === undefined) continue;
      const { startOffset, durableOffset: endOffset } = log;
      const lag = lagOf({ committed: committed.offset, startOffset, endOffset }) ?? 0;
      const committedOffset = committed.offset;
      groupDiagnostics.lag.publish({ group, topic, partition, committedOffset, endOffset, lag });
    }
  }

  /** Whether this caller may commit now; a member that does is alive. */
  authorize(request: CommitRequest): void {
    const { directory, rebalancer, epochs, checkOpen, clock } = this.#context;
    const { groupId, memberId, generation } = request;
    checkOpen();
    if (isAlone(request)) {
      const group = directory.findOrAdd(groupId, clock.nowMs());
      const answer = groupAnswers[group.state]['commit-alone'];
      if (answer === 'accept') return;
      throw groupError('UNKNOWN_MEMBER', { group: groupId, memberId, state: group.state });
    }
    const group = directory.find(groupId);
    if (group === undefined) throw groupError('ILLEGAL_GENERATION', { group: groupId, generation });
    if (group.epochs !== undefined) {
      epochs.authorize(groupId, { ...request, epoch: generation }, request.offsets);
      return;
    }
    const member = group.requireGeneration(request, generation);
    const answer = groupAnswers[group.state].commit;
    rebalancer.touch(group, member);
    if (answer === 'accept') return;
    assert(answer === 'REBALANCE_IN_PROGRESS', 'a known member is in a group with members');
    throw groupError(answer, { group: groupId, memberId, generation });
  }

  /** As `authorize`, in a client's transaction: a producer that names no member may always. */
  authorizeClient(request: CommitRequest): void {
    if (!isAlone(request)) {
      this.authorize(request);
      return;
    }
    const { directory, checkOpen, clock } = this.#context;
    checkOpen();
    directory.findOrAdd(request.groupId, clock.nowMs());
  }

  checkOffsets({ groupId, offsets }: CommitRequest): void {
    const { offsetMetadataMaxBytes } = this.#context.config;
    const facts = { group: groupId };
    if (offsets.length > limits.commitPartitionsMax) {
      throw groupError('MEMBER_INVALID', { ...facts, what: 'offsets', count: offsets.length });
    }
    for (const { topic, partition, offset, metadata = '' } of offsets) {
      if (!Number.isSafeInteger(offset) || offset < 0) {
        throw groupError('OFFSET_OUT_OF_RANGE', { ...facts, topic, partition, offset });
      }
      const bytes = Buffer.byteLength(metadata);
      if (bytes <= offsetMetadataMaxBytes) continue;
      const bytesMax = offsetMetadataMaxBytes;
      throw groupError('OFFSET_METADATA_TOO_LARGE', {
        ...facts,
        topic,
        partition,
        bytes,
        bytesMax,
      });
    }
  }

  /** A topic that went meanwhile has been forgotten: nothing may be stored of it behind that. */
  checkTopics({ groupId, offsets }: Pick<CommitRequest, 'groupId' | 'offsets'>): void {
    const forgotten = this.#context.directory.find(groupId)?.forgotten;
    for (const { topic, partition } of offsets) {
      const isThere = this.#context.topics.partitionCount(topic) !== undefined;
      if (isThere && forgotten?.has(topic) !== true) continue;
      throw groupError('UNKNOWN_PARTITION', { group: groupId, topic, partition });
    }
  }

  /** Makes the log durable up to the offset, and ties the offset to it. */
  async secure(group: string, wanted: OffsetToCommit): Promise<CommittedOffset> {
    const { topic, partition, offset, metadata = '' } = wanted;
    // In one step with the look for the log: the end of another topic says nothing of it.
    this.checkTopics({ groupId: group, offsets: [wanted] });
    const log = await this.#context.topics.partition(topic, partition);
    if (log === undefined) throw groupError('UNKNOWN_PARTITION', { group, topic, partition });
    const { writtenOffset } = log;
    if (offset > writtenOffset) {
      const facts = { group, topic, partition, offset, endOffset: writtenOffset };
      throw groupError('OFFSET_OUT_OF_RANGE', facts);
    }
    if (offset > log.durableOffset) await log.flush(offset - 1);
    return tied({ topic, partition, offset, metadata }, log, this.#context.clock.nowMs());
  }
}

/** Nobody of the group's members. */
function isAlone({ generation, memberId, instanceId }: CommitRequest): boolean {
  return generation < 0 && memberId === '' && instanceId === undefined;
}

function tied(
  at: TopicPartition & { offset: number; metadata: string },
  log: GroupPartition,
  committedAtMs: number,
): CommittedOffset {
  assert(at.offset <= log.durableOffset, 'the source is durable up to what is committed');
  return { ...at, epoch: at.offset === 0 ? -1 : log.epochAt(at.offset - 1), committedAtMs };
}
