/**
 * The line between a process and the broker, and the clock of that process.
 *
 * Whatever goes over the line waits in the scheduler. A process that stalls gets nothing and its
 * timers wait; one that crashed gets nothing any more.
 */

import type { Cancel, Clock } from '../../src/base/clock.js';
import type {
  ConsumerSurroundings,
  OpenConsumer,
} from '../../src/broker/consumer/consumer-surroundings.js';
import type { CommitRequest } from '../../src/broker/group/group-commits.js';
import type { GroupCoordinator } from '../../src/broker/group/group-coordinator.js';
import { rule } from './model-ledger.js';
import type { Life } from './model-life.js';
import type { ModelWorld } from './model-world.js';

export class ModelLine {
  readonly surroundings: ConsumerSurroundings;
  readonly #world: ModelWorld;
  readonly #life: Life;
  readonly #name: string;
  readonly #around: ConsumerSurroundings;
  readonly #opened = new Set<OpenConsumer>();
  #stalled: Promise<void> | undefined;
  #goOn: (() => void) | undefined;
  isCrashed = false;
  /** As the broker has said last. */
  memberId = '';
  generation = -1;

  constructor(world: ModelWorld, name: string) {
    this.#world = world;
    this.#life = world.life;
    this.#name = name;
    const around = world.consumerSurroundings();
    this.#around = around;
    this.surroundings = {
      clock: this.#clock(around.clock),
      topics: around.topics,
      groupTopics: around.groupTopics,
      coordinator: async () => this.#service(await around.coordinator()),
      added: (consumer) => {
        this.#opened.add(consumer);
        around.added(consumer);
      },
      removed: (consumer) => {
        this.#opened.delete(consumer);
        around.removed(consumer);
      },
    };
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

  crash(): void {
    this.isCrashed = true;
    // A process that died is no consumer of the broker any more.
    for (const consumer of this.#opened) this.#around.removed(consumer);
  }

  get isStalled(): boolean {
    return this.#stalled !== undefined;
  }

  /** It gets no answers any more. */
  get isGone(): boolean {
    return this.isCrashed || this.#life.isOver;
  }

  /** Resolves at once, unless the process stalls. */
  async unstalled(): Promise<void> {
    while (this.#stalled !== undefined) await this.#stalled;
  }

  /** In the order of the scheduler; held up while the process stalls, for ever when it crashed. */
  async pass(label: string): Promise<void> {
    await this.#life.pass(`${this.#name}: ${label}`);
    while (this.#stalled !== undefined) await this.#stalled;
    if (this.isCrashed) await new Promise(() => undefined);
  }

  #service(coordinator: GroupCoordinator): GroupCoordinator {
    const over = <Args extends readonly unknown[], Result>(
      name: string,
      call: (...args: Args) => Promise<Result>,
    ) => {
      return async (...args: Args): Promise<Result> => {
        await this.pass(`${name} request`);
        try {
          const value = await call(...args);
          await this.pass(`${name} reply`);
          return value;
        } catch (error) {
          await this.pass(`${name} refusal`);
          throw error;
        }
      };
    };
    const service: Pick<
      GroupCoordinator,
      'join' | 'sync' | 'heartbeat' | 'leave' | 'commit' | 'fetch'
    > = {
      join: over('join', async (request) => {
        const onRebalance = (): void => {
          this.pass('notice').then(request.onRebalance);
        };
        const joined = await coordinator.join({ ...request, onRebalance });
        this.memberId = joined.memberId;
        this.generation = joined.generation;
        return joined;
      }),
      sync: over('sync', (request) => coordinator.sync(request)),
      heartbeat: over('heartbeat', (request) => coordinator.heartbeat(request)),
      leave: over('leave', (request) => coordinator.leave(request)),
      commit: over('commit', (request) => this.#watchCommit(coordinator, request)),
      fetch: over('fetch', (groupId, partitions) => coordinator.fetch(groupId, partitions)),
    };
    return service as GroupCoordinator;
  }

  /**
   * A commit that comes late is refused: of an old generation, of one who was put out. None is past
   * a record that nobody has done with.
   */
  async #watchCommit(coordinator: GroupCoordinator, request: CommitRequest): Promise<void> {
    const { groupId, memberId, generation, offsets } = request;
    const group = this.#world.groupOf(groupId);
    const { watch } = this.#world;
    const current = watch.generationOf(groupId);
    const isRemoved = watch.isRemoved(memberId);
    const isStale = generation !== current || isRemoved;
    if (isStale) this.#world.coverage.count('members', 'stale commits');
    const places = offsets.map(({ topic, partition, offset }) => {
      return { partition: this.#world.topics.partitionAt(topic, partition), offset };
    });
    await coordinator.commit(request);
    if (this.#life.isOver) return;
    this.#world.coverage.count('members', 'commits');
    this.#world.check(() => {
      for (const { partition, offset } of places) {
        if (partition === undefined || partition.isDoomed) continue;
        group.checkCommit(partition, offset);
        group.committed(partition, offset);
      }
      const about = `a commit by ${memberId} of generation ${generation} was accepted`;
      rule(!isStale, `${about} in ${current}${isRemoved ? ', which had put it out' : ''}`);
    });
  }

  #clock(clock: Clock): Clock {
    const schedule = (delayMs: number, run: () => void): Cancel => {
      let isCancelled = false;
      const cancel = clock.schedule(delayMs, async () => {
        while (this.#stalled !== undefined) await this.#stalled;
        if (!this.isGone && !isCancelled) run();
      });
      return () => {
        isCancelled = true;
        cancel();
      };
    };
    return { nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), schedule };
  }
}
