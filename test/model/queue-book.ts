/**
 * The book of what happens to the queues of a broker: calls, answers, deliveries and deaths, in
 * their order. It asks the rules of `queue-oracle.ts` at each, and counts which were tested.
 */

import type { Coverage } from './model-coverage.js';
import { rule } from './model-ledger.js';
import type { Death } from './model-life.js';
import { QueueLeases } from './queue-leases.js';
import {
  isPast,
  type Lease,
  type MessageDraft,
  MessageLedger,
  type Moment,
  QueueLedger,
  type QueueTerms,
  type ReceiveCall,
  type TransactionLedger,
} from './queue-ledger.js';
import { deliveryRules, isComplete, isOwed, isWhole, type SeenMessage } from './queue-oracle.js';
import type { QueueTimes } from './queue-times.js';

export class QueueBook {
  readonly times: QueueTimes;
  readonly leases: QueueLeases;
  readonly #coverage: Coverage;
  readonly #queues = new Map<string, QueueLedger>();
  readonly #transactions: TransactionLedger[] = [];

  constructor(times: QueueTimes, coverage: Coverage) {
    this.times = times;
    this.leases = new QueueLeases(times, coverage);
    this.#coverage = coverage;
  }

  get queues(): QueueLedger[] {
    return [...this.#queues.values()];
  }

  queue(name: string): QueueLedger {
    const found = this.#queues.get(name);
    rule(found !== undefined, `there is a queue ${name}`);
    return found;
  }

  declare(terms: QueueTerms, deliveriesMax: number): QueueLedger {
    const queue = new QueueLedger(terms, deliveriesMax);
    this.#queues.set(terms.name, queue);
    return queue;
  }

  // ---- Senders.

  asked(queue: QueueLedger, draft: MessageDraft): MessageLedger {
    const message = new MessageLedger(queue, draft, this.times.now());
    message.mayBePurged = queue.purging > 0;
    queue.messages.set(draft.id, message);
    draft.transaction?.sends.push(message);
    return message;
  }

  /** It was answered that the message is stored, now. */
  stored(message: MessageLedger): void {
    if (message.transaction !== undefined) return;
    const { deduplicationId, queue, id } = message;
    message.answeredAt = this.times.now();
    message.fate = 'stored';
    if (deduplicationId === undefined) return;
    for (const other of this.#sameId(message)) {
      if (other.fate !== 'stored' || !this.times.areSurelyDuplicates(other, message)) continue;
      rule(false, `${id} of ${queue.name} was stored, with ${deduplicationId} of ${other.id}`);
    }
    this.#coverage.count('rules', 'isStoredOnce, answered');
  }

  /** It was answered that a message of its id was stored before. */
  duplicate(message: MessageLedger): void {
    const { id, queue, deduplicationId } = message;
    const now = this.times.now();
    message.fate = 'absent';
    const others = this.#sameId(message).filter(
      (other) => other.fate !== 'absent' && this.times.mayBeDuplicates(other, message, now),
    );
    const what = `${id} of ${queue.name} with ${deduplicationId}: a duplicate of nothing`;
    rule(others.length > 0, what);
    this.#coverage.count('rules', 'isDuplicate');
    const [only] = others;
    if (others.length === 1 && only?.fate === 'asked') only.fate = 'stored';
  }

  /** It was answered that the message is not stored. */
  refused(message: MessageLedger): void {
    message.fate = 'absent';
  }

  /** A message that waits for its time is to be taken back. */
  cancels(message: MessageLedger): void {
    if (message.ending !== undefined || message.leases.length > 0) return;
    const { life } = this.times;
    message.ending = { kind: 'cancelled', life, lease: undefined, isSure: false };
  }

  cancelled(message: MessageLedger, isDone: boolean): void {
    const { id, queue, leases, ending } = message;
    this.#coverage.count('answers', isDone ? 'cancel: done' : 'cancel: too late');
    if (isDone) rule(leases.length === 0, `${id} of ${queue.name} was cancelled, and given out`);
    if (ending?.kind !== 'cancelled') return;
    if (isDone) ending.isSure = true;
    // What an earlier life asked for may have been done then.
    else if (!ending.isSure && ending.life === this.times.life) message.ending = undefined;
  }

