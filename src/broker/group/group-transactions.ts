/**
 * The offsets that one transaction commits: held from the first call on, stored when it commits.
 *
 *     add      may this member commit now? The offset is held: nobody else changes it
 *     secure   its log is durable that far, and the offset is tied to it
 *     decide   asks again who may; in one synchronous step with the decision. Who reads the
 *              offsets of any group from here on waits until it is clear what became of them
 *     apply    all offsets of all groups in one append
 *     release  ends the hold, whatever became of it
 */

import { assert } from '../../base/assert.js';
import { hasCode } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { transactionTooLarge } from '../transaction/transaction-errors.js';
import { partitionName } from './assignor-order.js';
import { checkGroupId } from './group-admission.js';
import type {
  CommitContext,
  CommitRequest,
  GroupCommits,
  OffsetToCommit,
} from './group-commits.js';
import { groupError } from './group-errors.js';
import type { GenerationRequest } from './group-requests.js';
import type { CommittedOffset, GroupOffsets, OffsetMark } from './offset-entry.js';

/** What of a batch a transaction commits. */
export interface TransactionOffset {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to read: one more than the last one that is done. */
  readonly nextOffset: number;
  /** Comes back from the group's `fetch`. */
  readonly metadata?: string | undefined;
  /** Who has the partition; looked at again when the transaction commits. None: no group. */
  readonly member: GenerationRequest | undefined;
  /**
   * Whether the partition is still the consumer's own: then a commit between two generations of the
   * group is tried again. Without it such a commit is refused.
   */
  readonly isHeld?: boolean | undefined;
  /**
   * In the transaction of a client: who may is looked at when the offset is held and not again, and
   * a producer that names no member may always. As in Kafka.
   */
  readonly isOfClient?: boolean | undefined;
  /** Waited for before the transaction commits. */
  readonly handled?: (() => Promise<void>) | undefined;
  /** The transaction commits it if it commits: nobody else does meanwhile. */
  readonly onHeld?: (() => void) | undefined;
  /** It was committed, or nothing of it was; unknown until the broker is opened again. */
  readonly onEnded?: ((outcome: 'committed' | 'aborted' | 'unknown') => void) | undefined;
}

interface HeldOffset {
  readonly source: TransactionOffset;
  readonly wanted: OffsetToCommit;
  secured: CommittedOffset | undefined;
}

export class HeldOffsets {
  readonly #context: CommitContext;
  readonly #commits: GroupCommits;
  /** By group, then by partition. */
  readonly #groups = new Map<string, Map<string, HeldOffset>>();
  #count = 0;
  #metadataBytes = 0;
  /** Every one that was given, also those whose place others have taken. */
  readonly #sources: TransactionOffset[] = [];
  #isDecided = false;
  #endDeciding: (() => void) | undefined;
  #isReleased = false;

