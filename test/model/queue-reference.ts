/**
 * Queues in plain lists: what the model is tried against, so that a rule which cries wolf, or
 * sleeps, is known before it judges the real ones. Mistakes can be switched on.
 *
 * What is stored outlives a life; leases do not. Nothing is lost by a power cut.
 */

import { createError } from '../../src/base/errors.js';
import type { Life } from './model-life.js';
import type { CrewHandle } from './queue-crew.js';
import type {
  BrokerFace,
  QueueCounts,
  QueueFace,
  ReceiverFace,
  SendOptions,
  SentFace,
  TopicFace,
} from './queue-faces.js';
import type { QueueFaceMessage } from './queue-outlet.js';
import {
  Line,
  type ReferenceLease,
  type ReferenceOptions,
  type ReferenceStore,
  type Stored,
} from './queue-reference-store.js';

export class ReferenceBroker implements BrokerFace {
  readonly #store: ReferenceStore;
  readonly #life: Life;
  readonly #line: Line;
  readonly #queues = new Map<string, ReferenceQueue>();

  constructor(store: ReferenceStore, life: Life) {
    this.#store = store;
    this.#life = life;
    this.#line = new Line(life);
    for (const message of store.messages) {
      message.lease = undefined;
      if (store.mistakes.has('counts lost') && !message.isFinished) message.deliveries = 0;
      if (store.mistakes.has('early')) message.notBeforeMs = 0;
    }
  }

  async topic(): Promise<TopicFace> {
    throw new Error('there are no topics here');
  }

