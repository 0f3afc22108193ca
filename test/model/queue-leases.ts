/**
 * What is asked for with leases, and what is answered: the part of the book that is about those who
 * have a message.
 */

import type { Coverage } from './model-coverage.js';
import {
  isPast,
  isValid,
  type Lease,
  type MessageLedger,
  type TransactionLedger,
} from './queue-ledger.js';
import { answerRules, type LeaseAnswer, type LeaseAsk, type LeaseVerb } from './queue-oracle.js';
import type { QueueTimes } from './queue-times.js';

const endingOf = { acknowledge: 'acknowledged', reject: 'rejected' } as const;

export interface LeaseDetail {
  readonly isByReceipt?: boolean;
  readonly delayMs?: number;
  readonly isFailure?: boolean;
  /** The new length of a lease. */
  readonly ms?: number;
  /** When the lease ends, as it was answered. */
  readonly endsMs?: number;
}

export class QueueLeases {
  readonly #times: QueueTimes;
  readonly #coverage: Coverage;
  /** Failures that handlers had, until all is calm. */
  #failed: MessageLedger[] = [];

  constructor(times: QueueTimes, coverage: Coverage) {
    this.#times = times;
    this.#coverage = coverage;
  }

  asksInTransaction(lease: Lease): LeaseAsk {
    return this.#ask(lease, 'acknowledge');
  }

  /** What was accepted is in the hands of the transaction until it ends. */
  answeredInTransaction(transaction: TransactionLedger, ask: LeaseAsk, answer: LeaseAnswer): void {
    const { lease } = ask;
    const isItsOwn = transaction.acknowledges.includes(lease);
    // To acknowledge twice in one transaction, or behind an acknowledge, says nothing new.
    if (isItsOwn || ask.isAgain) return;
    this.#judge(ask, answer);
    this.#coverage.count('answers', `in a transaction: ${answer}`);
    if (answer !== 'accepted') return;
    lease.heldBy = transaction;
    transaction.acknowledges.push(lease);
  }

  asks(lease: Lease, verb: LeaseVerb, detail: LeaseDetail = {}): LeaseAsk {
    const ask = this.#ask(lease, verb, detail.isByReceipt);
    const { wasValid, isAgain, wasFrozen } = ask;
    this.#coverage.count('asks', `${verb}${isAgain ? ' again' : wasValid ? '' : ' late'}`);
    if (wasValid && !wasFrozen) this.#begin(ask, detail);
    else if (isUnclear(ask)) lease.message.unclearAsks += 1;
    return ask;
  }

  #ask(lease: Lease, verb: LeaseVerb, isByReceipt = false): LeaseAsk {
    const at = this.#times.now();
    const { message } = lease;
    const { ending } = message;
    const isAgain = ending?.lease === lease && ending.kind === kindOf(verb);
    const isReplaced = message.lastLease !== lease || lease.isOver || lease.life !== at.life;
    const isUnclear = message.mayBePurged;
    const wasValid = isValid(lease, at) && ending === undefined && !isUnclear;
    const wasPast = isReplaced && isPast(lease, at) && !isUnclear;
    const wasFrozen = lease.heldBy !== undefined;
    return { lease, verb, at, wasValid, isAgain, wasPast, wasFrozen, isByReceipt };
  }

  #judge(ask: LeaseAsk, answer: LeaseAnswer): void {
    const now = this.#times.now();
    for (const [name, holds] of Object.entries(answerRules)) {
      if (holds(ask, answer, now)) this.#coverage.count('rules', name);
    }
  }

  /** From the call on it counts. */
  #begin({ lease, verb, at }: LeaseAsk, { delayMs = 0, isFailure = false, ms = 0 }: LeaseDetail) {
    const { message } = lease;
    const kind = kindOf(verb);
    if (verb === 'extend') {
      lease.endMinMs = Math.min(lease.endMinMs, at.monotonicMs + ms);
      lease.endMaxMs = Math.max(lease.endMaxMs, at.monotonicMs + ms);
      return;
    }
    lease.isOver = true;
    if (kind !== undefined) {
      message.ending = { kind, life: at.life, lease, isSure: false };
      return;
    }
    if (isFailure) message.failuresAsked += 1;
    const until = at.monotonicMs + delayMs;
    if (delayMs > 0) message.notBefore = { monotonicMs: until, life: at.life, isSure: false };
  }

  answered(ask: LeaseAsk, answer: LeaseAnswer, detail: LeaseDetail = {}): void {
    this.#judge(ask, answer);
    this.#coverage.count('answers', `${ask.verb}: ${answer}`);
    const { lease, verb } = ask;
    if (isUnclear(ask)) lease.message.unclearAsks -= 1;
    const { message } = lease;
    const kind = kindOf(verb);
    if (answer !== 'accepted') return;
    // Nobody had noticed that the lease was over, or its transaction has let go meanwhile.
    const isLate = (!ask.wasValid || ask.wasFrozen) && !ask.isAgain;
    if (isLate && message.ending === undefined)
      this.#begin({ ...ask, at: this.#times.now() }, detail);
    if (verb === 'extend') {
      lease.endMinMs = detail.endsMs ?? lease.endMinMs;
      lease.endMaxMs = detail.endsMs ?? lease.endMaxMs;
    } else if (kind !== undefined) {
      if (message.ending?.lease === lease) message.ending.isSure = true;
    } else if (detail.isFailure === true) {
      this.#failedOnce(message);
    }
    if (verb === 'release' && message.notBefore !== undefined) message.notBefore.isSure = true;
  }

  /** A handler has failed: its worker gives the message back, and nobody hears of it. */
  handlerFailed(lease: Lease, delayMs: number): void {
    const ask = this.asks(lease, 'release', { delayMs, isFailure: true });
    if (ask.wasValid) this.#failed.push(lease.message);
    else lease.message.failuresMax += 1;
  }

  handlerDone(lease: Lease): void {
    this.asks(lease, 'acknowledge');
  }

  /** Its holder is gone, or gives it back. */
  gaveBack(lease: Lease): void {
    if (lease.heldBy === undefined) lease.isOver = true;
    else lease.isLeft = true;
  }

  /** Nothing is on its way: what workers gave back was noted. */
  calm(): void {
    for (const message of this.#failed.splice(0)) this.#failedOnce(message);
  }

  lifeEnds(): void {
    this.#failed = [];
  }

  #failedOnce(message: MessageLedger): void {
    if (message.failuresAsked === 0) return;
    message.failuresAsked -= 1;
    message.failuresMin += 1;
    message.failuresMax += 1;
  }
}

/** It is heard, or not: a transaction that has the lease may have ended, or its time be over. */
function isUnclear({ wasValid, wasFrozen, wasPast, isAgain }: LeaseAsk): boolean {
  return (!wasValid || wasFrozen) && !wasPast && !isAgain;
}

function kindOf(verb: LeaseVerb): 'acknowledged' | 'rejected' | undefined {
  return verb === 'acknowledge' || verb === 'reject' ? endingOf[verb] : undefined;
}
