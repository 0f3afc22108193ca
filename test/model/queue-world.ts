/**
 * The world of queues: one broker on a disk that forgets, those who send, receive, work and
 * transact, and the book of what they did. It goes on over the deaths of its processes, and in the
 * end takes out everything that is left.
 */

import type { Scheduler } from 'fast-check';
import { settle } from '../support/group-fixture.js';
import { SimClock } from '../support/sim-clock.js';
import { SimDisk } from '../support/sim-file-system.js';
import type { Coverage } from './model-coverage.js';
import { RuleBroken, rule } from './model-ledger.js';
import { type Death, Life } from './model-life.js';
import { QueueBook } from './queue-book.js';
import { type Nature, QueueCrew } from './queue-crew.js';
import { type BrokerFace, QueueFaces } from './queue-faces.js';
import type { MessageDraft, MessageLedger, QueueLedger } from './queue-ledger.js';
import {
  EXCHANGE,
  isGroup,
  JOBS,
  LEASE_MS,
  MAIL,
  type QueuePlan,
  RETRY_MS,
  TOPIC,
  termsOf,
} from './queue-plan.js';
import { QueueReceiver, type ReceiverSurroundings, type Taken } from './queue-receiver.js';
import { QueueTimes } from './queue-times.js';
import { QueueTransaction } from './queue-transaction.js';

const RECEIVERS_MAX = 4;
/** In flight for those who are not to be held up by it. */
const ROOM = 100;
const CREWS_MAX = 2;
const TRANSACTIONS_MAX = 2;
/** So much at once, and leases that workers hold ahead may end before they are renewed. */
const STALL_MS = 1_000;
/** The last consumers take out all that is left: longer than any lease and delay. */
const DRAIN_ROUND_MS = 2_500;
const DRAIN_ROUNDS = 16;
/** A wall clock that was doubted is believed again in that time. */
const LONG_ROUND_MS = 15 * 60_000;
const DRAIN_ROUNDS_MAX = DRAIN_ROUNDS + 16;
const natures: readonly Nature[] = ['good', 'hard', 'good', 'poison', 'good', 'good', 'hanging'];

/** Whose queues are tried in a life. */
export type BrokerOf = (life: Life) => BrokerFace;

export interface SendPlan extends Omit<MessageDraft, 'id' | 'transaction' | 'origin'> {}

export class QueueWorld {
  readonly scheduler: Scheduler;
  readonly coverage: Coverage;
  readonly plan: QueuePlan;
  readonly clock = new SimClock();
  readonly times = new QueueTimes(this.clock);
  readonly book: QueueBook;
  life: Life;
  receivers: QueueReceiver[] = [];
  crews: QueueCrew[] = [];
  transactions: QueueTransaction[] = [];
  /** Of messages with a delay, by message: what a program keeps to cancel them. */
  readonly #waiting = new Map<MessageLedger, string>();
  readonly #natures = new Map<string, Nature>();
  #faces: QueueFaces | undefined;
  #names = 0;
  #ids = 0;
  #asking = 0;
  #isAltered = false;
  /** What queues say that they hold, in the end. */
  #left: string[] = [];
  #failure: unknown;

  readonly #brokerOf: BrokerOf;