  constructor(context: CommitContext, commits: GroupCommits) {
    this.#context = context;
    this.#commits = commits;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /**
   * Throws OFFSET_HELD when another transaction has the offset, TRANSACTION_TOO_LARGE, and what
   * `commit` of a group rejects with. A later call for the same partition takes the place.
   */
  add(source: TransactionOffset): void {
    const { topic, partition, nextOffset: offset, metadata = '' } = source;
    const wanted = { topic, partition, offset, metadata };
    const request = requestOf(source, wanted);
    const { groupId } = request;
    checkGroupId(groupId);
    if (source.isOfClient === true) this.#commits.authorizeClient(request);
    else this.#commits.authorize(request);
    this.#commits.checkOffsets(request);
    this.#commits.checkTopics(request);
    const known = this.#groups.get(groupId)?.get(partitionName(wanted));
    const bytes = this.#metadataBytes + Buffer.byteLength(metadata) - bytesOf(known);
    if (known === undefined && this.#count >= limits.transactionOffsetsMax) {
      throw transactionTooLarge('offsets', limits.transactionOffsetsMax);
    }
    if (bytes > limits.transactionMetadataBytesMax) {
      throw transactionTooLarge('bytes of metadata', limits.transactionMetadataBytesMax);
    }
    this.#context.store.holds.hold(groupId, wanted, this);
    if (known === undefined) this.#count += 1;
    this.#metadataBytes = bytes;
    const offsets = this.#groups.get(groupId) ?? new Map<string, HeldOffset>();
    this.#groups.set(groupId, offsets);
    offsets.set(partitionName(wanted), { source, wanted, secured: undefined });
    this.#sources.push(source);
    source.onHeld?.();
  }

  /** Resolves when the records before each offset are durable. */
  async secure(): Promise<void> {
    const securing: Promise<void>[] = [];
    for (const [group, offsets] of this.#groups) {
      for (const held of offsets.values()) securing.push(this.#secure(group, held));
    }
    await Promise.all(securing);
  }

  /** What is stored if the transaction commits. Throws as `add` does. */
  decide(): readonly GroupOffsets[] {
    assert(!this.#isDecided, 'a transaction is decided once');
    const decided: GroupOffsets[] = [];
    for (const [group, offsets] of this.#groups) {
      for (const { source, wanted } of offsets.values()) {
        const request = requestOf(source, wanted);
        if (source.isOfClient !== true) this.#commits.authorize(request);
        this.#commits.checkTopics(request);
      }
      const committed = [...offsets.values()].map(({ secured }) => {
        assert(secured !== undefined, 'an offset is secured before it is decided about');
        return secured;
      });
      decided.push({ group, offsets: committed });
    }
    this.#isDecided = true;
    this.#endDeciding = this.#context.store.holds.decide(this);
    return decided;
  }

  /** Whether `decide` may succeed later: the group is between two generations. */
  isPassing(error: unknown): boolean {
    const isBetween = hasCode(error, 'REBALANCE_IN_PROGRESS');
    if (!isBetween && !hasCode(error, 'ILLEGAL_GENERATION')) return false;
    return this.#sources.every(({ isHeld = false }) => isHeld);
  }

  /**
   * Resolves when the offsets are durable, and seen. `mark` goes with them: the transaction whose
   * decision they are; none when this append is the decision.
   */
  async apply(decided: readonly GroupOffsets[], mark: OffsetMark | undefined): Promise<void> {
    assert(this.#isDecided, 'what is stored was decided');
    await this.#context.store.commitHeld(decided, mark);
    this.#commits.observeLag(decided);
  }

  /** Readers need not wait any longer; the offsets stay held. */
  endDeciding(): void {
    this.#endDeciding?.();
    this.#endDeciding = undefined;
  }

  /** It is open until the next open: the offsets stay held. */
  leaveUnknown(): void {
    this.endDeciding();
    for (const source of this.#sources) source.onEnded?.('unknown');
  }

  /** Others may change the offsets again. Only the first call counts. */
  release(outcome: 'committed' | 'aborted'): void {
    this.endDeciding();
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const source of this.#sources) source.onEnded?.(outcome);
    for (const [group, offsets] of this.#groups) {
      for (const { wanted } of offsets.values()) {
        this.#context.store.holds.release(group, wanted, this);
      }
    }
  }

  async #secure(group: string, held: HeldOffset): Promise<void> {
    await held.source.handled?.();
    held.secured = await this.#commits.secure(group, held.wanted);
  }
}

function requestOf({ member }: TransactionOffset, wanted: OffsetToCommit): CommitRequest {
  if (member === undefined)
    throw groupError('GROUP_INVALID', { reason: 'the consumer has no group' });
  const { groupId, memberId, generation, instanceId } = member;
  return { groupId, memberId, generation, instanceId, offsets: [wanted] };
}

function bytesOf(held: HeldOffset | undefined): number {
  return Buffer.byteLength(held?.wanted.metadata ?? '');
}
