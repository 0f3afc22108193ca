/**
 * What the model knows of messages in queues: who asked for what, what was answered, who has what.
 *
 * It learns only from calls, their answers and what is delivered, never from inside. A message is
 * told by its value. Nothing is decided here: the rules are in `queue-oracle.ts`.
 */

/** A moment in the sequence: `tick` counts events, so that before and after are told apart. */
export interface Moment {
  readonly tick: number;
  readonly life: number;
  /** The true time: it goes on over all lives. */
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** What holds for all messages of a queue, or of a share group on a topic. */
export interface QueueTerms {
  readonly name: string;
  /** Messages of one lane (FIFO group, key) come one at a time, in their order. */
  readonly isOrdered: boolean;
  readonly isStrict: boolean;
  /** Where messages go that nobody could process; undefined: nowhere. */
  readonly deadLetter: string | undefined;
  readonly expired: 'dead-letter' | 'drop';
  readonly deduplicationWindowMs: number | undefined;
  readonly failuresMax: number;
  readonly isSingleActive: boolean;
  readonly inFlightMax: number;
}

export type TransactionFate = 'running' | 'deciding' | 'committed' | 'aborted';

export interface TransactionLedger {
  readonly name: string;
  readonly life: number;
  /** Its time is over then, by the monotonic clock, and its leases go on. */
  readonly endsMs: number;
  fate: TransactionFate;
  /** Its work has thrown: it is undone, and nobody knows when. */
  isThrown: boolean;
  /** It was answered that it is committed. */
  endedAt: Moment | undefined;
  readonly sends: MessageLedger[];
  readonly acknowledges: Lease[];
}

/** One delivery of a message, and what became of it. */
export interface Lease {
  readonly message: MessageLedger;
  readonly holder: string;
  readonly life: number;
  readonly receipt: string;
  readonly deliveries: number;
  /** Between these it ends, by the monotonic clock; the same but while it is extended. */
  endMinMs: number;
  endMaxMs: number;
  /** Given back, finished, or its holder has closed. */
  isOver: boolean;
  /** The transaction that is to finish it: until that has ended the lease does not end by time. */
  heldBy: TransactionLedger | undefined;
  /** Its holder has closed while the transaction had it. */
  isLeft: boolean;
  /** Of a worker, which renews it: when it ends now. */
  renewed: (() => number) | undefined;
}

export type EndingKind = 'acknowledged' | 'rejected' | 'dead' | 'purged' | 'cancelled';

export interface Ending {
  readonly kind: EndingKind;
  readonly life: number;
  /** Who asked for it; undefined when that was no holder of a lease. */
  readonly lease: Lease | undefined;
  /** It was answered, or seen. Without that it may be undone by the death of the process. */
  isSure: boolean;
}

/** What was asked for with a message. */
export interface MessageDraft {
  readonly id: string;
  readonly lane?: string | undefined;
  readonly priority?: number | undefined;
  readonly delayMs?: number | undefined;
  readonly ttlMs?: number | undefined;
  readonly deduplicationId?: string | undefined;
  readonly transaction?: TransactionLedger | undefined;
  /** What a dead letter was. */
  readonly origin?: MessageLedger | undefined;
}

export class MessageLedger {
  readonly id: string;
  readonly queue: QueueLedger;
  readonly lane: string | undefined;
  readonly priority: number;
  readonly delayMs: number;
  readonly ttlMs: number | undefined;
  readonly deduplicationId: string | undefined;
  readonly transaction: TransactionLedger | undefined;
  readonly origin: MessageLedger | undefined;
  readonly askedAt: Moment;
  answeredAt: Moment | undefined;
  /** `asked`: nobody knows whether it is stored. `absent`: it is not, and never will be. */
  fate: 'asked' | 'stored' | 'absent' = 'asked';
  /** Where it is stored, as far as that was seen. */
  place: string | undefined;
  offset: number | undefined;
  partition: number | undefined;
  ending: Ending | undefined;
  readonly leases: Lease[] = [];
  /** The counts that are stored lie between these. */
  deliveriesMin = 0;
  deliveriesMax = 0;
  failuresMin = 0;
  failuresMax = 0;
  /** Failures that were asked for and not answered. */
  failuresAsked = 0;
  /** Set by a release with a delay; `isSure` once that was answered. */
  notBefore: { readonly monotonicMs: number; readonly life: number; isSure: boolean } | undefined;
  /** The delay of a release may still be on, behind a restart. */
  mayWait = false;
  /** It had all deliveries or failures that some limit allowed: it may be a dead letter by now. */
  mayHaveDied = false;
  /** Asks of which nobody knows whether they are heard: of a lease that a transaction may have. */
  unclearAsks = 0;
  /** Somebody has asked for a purge of its queue while it was there. */
  mayBePurged = false;
  /** Since when it is surely ready; undefined: it is not, or nobody knows. */
  readyAt: Moment | undefined;

