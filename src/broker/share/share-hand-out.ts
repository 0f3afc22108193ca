/**
 * Giving messages of a group out: to whom, from which partitions, and within which limits.
 *
 * Messages are taken in one step. What then has to be waited for, records that are read again and
 * the entry in the journal, happens before anybody sees them; when it fails they are withdrawn.
 */

import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import type { Delivery } from './share-delivered.js';
import type { ShareGroupConfig } from './share-group-config.js';
import type { ShareMember, ShareRequest } from './share-member.js';
import type { SharePartition } from './share-partition.js';
import { type PartitionPicker, TurnPicker } from './share-picker.js';
import { type ShareWaiter, ShareWaits } from './share-waits.js';

export interface HandOutParts {
  readonly clock: Clock;
  readonly config: () => ShareGroupConfig;
  readonly partitions: () => readonly SharePartition[];
  readonly find: (partition: number) => SharePartition | undefined;
  readonly partitionCount: () => number;
  /** Whether the partitions that exist can be used. */
  readonly isSettled: () => boolean;
  /** Resolves when they can, to whether that took time. */
  readonly settled: () => Promise<boolean>;
  readonly picker: PartitionPicker | undefined;
  /** Whether the member is the one that receives. */
  readonly isActive: (member: ShareMember) => boolean;
  /** Throws when the group cannot be used any more. */
  readonly check: () => void;
  /** Messages were looked for, and perhaps taken, or given back. */
  readonly taken: () => void;
  readonly expired: (deliveries: Delivery[]) => void;
}

interface Taken {
  deliveries: Delivery[];
  readonly partitions: SharePartition[];
}

/**
 * What a look at the partitions gave: `full` when no member may have more now, `not-now` when this
 * one may not; a partition is to be read before others are looked at.
 */
type Outcome = Taken | 'nothing' | 'full' | 'not-now' | SharePartition;

export class ShareHandOut {
  readonly #parts: HandOutParts;
  readonly #waits: ShareWaits<ShareRequest, Taken>;
  readonly #picker: PartitionPicker;
  readonly #isOwnPicker: boolean;
  readonly #ready: boolean[] = [];
  #order = new Uint16Array(16);
  /** What was taken and is not handed out yet, with whom it is for. */
  readonly #preparing = new Map<Taken, ShareMember>();

  constructor(parts: HandOutParts) {
    this.#parts = parts;
    this.#picker = parts.picker ?? new TurnPicker();
    this.#isOwnPicker = parts.picker === undefined;
    this.#waits = new ShareWaits(parts.clock, (waiter) => this.#serve(waiter));
  }

  async receive(member: ShareMember, request: ShareRequest): Promise<Delivery[]> {
    const { clock, check } = this.#parts;
    const { waitMs = 0, signal } = request;
    const deadlineMs = clock.monotonicMs() + waitMs;
    for (;;) {
      check();
      if (member.isClosed) throw createError('CONSUMER_CLOSED', {});
      signal?.throwIfAborted();
      while (this.#isThin(request.max) && (await this.#readMore(this.#parts.partitions()))) {
        check();
      }
      let taken = this.#takeInTurn(member, request);
      if (taken === 'nothing' || isPartition(taken)) {
        const wanted = isPartition(taken) ? [taken] : this.#parts.partitions();
        // Mostly there is nothing to read: nothing is waited for then.
        if (this.#mayReadMore(wanted) && (await this.#readMore(wanted))) continue;
      }
      if (!isTaken(taken)) {
        if (clock.monotonicMs() >= deadlineMs) return [];
        check();
        if (member.isClosed) return [];
        taken = (await this.#waits.wait({ member, request }, deadlineMs, signal)) ?? 'not-now';
        if (!isTaken(taken)) return [];
      }
      const handed = await this.#prepare(taken, member, request);
      if (handed.length > 0) return handed;
      if (member.isClosed) return [];
    }
  }

  /** There may be something to give out. */
  wake(): void {
    this.#waits.wake();
  }

  /** The waits of a member, or of all, end with nothing; what it was about to get goes back. */
  end(member?: ShareMember): void {
    this.#waits.end(member);
    for (const [taken, who] of this.#preparing) {
      if (who !== member) continue;
      this.#preparing.delete(taken);
      this.#withdraw(taken);
    }
  }

  /** All waits end with the error. */
  endWith(error: unknown): void {
    this.#waits.endWith(error);
  }

  /** Something was read, or could not be. */
  noticeFeed(partition: SharePartition): void {
    if (this.#waits.count === 0) return;
    try {
      partition.feed.checkFailure();
    } catch (error) {
      this.#waits.fail(error);
    }
    this.#waits.wake();
  }

  /** Whether reading on would give more messages to this call. */
  #isThin(max: number): boolean {
    let available = 0;
    let mayRead = false;
    for (const partition of this.#parts.partitions()) {
      available += partition.state.availableCount;
      mayRead ||= partition.mayReadAhead;
    }
    return mayRead && available < max;
  }

  #takeInTurn(member: ShareMember, request: ShareRequest): Outcome {
    // Who waits for some partitions only may be waiting where there are messages in others.
    const isAhead = this.#waits.hasAhead(
      member.priority,
      (other) => other.request.partitions === undefined && this.#mayTake(other.member),
    );
    return isAhead ? 'not-now' : this.#take(member, request);
  }

