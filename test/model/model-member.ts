/**
 * A process with one consumer of a group in it, and the line between it and the broker.
 *
 * It reads from where the group is, one batch at a time, and commits what it has done, one commit
 * at a time, or with a transaction in which it sends.
 */

import { ConsumerCore } from '../../src/broker/consumer/consumer-core.js';
import type { FetchedBatch, PartitionLease } from '../../src/broker/consumer/consumer-lease.js';
import type { ConsumerMember } from '../../src/broker/consumer/consumer-source.js';
import type { GroupLedger } from './model-group.js';
import { type PartitionLedger, rule } from './model-ledger.js';
import {
  codeOf,
  isExpected,
  type MemberPlan,
  memberOptions,
  PREFETCH_BYTES,
  PREFETCH_COUNT,
} from './model-participant.js';
import { ModelProcess } from './model-process.js';
import type { ModelTransaction } from './model-transaction.js';
import type { ModelWorld } from './model-world.js';

/** A lease, and what the model knows of it. */
interface Held {
  readonly lease: PartitionLease;
  readonly partition: PartitionLedger | undefined;
  /** What comes next, and what is done: exclusive ends. */
  next: number;
  done: number;
  committed: number;
}

export class ModelMember extends ModelProcess {
  readonly #core: ConsumerCore;
  readonly #held = new Map<PartitionLease, Held>();
  /** For each batch that it may do: in a transaction, or not. */
  #permits: { readonly isTransactional: boolean; count: number }[] = [];
  /** Sends what it read, and commits, in a transaction of its own. */
  #transaction: ModelTransaction | undefined;
  #permitted: (() => void) | undefined;
  #commits: Promise<void> = Promise.resolve();

  constructor(world: ModelWorld, group: GroupLedger, name: string, plan: MemberPlan) {
    super(world, group, name, plan);
    this.#core = ConsumerCore.start(
      plan.topics,
      memberOptions(group, plan),
      {
        onAssigned: (leases) => this.#assigned(leases),
        onRevoked: (leases) => this.#revoked(leases),
        onLost: (leases) => this.#lost(leases),
      },
      this.line.surroundings,
    );
    this.watch(this.#run());
  }

  // ---- What a command does to it.

  /** Lets it do so many batches, each in a transaction or without. */
  work(count: number, isTransactional: boolean): void {
    this.#permits.push({ isTransactional, count });
    this.#permitted?.();
  }

