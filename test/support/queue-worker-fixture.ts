/**
 * A queue in memory for workers: the real delivery state, and no log. What is stored takes as long
 * as the test says, or fails as it says. Handlers end when the test says so.
 */

import type { ErrorCode } from '../../src/base/errors.js';
import { createError } from '../../src/base/errors.js';
import type { RetryOptions } from '../../src/broker/process/retry-policy.js';
import { AcquiredBlock } from '../../src/broker/share/share-acquired.js';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import type { ReceiptAnswer } from '../../src/broker/share/share-errors.js';
import type { QueueHandlerContext } from '../../src/broker/worker/queue-handler.js';
import { QueueWorker } from '../../src/broker/worker/queue-worker.js';
import type { QueueWorkerOptions } from '../../src/broker/worker/queue-worker-options.js';
import type {
  MemberRequest,
  MessageEndings,
  MessageRelease,
  RejectReason,
  WorkerMember,
  WorkerSource,
  WorkMessage,
} from '../../src/broker/worker/queue-worker-source.js';
import { settled } from './fixtures.js';
import { SimClock } from './sim-clock.js';

export interface SentMessage {
  readonly value: string;
  readonly group: string | undefined;
  readonly priority: number;
}

export class FakeMessage implements WorkMessage {
  readonly offset: number;
  readonly receipt: number;
  readonly value: string;
  readonly group: string | undefined;
  readonly priority: number;
  readonly deliveries: number;
  readonly failures: number;
  leaseEndsMs: number;
  #endings: MessageEndings | undefined;

  constructor(
    offset: number,
    receipt: number,
    sent: SentMessage,
    counts: { deliveries: number; failures: number; leaseEndsMs: number },
  ) {
    this.offset = offset;
    this.receipt = receipt;
    this.value = sent.value;
    this.group = sent.group;
    this.priority = sent.priority;
    this.deliveries = counts.deliveries;
    this.failures = counts.failures;
    this.leaseEndsMs = counts.leaseEndsMs;
  }

  get id(): string {
    return `0-${this.offset}`;
  }

  endBy(endings: MessageEndings): void {
    this.#endings = endings;
  }

  acknowledge(): Promise<void> {
    return this.#by.acknowledge();
  }

  release(delayMs = 0): Promise<void> {
    return this.#by.release({ delayMs });
  }

  reject(reason?: string): Promise<void> {
    return this.#by.reject({ reason });
  }

  extend(leaseMs: number): Promise<void> {
    return this.#by.extend(leaseMs);
  }

  get #by(): MessageEndings {
    if (this.#endings === undefined) throw new RangeError('no handler has the message');
    return this.#endings;
  }
}

/** A call with a list, as the queue saw it. */
export interface Asked {
  readonly verb: 'acknowledge' | 'release' | 'reject' | 'extend' | 'withdraw';
  readonly values: readonly string[];
  readonly how: MessageRelease | RejectReason | number | undefined;
}

export interface FakeQueueOptions {
  readonly isFifo?: boolean;
  readonly leaseMs?: number;
  readonly deliveriesMax?: number;
  readonly retry?: RetryOptions;
}

interface FakeMember extends WorkerMember<FakeMessage> {
  readonly owner: number;
  readonly request: MemberRequest;
}

const OWNERS = 100;

export class FakeQueue implements WorkerSource<FakeMessage> {
  readonly queue = 'jobs';
  readonly clock: SimClock;
  readonly asked: Asked[] = [];
  readonly dead: { readonly value: string; readonly why: RejectReason | 'exhausted' }[] = [];
  readonly state: DeliveryState;
  readonly members = new Set<FakeMember>();
  retry: RetryOptions;
  leaseMs: number;
  /** What the next calls that store something fail with, in turn. */
  readonly failures: (ErrorCode | Error)[] = [];
  /** While it is set, what is stored waits. */
  #held: Promise<void> | undefined;
  readonly #isFifo: boolean;
  readonly #sent: SentMessage[] = [];
  readonly #block = new AcquiredBlock(10_000);
  #owners = 0;
  #arrivals: (() => void)[] = [];
  receives = 0;

  constructor(clock: SimClock, options: FakeQueueOptions = {}) {
    const { isFifo = false, leaseMs = 30_000, deliveriesMax = 1_000, retry = {} } = options;
    this.clock = clock;
    this.leaseMs = leaseMs;
    this.retry = retry;
    this.#isFifo = isFifo;
    this.state = new DeliveryState({
      startOffset: 0,
      nowMs: clock.monotonicMs(),
      limits: { inFlightMax: 10_000, underWayMax: 100_000, deliveriesMax, failuresMax: 1_000 },
      ...(isFifo ? { keyBounds: { keysMax: 1_000, runsMax: 10_000 } } : {}),
      onLeaseEnded: (_offset, _receipt, owner) => {
        for (const member of this.members) {
          if (member.owner === owner) member.request.onLeaseEnded();
        }
      },
    });
  }