  #serve({ member, request }: ShareWaiter<ShareRequest>): Taken | 'nothing' | 'not-now' {
    const outcome = this.#take(member, request);
    if (outcome === 'full') return 'nothing';
    if (isTaken(outcome) || outcome === 'not-now') return outcome;
    // What was not read yet wakes those who wait when it is.
    for (const partition of isPartition(outcome) ? [outcome] : this.#parts.partitions()) {
      partition.feed.want();
      this.#lookUp(partition);
    }
    // Where one finds nothing in some partitions, another may in others.
    return request.partitions === undefined ? 'nothing' : 'not-now';
  }

  #mayTake(member: ShareMember): boolean {
    if (member.isClosed || !this.#parts.isActive(member)) return false;
    return member.heldCount < member.inFlightCountMax && member.heldBytes < member.inFlightBytesMax;
  }

  /** Takes messages; a partition: it is to be read first. */
  #take(member: ShareMember, request: ShareRequest): Outcome {
    if (member.isClosed || !this.#parts.isActive(member)) return 'not-now';
    const { inFlightCountMax, inFlightBytesMax, leaseMs } = this.#parts.config();
    let count = 0;
    let bytes = 0;
    for (const { state } of this.#parts.partitions()) {
      count += state.inFlightCount;
      bytes += state.inFlightBytes;
    }
    if (count >= inFlightCountMax || bytes >= inFlightBytesMax) return 'full';
    const [heldCount, heldBytes] = [member.heldCount, member.heldBytes];
    const memberCount = member.inFlightCountMax - heldCount;
    const memberBytes = member.inFlightBytesMax - heldBytes;
    if (memberCount <= 0 || memberBytes <= 0) return 'not-now';
    const room = {
      count: Math.min(request.max, memberCount, inFlightCountMax - count),
      bytes: Math.min(request.maxBytes ?? Infinity, memberBytes, inFlightBytesMax - bytes),
    };
    return this.#takeFrom(member, room, request.leaseMs ?? leaseMs, request.partitions);
  }

  #takeFrom(
    member: ShareMember,
    room: { readonly count: number; readonly bytes: number },
    leaseMs: number,
    wanted: ShareRequest['partitions'],
  ): Outcome {
    const nowMs = this.#parts.clock.monotonicMs();
    const ordered = this.#ordered(nowMs);
    const deliveries: Delivery[] = [];
    const partitions: SharePartition[] = [];
    let bytesLeft = room.bytes;
    for (let at = 0; at < ordered && deliveries.length < room.count; at += 1) {
      const partition = this.#parts.find(this.#order[at] ?? 0);
      if (partition === undefined || wanted?.has(partition.partition) === false) continue;
      if (!partition.state.isReady) {
        if (deliveries.length === 0) return partition;
        break;
      }
      const before = deliveries.length;
      while (deliveries.length < room.count) {
        const max = room.count - deliveries.length;
        const isFirst = deliveries.length === 0;
        const from = deliveries.length;
        const request = { max, bytesMax: bytesLeft, owner: member.owner, nowMs, leaseMs, isFirst };
        if (partition.take(request, deliveries) === 0) break;
        for (let next = from; next < deliveries.length; next += 1) {
          bytesLeft -= deliveries[next]?.bytes ?? 0;
        }
        if (bytesLeft <= 0) break;
      }
      const count = deliveries.length - before;
      if (count > 0) {
        partitions.push(partition);
        this.#picker.taken(partition.partition, count);
      }
      if (bytesLeft <= 0) break;
      // What was not read yet of this partition comes before what others have.
      if (!this.#isOwnPicker && partition.feed.isBehind) {
        if (deliveries.length === 0) return partition;
        break;
      }
    }
    // Also where there was nothing: what is remembered from before a restart is waiting now.
    this.#parts.taken();
    if (partitions.length === 0) return 'nothing';
    return { deliveries, partitions };
  }

  /** Reads what did not fit in memory, when somebody waits for it. */
  #lookUp(partition: SharePartition): void {
    if (!partition.mayLookUp) return;
    partition.lookUp().then(
      (hasLooked) => {
        if (hasLooked) this.wake();
      },
      (error: unknown) => void this.#waits.fail(error),
    );
  }

  /** How many partitions are in the order now. */
  #ordered(nowMs: number): number {
    const ready = this.#ready;
    const count = this.#parts.partitionCount();
    while (ready.length < count) ready.push(false);
    if (this.#order.length < count) this.#order = new Uint16Array(2 * count);
    ready.fill(false);
    for (const partition of this.#parts.partitions()) {
      // Who chooses among partitions is to know also of what was not read yet.
      ready[partition.partition] =
        partition.isReady(nowMs) || (!this.#isOwnPicker && partition.feed.isBehind);
    }
    return this.#picker.order(ready, this.#order);
  }

  /** Whether there is something to wait for; if not, messages are wanted as they come. */
  #mayReadMore(partitions: readonly SharePartition[]): boolean {
    if (!this.#parts.isSettled()) return true;
    for (const { feed, mayLookUp } of partitions) if (feed.isBehind || mayLookUp) return true;
    for (const { feed } of partitions) feed.want();
    return false;
  }

  /** Reads what was not read yet; whether something may have changed. */
  async #readMore(partitions: readonly SharePartition[]): Promise<boolean> {
    if (!this.#parts.isSettled() && (await this.#parts.settled())) return true;
    const keyed = partitions.filter(({ mayLookUp }) => mayLookUp);
    const looked = await Promise.all(keyed.map((partition) => partition.lookUp()));
    const behind = partitions.filter(({ feed }) => feed.isBehind);
    if (behind.length > 0) await Promise.race(behind.map(({ feed }) => feed.fill()));
    else for (const { feed } of partitions) feed.want();
    return behind.length > 0 || looked.includes(true);
  }

  /** Makes what was taken ready for the user; what is not handed out is withdrawn. */
  async #prepare(
    taken: Taken,
    member: ShareMember,
    { filter, signal }: ShareRequest,
  ): Promise<Delivery[]> {
    this.#preparing.set(taken, member);
    try {
      if (taken.deliveries.some(({ hasRecord }) => !hasRecord)) await this.#readMissing(taken);
      if (!this.#preparing.has(taken)) return [];
      if (filter !== undefined) this.#putExpiredAside(taken, filter);
      if (taken.deliveries.length > 0) await this.#store(taken);
      signal?.throwIfAborted();
      this.#parts.check();
    } catch (error) {
      if (this.#preparing.delete(taken)) this.#withdraw(taken);
      throw error;
    }
    // Otherwise the member has closed meanwhile.
    return this.#preparing.delete(taken) ? taken.deliveries : [];
  }

  async #readMissing(taken: Taken): Promise<void> {
    const kept: Delivery[] = [];
    for (const partition of taken.partitions) {
      const own = taken.deliveries.filter((delivery) => delivery.partition === partition);
      kept.push(...(await partition.readMissing(own)));
    }
    taken.deliveries = kept;
  }

  #putExpiredAside(taken: Taken, filter: NonNullable<ShareRequest['filter']>): void {
    if (!taken.deliveries.some(({ record }) => filter(record) === 'expired')) return;
    const expired: Delivery[] = [];
    const kept: Delivery[] = [];
    for (const delivery of taken.deliveries) {
      if (filter(delivery.record) !== 'expired') kept.push(delivery);
      else if (delivery.partition.takeAway(delivery) === 'done') expired.push(delivery);
    }
    taken.deliveries = kept;
    if (expired.length > 0) this.#parts.expired(expired);
  }

  #store({ deliveries, partitions }: Taken): Promise<unknown> {
    const [only] = partitions;
    if (partitions.length === 1 && only !== undefined) return only.storeDeliveries(deliveries);
    return Promise.all(
      partitions.map((partition) =>
        partition.storeDeliveries(deliveries.filter((each) => each.partition === partition)),
      ),
    );
  }

  #withdraw({ deliveries, partitions }: Taken): void {
    for (const partition of partitions) {
      partition.withdrawAll(deliveries.filter((delivery) => delivery.partition === partition));
    }
    this.#parts.taken();
    this.wake();
  }
}

function isTaken(outcome: Outcome): outcome is Taken {
  return typeof outcome === 'object' && 'deliveries' in outcome;
}

function isPartition(outcome: Outcome): outcome is SharePartition {
  return typeof outcome === 'object' && !('deliveries' in outcome);
}
