/**
 * The calls of a worker: begins handlers as they may, and sees to how they end.
 *
 * What no handler has begun goes back, with its delivery not counted, when the worker stops or its
 * circuit opens. With `on-receive` a message is acknowledged when its handler is about to begin,
 * and not before: so a crash loses no more than the handlers that run at once.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { limitOf } from '../../base/options.js';
import type { Prng } from '../../base/prng.js';
import type { AttemptEnd } from '../process/attempt.js';
import type { BreakerState } from '../process/circuit-breaker.js';
import { type CallEnd, ProcessGate } from '../process/process-gate.js';
import { AttemptTimeouts } from '../process/process-timeouts.js';
import { type RetryConfig, resolveRetryOptions } from '../process/retry-policy.js';
import { RunningAttempts } from '../process/running-attempts.js';
import { DELIVERY_TIME_MS_MAX } from '../share/share-deadlines.js';
import { type CallTask, QueueCall } from './queue-call.js';
import type { QueueHandler } from './queue-handler.js';
import { RateLimit } from './queue-rate-limit.js';
import { queueWorkerDiagnostics } from './queue-worker-diagnostics.js';
import { WorkerEndings } from './queue-worker-endings.js';
import { WorkerIntake } from './queue-worker-intake.js';
import { type QueueWorkerConfig, retryOptions } from './queue-worker-options.js';
import { LeaseRenewals } from './queue-worker-renewals.js';
import type { WorkerMember, WorkerSource, WorkMessage } from './queue-worker-source.js';
import { noCounts, type QueueWorkerStats } from './queue-worker-stats.js';
import { type CallVerdict, type FailurePolicy, verdictOf } from './queue-worker-verdict.js';

export interface CallsParts<Message extends WorkMessage> {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly config: QueueWorkerConfig;
  readonly source: WorkerSource<Message>;
  readonly handler: QueueHandler<Message>;
  readonly failed: (error: unknown) => void;
}

/** How long handlers are begun before others have their turn. */
const TURN_MS = 20;
/** With so many ends that are not stored, no handlers are begun. */
const STORING_MAX = 10_000;

export class WorkerCalls<Message extends WorkMessage> {
  readonly #parts: CallsParts<Message>;
  readonly #gate: ProcessGate;
  readonly #rate: RateLimit;
  readonly #timeouts: AttemptTimeouts;
  readonly #endings: WorkerEndings<Message>;
  readonly #intake: WorkerIntake<Message>;
  readonly #renewals: LeaseRenewals<Message>;
  readonly #task: CallTask<Message>;
  readonly #counts = noCounts();
  /** Handlers that run. */
  readonly running = new RunningAttempts<QueueCall<Message>>();
  /** Calls whose messages are to be acknowledged before their handlers are called. */
  #accepting: QueueCall<Message>[] = [];
  #retry: { readonly of: unknown; readonly config: RetryConfig } | undefined;
  readonly #policy = (): FailurePolicy => {
    const { prng, config } = this.#parts;
    return { prng, retryIf: config.retryIf, retry: this.#retryConfig() };
  };
  #isOpen = true;
  #isGone = false;
  #isPumping = false;
  #isLookingForLost = false;
  #turnEndMs = 0;
  #cancelTurn: Cancel | undefined;

