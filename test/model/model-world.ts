/**
 * The world of the model: one broker on a disk that forgets, those who use it, and what is known of
 * what they did. The rules are beside whoever they are about; this file keeps the parts together,
 * over crashes, and in the end waits until all is calm.
 */

import type { Scheduler } from 'fast-check';
import { createError } from '../../src/base/errors.js';
import { workerSurroundings } from '../../src/broker/broker-workers.js';
import type { PartitionLease } from '../../src/broker/consumer/consumer-lease.js';
import type { ConsumerSurroundings } from '../../src/broker/consumer/consumer-surroundings.js';
import type { AssignorName } from '../../src/broker/group/assignors.js';
import type { ProcessSurroundings } from '../../src/broker/process/process-worker.js';
import type { TopicRegistry } from '../../src/broker/topic/topic-registry.js';
import { settle } from '../support/group-fixture.js';
import { SimClock } from '../support/sim-clock.js';
import { SimDisk } from '../support/sim-file-system.js';
import { ModelClient } from './model-client.js';
import type { Coverage } from './model-coverage.js';
import { GroupLedger } from './model-group.js';
import { type PartitionLedger, RuleBroken, rule, type TopicLedger } from './model-ledger.js';
import { checkLetters } from './model-letters.js';
import { type Death, Life } from './model-life.js';
import { ModelLoop } from './model-loop.js';
import { ModelMember } from './model-member.js';
import type { MemberPlan, Participant } from './model-participant.js';
import { ModelProducer } from './model-producer.js';
import { ModelTopics } from './model-topics.js';
import { ModelTransactions } from './model-transactions.js';
import { GroupWatch } from './model-watch.js';
import { HARD_KEY, ModelWorker, POISON_KEY } from './model-worker.js';

const MEMBERS_MAX = 6;
const CALM_ROUNDS_MAX = 400;
/** What workers process, in a group of their own. */
const WORKED_TOPIC = 'a';
const WORKERS = 'w';
const failing: readonly (string | null)[] = [POISON_KEY, HARD_KEY];
/** A round of waiting: sessions last longer. */
const ROUND_MS = 1_000;
const LONG_ROUND_MS = 14_000;
/** Sooner than what failed is tried again by the most patient workers. */
const DONE_ROUNDS_MAX = 90;

export class ModelWorld {
  readonly scheduler: Scheduler;
  readonly coverage: Coverage;
  readonly clock = new SimClock();
  readonly watch: GroupWatch;
  readonly topics = new ModelTopics(this);
  readonly transactions = new ModelTransactions(this);
  readonly groups: readonly GroupLedger[];
  readonly producers: readonly ModelProducer[];
  readonly clients: ModelClient[] = [];
  life: Life;
  members: Participant[] = [];
  readonly #assignors = new Map<GroupLedger, AssignorName>();
  #memberCount = 0;
  #ids = 0;
  #failure: unknown;

