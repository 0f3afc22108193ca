/**
 * The rules of queues, each a function with its name. `queue-book.ts` notes what happens and asks
 * them; whatever breaks one throws, and says what happened.
 *
 * A rule of a delivery or an answer is silent when nobody can know; it is true when it was put to
 * the test, which the coverage counts.
 */

import { rule } from './model-ledger.js';
import {
  type Ending,
  isValid,
  type Lease,
  type MessageLedger,
  type Moment,
  type ReceiveCall,
  type TransactionLedger,
} from './queue-ledger.js';
import type { QueueTimes } from './queue-times.js';

/** What a consumer was given. */
export interface SeenMessage {
  readonly value: string;
  /** Names what is stored: the same for every delivery of it. */
  readonly place: string;
  readonly offset: number;
  readonly partition: number;
  readonly priority: number;
  readonly lane: string | undefined;
  readonly deliveries: number;
  readonly failures: number;
  readonly receipt: string;
  readonly leaseEndsMs: number;
  /** A dead letter says what it was. */
  readonly letter: LetterFacts | undefined;
}

export interface LetterFacts {
  readonly queue: string;
  readonly deliveries: number;
}

export interface Delivered {
  readonly message: MessageLedger;
  readonly seen: SeenMessage;
  readonly call: ReceiveCall;
  readonly now: Moment;
  readonly times: QueueTimes;
  /** What came before it with the same answer. */
  readonly sameAnswer: readonly MessageLedger[];
}

type DeliveryRule = (delivered: Delivered) => boolean;

/** When the lease began, as it says itself; `leaseIsFair` holds that against the call. */
function takenMs({ seen, call }: Delivered): number {
  return seen.leaseEndsMs - call.leaseMs;
}

function about({ message, seen, call }: Delivered): string {
  const { id, queue } = message;
  return `${call.holder} got ${id} of ${queue.name}, delivery ${seen.deliveries}`;
}

// ---- Deliveries: what may be given out at all.

/** What was refused, was a duplicate, or was cancelled, is nowhere. */
const isNotAbsent: DeliveryRule = (delivered) => {
  rule(delivered.message.fate !== 'absent', `${about(delivered)}, which was never stored`);
  return true;
};

/** An aborted transaction's messages are never seen, and none before its work has returned. */
const isCommitted: DeliveryRule = (delivered) => {
  const { transaction } = delivered.message;
  if (transaction === undefined) return false;
  const { name, fate } = transaction;
  const isPossible = fate === 'committed' || fate === 'deciding';
  rule(isPossible, `${about(delivered)}, sent in ${name}, which is ${fate}`);
  return true;
};

/** A message is stored once: sent once, or with an id that was sent before, or moved. */
const isStoredOnce: DeliveryRule = (delivered) => {
  const { message, seen, times } = delivered;
  const { place, queue, deduplicationId } = message;
  const isSame = place === undefined || place === seen.place;
  rule(isSame, `${about(delivered)}: stored at ${seen.place}, and at ${place}`);
  if (deduplicationId === undefined) return place !== undefined;
  for (const other of queue.messages.values()) {
    if (other === message || other.deduplicationId !== deduplicationId) continue;
    if (other.place === undefined || !times.areSurelyDuplicates(other, message)) continue;
    rule(false, `${about(delivered)}: ${deduplicationId} is also that of ${other.id}`);
  }
  return true;
};

/** What is finished is never given out again, also not after a restart. */
const isUnfinished: DeliveryRule = (delivered) => {
  const { message, now } = delivered;
  const { ending } = message;
  if (ending === undefined) return message.leases.length > 0;
  rule(isOpen(ending, now), `${about(delivered)}, which is ${ending.kind}`);
  return true;
};

/** It was asked for, and may not have happened. */
function isOpen({ isSure, life, lease }: Ending, now: Moment): boolean {
  if (isSure) return false;
  // What a worker asks for may come too late, which it does not tell; a purge takes its time.
  return life !== now.life || lease === undefined || lease.renewed !== undefined;
}

