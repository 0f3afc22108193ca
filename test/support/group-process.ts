/**
 * A process of the simulated world: one member, its owner, and the line to the coordinator.
 *
 * Its owner reads from where the group is and commits what it has read, one commit at a time.
 * Whatever goes over the line waits in the scheduler, also while the process stalls, and for ever
 * once it crashed.
 */

import type { Cancel, Clock } from '../../src/base/clock.js';
import { hasCode } from '../../src/base/errors.js';
import { GroupMembership, type GroupService } from '../../src/broker/group/group-membership.js';
import type { JoinRequest, JoinResult } from '../../src/broker/group/group-requests.js';
import type { TopicPartition } from '../../src/broker/group/group-topics.js';
import { nameOf } from './group-fixture.js';
import type { GroupWorld } from './group-world.js';

export const SESSION_MS = 15_000;
const REBALANCE_MS = 25_000;
const HEARTBEAT_MS = 4_500;

/** A process with one member: it reads from where the group is, and commits what it has read. */
export class SimProcess {
  readonly membership: GroupMembership;
  readonly instanceId: string | undefined;
  topics: readonly string[];
  isCrashed = false;
  isStopping = false;
  isOver = false;
  /** It knows where to read in all that it owns. */
  isReady = true;
  readonly #world: GroupWorld;
  readonly #positions = new Map<string, number>();
  readonly #committed = new Map<string, number>();
  #commits: Promise<void> = Promise.resolve();
  #stalled: Promise<void> | undefined;
  #goOn: (() => void) | undefined;
  #blocked: Promise<void> | undefined;
  #unblock: (() => void) | undefined;

  constructor(world: GroupWorld, topics: readonly string[], instanceId: string | undefined) {
    this.#world = world;
    this.topics = topics;
    this.instanceId = instanceId;
    const options = {
      groupId: world.groupId,
      topics,
      assignors: world.assignors,
      sessionTimeoutMs: SESSION_MS,
      heartbeatIntervalMs: HEARTBEAT_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      ...(instanceId === undefined ? {} : { instanceId }),
    };
    const callbacks = {
      onAssigned: (partitions: readonly TopicPartition[]) => this.#onAssigned(partitions),
      onRevoked: (partitions: readonly TopicPartition[]) => this.#onRevoked(partitions),
      onLost: (partitions: readonly TopicPartition[]) => this.#onLost(partitions),
    };
    const clock = this.#clock();
    const service = this.#service();
    const environment = { clock, coordinator: service, topics: world.topics };
    this.membership = GroupMembership.start(options, callbacks, environment);
    this.membership.finished.then(
      () => {
        this.isOver = true;
      },
      (error: unknown) => {
        this.isOver = true;
        if (!hasCode(error, 'FENCED_INSTANCE') && !hasCode(error, 'BROKER_CLOSED')) {
          world.failures.push(new Error('a membership ended', { cause: error }));
        }
      },
    );
  }

  stall(): void {
    if (this.#stalled !== undefined) return;
    this.#stalled = new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  resume(): void {
    this.#goOn?.();
    this.#stalled = undefined;
  }

  /** Its owner does not return from what it does with partitions; everything else goes on. */
  block(): void {
    if (this.#blocked !== undefined) return;
    this.#blocked = new Promise((resolve) => {
      this.#unblock = resolve;
    });
  }

  unblock(): void {
    this.#unblock?.();
    this.#blocked = undefined;
  }

  setBack(): void {
    this.resume();
    this.unblock();
  }

  crash(): void {
    this.isCrashed = true;
  }

  stop(): void {
    this.isStopping = true;
    this.membership.stop().catch(() => undefined);
  }

  setTopics(topics: readonly string[]): void {
    if (this.isOver) return;
    this.topics = topics;
    this.membership.setTopics(topics);
  }