  constructor(parts: CallsParts<Message>) {
    const { clock, config, source, handler, failed } = parts;
    const { queue } = source;
    const pump = (): void => this.#pump();
    this.#parts = parts;
    this.#timeouts = new AttemptTimeouts(clock, limitOf(config.attemptTimeoutMs));
    this.#rate = new RateLimit(clock, config.rateLimit);
    const gateConfig = { ...config, rateLimit: this.#rate.tokens };
    this.#gate = new ProcessGate(clock, gateConfig, {
      wake: pump,
      breakerChanged: (state, before) => this.#breakerChanged(state, before),
    });
    this.#endings = new WorkerEndings(source, clock, {
      delayed: (messages, cause) => {
        queueWorkerDiagnostics.acknowledgeDelayed.publish({ queue, messages, cause });
      },
      stored: pump,
      failed,
    });
    this.#intake = new WorkerIntake(clock, this.#endings, {
      arrived: () => this.#arrived(),
      delayed: (cause) => queueWorkerDiagnostics.receiveDelayed.publish({ queue, cause }),
      failed,
    });
    const held = () => this.#held();
    const refused = this.lookForLost;
    this.#renewals = new LeaseRenewals({ clock, source, held, refused, failed });
    const ended = (call: QueueCall<Message>, end: AttemptEnd) => this.#ended(call, end);
    const [timeouts, endings] = [this.#timeouts, this.#endings];
    this.#task = { queue, handler, timeouts, endings, ended };
  }

  get stats(): Omit<QueueWorkerStats, 'state'> {
    return {
      breakerState: this.#gate.breakerState,
      running: this.#gate.runningCount,
      waiting: this.#intake.buffer.count,
      storing: this.#endings.outstanding,
      ...this.#counts,
    };
  }

  /** Begins to take messages. */
  start(member: WorkerMember<Message>): void {
    this.#intake.start(member);
    this.#pump();
  }

  /** Takes nothing more, and gives back what no handler has begun. Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#gate.close();
    this.#cancelTurn?.();
    this.#intake.close();
  }

  /** Nobody waits for handlers any more: what they do counts for nothing. */
  leave(): void {
    this.#isGone = true;
    this.#timeouts.close();
    this.#renewals.close();
    // Their messages go back with the member.
    for (const call of this.running.all) if (call.isLeased) call.settle('released');
  }

  /** Resolves when everything that has ended is stored. */
  settled(): Promise<void> {
    return this.#endings.idle();
  }

  /** Resolves when no receive is under way. */
  idle(): Promise<void> {
    return this.#intake.idle();
  }

  /** Tries nothing again of what cannot be stored now. */
  forsake(): void {
    this.#endings.close();
  }

  /** Some leases have ended: those who have them are told before anybody else gets the messages. */
  readonly lookForLost = (): void => {
    if (this.#isLookingForLost) return;
    this.#isLookingForLost = true;
    // A lease ends in the middle of a change of its group, which is not to be asked meanwhile.
    queueMicrotask(() => {
      this.#isLookingForLost = false;
      const { source } = this.#parts;
      for (const call of [...this.running.all]) {
        if (call.isLeased && !source.isHeld(call.message)) this.#lose(call);
      }
      this.#intake.dropLost();
      this.#pump();
    });
  };

  *#held(): Iterable<Message> {
    for (const call of this.running.all) if (call.isLeased) yield call.message;
    yield* this.#intake.buffer;
  }

  #lose(call: QueueCall<Message>): void {
    this.#counts.lost += 1;
    call.lose();
    const { queue } = this.#parts.source;
    queueWorkerDiagnostics.leaseLost.publish({ queue, id: call.message.id });
  }

  #arrived(): void {
    if (this.#intake.buffer.count > 0) this.#renewals.watch();
    this.#pump();
  }

  #breakerChanged(state: BreakerState, before: BreakerState): void {
    const { queue } = this.#parts.source;
    if (state === 'open') this.#intake.giveBack();
    queueWorkerDiagnostics.breaker.publish({ queue, state, before });
  }

  /** Handlers that end at once come back here while it runs: the loop sees to what they free. */
  #pump(): void {
    if (this.#isPumping || !this.#isOpen) return;
    this.#isPumping = true;
    try {
      while (this.#beginNext()) this.#ask();
      if (this.#accepting.length > 0) void this.#accept();
      this.#ask();
    } finally {
      this.#isPumping = false;
    }
  }

  #ask(): void {
    if (!this.#intake.mayAsk || this.#endings.outstanding >= STORING_MAX) return;
    const gate = this.#gate;
    const takesOver = this.#rate.isTakingOver;
    const isClosed = gate.breakerState === 'closed';
    if (!isClosed || (!takesOver && gate.tokens < 1)) {
      // It wakes us when time has passed.
      if (!gate.mayBegin(takesOver ? 'ignored' : 'heeded')) return;
    }
    this.#intake.ask({
      handlers: gate.room,
      messagesMax: takesOver ? Number.POSITIVE_INFINITY : gate.tokens,
      takesAhead: isClosed,
    });
  }

  /** Sees to the first message that waits; false: nothing can be done about it now. */
  #beginNext(): boolean {
    const { buffer } = this.#intake;
    const message = buffer.first;
    if (message === undefined || !this.#isOpen) return false;
    if (this.#endings.outstanding >= STORING_MAX) return false;
    if (!this.#gate.mayBegin(this.#rate.isTakingOver ? 'ignored' : 'heeded')) return false;
    const over = this.#gate.tokens >= 1 ? 'begin' : this.#rate.over(message.priority);
    // It is woken when there is a token.
    if (over === 'wait' && !this.#gate.mayBegin()) return false;
    if (!this.#isMyTurn()) return false;
    buffer.shift();
    if (over === 'delay') this.#delay(message);
    else if (over === 'drop') this.#drop(message);
    else this.#begin(message);
    return true;
  }

  #begin(message: Message): void {
    const call = new QueueCall<Message>(this.#task, message, this.#gate.begin());
    this.running.began(call);
    this.#intake.began();
    if (this.#parts.config.acknowledge === 'on-return') {
      this.#run(call);
      return;
    }
    call.settle('acknowledged');
    this.#accepting.push(call);
  }

  #run(call: QueueCall<Message>): void {
    this.#counts.begun += 1;
    call.run();
  }

  #delay(message: Message): void {
    const delayMs = this.#rate.delayMs(this.#gate.tokenDelayMs(1));
    this.#counts.delayed += 1;
    this.#endings.withdraw([message], Math.min(delayMs, DELIVERY_TIME_MS_MAX));
  }

  #drop(message: Message): void {
    const { id, priority } = message;
    this.#counts.dropped += 1;
    this.#endings.acknowledge(message);
    queueWorkerDiagnostics.dropped.publish({ queue: this.#parts.source.queue, id, priority });
  }

  /** Runs handlers once their messages are acknowledged, durably. */
  async #accept(): Promise<void> {
    const calls = this.#accepting;
    this.#accepting = [];
    const lists = calls.map((call) => this.#endings.acknowledge(call.message));
    // All are of one turn, so this is the answer to all. The worker hears of what failed besides.
    const refused = await lists[0]?.catch(() => undefined);
    for (const call of calls) {
      if (refused === undefined || refused.includes(call.message)) this.#over(call, 'given up');
      else this.#run(call);
    }
    this.#pump();
  }

  /** Whether handlers may be begun still before others have their turn. */
  #isMyTurn(): boolean {
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (this.#cancelTurn === undefined) {
      this.#turnEndMs = nowMs + TURN_MS;
      // The event loop has turned when this runs.
      this.#cancelTurn = clock.schedule(0, () => {
        this.#cancelTurn = undefined;
        this.#pump();
      });
    }
    return nowMs < this.#turnEndMs;
  }

  #ended(call: QueueCall<Message>, end: AttemptEnd): void {
    const { ending, isToldToEnd, attempt: failures } = call;
    const facts = { end, isOpen: ending === 'open', isToldToEnd, failures };
    const verdict = verdictOf(facts, this.#policy);
    this.#carryOut(call, verdict);
    if (end.kind === 'success') this.#counts.succeeded += 1;
    else if (!isToldToEnd) this.#tellFailure(call, end.error, verdict);
    const isTelling = end.kind === 'success' || (end.kind === 'failure' && !isToldToEnd);
    this.#over(call, isTelling && ending !== 'lost' ? end.kind : 'given up');
    this.#pump();
  }

  #carryOut(call: QueueCall<Message>, verdict: CallVerdict): void {
    const { message } = call;
    switch (verdict.act) {
      case 'nothing':
        return;
      case 'acknowledge':
        call.settle('acknowledged');
        this.#endings.acknowledge(message);
        return;
      case 'give back':
        call.settle('released');
        this.#endings.release([message], { delayMs: 0, isFailure: false });
        return;
      case 'retry': {
        const { delayMs, error } = verdict;
        call.settle('released');
        this.#endings.release([message], { delayMs, isFailure: true, error });
        return;
      }
      case 'reject':
        call.settle('rejected');
        this.#endings.reject(message, { error: verdict.error });
    }
  }

  #tellFailure(call: QueueCall<Message>, cause: unknown, verdict: CallVerdict): void {
    if (this.#isGone) return;
    const { attempt, message } = call;
    const event = { queue: this.#parts.source.queue, id: message.id, attempt, cause };
    this.#counts.failed += 1;
    if (verdict.act === 'retry') {
      const { delayMs: retryDelayMs } = verdict;
      queueWorkerDiagnostics.attemptFailed.publish({ ...event, retryDelayMs });
    } else if (verdict.act === 'reject') {
      this.#counts.rejected += 1;
      queueWorkerDiagnostics.messageRejected.publish(event);
    } else {
      queueWorkerDiagnostics.handlerFailed.publish(event);
    }
  }

  #over(call: QueueCall<Message>, how: CallEnd): void {
    this.running.ended(call);
    this.#gate.end(call.permit, how);
  }

  /** As the queue and the worker say together, now. */
  #retryConfig(): RetryConfig {
    const { source, config } = this.#parts;
    if (this.#retry?.of !== source.retry) {
      const options = retryOptions(source.retry, config.retry);
      this.#retry = { of: source.retry, config: resolveRetryOptions(options, 'consume: retry') };
    }
    return this.#retry.config;
  }
}