/** What had all its deliveries is for the dead letters alone. */
const isNotExhausted: DeliveryRule = (delivered) => {
  const { message, seen, call } = delivered;
  const { terms } = message.queue;
  const { deliveriesHigh } = call;
  rule(seen.deliveries <= deliveriesHigh, `${about(delivered)}, of at most ${deliveriesHigh}`);
  const isTired = seen.failures >= terms.failuresMax;
  rule(!isTired, `${about(delivered)}, after ${seen.failures} failures`);
  return seen.deliveries === deliveriesHigh;
};

/** What has expired is not given out. */
const isNotExpired: DeliveryRule = (delivered) => {
  const { message, call, times } = delivered;
  const { ttlMs, answeredAt, delayMs } = message;
  if (ttlMs === undefined || answeredAt === undefined) return false;
  // The time of a delayed message begins when it has entered. A worker renews what it holds ahead.
  if (delayMs > 0 || call.isCrew) return false;
  if (times.hasJumpedInLifeOrSince(message.askedAt)) return false;
  const ageMs = takenMs(delivered) - answeredAt.monotonicMs;
  rule(ageMs <= ttlMs, `${about(delivered)}, ${ageMs} ms old, of at most ${ttlMs}`);
  return true;
};

// ---- Deliveries: to whom.

/** There are never two valid leases of one message. */
const isSoleLease: DeliveryRule = (delivered) => {
  const { message, now } = delivered;
  const at = { ...now, monotonicMs: takenMs(delivered) };
  const other = message.leaseAt(at);
  rule(other === undefined, `${about(delivered)}, which ${other?.holder} has`);
  const { lastLease, deliveriesMin } = message;
  // Where a power cut has taken the count back, receipts begin anew.
  const isNew = deliveriesMin === 0 || lastLease?.receipt !== delivered.seen.receipt;
  rule(isNew, `${about(delivered)}, with the receipt of ${lastLease?.holder}`);
  return lastLease?.life === now.life;
};

/** Of a group, or a key, one message is given out at a time. */
const isAloneInLane: DeliveryRule = (delivered) => {
  const { message, now } = delivered;
  const at = { ...now, monotonicMs: takenMs(delivered) };
  let isTold = false;
  for (const other of message.queue.lane(message)) {
    const lease = other.unfinishedLeaseAt(at);
    const what = `${about(delivered)} of ${message.lane}, while ${lease?.holder} has ${other.id}`;
    rule(lease === undefined, what);
    isTold ||= other.lastLease !== undefined;
  }
  return isTold;
};

/** A group, or a key, comes in its order; what comes back comes back before what follows. */
const isNextInLane: DeliveryRule = (delivered) => {
  const { message } = delivered;
  let isTold = false;
  for (const other of message.queue.lane(message)) {
    if (!isSurelyBefore(other, delivered)) continue;
    const what = `${about(delivered)} of ${message.lane}, before ${other.id}`;
    rule(mayBeGone(other, delivered), what);
    isTold = true;
  }
  return isTold;
};

function isSurelyBefore(other: MessageLedger, { message, seen }: Delivered): boolean {
  if (!other.isThere || other.priority !== message.priority) return false;
  const isOut = other.offset !== undefined && other.offset < seen.offset;
  const isPlain = other.transaction === undefined && message.transaction === undefined;
  if (isOut && isPlain && other.partition === seen.partition) return true;
  const visibleAt = other.transaction?.endedAt ?? other.answeredAt;
  return other.delayMs === 0 && visibleAt !== undefined && visibleAt.tick < message.askedAt.tick;
}

/** It is finished, or may have been set aside. */
function mayBeGone(other: MessageLedger, { now, times }: Delivered): boolean {
  if (other.ending !== undefined || other.mayBePurged) return true;
  if (other.lastLease?.heldBy?.fate === 'deciding') return true;
  return other.queue.mayBeExhausted(other, now) || times.mayBeExpired(other, now);
}

/** One consumer is active. */
const isActive: DeliveryRule = (delivered) => {
  const { message, seen, call, now } = delivered;
  const { isSingleActive } = message.queue.terms;
  if (!isSingleActive || now.monotonicMs >= seen.leaseEndsMs) return false;
  for (const other of message.queue.messages.values()) {
    const lease = other.unfinishedLeaseAt(now);
    if (lease === undefined || lease.holder === call.holder || lease.isLeft) continue;
    rule(false, `${about(delivered)}, while ${lease.holder} is active with ${other.id}`);
  }
  return true;
};

