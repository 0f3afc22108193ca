/**
 * A consumer that takes messages by `receive`, and does with them what commands say: in time, late,
 * twice, or not at all.
 */

import { type ErrorCode, type ErrorFacts, hasCode } from '../../src/base/errors.js';
import type { Life } from './model-life.js';
import type { QueueBook } from './queue-book.js';
import { isPast, type Lease, type QueueLedger, type ReceiveCall } from './queue-ledger.js';
import type { LeaseAsk, LeaseVerb } from './queue-oracle.js';
import type { Inbox, InboxMessage } from './queue-outlet.js';

export interface ReceiverSurroundings {
  readonly life: Life;
  readonly book: QueueBook;
  check(run: () => void): void;
  fail(what: string, cause: unknown): void;
}

/** A message that it was given, at some time. */
export interface Taken {
  readonly message: InboxMessage;
  readonly lease: Lease;
}

/** What a call may end with when the queue, the consumer or the broker is closed meanwhile. */
const expected: readonly ErrorCode[] = ['CONSUMER_CLOSED', 'BROKER_CLOSED'];

export class QueueReceiver {
  readonly name: string;
  readonly queue: QueueLedger;
  /** Everything that it was given, the oldest first. */
  readonly taken: Taken[] = [];
  readonly #around: ReceiverSurroundings;
  readonly #inbox: Inbox;
  readonly #leaseMs: number;
  readonly #inFlightMax: number;
  /** It has died within the process: nobody says so to the queue. */
  isCrashed = false;
  isClosed = false;
  readonly #calls = new Set<ReceiveCall>();
  /** Lists that it has asked to acknowledge, and has no answer for. */
  asking = 0;

  constructor(
    around: ReceiverSurroundings,
    name: string,
    queue: QueueLedger,
    inbox: Inbox,
    options: { readonly leaseMs: number; readonly inFlightMax: number },
  ) {
    this.#around = around;
    this.name = name;
    this.queue = queue;
    this.#inbox = inbox;
    this.#leaseMs = options.leaseMs;
    this.#inFlightMax = options.inFlightMax;
  }

  get isLive(): boolean {
    return !this.isCrashed && !this.isClosed;
  }

  /** How many answers it waits for. */
  get pending(): number {
    return this.#calls.size;
  }

  /** What it has and has not ended. */
  get held(): Taken[] {
    const now = this.#around.book.times.now();
    return this.taken.filter(({ lease }) => !isPast(lease, now) && lease.heldBy === undefined);
  }

