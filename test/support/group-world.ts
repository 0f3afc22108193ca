/**
 * A group under fire: processes with members in them, a coordinator that knows the truth, and an
 * observer that knows the rules and nothing of how they are kept.
 *
 * Whatever passes between a process and the coordinator waits in fast-check's scheduler, which
 * decides the order. A process may stall (nothing gets in or out, its timers do not run) and go on,
 * or crash (the same for ever). The observer learns of generations from diagnostics, and sees every
 * append to the state log as it is made.
 *
 * The rules: two processes that say the same generation own no partition together; nothing is
 * committed but by a member of the generation that is; the committed offset of a partition never
 * goes back; and when things calm down every partition has an owner and every record was read.
 */

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Scheduler } from 'fast-check';
import type { AssignorName } from '../../src/broker/group/assignors.js';
import { GroupCoordinator } from '../../src/broker/group/group-coordinator.js';
import type {
  GroupGenerationBegun,
  GroupMemberRemoved,
} from '../../src/broker/group/group-diagnostics.js';
import type { StateEntry, StateLog } from '../../src/broker/state/state-log.js';
import { MemoryTopics, nameOf, settle } from './group-fixture.js';
import { SESSION_MS, SimProcess } from './group-process.js';
import { SimClock } from './sim-clock.js';

const RECORDS = 20;
/** A group is calm when nothing changes for longer than a session; it must become so in time. */
const CALM_ROUNDS = 4;
const WAIT_MS = 4_000;
const ROUNDS_MAX = 100;

let worlds = 0;

export class GroupWorld {
  readonly scheduler: Scheduler;
  readonly clock = new SimClock();
  readonly topics = new MemoryTopics();
  readonly groupId: string;
  readonly assignors: readonly AssignorName[];
  readonly processes: SimProcess[] = [];
  coordinator!: GroupCoordinator;
  generation = 0;
  rebalances = 0;
  readonly #committed = new Map<string, number>();
  readonly #removed = new Set<string>();
  /** The newest member id of each instance, as the number in it. */
  readonly #instanceIds = new Map<string, number>();
  #ids = 0;
  #issuingFor: string | undefined;
  /** What went against a rule where nobody listens. */
  readonly failures: Error[] = [];

  private constructor(scheduler: Scheduler, assignors: readonly AssignorName[]) {
    this.scheduler = scheduler;
    this.assignors = assignors;
    worlds += 1;
    this.groupId = `world ${worlds}`;
  }