/** Nobody has more in flight than may be. */
const isWithinLimits: DeliveryRule = (delivered) => {
  const { message, seen, call, now } = delivered;
  // What comes when its lease is over is not in flight.
  if (now.monotonicMs >= seen.leaseEndsMs) return false;
  const { terms, messages } = message.queue;
  const out: Lease[] = [];
  for (const other of messages.values()) {
    const lease = other.unfinishedLeaseAt(now);
    if (lease !== undefined) out.push(lease);
  }
  const ofHolder = out.filter(({ holder }) => holder === call.holder);
  const who = out.map(({ holder, message: { id } }) => `${holder} has ${id}`).join(', ');
  rule(out.length < terms.inFlightMax, `${about(delivered)}, too many in flight: ${who}`);
  rule(ofHolder.length < call.inFlightMax, `${about(delivered)}, too many for it: ${who}`);
  return ofHolder.length + 1 === call.inFlightMax || out.length + 1 === terms.inFlightMax;
};

// ---- Deliveries: when.

/** A delay is never cut short, by a wall clock that jumps, or by a restart. */
const isNotEarly: DeliveryRule = (delivered) => {
  const { message, now, times } = delivered;
  const { delayMs, askedAt } = message;
  if (delayMs === 0) return false;
  const isDue = takenMs(delivered) - askedAt.monotonicMs >= delayMs;
  if (isDue) return true;
  const waited = `${takenMs(delivered) - askedAt.monotonicMs} of ${delayMs} ms`;
  // A clock that has jumped is believed behind a restart.
  const hasJumped = times.hasJumpedSince(askedAt) || times.hasJumpedIn(askedAt);
  const mayBelieve = askedAt.life !== now.life && hasJumped;
  rule(mayBelieve, `${about(delivered)}, after ${waited}`);
  return false;
};

/** What was released with a delay waits for it, also over a restart. */
const isNotBeforeRelease: DeliveryRule = (delivered) => {
  const { message, now, times } = delivered;
  const { notBefore } = message;
  if (notBefore === undefined) return false;
  const isSame = notBefore.life === now.life;
  if (!isSame && (!notBefore.isSure || times.hasJumpedSince(message.askedAt))) return false;
  const early = Math.ceil(notBefore.monotonicMs - takenMs(delivered));
  rule(early <= 0, `${about(delivered)}, ${early} ms before the delay of its release is over`);
  return true;
};

/** Of what is ready the most urgent comes first, also when it was out before. */
const isUrgent: DeliveryRule = (delivered) => {
  const { message, call, sameAnswer, now } = delivered;
  const { queue, priority } = message;
  if (!queue.terms.isStrict || !call.isSole) return false;
  let isTold = false;
  for (const other of queue.messages.values()) {
    const { readyAt } = other;
    if (readyAt === undefined || readyAt.tick >= call.at.tick) continue;
    if (other.priority < priority) isTold = true;
    if (other.priority <= priority || sameAnswer.includes(other)) continue;
    // A worker held it ahead for too long, and it has died of that.
    if (queue.mayBeExhausted(other, now)) continue;
    const ofThem = `of priority ${priority}, before ${other.id} of ${other.priority}`;
    rule(false, `${about(delivered)} ${ofThem}`);
  }
  return isTold;
};

// ---- Deliveries: what they say.

/** Both counts are exact, as far as they were stored before the process died. */
const isCounted: DeliveryRule = (delivered) => {
  const { message, seen, now } = delivered;
  const { deliveriesMin, deliveriesMax, failuresMin } = message;
  const failuresMax = message.failuresMax + message.failuresAsked;
  // Where its lease is over when it comes, others may have had it since, and been told of more.
  const isLate = seen.leaseEndsMs <= now.monotonicMs;
  const isMore = isLate || seen.deliveries > deliveriesMin;
  const isDelivery = isMore && seen.deliveries <= deliveriesMax + 1;
  const count = `${deliveriesMin} to ${deliveriesMax} before`;
  rule(isDelivery, `${about(delivered)}, with ${count}`);
  const isFailure = seen.failures >= failuresMin && seen.failures <= failuresMax;
  const failures = `${failuresMin} to ${failuresMax}`;
  rule(isFailure, `${about(delivered)}: ${seen.failures} failures, not ${failures}`);
  return message.leases.length > 0;
};