  constructor(
    scheduler: Scheduler,
    coverage: Coverage,
    plan: QueuePlan,
    brokerOf: BrokerOf = (life) => life.broker,
  ) {
    this.#brokerOf = brokerOf;
    this.scheduler = scheduler;
    this.coverage = coverage;
    this.plan = plan;
    this.book = new QueueBook(this.times, coverage);
    for (const { deliveriesMax, ...terms } of termsOf(plan)) {
      this.book.declare(terms, deliveriesMax);
    }
    this.life = new Life(new SimDisk({ nowMs: () => this.clock.nowMs() }), this.#surroundings());
  }

  async begin(): Promise<void> {
    rule(await this.#open(), 'the first life goes on');
  }

  get faces(): QueueFaces {
    if (this.#faces === undefined) throw new Error('the queues are not open');
    return this.#faces;
  }

  get queues(): QueueLedger[] {
    return this.book.queues;
  }

  // ---- What those who take part ask of the world.

  get around(): ReceiverSurroundings {
    return {
      life: this.life,
      book: this.book,
      check: (run) => this.#check(run),
      fail: (what, cause) => this.#fail(what, cause),
    };
  }

  #check(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #fail(what: string, cause: unknown): void {
    this.#failure ??= new RuleBroken(`${what}: ${String(cause)}`, { cause });
  }

  /** Notes a call until it is answered. */
  #ask<T>(what: string, call: Promise<T>, answered: (value: T) => void): void {
    const { life } = this;
    this.#asking += 1;
    call.then(
      (value) => {
        if (life !== this.life || life.isOver) return;
        this.#asking -= 1;
        this.#check(() => answered(value));
      },
      (error: unknown) => {
        if (life !== this.life || life.isOver) return;
        this.#asking -= 1;
        this.#fail(`${what} failed`, error);
      },
    );
  }

  // ---- Senders.

  draft(queue: QueueLedger, plan: SendPlan): MessageDraft {
    const id = `${queue.name}:${this.#name()}`;
    this.#natures.set(id, natures[this.#names % natures.length] ?? 'good');
    return { id, ...plan };
  }

  send(queue: QueueLedger, plans: readonly SendPlan[]): void {
    if (isGroup(queue.name)) {
      for (const { lane = '' } of plans) this.#produce(lane);
      return;
    }
    const drafts = plans.map((plan) => this.draft(queue, plan));
    const messages = drafts.map((draft) => this.book.asked(queue, draft));
    this.#ask('a send', this.faces.send(queue.name, drafts), (sent) => {
      for (const [at, { id, isDuplicate }] of sent.entries()) {
        const message = messages[at];
        if (message === undefined) continue;
        this.coverage.count('sends', isDuplicate ? 'duplicate' : 'stored');
        if (isDuplicate) this.book.duplicate(message);
        else this.book.stored(message);
        if (message.delayMs > 0 && !isDuplicate) this.#waiting.set(message, id);
      }
    });
  }

  /** A record of the topic is a message of each of its groups. */
  #produce(key: string): void {
    const id = `${TOPIC}:${this.#name()}`;
    const groups = this.queues.filter(({ name }) => isGroup(name));
    const messages = groups.map((group) => {
      return this.book.asked(group, { id, lane: group.terms.isOrdered ? key : undefined });
    });
    this.#ask('a send to a topic', this.faces.produce(key, id), () => {
      for (const message of messages) this.book.stored(message);
    });
  }

  publish(): void {
    const targets = this.queues.filter(({ name }) => name === JOBS || name === MAIL);
    if (targets.length < 2 || this.plan.order === 'fifo') return;
    const id = `${EXCHANGE}:${this.#name()}`;
    const messages = targets.map((queue) => this.book.asked(queue, { id }));
    this.#ask('a publication', this.faces.publish(id), (routed) => {
      rule(routed === targets.length, `${id} went to ${routed} queues of ${targets.length}`);
      this.coverage.count('sends', 'published');
      for (const message of messages) this.book.stored(message);
    });
  }

  /** Takes back a message that waits for its time, or has come. */
  cancel(which: number): void {
    const waiting = [...this.#waiting];
    const [message, id] = waiting[which % Math.max(1, waiting.length)] ?? [];
    if (message === undefined || id === undefined) return;
    this.book.cancels(message);
    this.#ask('a cancel', this.faces.cancel(message.queue.name, id), (isDone) => {
      this.book.cancelled(message, isDone);
    });
  }

  purge(queue: QueueLedger): void {
    if (!this.faces.canPurge(queue.name)) return;
    const there = this.book.purges(queue);
    this.#ask('a purge', this.faces.purge(queue.name), () => this.book.purged(queue, there));
  }

  alter(queue: QueueLedger, deliveriesMax: number): void {
    if (queue.name !== JOBS) return;
    this.#isAltered = true;
    this.book.alters(queue, deliveriesMax);
    this.#ask('an alteration', this.faces.alter(queue.name, deliveriesMax), () => {
      this.book.altered(queue, deliveriesMax);
    });
  }

  // ---- Consumers.

  join(queue: QueueLedger, inFlightMax: number, priority: number): void {
    const live = this.receivers.filter(({ isClosed }) => !isClosed);
    if (live.length < RECEIVERS_MAX)
      this.receivers.push(this.#receiver(queue, inFlightMax, priority));
  }

  #receiver(queue: QueueLedger, inFlightMax: number, priority: number): QueueReceiver {
    const inbox = this.faces.join(queue.name, { inFlightMax, priority });
    const name = `receiver ${this.#name()}`;
    const options = { leaseMs: LEASE_MS, inFlightMax };
    return new QueueReceiver(this.around, name, queue, inbox, options);
  }

  employ(queue: QueueLedger, concurrency: number): void {
    if (this.crews.filter(({ isLive }) => isLive).length >= CREWS_MAX) return;
    const crew = new QueueCrew(this.around, `crew ${this.#name()}`, queue, {
      concurrency,
      leaseMs: LEASE_MS,
      retryMs: RETRY_MS,
      natureOf: (id) => this.#natures.get(id) ?? 'good',
      start: (handler) => this.faces.consume(queue.name, handler, concurrency),
    });
    this.crews.push(crew);
  }

  // ---- Transactions.

  begins(): void {
    if (this.transactions.filter(({ isOpen }) => isOpen).length >= TRANSACTIONS_MAX) return;
    const name = `transaction ${this.#name()}`;
    this.transactions.push(new QueueTransaction(this.around, name, this.faces.transaction));
  }

  /** What receivers have now, of all of them. */
  get held(): Taken[] {
    return this.receivers.flatMap(({ held, isCrashed }) => (isCrashed ? [] : held));
  }

  // ---- Time and order.

  /** Runs `count` of what waits, in an order that the scheduler decides. */
  async steps(count: number): Promise<void> {
    await settle();
    for (let step = 0; step < count && this.scheduler.count() > 0; step += 1) {
      await this.scheduler.waitOne();
      await settle();
      this.observe();
    }
    if (!this.life.isOver && this.scheduler.count() === 0) this.book.calm();
    await this.recover();
  }

  /** Runs what waits until the receiver has its answers, and no further. */
  async untilAnswered(receiver: QueueReceiver): Promise<void> {
    await settle();
    while (receiver.asking > 0 && this.scheduler.count() > 0 && !this.life.isOver) {
      await this.scheduler.waitOne();
      await settle();
      this.observe();
    }
  }

  async advance(ms: number): Promise<void> {
    if (ms >= STALL_MS) this.book.stalls();
    this.clock.advance(ms);
    await settle();
    this.observe();
    await this.recover();
  }

  observe(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The next life, when this one is over; that may end soon as well. */
  async recover(nested?: { calls: number; death: Death; seed: number }): Promise<void> {
    if (!this.life.isOver) return;
    this.observe();
    this.#endLife(this.life.death ?? 'kill');
    this.life = new Life(this.life.rest, this.#surroundings());
    if (nested !== undefined) this.life.endAfter(nested.calls, nested.death, nested.seed);
    while (!(await this.#open())) {
      const { death = 'kill' } = this.life;
      this.coverage.count('crashes', `${death} in a recovery`);
      this.#endLife(death);
      this.life = new Life(this.life.rest, this.#surroundings());
    }
    this.life.disk.onCall = undefined;
    this.observe();
  }

  #endLife(death: Death): void {
    this.coverage.count('crashes', death);
    this.book.lifeEnds(death);
    this.receivers = [];
    this.crews = [];
    this.transactions = [];
    this.#asking = 0;
  }

  async #open(): Promise<boolean> {
    if (!(await this.life.open())) return false;
    const isOpen = await this.life.alone(async () => {
      this.#faces = await QueueFaces.open(this.#brokerOf(this.life), this.plan, this.#isAltered);
    });
    // Somebody is there in every life.
    if (isOpen) this.join(this.book.queue(JOBS), ROOM, 0);
    return isOpen;
  }

  // ---- The end.

  /** Nothing goes wrong any more: what was begun ends, what is left is taken out and checked. */
  async calmDown(): Promise<void> {
    await this.#comeToRest();
    const { end } = this.plan;
    if (end !== 'nothing') {
      if (end === 'close') await this.life.alone(() => this.life.broker.close());
      this.life.end(end === 'power cut' ? end : 'kill', 1);
      await this.recover();
    }
    await this.#drain();
    this.book.finish();
    await this.life.alone(() => this.life.broker.close());
    this.observe();
  }

  async #comeToRest(): Promise<void> {
    await this.recover();
    this.life.disk.onCall = undefined;
    for (const transaction of this.transactions) transaction.return();
    for (const crew of this.crews) crew.stop(0);
    for (const receiver of this.receivers) receiver.close();
    for (let round = 0; !this.#isAtRest(); round += 1) {
      rule(round < DRAIN_ROUNDS_MAX, `what was begun ends: ${this.#picture()}`);
      await this.steps(Number.POSITIVE_INFINITY);
      await this.advance(STALL_MS);
    }
  }

  #isAtRest(): boolean {
    return (
      this.#asking === 0 &&
      this.transactions.every(({ isOpen }) => !isOpen) &&
      this.crews.every(({ isLive }) => !isLive) &&
      this.receivers.every(({ pending }) => pending === 0)
    );
  }

  /** Takes and acknowledges everything, until nothing is left, and nothing comes any more. */
  async #drain(): Promise<void> {
    for (const receiver of this.receivers) receiver.close();
    const last = this.queues.map((queue) => this.#receiver(queue, 1_000, 0));
    this.receivers = last;
    let isQuiet = false;
    for (let round = 0; !isQuiet; round += 1) {
      const counts = `${this.#picture()}; ${this.#left.join('; ')}`;
      rule(round < DRAIN_ROUNDS_MAX, `what is there is given out: ${counts}`);
      const before = last.reduce((sum, { taken }) => sum + taken.length, 0);
      for (const receiver of last) {
        if (receiver.pending === 0) receiver.receive(1_000, 500, undefined);
      }
      await this.steps(Number.POSITIVE_INFINITY);
      for (const receiver of last) {
        const { held } = receiver;
        if (held.length > 0) receiver.acknowledgeAll(held);
      }
      await this.steps(Number.POSITIVE_INFINITY);
      await this.advance(round < DRAIN_ROUNDS ? DRAIN_ROUND_MS : LONG_ROUND_MS);
      await this.steps(Number.POSITIVE_INFINITY);
      const after = last.reduce((sum, { taken }) => sum + taken.length, 0);
      isQuiet = before === after && this.book.owed.length === 0 && (await this.#isEmpty());
    }
  }

  /** The queues say so too. */
  async #isEmpty(): Promise<boolean> {
    this.#left = [];
    await this.life.alone(async () => {
      for (const { name } of this.queues) {
        const counts = await this.faces.counts(name);
        if (Object.values(counts).some((count) => count !== 0)) {
          this.#left.push(`${name} says ${JSON.stringify(counts)}`);
        }
      }
    });
    return this.#left.length === 0;
  }

  #picture(): string {
    const owed = this.book.owed.map(({ id, ending }) => `${id} ${ending?.kind ?? ''}`);
    const open = this.transactions.filter(({ isOpen }) => isOpen).map(({ ledger }) => ledger.name);
    const waiting = this.receivers.filter(({ pending }) => pending > 0).map(({ name }) => name);
    const crews = this.crews.filter(({ isLive }) => isLive).map(({ name }) => name);
    return `left: ${owed}; open: ${[...open, ...waiting, ...crews]}; ${this.#asking} calls`;
  }

  #surroundings() {
    const { scheduler, clock } = this;
    return { scheduler, clock, newId: () => this.#newId() };
  }

  #name(): number {
    this.#names += 1;
    return this.#names;
  }

  #newId(): string {
    this.#ids += 1;
    return this.#ids.toString(16).padStart(32, '0');
  }
}