  static async open(scheduler: Scheduler, assignors: readonly AssignorName[]): Promise<GroupWorld> {
    const world = new GroupWorld(scheduler, assignors);
    const { clock, topics } = world;
    world.#make('t', 2);
    world.#make('u', 1);
    const stateLog: StateLog = {
      append: (entries) => world.#append(entries),
      load: async function* () {},
    };
    world.coordinator = await GroupCoordinator.open({
      clock,
      topics,
      stateLog,
      newId: () => world.#newId(),
    });
    subscribe('millrace:group:generation', world.#onGeneration);
    subscribe('millrace:group:member-removed', world.#onRemoved);
    return world;
  }

  async close(): Promise<void> {
    unsubscribe('millrace:group:generation', this.#onGeneration);
    unsubscribe('millrace:group:member-removed', this.#onRemoved);
    const closing = this.coordinator.close();
    await this.steps(Number.POSITIVE_INFINITY);
    await closing;
  }

  start(topics: readonly string[], instanceId?: string): void {
    this.processes.push(new SimProcess(this, topics, instanceId));
  }

  grow(topic: string, count: number): void {
    this.#make(topic, count);
    this.coordinator.noticeTopics([topic]);
  }

  /** Partitions whose records are not durable before somebody commits them. */
  #make(topic: string, count: number): void {
    const before = this.topics.partitionCount(topic) ?? 0;
    this.topics.set(topic, before + count, RECORDS);
    for (let partition = before; partition < before + count; partition += 1) {
      const log = this.topics.at(topic, partition);
      log.durableOffset = 0;
      log.gate = () => this.scheduler.schedule(Promise.resolve(), 'flush');
    }
  }

  /** Runs `count` of what waits, in an order that the scheduler decides. */
  async steps(count: number): Promise<void> {
    await settle();
    for (let step = 0; step < count && this.scheduler.count() > 0; step += 1) {
      // `waitNext` would run dozens of microtasks to see what comes; `settle` knows.
      await this.scheduler.waitOne();
      await settle();
      this.observe();
    }
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settle();
    this.observe();
  }

  /** Two processes of one generation share nothing. */
  observe(): void {
    const [failure] = this.failures;
    if (failure !== undefined) throw failure;
    const owners = new Map<string, SimProcess>();
    for (const process of this.processes) {
      if (process.isCrashed || this.#isFenced(process.membership.memberId, process.instanceId)) {
        continue;
      }
      const { generation, owned } = process.membership;
      // It knows that it was put out, and is about to tell its owner.
      if (generation < 0) continue;
      for (const at of owned) {
        const claim = `${nameOf(at)} in generation ${generation}`;
        assert(!owners.has(claim), `${claim} has two owners`);
        owners.set(claim, process);
      }
    }
  }

  /** Nothing goes wrong any more: soon all is owned, and stays so; then all is read. */
  async calmDown(): Promise<void> {
    for (const process of this.processes) process.setBack();
    let calmRounds = 0;
    let { generation } = this;
    for (let round = 0; calmRounds < CALM_ROUNDS; round += 1) {
      assert(round < ROUNDS_MAX, `the group does not calm down: ${this.#picture()}`);
      await this.#idle(calmRounds === 0 ? WAIT_MS : SESSION_MS / 3);
      const isSame = this.#isCalm() && this.generation === generation;
      calmRounds = isSame ? calmRounds + 1 : 0;
      generation = this.generation;
    }
    for (const process of this.#living()) process.work(1_000);
    await this.#idle(0);
    await this.#idle(0);
    for (const name of this.#wanted()) {
      const at = name.lastIndexOf('-');
      const log = this.topics.at(name.slice(0, at), Number(name.slice(at + 1)));
      assert.equal(this.#committed.get(name), log.writtenOffset, `${name} is read to its end`);
    }
  }

  /** Remembers for whom ids are given out while a join is carried out. */
  issue<T>(instanceId: string | undefined, run: () => T): T {
    this.#issuingFor = instanceId;
    try {
      return run();
    } finally {
      this.#issuingFor = undefined;
    }
  }

  async #idle(ms: number): Promise<void> {
    await this.steps(Number.POSITIVE_INFINITY);
    await this.advance(ms);
  }

  #living(): SimProcess[] {
    return this.processes.filter(({ isCrashed, isOver }) => !isCrashed && !isOver);
  }

  #wanted(): string[] {
    const wanted = new Set(this.#living().flatMap(({ topics }) => topics));
    return [...wanted].flatMap((topic) =>
      Array.from({ length: this.topics.partitionCount(topic) ?? 0 }, (_, at) => `${topic}-${at}`),
    );
  }

  #isCalm(): boolean {
    const living = this.#living();
    const listing = this.coordinator.admin.list().find(({ groupId }) => groupId === this.groupId);
    if (living.some(({ isStopping }) => isStopping)) return false;
    if (living.length === 0) return listing === undefined || listing.state === 'Empty';
    if (listing?.state !== 'Stable' || listing.members !== living.length) return false;
    if (living.some(({ membership }) => membership.generation !== this.generation)) return false;
    const owned = living.flatMap(({ membership }) => membership.owned.map(nameOf));
    const isReady = living.every((process) => process.isReady);
    return isReady && owned.sort().join() === this.#wanted().sort().join();
  }

  #picture(): string {
    const groups = JSON.stringify(this.coordinator.admin.list());
    const members = this.processes.map((process) => process.picture()).join('; ');
    return `${groups} generation ${this.generation}: ${members}`;
  }

  #newId(): string {
    this.#ids += 1;
    if (this.#issuingFor !== undefined) this.#instanceIds.set(this.#issuingFor, this.#ids);
    return `${this.#ids}`;
  }

  /** Whether a newer process has the place of this static member. */
  #isFenced(memberId: string, instanceId: string | undefined): boolean {
    if (instanceId === undefined || memberId === '') return false;
    return this.#instanceIds.get(instanceId) !== Number(memberId.split('-').at(-1));
  }

  async #append(entries: readonly StateEntry[]): Promise<void> {
    for (const { key, value } of entries) {
      if (value === null || !key.startsWith('offset/')) continue;
      const [, topic, partition] = key.split('/');
      const [, offset, , metadata] = value;
      const [memberId = '', generation, instanceId] = String(metadata).split('|');
      const name = `${topic}-${partition}`;
      const who = `${name} at ${offset} by ${metadata}`;
      this.#rule(Number(generation) === this.generation, `${who} in ${this.generation}`);
      this.#rule(!this.#removed.has(memberId), `${who}, who was removed`);
      this.#rule(!this.#isFenced(memberId, instanceId || undefined), `${who}, who was fenced`);
      this.#rule((this.#committed.get(name) ?? 0) <= Number(offset), `${who} goes back`);
      this.#committed.set(name, Number(offset));
    }
    await this.scheduler.schedule(Promise.resolve(), 'state log');
  }

  #rule(holds: boolean, what: string): void {
    if (!holds) this.failures.push(new Error(`against the rules: ${what}`));
  }

  readonly #onGeneration = (message: unknown): void => {
    const { group, generation } = message as GroupGenerationBegun;
    if (group !== this.groupId) return;
    this.rebalances += 1;
    this.generation = generation;
  };

  readonly #onRemoved = (message: unknown): void => {
    const { group, memberId } = message as GroupMemberRemoved;
    if (group === this.groupId) this.#removed.add(memberId);
  };
}