/** A lease is as long as it was asked for. */
const isFair: DeliveryRule = (delivered) => {
  const { call, now, seen } = delivered;
  const isAfter = takenMs(delivered) >= call.at.monotonicMs;
  const isBefore = takenMs(delivered) <= now.monotonicMs;
  const times = `${seen.leaseEndsMs}, of ${call.leaseMs} ms asked for at ${call.at.monotonicMs}`;
  rule(isAfter && isBefore, `${about(delivered)}: its lease ends at ${times}`);
  return true;
};

/** A message comes as it was sent. */
const isAsSent: DeliveryRule = (delivered) => {
  const { message, seen } = delivered;
  rule(seen.lane === message.lane, `${about(delivered)} of ${seen.lane}, not ${message.lane}`);
  const { priority } = message;
  rule(seen.priority === priority, `${about(delivered)} of priority ${seen.priority}`);
  return true;
};

/** What is a dead letter had a reason, and says where it was. */
const isDeadForAReason: DeliveryRule = (delivered) => {
  const { seen, now, times } = delivered;
  const { origin } = delivered.message;
  if (origin === undefined) return false;
  const { ending, queue, deliveriesMax } = origin;
  rule(queue.name === seen.letter?.queue, `${about(delivered)}, a letter of ${queue.name}`);
  const isUndone = ending !== undefined && isOpen(ending, now);
  const hasReason =
    ending?.kind === 'rejected' ||
    ending?.kind === 'dead' ||
    ((ending === undefined || isUndone) &&
      (queue.mayBeExhausted(origin, now) || times.mayBeExpired(origin, now)));
  const state = `${ending?.kind ?? 'unfinished'}, ${deliveriesMax} deliveries`;
  rule(hasReason, `${about(delivered)}, which is a dead letter and was ${state}`);
  const { deliveries } = seen.letter;
  const isCount = deliveries <= deliveriesMax && deliveries >= origin.deliveriesMin;
  rule(isCount, `${about(delivered)}: the letter says ${deliveries} deliveries, it had ${state}`);
  return true;
};

export const deliveryRules = {
  isNotAbsent,
  isCommitted,
  isSoleLease,
  isStoredOnce,
  isUnfinished,
  isNotExhausted,
  isNotExpired,
  isAloneInLane,
  isNextInLane,
  isActive,
  isWithinLimits,
  isNotEarly,
  isNotBeforeRelease,
  isUrgent,
  isCounted,
  isFair,
  isAsSent,
  isDeadForAReason,
} as const satisfies Readonly<Record<string, DeliveryRule>>;

// ---- Answers to those who have a message.

export type LeaseVerb = 'acknowledge' | 'release' | 'reject' | 'extend';

/** What was asked for with a lease, and how things stood then. */
export interface LeaseAsk {
  readonly lease: Lease;
  readonly verb: LeaseVerb;
  readonly at: Moment;
  /** The lease was valid for sure. */
  readonly wasValid: boolean;
  /** It had finished the message in the same way before. */
  readonly isAgain: boolean;
  /** It was over for sure, and not merely by time. */
  readonly wasPast: boolean;
  readonly wasFrozen: boolean;
  /** It was asked for by a receipt, which has to be looked up first. */
  readonly isByReceipt: boolean;
}

export type LeaseAnswer = 'accepted' | 'RECEIPT_STALE' | 'LEASE_FROZEN';

type AnswerRule = (ask: LeaseAsk, answer: LeaseAnswer, now: Moment) => boolean;

function aboutAsk({ lease, verb }: LeaseAsk): string {
  const { message, holder, deliveries } = lease;
  return `${holder}: ${verb} of ${message.id} of ${message.queue.name}, delivery ${deliveries}`;
}