  stop(): void {
    if (this.isStopping || this.line.isCrashed) return;
    this.isStopping = true;
    this.#core.close().then(
      () => {
        this.isOver = true;
      },
      (error: unknown) => {
        if (!this.line.isGone) this.world.fail(`${this.name} could not be closed`, error);
      },
    );
  }

  pause(which: number): void {
    const { leases } = this.#core;
    const lease = leases[which % Math.max(1, leases.length)];
    if (lease?.isPaused === true) lease.resume();
    else lease?.pause();
  }

  seek(which: number): void {
    if (this.#transaction !== undefined) return;
    const { leases } = this.#core;
    this.#again(leases[which % Math.max(1, leases.length)]);
  }

  /** Nothing goes wrong any more. */
  setBack(): void {
    this.resume();
    for (const lease of this.#core.leases) lease.resume();
    this.#permits = [];
    this.work(1_000_000, false);
  }

  // ---- What the world sees of it.

  /** What it owns, and in which generation; nothing when it knows that it was put out. */
  override get claims(): {
    readonly generation: number;
    readonly leases: readonly PartitionLease[];
  } {
    const generation = this.#core.memberOf()?.generation ?? -1;
    const leases = generation < 0 ? [] : this.#core.leases.filter(({ isHeld }) => isHeld);
    return { generation, leases };
  }

  override get memberId(): string {
    return this.#core.memberOf()?.memberId ?? '';
  }

  picture(): string {
    const { generation, leases } = this.claims;
    const flags = [this.line.isCrashed ? 'crashed' : '', this.isOver ? 'over' : ''].join('');
    const owned = leases.map((lease) => {
      const { topic, partition, position, endOffset } = lease;
      const { done, committed } = this.#held.get(lease) ?? {};
      return `${topic}-${partition} at ${position}/${done}/${committed} of ${endOffset}`;
    });
    return `${this.name} of ${this.group.name} ${flags} in ${generation} has ${owned}`;
  }

  checkBounds(): void {
    const { heldCount, heldBytes } = this.#core;
    rule(heldCount <= PREFETCH_COUNT, `${this.name} holds ${heldCount} batches`);
    const isWithin = heldCount <= 1 || heldBytes <= PREFETCH_BYTES;
    rule(isWithin, `${this.name} holds ${heldBytes} bytes in ${heldCount} batches`);
  }

  // ---- What it does.

  async #run(): Promise<void> {
    for (;;) {
      const fetched = await this.#core.take();
      if (fetched === undefined || this.line.isGone) break;
      this.world.check(() => this.#delivered(fetched));
      const isTransactional = await this.#permit();
      if (this.line.isGone) return;
      if (isTransactional) {
        await this.#doInTransaction(fetched);
        if (this.line.isGone) return;
        this.#core.release(fetched);
        continue;
      }
      this.world.check(() => this.#done(fetched));
      this.#core.release(fetched);
      this.#commit();
    }
    // It was closed, or its topics are gone: the loop of a program ends here.
    if (!this.line.isGone) await this.#core.close();
    this.isOver = true;
  }

  async #permit(): Promise<boolean> {
    for (;;) {
      const [permit] = this.#permits;
      if (this.line.isStalled) await this.line.unstalled();
      else if (permit === undefined) {
        await new Promise<void>((resolve) => {
          this.#permitted = resolve;
        });
      } else {
        permit.count -= 1;
        if (permit.count === 0) this.#permits.shift();
        return permit.isTransactional;
      }
    }
  }

  /** Exactly once: sends a record for each that it read, and commits, all of it or nothing. */
  async #doInTransaction(fetched: FetchedBatch): Promise<void> {
    await this.#commit();
    // It was sought meanwhile: what is here comes again.
    if (fetched.isOvertaken) return;
    const { topic, partition: at, nextOffset, lease } = fetched;
    const held = this.#held.get(lease);
    const member = this.#core.memberOf();
    const target = this.world.topics.all[0];
    if (held?.partition === undefined || member === undefined || target === undefined) {
      this.#again(lease);
      return;
    }
    const { partition } = held;
    const isStale = this.#isStale(member);
    const offsets = [...fetched.batch].map(({ offset }) => offset);
    const transaction = this.world.transactions.begin();
    this.#transaction = transaction;
    for (const offset of offsets) transaction.send(target, `k${offset % 3}`);
    const input = { group: this.group, partition, offsets, nextOffset };
    transaction.commitOffsets(input, (open) => {
      open.commitOffsets({ topic, partition: at, nextOffset, member });
    });
    transaction.return();
    const fate = await transaction.ended;
    this.#transaction = undefined;
    this.world.coverage.count('members', `batches in transactions ${fate}`);
    if (fate === 'committed') {
      const about = `a transaction with offsets of ${this.name} was committed`;
      this.world.check(() => rule(!isStale, `${about}, which had been put out before`));
      held.done = Math.max(held.done, nextOffset);
      held.committed = Math.max(held.committed, nextOffset);
    } else this.#again(lease);
  }

  /** Whether the group has gone on without the member: it never comes back under that name. */
  #isStale({ memberId, generation }: ConsumerMember): boolean {
    const { watch } = this.world;
    const isStale = generation !== watch.generationOf(this.group.name) || watch.isRemoved(memberId);
    if (isStale) this.world.coverage.count('members', 'stale transactions');
    return isStale;
  }

  /** Back to what is committed: everything behind it comes again. */
  #again(lease: PartitionLease | undefined): void {
    const held = lease === undefined ? undefined : this.#held.get(lease);
    if (lease === undefined || held === undefined || !lease.isHeld) return;
    held.next = held.committed;
    held.done = held.committed;
    lease.seek(held.committed);
  }

  #delivered(fetched: FetchedBatch): void {
    const held = this.#held.get(fetched.lease);
    const about = `${this.name} got ${fetched.topic}-${fetched.partition}`;
    rule(held !== undefined, `${about}, which it was not told of`);
    const { partition } = held;
    this.world.coverage.count('members', 'batches delivered');
    if (partition === undefined) return;
    for (const { offset, value } of fetched.batch) {
      rule(offset >= held.next, `${about} at ${offset} behind ${held.next}`);
      for (let between = held.next; between < offset; between += 1) {
        const missed = partition.recordAt(between);
        const isMissed = missed !== undefined && this.world.transactions.isVisible(missed);
        rule(!isMissed, `${about} at ${offset}, without ${missed?.id} at ${between}`);
      }
      const record = partition.learn(offset, value?.toString() ?? 'null', this.plan.durability);
      this.world.transactions.seen(record, about);
      held.next = offset + 1;
    }
    held.next = fetched.nextOffset;
  }

  #done(fetched: FetchedBatch): void {
    const held = this.#held.get(fetched.lease);
    const partition = held?.partition ?? this.world.partitionOf(fetched.lease);
    if (partition !== undefined) {
      for (const { offset } of fetched.batch) this.group.done(partition, offset);
    }
    if (held !== undefined && !fetched.isOvertaken) {
      held.done = Math.max(held.done, fetched.nextOffset);
    }
  }

  /** One at a time, each with what there is when its turn comes. */
  #commit(): Promise<void> {
    this.#commits = this.#commits.then(async () => {
      const due = [...this.#held.values()].filter(
        ({ lease, done, committed }) => lease.isHeld && done > committed,
      );
      if (due.length === 0 || this.line.isGone) return;
      const offsets = due.map(({ lease: { topic, partition }, done: offset }) => {
        return { topic, partition, offset };
      });
      try {
        await this.#core.commit(offsets);
        if (this.line.isGone) return;
        for (const [at, held] of due.entries()) {
          const offset = offsets[at]?.offset ?? 0;
          held.committed = Math.max(held.committed, offset);
        }
      } catch (error) {
        if (this.line.isGone) return;
        this.world.coverage.count('refused commits', codeOf(error));
        if (!isExpected(error)) this.world.fail(`${this.name} could not commit`, error);
      }
    });
    return this.#commits;
  }

  #assigned(leases: readonly PartitionLease[]): void {
    if (this.line.isGone) return;
    for (const lease of leases) {
      const partition = this.world.partitionOf(lease);
      const at = lease.position;
      this.#held.set(lease, { lease, partition, next: at, done: at, committed: at });
      this.world.coverage.count('members', 'partitions assigned');
      if (partition === undefined || partition.isDoomed) continue;
      const isLate = this.world.isLate(this);
      this.world.check(() => {
        this.group.checkStart(partition, at, isLate);
      });
    }
  }

  async #revoked(leases: readonly PartitionLease[]): Promise<void> {
    await this.line.pass('revoke');
    await this.#commit();
    for (const lease of leases) this.#held.delete(lease);
    this.world.coverage.count('members', 'partitions revoked', leases.length);
  }

  async #lost(leases: readonly PartitionLease[]): Promise<void> {
    await this.line.pass('lose');
    for (const lease of leases) this.#held.delete(lease);
    this.world.coverage.count('members', 'partitions lost', leases.length);
  }
}