  /** Everything that is there is to go: what is given out meanwhile may be gone as well. */
  purges(queue: QueueLedger): MessageLedger[] {
    const { life } = this.times;
    queue.purging += 1;
    queue.isPurged = true;
    const there = [...queue.messages.values()].filter(({ ending }) => ending?.isSure !== true);
    for (const message of there) {
      message.mayBePurged = true;
      message.readyAt = undefined;
      if (message.ending !== undefined) continue;
      // Somebody may have it, or get it with an answer that is on its way.
      const isOut = queue.calls.size > 0 || message.leaseAt(this.times.now()) !== undefined;
      // Or it is on its way to the dead letters.
      const now = this.times.now();
      const mayDie = queue.mayBeExhausted(message, now) || this.times.mayBeExpired(message, now);
      if (isOut || mayDie || !message.isThere || message.delayMs > 0) continue;
      message.ending = { kind: 'purged', life, lease: undefined, isSure: false };
    }
    return there;
  }

  purged(queue: QueueLedger, there: readonly MessageLedger[]): void {
    queue.purging -= 1;
    for (const { ending } of there) if (ending?.kind === 'purged') ending.isSure = true;
  }

  /** Others with its deduplication id. */
  #sameId(message: MessageLedger): MessageLedger[] {
    const { deduplicationId, queue } = message;
    return [...queue.messages.values()].filter(
      (other) => other !== message && other.deduplicationId === deduplicationId,
    );
  }

  // ---- Consumers.

  receives(
    queue: QueueLedger,
    facts: Pick<ReceiveCall, 'holder' | 'leaseMs' | 'inFlightMax' | 'isCrew'>,
  ): ReceiveCall {
    const isSole = queue.calls.size === 0;
    for (const other of queue.calls) other.isSole = false;
    if (queue.purging > 0) this.#purgesMeanwhile(queue);
    const { deliveriesLow, deliveriesHigh } = queue;
    const limits = { deliveriesLow, deliveriesHigh };
    const call = { queue, ...facts, at: this.times.now(), isSole, ...limits };
    queue.calls.add(call);
    return call;
  }

  /** Who asks while a purge is under way may be given what it takes. */
  #purgesMeanwhile(queue: QueueLedger): void {
    for (const message of queue.messages.values()) {
      const { ending } = message;
      if (ending?.kind === 'purged' && !ending.isSure) message.ending = undefined;
    }
  }

  /** Its consumer closes while it waits for an answer. */
  cutsShort({ queue, at, leaseMs }: ReceiveCall): void {
    queue.withdrawn += 1;
    if (this.times.now().monotonicMs - at.monotonicMs < leaseMs) return;
    // What it was about to get may have been its for a whole lease.
    for (const message of queue.messages.values()) message.deliveriesMax += 1;
  }

  received(call: ReceiveCall): void {
    call.queue.calls.delete(call);
  }

  /** What one answer has given out. */
  delivered(call: ReceiveCall, answer: readonly SeenMessage[], renewed?: () => number): Lease[] {
    const messages = answer.map((seen) => this.#messageOf(call.queue, seen));
    return answer.map((seen, at) => {
      const message = messages[at] ?? this.#messageOf(call.queue, seen);
      const lease = this.#delivered(call, seen, message, messages.slice(0, at));
      lease.renewed = renewed;
      return lease;
    });
  }

  crewIsWithin(holds: boolean, what: string): void {
    rule(holds, what);
  }

  #delivered(
    call: ReceiveCall,
    seen: SeenMessage,
    message: MessageLedger,
    sameAnswer: readonly MessageLedger[],
  ): Lease {
    const now = this.times.now();
    const delivered = { message, seen, call, now, times: this.times, sameAnswer };
    for (const [name, holds] of Object.entries(deliveryRules)) {
      if (holds(delivered)) this.#coverage.count('rules', name);
    }
    this.#coverage.count('deliveries', seen.deliveries === 1 ? 'first' : 'again');
    message.fate = 'stored';
    message.place = seen.place;
    message.offset = seen.offset;
    message.partition = seen.partition;
    this.#reopen(message);
    // An answer that comes when its lease is over does not tell what others had meanwhile.
    const isLate = seen.leaseEndsMs <= now.monotonicMs;
    const { deliveriesMin, deliveriesMax } = message;
    message.deliveriesMin = isLate ? Math.max(deliveriesMin, seen.deliveries) : seen.deliveries;
    message.deliveriesMax = isLate ? Math.max(deliveriesMax, seen.deliveries) : seen.deliveries;
    message.failuresMin = seen.failures;
    message.failuresMax = seen.failures;
    message.failuresAsked = 0;
    message.notBefore = undefined;
    message.mayWait = false;
    // Its lease may have ended while a lower limit was in force.
    message.mayHaveDied = seen.deliveries >= call.deliveriesLow;
    message.readyAt = undefined;
    if (message.transaction !== undefined) this.#settle(message.transaction, 'committed');
    if (message.origin !== undefined) {
      const { life } = now;
      message.origin.ending = { kind: 'dead', life, lease: undefined, isSure: true };
    }
    const { receipt, deliveries, leaseEndsMs } = seen;
    const lease: Lease = {
      message,
      holder: call.holder,
      life: now.life,
      receipt,
      deliveries,
      endMinMs: leaseEndsMs,
      endMaxMs: leaseEndsMs,
      isOver: false,
      heldBy: undefined,
      isLeft: false,
      renewed: undefined,
    };
    message.leases.push(lease);
    return lease;
  }

  /** What was to finish it has not: it was given out again, behind the death of a process. */
  #reopen(message: MessageLedger): void {
    if (message.ending === undefined) return;
    message.ending = undefined;
    for (const transaction of this.#transactions) {
      const isItsOwn = transaction.acknowledges.some((lease) => lease.message === message);
      if (isItsOwn && transaction.fate === 'deciding') this.#settle(transaction, 'aborted');
    }
  }

  #messageOf(queue: QueueLedger, { value, letter }: SeenMessage): MessageLedger {
    const id = letter === undefined ? value : `${value} from ${letter.queue}`;
    const known = queue.messages.get(id);
    if (known !== undefined) return known;
    const origin = letter && this.#queues.get(letter.queue)?.messages.get(value);
    rule(origin !== undefined, `${id} in ${queue.name}, which nobody sent there`);
    const { lane, priority } = origin;
    const atFirst = { id, lane, priority: queue === origin.queue ? priority : 0, origin };
    const found = this.asked(queue, atFirst);
    found.deliveriesMax = queue.unseen;
    return found;
  }

  // ---- Transactions.

  begin(name: string, timeoutMs: number): TransactionLedger {
    const transaction: TransactionLedger = {
      name,
      life: this.times.life,
      endsMs: this.times.now().monotonicMs + timeoutMs,
      fate: 'running',
      isThrown: false,
      endedAt: undefined,
      sends: [],
      acknowledges: [],
    };
    this.#transactions.push(transaction);
    return transaction;
  }

  transactionEnded(transaction: TransactionLedger, fate: 'committed' | 'aborted'): void {
    this.#settle(transaction, fate);
    if (fate === 'committed') transaction.endedAt = this.times.now();
  }

  #settle(transaction: TransactionLedger, fate: 'committed' | 'aborted'): void {
    if (transaction.fate === fate) return;
    const { name, fate: was, sends, acknowledges } = transaction;
    const isOpen = was === 'running' || was === 'deciding';
    rule(isOpen, `${name} is ${was}, and seen to be ${fate}`);
    transaction.fate = fate;
    this.#coverage.count('transactions', fate);
    const life = this.times.life;
    for (const message of sends) message.fate = fate === 'committed' ? 'stored' : 'absent';
    for (const lease of acknowledges) {
      lease.heldBy = undefined;
      lease.isOver = fate === 'committed' || lease.isLeft;
      if (fate === 'aborted') continue;
      const { message } = lease;
      rule(message.lastLease === lease, `${name} is committed, and ${message.id} was given out`);
      message.ending = { kind: 'acknowledged', life, lease, isSure: true };
    }
  }

  // ---- Time, and the death of the process.

  /** Nothing is on its way: what is stored is ready, what workers asked for is done. */
  calm(): void {
    const now = this.times.now();
    this.leases.calm();
    for (const queue of this.#queues.values()) {
      for (const call of queue.calls) {
        if (!call.isCrew) continue;
        call.deliveriesLow = queue.deliveriesLow;
        call.deliveriesHigh = queue.deliveriesHigh;
      }
      for (const message of queue.messages.values()) {
        noteDone(message, now);
        if (!isReady(message, now)) message.readyAt = undefined;
        else message.readyAt ??= now;
      }
    }
  }

  /** So much time passes at once that leases which workers hold ahead may end. */
  stalls(): void {
    for (const queue of this.#queues.values()) {
      if (![...queue.calls].some(({ isCrew }) => isCrew)) continue;
      for (const message of queue.messages.values()) {
        if (message.ending?.isSure !== true) message.deliveriesMax += 1;
      }
    }
  }

  /** The limit of deliveries changes; what was too many by the old one may be set aside. */
  alters(queue: QueueLedger, deliveriesMax: number): void {
    queue.altering.push(deliveriesMax);
    this.#spreadLimits(queue, deliveriesMax);
  }

  altered(queue: QueueLedger, deliveriesMax: number): void {
    this.#spreadLimits(queue, deliveriesMax);
    queue.altering.splice(queue.altering.indexOf(deliveriesMax), 1);
    queue.deliveriesLow = Math.min(deliveriesMax, ...queue.altering);
    queue.deliveriesHigh = Math.max(deliveriesMax, ...queue.altering);
  }

  #spreadLimits(queue: QueueLedger, deliveriesMax: number): void {
    const now = this.times.now();
    for (const message of queue.messages.values()) {
      message.mayHaveDied ||= queue.mayBeExhausted(message, now);
    }
    queue.deliveriesLow = Math.min(queue.deliveriesLow, deliveriesMax);
    queue.deliveriesHigh = Math.max(queue.deliveriesHigh, deliveriesMax);
    for (const call of queue.calls) {
      call.deliveriesLow = Math.min(call.deliveriesLow, queue.deliveriesLow);
      call.deliveriesHigh = Math.max(call.deliveriesHigh, queue.deliveriesHigh);
    }
  }

  lifeEnds(death: Death): void {
    for (const transaction of this.#transactions) {
      if (transaction.fate === 'running') this.#settle(transaction, 'aborted');
    }
    for (const queue of this.#queues.values()) {
      // Each who asked may have been given what it never saw.
      const unseen = queue.calls.size + queue.withdrawn;
      queue.withdrawn = 0;
      queue.purging = 0;
      queue.altering = [];
      queue.unseen += unseen;
      for (const message of queue.messages.values()) endLife(message, death, unseen);
      queue.calls.clear();
    }
    this.leases.lifeEnds();
    this.times.beginLife();
  }

  // ---- The end.

  /** What was stored and is not finished, as far as that is known. */
  get owed(): MessageLedger[] {
    const now = this.times.now();
    return this.queues.flatMap((queue) =>
      [...queue.messages.values()].filter((message) => isOwed(message, now, this.times)),
    );
  }

  /** Everything that is there has been given out and finished. */
  finish(): void {
    const now = this.times.now();
    for (const transaction of this.#transactions) {
      const hasSends = transaction.sends.length > 0;
      if (transaction.fate === 'deciding' && hasSends) this.#settle(transaction, 'aborted');
      if (isWhole(transaction)) this.#coverage.count('rules', 'isWhole');
    }
    for (const queue of this.#queues.values()) {
      for (const message of queue.messages.values()) {
        isComplete(message, now, this.times);
        this.#coverage.count('rules', 'isComplete');
        const ending = message.ending?.kind ?? (message.isThere ? 'gone' : message.fate);
        this.#coverage.count('ends', ending);
      }
    }
  }
}