/** Who has a valid lease is heard. */
const isHeard: AnswerRule = (ask, answer, now) => {
  if (!ask.wasValid || ask.wasFrozen || ask.lease.message.mayBePurged) return false;
  if (ask.isByReceipt && now.monotonicMs >= ask.lease.endMinMs) return false;
  rule(answer === 'accepted', `${aboutAsk(ask)} while its lease is valid: ${answer}`);
  return true;
};

/** Who asks with a lease that is over is told so. */
const isFenced: AnswerRule = (ask, answer) => {
  if (!ask.wasPast || ask.isAgain) return false;
  // A rejection of what has become a dead letter by itself is a repetition.
  if (ask.verb === 'reject' && isLate(ask)) return false;
  // On its way to the dead letters a message is in the hands of a transaction.
  const { ending } = ask.lease.message;
  const isMoving = ending?.kind === 'rejected' && answer === 'LEASE_FROZEN';
  const isTold = answer === 'RECEIPT_STALE' || isMoving;
  rule(isTold, `${aboutAsk(ask)} after its lease: ${answer}`);
  return true;
};

function isLate({ lease: { message } }: LeaseAsk): boolean {
  const { ending, queue, deliveriesMax, mayHaveDied } = message;
  return ending?.kind === 'dead' || mayHaveDied || deliveriesMax >= queue.deliveriesLow;
}

/** To acknowledge a message twice does no harm. */
const isHarmless: AnswerRule = (ask, answer) => {
  if (!ask.isAgain || ask.verb !== 'acknowledge') return false;
  // A purge forgets what lies behind it.
  if (ask.lease.message.queue.isPurged) return false;
  rule(answer === 'accepted', `${aboutAsk(ask)} again: ${answer}`);
  return true;
};

/** What a transaction is to finish is not finished otherwise meanwhile. */
const isFrozen: AnswerRule = (ask, answer, now) => {
  const { heldBy } = ask.lease;
  if (!ask.wasFrozen || heldBy?.fate !== 'running' || !isValid(ask.lease, now)) return false;
  // It is being undone, and nobody knows when it lets go.
  if (heldBy.isThrown) return false;
  // Others may have been heard before it.
  if (ask.lease.message.unclearAsks > 1) return false;
  if (ask.lease.message.mayBePurged) return false;
  rule(answer === 'LEASE_FROZEN', `${aboutAsk(ask)}, which ${heldBy.name} has: ${answer}`);
  return true;
};

export const answerRules = {
  isHeard,
  isFenced,
  isHarmless,
  isFrozen,
} as const satisfies Readonly<Record<string, AnswerRule>>;

// ---- The end, when everything that is there has been given out and finished.

/** It was stored, it is not finished, and nothing allows it to be gone. */
export function isOwed(message: MessageLedger, now: Moment, times: QueueTimes): boolean {
  if (!message.isThere || message.mayBePurged) return false;
  const { ending, queue } = message;
  const { deadLetter, expired } = queue.terms;
  if (ending?.kind === 'rejected') {
    if (deadLetter === undefined) return false;
    if (ending.isSure) return true;
  }
  if (ending !== undefined && ending.kind !== 'rejected') return false;
  if (deadLetter === undefined && queue.mayBeExhausted(message, now)) return false;
  const mayVanish = expired === 'drop' || deadLetter === undefined;
  return !(mayVanish && times.mayBeExpired(message, now));
}

/** What was answered to be stored is finished in the end, or is a dead letter. */
export function isComplete(message: MessageLedger, now: Moment, times: QueueTimes): void {
  const { id, queue, ending } = message;
  const fate = ending === undefined ? 'is lost' : 'was rejected and is no dead letter';
  rule(!isOwed(message, now, times), `${id} of ${queue.name}, which was stored, ${fate}`);
}

/** Of a transaction all is there, or nothing. */
export function isWhole(transaction: TransactionLedger): boolean {
  const { name, fate, sends } = transaction;
  const seen = sends.filter(({ place }) => place !== undefined);
  if (fate !== 'committed') rule(seen.length === 0, `${name} is ${fate}, ${seen[0]?.id} was seen`);
  return sends.length > 0;
}
