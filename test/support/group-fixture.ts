/**
 * A coordinator on a simulated clock, over a state log and topics in memory.
 *
 * The state log answers when the test says so: `hold()` keeps appends waiting. Promises move on by
 * `settle()`, which runs microtasks until there are none left; time moves by `clock.advance`.
 */

import { createError } from '../../src/base/errors.js';
import { GroupCoordinator } from '../../src/broker/group/group-coordinator.js';
import type { GroupOptions } from '../../src/broker/group/group-options.js';
import type { JoinRequest, JoinResult } from '../../src/broker/group/group-requests.js';
import { encodeSubscription } from '../../src/broker/group/group-subscription-format.js';
import type {
  GroupPartition,
  GroupTopics,
  TopicPartition,
} from '../../src/broker/group/group-topics.js';
import type { StateEntry, StateLog } from '../../src/broker/state/state-log.js';
import { SimClock } from './sim-clock.js';

export class MemoryStateLog implements StateLog {
  readonly entries: StateEntry[];
  #waiting: (() => void)[] = [];
  #isHeld = false;
  #failures = 0;

  constructor(entries: readonly StateEntry[] = []) {
    this.entries = [...entries];
  }

  async append(entries: readonly StateEntry[]): Promise<void> {
    if (this.#failures > 0) {
      this.#failures -= 1;
      throw createError('DISK_FULL', { path: 'memory' });
    }
    this.entries.push(...entries);
    if (this.#isHeld) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async *load(): AsyncGenerator<StateEntry> {
    yield* this.entries;
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  failNext(): void {
    this.#failures += 1;
  }
}

export class MemoryPartition implements GroupPartition {
  startOffset = 0;
  durableOffset = 0;
  writtenOffset = 0;
  /** First offset of each epoch. */
  epochs: { epoch: number; startOffset: number }[] = [{ epoch: 0, startOffset: 0 }];
  /** A record per second from this time on. */
  firstTimestamp = 1_000_000;
  readonly flushed: number[] = [];
  /** What `flush` waits for. */
  gate: () => Promise<unknown> = async () => undefined;

  fill(records: number): void {
    this.writtenOffset = records;
    this.durableOffset = records;
  }

  async flush(offset: number): Promise<void> {
    this.flushed.push(offset);
    await this.gate();
    this.durableOffset = Math.max(this.durableOffset, offset + 1);
  }

  async offsetOf(timestamp: number): Promise<number | undefined> {
    const offset = Math.max(0, Math.ceil((timestamp - this.firstTimestamp) / 1000));
    return offset < this.durableOffset ? offset : undefined;
  }

  epochAt(offset: number): number {
    return this.epochs.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? -1;
  }

  epochEnd(epoch: number): number | undefined {
    const last = this.epochs.at(-1)?.epoch ?? -1;
    if (epoch > last) return undefined;
    return this.epochs.find((entry) => entry.epoch > epoch)?.startOffset ?? this.writtenOffset;
  }
}

export class MemoryTopics implements GroupTopics {
  readonly #topics = new Map<string, MemoryPartition[]>();
  /** How often a topic of this name was deleted. */
  readonly #lives = new Map<string, number>();
  /** What was told of commits, oldest first. */
  readonly committed: string[] = [];
  isFailing = false;

  /** Makes the topic, or gives it more partitions. */
  set(topic: string, partitions: number, records = 0): void {
    const known = this.#topics.get(topic) ?? [];
    while (known.length < partitions) {
      const made = new MemoryPartition();
      made.fill(records);
      known.push(made);
    }
    this.#topics.set(topic, known);
  }

  delete(topic: string): void {
    this.#topics.delete(topic);
    this.#lives.set(topic, (this.#lives.get(topic) ?? 0) + 1);
  }

  at(topic: string, partition: number): MemoryPartition {
    const found = this.#topics.get(topic)?.[partition];
    if (found === undefined) throw new RangeError(`no partition ${topic}-${partition}`);
    return found;
  }

  names(): Iterable<string> {
    return this.#topics.keys();
  }

  find(topic: string): { readonly topicId: string; readonly partitionCount: number } | undefined {
    const partitionCount = this.#topics.get(topic)?.length;
    if (partitionCount === undefined) return undefined;
    return { topicId: `${topic} made after ${this.#lives.get(topic) ?? 0}`, partitionCount };
  }

  partitionCount(topic: string): number | undefined {
    return this.#topics.get(topic)?.length;
  }

  async partition(topic: string, partition: number): Promise<MemoryPartition | undefined> {
    if (this.isFailing) throw createError('IO_FAILED', { topic });
    return this.#topics.get(topic)?.[partition];
  }

  onCommitted(group: string, at: TopicPartition, offset: number | undefined): void {
    this.committed.push(`${group} ${nameOf(at)} ${offset}`);
  }
}

export interface GroupFixture {
  readonly clock: SimClock;
  readonly stateLog: MemoryStateLog;
  readonly topics: MemoryTopics;
  readonly coordinator: GroupCoordinator;
}

/** Short session timeouts are allowed; ids are numbered. */
export async function openGroups(
  options: GroupOptions = {},
  given: Partial<Omit<GroupFixture, 'coordinator'>> = {},
): Promise<GroupFixture> {
  const clock = given.clock ?? new SimClock();
  const stateLog = given.stateLog ?? new MemoryStateLog();
  const topics = given.topics ?? new MemoryTopics();
  let ids = 0;
  const newId = () => {
    ids += 1;
    return `${ids}`.padStart(3, '0');
  };
  const environment = { clock, stateLog, topics, newId };
  const coordinator = await GroupCoordinator.open(environment, {
    groupMinSessionTimeoutMs: 1,
    groupInitialRebalanceDelayMs: GATHER_MS,
    ...options,
  });
  return { clock, stateLog, topics, coordinator };
}

/** Lets promises go on until none of them moves any more by itself. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export const SESSION_MS = 10_000;
export const REBALANCE_MS = 30_000;

export function joinRequest(given: Partial<JoinRequest> & { topics?: string[] } = {}): JoinRequest {
  const { topics = ['t'], ...rest } = given;
  const metadata = encodeSubscription({ topics, owned: [], generation: -1 });
  return {
    groupId: 'g',
    memberId: '',
    clientId: 'c',
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: REBALANCE_MS,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata }],
    ...rest,
  };
}

/** How long an empty group waits for more members in these tests. */
const GATHER_MS = 5;

/** All of them join an empty group and get their assignment: one generation. */
export async function stableGroup(
  { coordinator, clock }: GroupFixture,
  requests: readonly JoinRequest[],
): Promise<JoinResult[]> {
  const joins = requests.map((request) => coordinator.join(request));
  await settle();
  clock.advance(GATHER_MS);
  const joined = await Promise.all(joins);
  const syncs = joined.map((result, index) => {
    const instanceId = requests[index]?.instanceId;
    return coordinator.sync({
      ...memberOf(requests[index]?.groupId ?? 'g', result, instanceId),
      assignments: assignmentsOf(result),
    });
  });
  await Promise.all(syncs);
  return joined;
}

/** Who a member is after its join. */
export function memberOf(groupId: string, result: JoinResult, instanceId?: string) {
  const { memberId, generation } = result;
  return { groupId, memberId, generation, ...(instanceId === undefined ? {} : { instanceId }) };
}

/** What the leader gives: bytes that say for whom they are. */
export function assignmentsOf({ members }: JoinResult) {
  return members.map(({ memberId }) => ({ memberId, assignment: Buffer.from(memberId) }));
}

export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