  constructor(scheduler: Scheduler, coverage: Coverage) {
    this.scheduler = scheduler;
    this.coverage = coverage;
    this.watch = new GroupWatch(coverage);
    this.life = new Life(new SimDisk({ nowMs: () => this.clock.nowMs() }), this.#surroundings());
    this.groups = ['g', 'h', WORKERS].map((name) => new GroupLedger(name, this.transactions));
    this.producers = [
      new ModelProducer(this, 'first', 'durable', true),
      new ModelProducer(this, 'second', 'written', true),
      new ModelProducer(this, 'third', 'durable', false),
      new ModelProducer(this, 'fourth', 'none', false),
    ];
  }

  async begin(): Promise<void> {
    rule(await this.life.open(), 'the first life goes on');
    await this.life.alone(async () => {
      await this.topics.createNow('a', 2);
      await this.topics.createNow('b', 1);
    });
  }

  /** Nothing listens any more. */
  end(): void {
    this.watch.end();
  }

  // ---- What others ask of the world.

  /** Runs a check of what an answer said; the first one that fails ends the sequence. */
  check(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  fail(what: string, cause: unknown): void {
    this.#failure ??= new RuleBroken(`${what}: ${String(cause)}`, { cause });
  }

  /** A topic was made: a client of its own sends to it. */
  created(topic: TopicLedger): void {
    this.clients.push(new ModelClient(this, topic, 5_000_000 + this.clients.length));
  }

  consumerSurroundings(): ConsumerSurroundings {
    return this.life.broker.consumers;
  }

  workerSurroundings(): ProcessSurroundings {
    const { broker, environment } = this.life;
    const { consumers, transactions } = broker;
    const topics: Pick<TopicRegistry, 'get' | 'declare'> = {
      get: (name) => {
        const found = consumers.topics.find(name);
        if (found === undefined) throw createError('UNKNOWN_TOPIC', { topic: name });
        return found;
      },
      declare: async (name, options) => (await broker.topic(name, options)).hosted,
    };
    const parts = { environment, consumers, transactions, topics: topics as TopicRegistry };
    return workerSurroundings(parts);
  }

  groupOf(name: string): GroupLedger {
    const found = this.groups.find((group) => group.name === name);
    rule(found !== undefined, `there is a group ${name}`);
    return found;
  }

  partitionOf({ topic, partition, log }: PartitionLease): PartitionLedger | undefined {
    return this.topics.partitionOf(topic, partition, log);
  }

  async committedBy(group: GroupLedger): Promise<Map<PartitionLedger, number>> {
    const coordinator = await this.life.broker.consumers.coordinator();
    const found = new Map<PartitionLedger, number>();
    for (const { topic, partition: at, offset } of await coordinator.fetch(group.name)) {
      const partition = this.topics.partitionAt(topic, at);
      if (partition !== undefined && offset !== undefined) found.set(partition, offset);
    }
    return found;
  }

  // ---- Members.

  join(at: number, form: 'member' | 'loop' | 'worker', plan: MemberPlan): void {
    const group = form === 'worker' ? this.groupOf(WORKERS) : this.groups[at % 2];
    if (group === undefined) return;
    if (this.members.filter(({ isLive }) => isLive).length >= MEMBERS_MAX) return;
    this.#join(group, form, plan);
  }

  /** Whether the group has gone on without it: it was put out, or another one took its place. */
  isLate(member: Participant): boolean {
    const { group, plan, memberId, claims } = member;
    if (this.watch.isRemoved(memberId)) return true;
    if (claims.generation !== this.watch.generationOf(group.name)) return true;
    const same = this.members.filter(
      (one) => one.group === group && one.plan.instanceId === plan.instanceId,
    );
    return plan.instanceId !== undefined && same.at(-1) !== member;
  }

  #join(group: GroupLedger, form: 'member' | 'loop' | 'worker', plan: MemberPlan): void {
    const wanted = form === 'worker' ? [WORKED_TOPIC] : plan.topics;
    const topics = wanted.filter((name) => this.topics.names.includes(name));
    if (topics.length === 0) return;
    this.#memberCount += 1;
    this.coverage.count('members', `of the form ${form}`);
    // The members of a group use one assignor; nobody knows when those that crashed are put out.
    const assignor = this.#assignors.get(group) ?? plan.assignor;
    this.#assignors.set(group, assignor);
    const Form = { member: ModelMember, loop: ModelLoop, worker: ModelWorker }[form];
    const full = { ...plan, topics, assignor };
    this.members.push(new Form(this, group, `${form} ${this.#memberCount}`, full));
  }

  // ---- Time and order.

  /** Runs `count` of what waits, in an order that the scheduler decides. */
  async steps(count: number): Promise<void> {
    await settle();
    for (let step = 0; step < count && this.scheduler.count() > 0; step += 1) await this.turn();
    await this.recover();
  }

  /** Runs one of what waits, if anything does. */
  async turn(): Promise<void> {
    if (this.scheduler.count() > 0) await this.scheduler.waitOne();
    await settle();
    this.observe();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settle();
    this.observe();
    await this.recover();
  }

  observe(): void {
    this.#failure ??= this.watch.failure;
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.life.isOver) this.#checkOwners();
  }