  get sentCount(): number {
    return this.#sent.length;
  }

  /** Values that are not finished. */
  get unfinished(): string[] {
    return this.#sent.filter((_, offset) => !this.state.isFinished(offset)).map((at) => at.value);
  }

  send(...values: readonly (string | Partial<SentMessage>)[]): void {
    for (const given of values) {
      const some = typeof given === 'string' ? { value: given } : given;
      const offset = this.#sent.length;
      this.#sent.push({ value: `${offset}`, group: undefined, priority: 0, ...some });
      const { group } = some;
      if (this.#isFifo) this.state.offerKeyed(offset, group ?? '');
      else this.state.offer(offset, offset + 1);
    }
    this.wake();
  }

  /** Whoever waits for messages looks again. */
  wake(): void {
    this.#buryExhausted();
    for (const resolve of this.#arrivals.splice(0)) resolve();
  }

  /** What is stored from now on waits for the function that this returns. */
  hold(): () => void {
    let release = (): void => undefined;
    this.#held = new Promise((resolve) => {
      release = () => {
        this.#held = undefined;
        resolve();
      };
    });
    return release;
  }

  async join(request: MemberRequest): Promise<WorkerMember<FakeMessage>> {
    this.#owners = (this.#owners + 1) % OWNERS;
    const owner = this.#owners;
    const member: FakeMember = {
      owner,
      request,
      receive: (asked) => this.#receive(member, asked),
      close: async () => {
        this.members.delete(member);
        this.state.releaseOwner(owner, false);
        this.wake();
      },
    };
    this.members.add(member);
    return member;
  }

  isHeld({ offset, receipt }: FakeMessage): boolean {
    return this.state.isHeld(offset, receipt);
  }

  acknowledge(messages: readonly FakeMessage[]): Promise<readonly FakeMessage[]> {
    return this.#store('acknowledge', messages, undefined, (message) => {
      return this.state.acknowledge(message.offset, message.receipt);
    });
  }

  release(messages: readonly FakeMessage[], how: MessageRelease): Promise<readonly FakeMessage[]> {
    return this.#store('release', messages, how, ({ offset, receipt }) => {
      const { delayMs, isFailure } = how;
      const nowMs = this.clock.monotonicMs();
      return this.state.release(offset, receipt, { nowMs, delayMs, isFailure });
    });
  }

  reject(message: FakeMessage, why: RejectReason): Promise<readonly FakeMessage[]> {
    return this.#store('reject', [message], why, ({ offset, receipt, value }) => {
      const answer = this.state.reject(offset, receipt);
      if (answer === 'done') this.dead.push({ value, why });
      return answer;
    });
  }

  async extend(messages: readonly FakeMessage[], leaseMs: number): Promise<readonly FakeMessage[]> {
    this.#note('extend', messages, leaseMs);
    const nowMs = this.clock.monotonicMs();
    return messages.filter((message) => {
      const answer = this.state.extend(message.offset, message.receipt, nowMs, leaseMs);
      if (answer === 'done') message.leaseEndsMs = nowMs + leaseMs;
      return answer !== 'done';
    });
  }

  async withdraw(messages: readonly FakeMessage[], delayMs: number): Promise<void> {
    await this.#store('withdraw', messages, delayMs, ({ offset, receipt }) => {
      return this.state.withdraw(offset, receipt, this.clock.monotonicMs(), delayMs);
    });
  }

  askedBy(verb: Asked['verb']): readonly Asked[] {
    return this.asked.filter((asked) => asked.verb === verb);
  }

  async #receive(
    member: FakeMember,
    request: Parameters<FakeMember['receive']>[0],
  ): Promise<readonly FakeMessage[]> {
    const { max, waitMs, signal } = request;
    this.receives += 1;
    const endMs = this.clock.monotonicMs() + waitMs;
    for (;;) {
      if (signal.aborted || !this.members.has(member)) return [];
      const messages = this.#take(member, max);
      if (messages.length > 0) {
        // The counts are written before messages are handed out.
        await settled();
        return messages;
      }
      const leftMs = endMs - this.clock.monotonicMs();
      if (leftMs <= 0) return [];
      await this.#arrival(leftMs, signal);
    }
  }

  #take({ owner, request }: FakeMember, max: number): FakeMessage[] {
    const nowMs = this.clock.monotonicMs();
    const { leaseMs } = this;
    const block = this.#block;
    const room = request.inFlightCountMax - this.state.heldBy(owner).count;
    this.state.acquire(block, { max: Math.min(max, room), owner, nowMs, leaseMs });
    const messages: FakeMessage[] = [];
    for (let at = 0; at < block.count; at += 1) {
      const offset = block.offsets[at] ?? -1;
      const sent = this.#sent[offset];
      if (sent === undefined) throw new RangeError(`nothing was sent at ${offset}`);
      const receipt = block.receipts[at] ?? -1;
      const deliveries = block.deliveries[at] ?? -1;
      const failures = block.failures[at] ?? -1;
      const counts = { deliveries, failures, leaseEndsMs: nowMs + leaseMs };
      messages.push(new FakeMessage(offset, receipt, sent, counts));
    }
    this.#buryExhausted();
    return messages;
  }

  #arrival(leftMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const dueMs = (this.state.nextMs ?? Number.POSITIVE_INFINITY) - this.clock.monotonicMs();
      const cancel = this.clock.schedule(Math.max(0, Math.min(leftMs, dueMs)), end);
      const end_ = end;
      this.#arrivals.push(end_);
      signal.addEventListener('abort', end_, { once: true });
      function end(): void {
        cancel();
        signal.removeEventListener('abort', end_);
        resolve();
      }
    });
  }

  #buryExhausted(): void {
    const block = new AcquiredBlock(1_000);
    this.state.takeExhausted(block, 1_000);
    for (let at = 0; at < block.count; at += 1) {
      const offset = block.offsets[at] ?? -1;
      this.state.commitArchive(offset, block.receipts[at] ?? -1);
      this.dead.push({ value: this.#sent[offset]?.value ?? '', why: 'exhausted' });
    }
  }

  #note(verb: Asked['verb'], messages: readonly FakeMessage[], how: Asked['how']): void {
    this.asked.push({ verb, values: messages.map(({ value }) => value), how });
  }

  /** As the journal does it: in memory at once, then stored. */
  async #store(
    verb: Asked['verb'],
    messages: readonly FakeMessage[],
    how: Asked['how'],
    change: (message: FakeMessage) => ReceiptAnswer,
  ): Promise<readonly FakeMessage[]> {
    this.#note(verb, messages, how);
    const refused = messages.filter((message) => {
      const answer = change(message);
      return answer === 'stale' || answer === 'frozen';
    });
    this.wake();
    await this.#held;
    await settled();
    const failure = this.failures.shift();
    if (failure instanceof Error) throw failure;
    if (failure !== undefined) throw createError(failure, {});
    return refused;
  }
}