  receive(max: number, waitMs: number, leaseMs: number | undefined): void {
    const { life, book } = this.#around;
    const call = book.receives(this.queue, {
      holder: this.name,
      leaseMs: leaseMs ?? this.#leaseMs,
      inFlightMax: this.#inFlightMax,
      isCrew: false,
    });
    this.#calls.add(call);
    this.#inbox.receive({ max, waitMs, leaseMs }).then(
      (messages) => {
        this.#calls.delete(call);
        if (life.isOver) return;
        this.#around.check(() => {
          book.received(call);
          const leases = book.delivered(
            call,
            messages.map(({ seen }) => seen),
          );
          for (const [at, message] of messages.entries()) {
            const lease = leases[at];
            if (lease === undefined) continue;
            this.taken.push({ message, lease });
            if (this.isClosed) book.leases.gaveBack(lease);
          }
        });
      },
      (error: unknown) => {
        this.#calls.delete(call);
        if (life.isOver) return;
        book.received(call);
        if (isExpected(error)) return;
        this.#around.fail(`${this.name} could not receive`, error);
      },
    );
  }

  /** Asks for something with a message, valid or not. */
  ask(taken: Taken, verb: LeaseVerb, detail: { readonly delayMs?: number; readonly ms?: number }) {
    const { life, book } = this.#around;
    const { message, lease } = taken;
    const ask = book.leases.asks(lease, verb, detail);
    callOf(message, verb, detail).then(
      () => {
        if (life.isOver) return;
        const ends = verb === 'extend' ? { endsMs: message.leaseEndsMs } : {};
        this.#around.check(() => book.leases.answered(ask, 'accepted', { ...detail, ...ends }));
      },
      (error: unknown) => {
        if (!life.isOver) this.#refused([ask], error);
      },
    );
  }

  /** Acknowledges several in one call. */
  acknowledgeAll(several: readonly Taken[], isByReceipt = false): void {
    const { life, book } = this.#around;
    const asks = several.map(({ lease }) =>
      book.leases.asks(lease, 'acknowledge', { isByReceipt }),
    );
    const messages = several.map(({ message }) => message);
    this.asking += 1;
    this.#inbox.acknowledge(messages, isByReceipt).then(
      () => {
        this.asking -= 1;
        if (life.isOver) return;
        this.#around.check(() => {
          for (const ask of asks) book.leases.answered(ask, 'accepted');
        });
      },
      (error: unknown) => {
        this.asking -= 1;
        if (!life.isOver) this.#refused(asks, error);
      },
    );
  }

  /** It stops without a word. */
  crash(): void {
    this.isCrashed = true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { life, book } = this.#around;
    for (const call of this.#calls) book.cutsShort(call);
    // From the call on others may have what it had.
    for (const { lease } of this.taken) book.leases.gaveBack(lease);
    this.#inbox.close().catch((error: unknown) => {
      if (life.isOver || isExpected(error)) return;
      this.#around.fail(`${this.name} could not be closed`, error);
    });
  }

  #refused(asks: readonly LeaseAsk[], error: unknown): void {
    const { book } = this.#around;
    const [only] = asks;
    if (isExpected(error)) return;
    if (!hasCode(error, 'RECEIPT_STALE') && !hasCode(error, 'LEASE_FROZEN')) {
      this.#around.fail(`${this.name} could not ${only?.verb}`, error);
      return;
    }
    const told = hasCode(error, 'LEASE_FROZEN') ? 'LEASE_FROZEN' : 'RECEIPT_STALE';
    const refused = asks.length === 1 ? new Set(asks) : refusedOf(asks, error.facts);
    this.#around.check(() => {
      for (const ask of asks) {
        if (!refused.has(ask)) book.leases.answered(ask, 'accepted');
        else if (asks.length === 1) book.leases.answered(ask, told);
        else book.leases.answered(ask, ask.wasFrozen ? 'LEASE_FROZEN' : 'RECEIPT_STALE');
      }
    });
  }
}

/**
 * Which of a list were refused: the error names places, or offsets alone, and receipts not at all;
 * of several that it may mean it was the one that had lost most.
 */
function refusedOf(asks: readonly LeaseAsk[], { offsets, refused: count }: ErrorFacts) {
  const refused = new Set<LeaseAsk>();
  const refuse = (mayBe: (ask: LeaseAsk) => boolean): void => {
    const those = asks.filter((ask) => !refused.has(ask) && mayBe(ask));
    const [first] = those.sort((one, other) => worthOf(one) - worthOf(other));
    if (first !== undefined) refused.add(first);
  };
  for (const name of String(offsets ?? '').match(/[\d-]+/g) ?? []) {
    refuse(({ lease: { message } }) => {
      return name === `${message.offset}` || name === `${message.partition}-${message.offset}`;
    });
  }
  while (refused.size < Math.min(Number(count), asks.length)) refuse(() => true);
  return refused;
}

function worthOf({ wasValid, wasFrozen, isAgain, wasPast }: LeaseAsk): number {
  if (wasFrozen) return 1;
  if (wasPast && !isAgain) return 0;
  return wasValid ? 4 : isAgain ? 3 : 2;
}

function callOf(
  message: InboxMessage,
  verb: LeaseVerb,
  { delayMs = 0, ms = 0 }: { readonly delayMs?: number; readonly ms?: number },
): Promise<void> {
  if (verb === 'acknowledge') return message.acknowledge();
  if (verb === 'reject') return message.reject();
  return verb === 'release' ? message.release(delayMs) : message.extend(ms);
}

function isExpected(error: unknown): boolean {
  return expected.some((code) => hasCode(error, code));
}