  constructor(queue: QueueLedger, draft: MessageDraft, askedAt: Moment) {
    this.queue = queue;
    this.id = draft.id;
    this.lane = draft.lane;
    this.priority = draft.priority ?? 0;
    this.delayMs = draft.delayMs ?? 0;
    this.ttlMs = draft.ttlMs;
    this.deduplicationId = draft.deduplicationId;
    this.transaction = draft.transaction;
    this.origin = draft.origin;
    this.askedAt = askedAt;
  }

  get lastLease(): Lease | undefined {
    return this.leases.at(-1);
  }

  /** Somebody surely has it. */
  leaseAt(now: Moment): Lease | undefined {
    if (this.mayBePurged || this.unclearAsks > 0) return undefined;
    return this.leases.findLast((lease) => isValid(lease, now));
  }

  /** As `leaseAt`, and it is not finished: a transaction that decides may have done that. */
  unfinishedLeaseAt(now: Moment): Lease | undefined {
    const lease = this.leaseAt(now);
    return lease?.heldBy?.fate === 'deciding' ? undefined : lease;
  }

  /** It is stored for sure, or for sure as soon as its transaction is known to be committed. */
  get isThere(): boolean {
    if (this.fate === 'absent') return false;
    if (this.transaction !== undefined) return this.transaction.fate === 'committed';
    return this.fate === 'stored';
  }
}

/** The lease goes on for sure. */
export function isValid(lease: Lease, now: Moment): boolean {
  if (lease.isOver || lease.life !== now.life) return false;
  return isHeld(lease, now) || now.monotonicMs < (lease.renewed?.() ?? lease.endMinMs);
}

/** The lease is over for sure. */
export function isPast(lease: Lease, now: Moment): boolean {
  if (lease.isOver || lease.life !== now.life) return true;
  return lease.heldBy === undefined && now.monotonicMs >= (lease.renewed?.() ?? lease.endMaxMs);
}

function isHeld({ heldBy }: Lease, now: Moment): boolean {
  if (heldBy === undefined || now.monotonicMs >= heldBy.endsMs) return false;
  return heldBy.fate === 'running' && !heldBy.isThrown;
}

/** One call of `receive`, or a worker, which asks all the time. */
export interface ReceiveCall {
  readonly queue: QueueLedger;
  readonly holder: string;
  readonly at: Moment;
  readonly leaseMs: number;
  readonly inFlightMax: number;
  /** A worker: it holds more than its handlers have. */
  readonly isCrew: boolean;
  /** Nobody else asks for messages of the queue meanwhile. */
  isSole: boolean;
  /** The limits of deliveries meanwhile lie between these. */
  deliveriesLow: number;
  deliveriesHigh: number;
}

export class QueueLedger {
  readonly terms: QueueTerms;
  readonly messages = new Map<string, MessageLedger>();
  readonly calls = new Set<ReceiveCall>();
  /** Calls that were cut short: each may have been given what was never seen. */
  unseen = 0;
  /** Those that a closing consumer cut short in this life: what it did not get is not counted, but
   * may be stored already. */
  withdrawn = 0;
  /** Purges that have no answer: they take what is sent meanwhile, or not. */
  purging = 0;
  isPurged = false;
  /** The limit of deliveries lies between these; the same but while it is altered. */
  deliveriesLow: number;
  deliveriesHigh: number;
  /** What it is altered to, while that has no answer. */
  altering: number[] = [];

  constructor(terms: QueueTerms, deliveriesMax: number) {
    this.terms = terms;
    this.deliveriesLow = deliveriesMax;
    this.deliveriesHigh = deliveriesMax;
  }

  get name(): string {
    return this.terms.name;
  }

  /** Others of its lane. */
  *lane(message: MessageLedger): Generator<MessageLedger> {
    if (!this.terms.isOrdered || message.lane === undefined) return;
    for (const other of this.messages.values()) {
      if (other !== message && other.lane === message.lane) yield other;
    }
  }

  /** It may have had all that it may have, and be on its way to the dead letters. */
  mayBeExhausted(message: MessageLedger, now: Moment): boolean {
    if (message.leaseAt(now) !== undefined) return false;
    if (message.mayHaveDied) return true;
    const { deliveriesMax, failuresMax, failuresAsked } = message;
    if (deliveriesMax >= this.deliveriesLow) return true;
    return failuresMax + failuresAsked >= this.terms.failuresMax;
  }
}