/** What a worker has asked for in time is done. */
function noteDone({ ending }: MessageLedger, now: Moment): void {
  const { renewed } = ending?.lease ?? {};
  if (ending === undefined || renewed === undefined || ending.life !== now.life) return;
  if (now.monotonicMs < renewed()) ending.isSure = true;
}

function isReady(message: MessageLedger, now: Moment): boolean {
  const { isThere, ending, ttlMs, delayMs, leases, lastLease, notBefore, queue } = message;
  if (!isThere || ending !== undefined || ttlMs !== undefined || message.mayBePurged) return false;
  if (delayMs > 0 && leases.length === 0) return false;
  if (lastLease !== undefined && !isPast(lastLease, now)) return false;
  if (notBefore !== undefined || message.mayWait || queue.mayBeExhausted(message, now))
    return false;
  return !queue.terms.isOrdered || message.lane === undefined;
}

function endLife(message: MessageLedger, death: Death, unseen: number): void {
  for (const lease of message.leases) {
    lease.isOver = true;
    if (lease.heldBy?.fate !== 'deciding') lease.heldBy = undefined;
  }
  const { lastLease } = message;
  const { heldBy } = lastLease ?? {};
  // What a transaction was about to finish may be finished.
  if (heldBy !== undefined && lastLease !== undefined) {
    const { life } = lastLease;
    message.ending ??= { kind: 'acknowledged', life, lease: lastLease, isSure: false };
  }
  if (message.unclearAsks > 0 && lastLease !== undefined) {
    const { life } = lastLease;
    message.ending ??= { kind: 'acknowledged', life, lease: lastLease, isSure: false };
  }
  message.unclearAsks = 0;
  message.readyAt = undefined;
  if (message.ending?.isSure !== true) message.deliveriesMax += unseen;
  message.failuresMax += message.failuresAsked;
  message.failuresAsked = 0;
  message.mayWait ||= message.notBefore !== undefined;
  if (message.notBefore?.isSure !== true || death === 'power cut') message.notBefore = undefined;
  if (death === 'kill') return;
  message.deliveriesMin = 0;
  message.failuresMin = 0;
}