  /** The next life, when this one is over; that may end soon as well. */
  async recover(nested?: { calls: number; death: Death; seed: number }): Promise<void> {
    if (!this.life.isOver) return;
    const { death = 'kill' } = this.life;
    this.coverage.count('crashes', death);
    let isPowerCut = death === 'power cut';
    this.life = new Life(this.life.rest, this.#surroundings());
    if (nested !== undefined) this.life.endAfter(nested.calls, nested.death, nested.seed);
    while (!(await this.life.open())) {
      isPowerCut ||= this.life.death === 'power cut';
      this.coverage.count('crashes', `${this.life.death} in a recovery`);
      this.life = new Life(this.life.rest, this.#surroundings());
    }
    this.life.disk.onCall = undefined;
    await this.life.alone(async () => {
      await this.topics.beginLife();
      await this.#look(isPowerCut ? 'power cut' : 'kill');
    });
    this.transactions.beginLife();
    this.members = [];
    this.#assignors.clear();
    for (const producer of this.producers) producer.goOn();
    for (const client of this.clients) client.goOn();
    this.observe();
  }

  // ---- The end.

  /** Nothing goes wrong any more: all that was begun ends, and everything is checked. */
  async calmDown(): Promise<void> {
    await this.recover();
    this.life.disk.onCall = undefined;
    for (const transaction of this.transactions.running) transaction.return();
    // Also of what nobody waits for.
    await this.steps(Number.POSITIVE_INFINITY);
    await this.#until('what was begun ends', () => this.#isCalm(), ROUND_MS);
    await this.life.alone(() => this.#look('nothing'));
    for (const group of this.groups) {
      const form = group.name === WORKERS ? 'worker' : 'member';
      const plan = { assignor: 'range', instanceId: undefined, durability: 'durable' } as const;
      this.#join(group, form, { ...plan, topics: this.topics.names });
    }
    for (const member of this.members) member.setBack();
    const rounds = DONE_ROUNDS_MAX;
    await this.#until('members have done all', () => this.#isDone(), ROUND_MS, rounds);
    if (this.#hasFailing()) this.coverage.count('ends', 'keys that fail are left');
    // Of a transaction that a member was in, only the log tells whether it was committed.
    await this.life.alone(() => this.#look('nothing'));
    await this.#until('all is committed', () => this.#isThrough(), LONG_ROUND_MS);
    await this.life.alone(() => this.#checkEnd());
    this.observe();
    await this.life.alone(() => this.life.broker.close());
    this.observe();
  }

  async #look(after: Death | 'nothing'): Promise<void> {
    this.topics.check();
    await this.transactions.settle(await this.topics.checkLogs(after, this.groups));
    for (const group of this.groups) {
      const committed = await this.committedBy(group);
      for (const partition of this.#partitionsOf(group)) {
        if (!partition.isDoomed) group.checkCommitted(partition, committed.get(partition) ?? 0);
      }
    }
  }

  async #checkEnd(): Promise<void> {
    await this.#look('nothing');
    for (const group of this.groups) {
      const committed = await this.committedBy(group);
      for (const partition of this.#partitionsOf(group)) {
        group.checkAll(partition, committed.get(partition));
      }
    }
    const worked = this.topics.all.find(({ name }) => name === WORKED_TOPIC);
    await checkLetters(this, this.groupOf(WORKERS), worked);
  }

  async #until(
    what: string,
    isSo: () => boolean,
    roundMs: number,
    roundsMax = CALM_ROUNDS_MAX,
  ): Promise<void> {
    for (let round = 0; !isSo(); round += 1) {
      rule(round < roundsMax, `${what}, in the end: ${this.#picture()}`);
      await this.steps(Number.POSITIVE_INFINITY);
      await this.advance(roundMs);
    }
  }

  #isCalm(): boolean {
    if (this.producers.some(({ pending }) => pending > 0)) return false;
    if (this.clients.some(({ isBusy }) => isBusy)) return false;
    return this.topics.changing === 0 && !this.transactions.isAnyOpen;
  }

  /** Each group has done with everything, but for what its handlers cannot do. */
  #isDone(): boolean {
    if (this.transactions.isAnyOpen) return false;
    return this.groups.every((group) =>
      this.#partitionsOf(group).every((partition) => {
        const left = group.undone(partition);
        return left.every(({ key }) => group.name === WORKERS && failing.includes(key));
      }),
    );
  }

  /** Handlers go on failing, and nobody else waits for that. */
  #hasFailing(): boolean {
    const group = this.groupOf(WORKERS);
    return this.#partitionsOf(group).some((partition) => group.undone(partition).length > 0);
  }

  #isThrough(): boolean {
    return this.groups.every((group) =>
      this.#partitionsOf(group).every((partition) => group.isThrough(partition)),
    );
  }

  #partitionsOf(group: GroupLedger): PartitionLedger[] {
    const topics = this.topics.all.filter(
      ({ name }) => group.name !== WORKERS || name === WORKED_TOPIC,
    );
    return topics.flatMap(({ partitions }) => partitions.filter((one) => one !== undefined));
  }

  #picture(): string {
    const members = this.members.filter(({ isLive }) => isLive).map((one) => one.picture());
    const left = this.groups.flatMap((group) =>
      this.#partitionsOf(group).flatMap((partition) => {
        return group.undone(partition).map(({ id, key }) => `${id} of ${key} by ${group.name}`);
      }),
    );
    return [...members, `${this.topics.changing} changes`, `left: ${left}`].join('; ');
  }

  /** Two members of one generation share nothing. */
  #checkOwners(): void {
    const owners = new Map<string, Participant>();
    for (const member of this.members) {
      if (!member.isLive) continue;
      member.checkBounds();
      const { generation, leases } = member.claims;
      for (const lease of leases) {
        const claim = `${lease.topic}-${lease.partition} of ${member.group.name} in ${generation}`;
        const other = owners.get(claim);
        owners.set(claim, member);
        if (other === undefined || this.partitionOf(lease)?.isDoomed !== false) continue;
        // A static member's place may have been taken by the other one.
        const { instanceId } = member.plan;
        const isTaken = instanceId !== undefined && instanceId === other.plan.instanceId;
        rule(isTaken, `${claim} has two owners: ${member.name}, ${other.name}`);
      }
    }
  }

  #surroundings() {
    const { scheduler, clock } = this;
    return { scheduler, clock, newId: () => this.#newId() };
  }

  #newId(): string {
    this.#ids += 1;
    return this.#ids.toString(16).padStart(32, '0');
  }
}