  async queue(name: string, options: object = {}): Promise<QueueFace> {
    if (!this.#store.options.has(name)) this.#store.options.set(name, options);
    const queue = new ReferenceQueue(this.#store, this.#life, this.#line, name);
    this.#queues.set(name, queue);
    return queue;
  }

  async exchange() {
    const targets: QueueFace[] = [];
    return {
      bind: async (target: unknown) => {
        if (target instanceof ReferenceQueue) targets.push(target);
      },
      publish: async (value: string) => {
        await Promise.all(targets.map((target) => target.send(value)));
        return { routed: targets.length };
      },
    };
  }

  async transaction(work: Parameters<BrokerFace['transaction']>[0]): Promise<void> {
    const sends: (() => void)[] = [];
    const taken: QueueFaceMessage[] = [];
    const held = (message: unknown): ReferenceMessage => {
      if (!(message instanceof ReferenceMessage)) throw new Error('a message of another kind');
      return message;
    };
    const { mistakes } = this.#store;
    try {
      await work({
        send: async (queue, value, options = {}) => {
          if (!(queue instanceof ReferenceQueue)) throw new Error('a queue of another kind');
          sends.push(() => queue.put(value, options));
        },
        acknowledge: (message) => {
          held(message).freeze();
          taken.push(held(message));
        },
      });
    } catch (error) {
      if (mistakes.has('aborted ones too')) for (const send of sends) send();
      for (const message of taken) held(message).thaw();
      throw error;
    }
    await this.#line.pass('commit');
    if (mistakes.has('half a transaction')) sends.shift();
    for (const send of sends) send();
    for (const message of taken) held(message).finish();
    await this.#line.pass('committed');
  }
}

class ReferenceQueue implements QueueFace {
  readonly store: ReferenceStore;
  readonly life: Life;
  readonly line: Line;
  readonly name: string;

  constructor(store: ReferenceStore, life: Life, line: Line, name: string) {
    this.store = store;
    this.life = life;
    this.line = line;
    this.name = name;
  }

  get options(): ReferenceOptions {
    return this.store.options.get(this.name) ?? {};
  }

  get nowMs(): number {
    return this.life.clock.monotonicMs();
  }

  get messages(): Stored[] {
    return this.store.messages.filter(({ queue }) => queue === this.name);
  }

  put(value: string, options: SendOptions, letterOf?: Stored): Stored {
    const stored: Stored = {
      queue: this.name,
      offset: this.store.messages.length,
      value,
      options,
      sentMs: this.nowMs,
      notBeforeMs: this.nowMs + (options.delayMs ?? 0),
      deliveries: 0,
      failures: 0,
      lease: undefined,
      isFinished: false,
      letterOf,
    };
    this.store.messages.push(stored);
    return stored;
  }

  async send(value: string, options: SendOptions = {}): Promise<SentFace> {
    const { mistakes, ids } = this.store;
    const { deduplicationId } = options;
    await this.line.pass('send');
    const known = ids.get(`${this.name} ${deduplicationId}`);
    const windowMs = this.options.deduplicationWindowMs ?? 0;
    const isKnown = known !== undefined && this.nowMs - known.ms < windowMs;
    const isDuplicate = deduplicationId !== undefined && isKnown;
    const cancel = async (): Promise<boolean> => false;
    if (mistakes.has('duplicates of nothing') && deduplicationId !== undefined) {
      return { id: '', isDuplicate: true, cancel };
    }
    if (isDuplicate && !mistakes.has('no deduplication')) return { ...known, isDuplicate, cancel };
    const isForgotten = mistakes.has('forgets a send') && this.store.messages.length % 7 === 3;
    const { offset } = this.put(value, options);
    if (isForgotten)
      this.store.messages.splice(offset, 1, { ...this.#at(offset), isFinished: true });
    const id = `${options.priority ?? 0}-${offset}`;
    if (deduplicationId !== undefined)
      ids.set(`${this.name} ${deduplicationId}`, { ms: this.nowMs, id });
    await this.line.pass('sent');
    return { id, isDuplicate: false, cancel };
  }

  #at(offset: number): Stored {
    const found = this.store.messages[offset];
    if (found === undefined) throw new Error('there is no such message');
    return found;
  }

  async sendBatch(messages: Parameters<QueueFace['sendBatch']>[0]): Promise<SentFace[]> {
    const sent: SentFace[] = [];
    for (const { value, ...options } of messages) sent.push(await this.send(value, options));
    return sent;
  }

  async cancel(id: string): Promise<boolean> {
    const found = this.messages.find((one) => id === `${one.options.priority ?? 0}-${one.offset}`);
    if (
      found === undefined ||
      found.isFinished ||
      found.deliveries > 0 ||
      found.notBeforeMs <= this.nowMs
    )
      return false;
    found.isFinished = true;
    return true;
  }

  receiver({ inFlightMax }: { readonly inFlightMax: number }): ReceiverFace {
    const owner = {};
    let isClosed = false;
    return {
      receive: async ({ max, waitMs, visibilityTimeoutMs }) => {
        const endMs = this.nowMs + waitMs;
        for (;;) {
          if (isClosed) return [];
          const taken = this.take(
            owner,
            Math.min(max, inFlightMax),
            inFlightMax,
            visibilityTimeoutMs,
          );
          if (taken.length > 0 || this.nowMs >= endMs) {
            await this.line.pass('receive');
            return taken;
          }
          await new Promise<void>((resolve) => this.life.clock.schedule(100, resolve));
        }
      },
      close: async () => {
        isClosed = true;
        for (const message of this.messages) {
          if (message.lease?.owner === owner && !message.lease.isFrozen) message.lease = undefined;
        }
      },
    };
  }

  take(owner: object, max: number, ofOwner: number, leaseMs?: number): ReferenceMessage[] {
    const taken: ReferenceMessage[] = [];
    const { mistakes } = this.store;
    this.sweep();
    const endsMs = this.nowMs + (leaseMs ?? this.options.visibilityTimeoutMs ?? 0);
    for (const message of this.#ready()) {
      const out = this.messages.filter(({ lease }) => lease !== undefined);
      const own = out.filter(({ lease }) => lease?.owner === owner);
      const others = this.options.singleActiveConsumer === true && out.length > own.length;
      const isFull = own.length >= ofOwner || out.length >= (this.options.inFlightMax ?? 1_000_000);
      if (taken.length === max || others || (isFull && !mistakes.has('too many in flight'))) break;
      if (this.#isBlocked(message) && !mistakes.has('no group')) continue;
      this.store.receipts += 1;
      message.deliveries += mistakes.has('counts twice') && message.deliveries === 1 ? 2 : 1;
      const receipt = `r${this.store.receipts}`;
      message.lease = { receipt, owner, endsMs, isFrozen: false };
      taken.push(new ReferenceMessage(this, message, message.lease));
    }
    return taken;
  }

  #ready(): Stored[] {
    const { mistakes } = this.store;
    const { priorityOrder } = this.options;
    const isWrong = mistakes.has('priority upside down');
    const sign = priorityOrder === 'weighted' ? 0 : isWrong ? -1 : 1;
    const urgency = ({ options }: Stored): number => (options.priority ?? 0) * sign;
    const ready = this.messages.filter((message) => {
      const isFree = message.lease === undefined || mistakes.has('two leases');
      return isFree && !message.isFinished && message.notBeforeMs <= this.nowMs;
    });
    if (mistakes.has('group out of order')) ready.reverse();
    return ready.sort((one, other) => urgency(other) - urgency(one));
  }

  #isBlocked({ options: { group }, offset }: Stored): boolean {
    if (this.options.fifo !== true) return false;
    const isOut = this.store.mistakes.has('group out of order');
    return this.messages.some((other) => {
      if (other.options.group !== group || other.isFinished) return false;
      const isDelayed = other.deliveries === 0 && other.notBeforeMs > this.nowMs;
      return other.lease !== undefined || (!isOut && !isDelayed && other.offset < offset);
    });
  }

  /** Ends leases, and moves what is for the dead letters. */
  sweep(): void {
    const { maxDeliveries, maxFailures = Number.POSITIVE_INFINITY } = this.options;
    const { mistakes } = this.store;
    const more = mistakes.has('one delivery more') ? 1 : 0;
    const max =
      (maxDeliveries === 'unlimited' ? Number.POSITIVE_INFINITY : (maxDeliveries ?? 5)) + more;
    for (const message of this.messages) {
      const { lease, options } = message;
      const isFrozen = lease?.isFrozen === true && !mistakes.has('frozen leases end');
      if (lease !== undefined && !isFrozen && lease.endsMs <= this.nowMs) message.lease = undefined;
      if (message.isFinished || message.lease !== undefined) continue;
      const isOld = this.nowMs - message.sentMs > (options.ttlMs ?? Number.POSITIVE_INFINITY);
      if (isOld && !mistakes.has('expired ones too')) {
        if (this.options.expired === 'drop') message.isFinished = true;
        else this.bury(message);
      } else if (message.deliveries >= max || message.failures >= maxFailures) this.bury(message);
    }
  }

  bury(message: Stored): void {
    message.isFinished = true;
    message.lease = undefined;
    const { deadLetter = 'none' } = this.options;
    if (deadLetter === 'none' || this.store.mistakes.has('no letter')) return;
    const target = new ReferenceQueue(this.store, this.life, this.line, deadLetter);
    const { group } = message.options;
    const options = group === undefined ? {} : { group };
    target.put(message.value, options, message);
    if (this.store.mistakes.has('two letters')) target.put(message.value, options, message);
  }

  async acknowledge(list: unknown): Promise<void> {
    if (!Array.isArray(list)) throw new Error('a list is wanted');
    const refused: number[] = [];
    let frozen = 0;
    for (const one of list) {
      const receipt = typeof one === 'string' ? one : one.receipt;
      if (!receipt.startsWith('r')) throw new Error('no receipt');
      const message = this.#given.get(receipt);
      if (message?.isFrozen === true) frozen += 1;
      if (message?.end() !== true) refused.push(message?.offset ?? -1);
    }
    await this.line.pass('acknowledge');
    if (refused.length === 0) return;
    const code = frozen === refused.length ? 'LEASE_FROZEN' : 'RECEIPT_STALE';
    throw createError(code, { refused: refused.length, offsets: refused.join(', ') });
  }

  readonly #given = new Map<string, ReferenceMessage>();

  gave(message: ReferenceMessage): void {
    this.#given.set(message.receipt, message);
  }

  consume(...[handler, options]: Parameters<QueueFace['consume']>): CrewHandle {
    const { concurrency = 1 } = options as { concurrency?: number };
    const owner = {};
    const controller = new AbortController();
    let running = 0;
    const run = async (message: ReferenceMessage): Promise<void> => {
      running += 1;
      const renew = this.life.clock.schedule.bind(this.life.clock);
      const renewal = (): void => {
        if (message.isHeld) message.prolong();
        if (message.isHeld) renew(2_000, renewal);
      };
      renew(2_000, renewal);
      try {
        await this.line.pass('take');
        await handler(message, { signal: controller.signal });
        if (!controller.signal.aborted) message.end();
      } catch {
        if (!controller.signal.aborted) message.giveBack(3_000, true);
        else message.giveBack(0, false);
      }
      running -= 1;
    };
    const finished = (async () => {
      while (!controller.signal.aborted) {
        const max = concurrency - running;
        if (max > 0) for (const message of this.take(owner, max, max)) void run(message);
        await new Promise<void>((resolve) => this.life.clock.schedule(100, resolve));
      }
      while (running > 0)
        await new Promise<void>((resolve) => this.life.clock.schedule(100, resolve));
    })();
    return {
      finished,
      stop: async () => {
        controller.abort(new Error('the worker stops'));
        await finished;
      },
    };
  }

  async alter({ maxDeliveries }: { readonly maxDeliveries: number }): Promise<void> {
    await this.line.pass('alter');
    this.store.options.set(this.name, { ...this.options, maxDeliveries });
  }

  async purge(): Promise<void> {
    for (const message of this.messages) message.isFinished = true;
    await this.line.pass('purge');
  }

  async stats(): Promise<QueueCounts> {
    this.sweep();
    const left = this.messages.filter(({ isFinished }) => !isFinished);
    const inFlight = left.filter(({ lease }) => lease !== undefined).length;
    return { length: left.length, inFlight, waiting: 0, delayed: 0, dying: 0 };
  }
}

class ReferenceMessage implements QueueFaceMessage {
  readonly id: string;
  readonly value: Buffer;
  readonly priority: number;
  readonly group: string | undefined;
  readonly offset: number;
  readonly deliveries: number;
  readonly failures: number;
  readonly receipt: string;
  readonly headers: { readonly key: string; readonly value: Uint8Array | null }[];
  readonly #queue: ReferenceQueue;
  readonly #stored: Stored;
  readonly #lease: ReferenceLease;
  #endedBy: 'acknowledge' | 'reject' | undefined;

  constructor(queue: ReferenceQueue, stored: Stored, lease: ReferenceLease) {
    this.#queue = queue;
    this.#stored = stored;
    this.#lease = lease;
    const { offset, value, options, deliveries, failures, letterOf } = stored;
    this.priority = options.priority ?? 0;
    this.id = `${this.priority}-${offset}`;
    this.value = Buffer.from(value);
    this.group = options.group;
    this.offset = offset;
    this.deliveries = deliveries;
    this.failures = failures;
    this.receipt = lease.receipt;
    const facts = letterOf && { topic: letterOf.queue, attempts: letterOf.deliveries };
    this.headers = Object.entries(facts ?? {}).map(([key, text]) => ({
      key: `dead-letter-${key}`,
      value: Buffer.from(String(text)),
    }));
    queue.gave(this);
  }

  get isHeld(): boolean {
    const { lease, isFinished } = this.#stored;
    if (isFinished) return false;
    const isOver = this.#lease.endsMs <= this.#queue.nowMs && !this.#lease.isFrozen;
    if (this.#queue.store.mistakes.has('no fence')) return lease !== undefined;
    return lease === this.#lease && !isOver;
  }

  get leaseEndsMs(): number {
    return this.#lease.endsMs;
  }

  get isFrozen(): boolean {
    return this.isHeld && this.#lease.isFrozen;
  }

  async acknowledge(): Promise<void> {
    if (!this.end()) throw this.#refusal();
    await this.#queue.line.pass('acknowledge');
  }

  async release({ delayMs = 0 }: { readonly delayMs?: number } = {}): Promise<void> {
    if (!this.giveBack(delayMs, false)) throw this.#refusal();
    await this.#queue.line.pass('release');
  }

  async reject(): Promise<void> {
    if (this.#endedBy === 'reject') return;
    if (!this.isHeld || this.#lease.isFrozen) throw this.#refusal();
    this.#endedBy = 'reject';
    this.#queue.bury(this.#stored);
    await this.#queue.line.pass('reject');
  }

  async extend(ms: number): Promise<void> {
    if (!this.isHeld || this.#lease.isFrozen) throw this.#refusal();
    this.#lease.endsMs = this.#queue.nowMs + ms;
  }

  end(): boolean {
    if (this.#endedBy === 'acknowledge') return true;
    if (!this.isHeld || this.#lease.isFrozen) return false;
    this.finish();
    return true;
  }

  giveBack(delayMs: number, isFailure: boolean): boolean {
    if (!this.isHeld || this.#lease.isFrozen) return false;
    this.#stored.lease = undefined;
    const { mistakes } = this.#queue.store;
    this.#stored.notBeforeMs = this.#queue.nowMs + (mistakes.has('release at once') ? 0 : delayMs);
    if (isFailure) this.#stored.failures += 1;
    return true;
  }

  prolong(): void {
    this.#lease.endsMs = this.#queue.nowMs + (this.#queue.options.visibilityTimeoutMs ?? 0);
  }

  freeze(): void {
    if (!this.isHeld || this.#lease.isFrozen) throw this.#refusal();
    this.#lease.isFrozen = true;
  }

  thaw(): void {
    this.#lease.isFrozen = false;
  }

  finish(): void {
    this.#endedBy = 'acknowledge';
    this.#stored.lease = undefined;
    if (this.#queue.store.mistakes.has('acknowledges nothing')) return;
    this.#stored.isFinished = true;
  }

  #refusal(): Error {
    return createError(this.isFrozen ? 'LEASE_FROZEN' : 'RECEIPT_STALE', { offset: this.offset });
  }
}