/** A call of the handler, as the test sees it. */
export interface QueueCallSeen {
  readonly message: FakeMessage;
  readonly context: QueueHandlerContext;
  end(): void;
  fail(error?: unknown): void;
}

/** A queue with workers whose handlers stay open until the test ends them. */
export class WorkerWorld {
  readonly clock = new SimClock();
  readonly queue: FakeQueue;
  readonly calls: QueueCallSeen[] = [];
  readonly open: QueueCallSeen[] = [];

  constructor(options: FakeQueueOptions = {}) {
    this.queue = new FakeQueue(this.clock, options);
  }

  readonly handler = (message: FakeMessage, context: QueueHandlerContext): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        this.open.splice(this.open.indexOf(call), 1);
      };
      const call: QueueCallSeen = {
        message,
        context,
        end: () => {
          leave();
          resolve();
        },
        fail: (error = new Error('planned')) => {
          leave();
          reject(error);
        },
      };
      this.calls.push(call);
      this.open.push(call);
    });

  start(
    options: QueueWorkerOptions = {},
    handler: (message: FakeMessage, context: QueueHandlerContext) => unknown = this.handler,
  ): QueueWorker {
    return QueueWorker.start(this.queue, handler, options, this);
  }

  newSeed(): number {
    return 1;
  }

  /** The values that handlers were called with, in order. */
  get values(): string[] {
    return this.calls.map(({ message }) => message.value);
  }

  get openValues(): string[] {
    return this.open.map(({ message }) => message.value);
  }

  /** The open call for this value. */
  at(value: string): QueueCallSeen {
    const found = this.open.find(({ message }) => message.value === value);
    if (found === undefined) throw new RangeError(`no open call for ${value}`);
    return found;
  }

  /** Lets everything happen that needs no time. */
  async quiet(): Promise<void> {
    for (let turn = 0; turn < 6; turn += 1) await settled();
  }

  /** Moves the time on, in steps, and lets everything happen that follows. */
  async pass(ms: number, steps = 20): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      this.clock.advance(ms / steps);
      await this.quiet();
    }
  }

  /** What the promise resolves to, once enough time has passed. */
  async over<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const note = (): void => {
      isOver = true;
    };
    promise.then(note, note);
    for (let seconds = 0; !isOver && seconds < 100; seconds += 1) await this.pass(1_000, 4);
    return promise;
  }
}