  /** Reads up to so many records of each partition, and commits. */
  work(records: number): void {
    if (this.isCrashed || this.#stalled !== undefined) return;
    for (const { topic, partition } of this.membership.owned) {
      const name = nameOf({ topic, partition });
      const position = this.#positions.get(name);
      if (position === undefined) continue;
      const end = this.#world.topics.at(topic, partition).writtenOffset;
      this.#positions.set(name, Math.min(end, position + records));
    }
    this.#commit();
  }

  picture(): string {
    const { memberId, generation, owned } = this.membership;
    const flags = [this.isCrashed ? 'crashed' : '', this.isOver ? 'over' : ''].join('');
    return `${memberId} ${flags} ${generation} [${owned.map(nameOf).join()}]`;
  }

  async #onAssigned(partitions: readonly TopicPartition[]): Promise<void> {
    this.isReady = false;
    const { coordinator, groupId } = this.#world;
    const fetched = await this.#over('fetch', () => coordinator.fetch(groupId, partitions));
    for (const { topic, partition, offset } of fetched) {
      this.#positions.set(nameOf({ topic, partition }), offset ?? 0);
      this.#committed.set(nameOf({ topic, partition }), offset ?? 0);
    }
    this.isReady = true;
  }

  async #onRevoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#pass('revoke');
    while (this.#blocked !== undefined) await this.#blocked;
    await this.#commit();
    for (const at of partitions) this.#positions.delete(nameOf(at));
  }

  async #onLost(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#pass('lose');
    for (const at of partitions) this.#positions.delete(nameOf(at));
  }

  /** One at a time, each with what there is when its turn comes. */
  #commit(): Promise<void> {
    this.#commits = this.#commits.then(async () => {
      const { generation, memberId, owned } = this.membership;
      const offsets = owned.flatMap(({ topic, partition }) => {
        const name = nameOf({ topic, partition });
        const offset = this.#positions.get(name);
        if (offset === undefined || offset === this.#committed.get(name)) return [];
        const metadata = `${memberId}|${generation}|${this.instanceId ?? ''}`;
        return [{ topic, partition, offset, metadata }];
      });
      if (offsets.length === 0) return;
      try {
        await this.membership.commit(offsets);
        for (const { offset, ...at } of offsets) this.#committed.set(nameOf(at), offset);
      } catch (error) {
        const isExpected = [
          'ILLEGAL_GENERATION',
          'UNKNOWN_MEMBER',
          'FENCED_INSTANCE',
          'REBALANCE_IN_PROGRESS',
          'BROKER_CLOSED',
        ] as const;
        if (!isExpected.some((code) => hasCode(error, code))) {
          this.#world.failures.push(new Error('a commit failed', { cause: error }));
        }
      }
    });
    return this.#commits;
  }

  /** The coordinator, over a line that this process is at the end of. */
  #service(): GroupService {
    const world = this.#world;
    return {
      join: (request) => this.#over('join', () => this.#join(request)),
      sync: (request) => this.#over('sync', () => world.coordinator.sync(request)),
      heartbeat: (request) => this.#over('heartbeat', () => world.coordinator.heartbeat(request)),
      leave: (request) => this.#over('leave', () => world.coordinator.leave(request)),
      commit: (request) => this.#over('commit', () => world.coordinator.commit(request)),
    };
  }

  #join(request: JoinRequest): Promise<JoinResult> {
    const { onRebalance } = request;
    const guarded = () => {
      this.#pass('notice').then(onRebalance);
    };
    return this.#world.issue(request.instanceId, () =>
      this.#world.coordinator.join({ ...request, onRebalance: guarded }),
    );
  }

  async #over<T>(name: string, call: () => Promise<T>): Promise<T> {
    await this.#pass(`${name} request`);
    try {
      const value = await call();
      await this.#pass(`${name} reply`);
      return value;
    } catch (error) {
      await this.#pass(`${name} refusal`);
      throw error;
    }
  }

  /** In the order of the scheduler; held up while the process stalls, for ever when it crashed. */
  async #pass(label: string): Promise<void> {
    await this.#world.scheduler.schedule(Promise.resolve(), label);
    while (this.#stalled !== undefined) await this.#stalled;
    if (this.isCrashed) await new Promise(() => undefined);
  }

  #clock(): Clock {
    const { clock } = this.#world;
    const schedule = (delayMs: number, run: () => void): Cancel => {
      let isCancelled = false;
      const cancel = clock.schedule(delayMs, async () => {
        while (this.#stalled !== undefined) await this.#stalled;
        if (!this.isCrashed && !isCancelled) run();
      });
      return () => {
        isCancelled = true;
        cancel();
      };
    };
    return { nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), schedule };
  }
}
