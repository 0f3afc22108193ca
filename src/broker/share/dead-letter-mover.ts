/**
 * Messages that are given up go to the dead letters: exhausted, rejected, expired, or dropped for
 * want of room.
 *
 * A move is one transaction: it sends the letters and archives the messages, so after a crash a
 * message is in one place or in the other, once. Nothing is dropped while the letters cannot be
 * written: what was exhausted stays so, and is tried again after 1 s, then after twice as long each
 * time, up to a minute. A message that alone cannot be moved does not hold up the others: it is set
 * aside until then.
 *
 * Where there are no dead letters, on purpose, messages are archived.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import type { LogRecord, RecordInput } from '../../storage/main.js';
import {
  causeOf,
  type DeadLetterCause,
  type DeadLetterFacts,
  deadLetterOf,
} from '../process/process-dead-letter.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { DeliverySource, SourceDelivery } from '../transaction/held-deliveries.js';
import type { Transaction, TransactionWork } from '../transaction/transaction.js';
import { DeadLetterCauses } from './dead-letter-causes.js';
import { deadLetterDiagnostics } from './dead-letter-diagnostics.js';

/** Messages of one transaction, and their bytes. */
const RUN_MESSAGES = 1_000;
const RUN_BYTES = 512 * 1024;
/** What is taken at once: each may be as large as a record can be. */
const TAKE_MESSAGES = 64;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;
/** Messages that are set aside at once; with more of them all wait. */
const ASIDE_MAX = 1_000;

/** A delivery state that tells whom its messages are held for. */
export interface DyingSource extends DeliverySource {
  /** Its `isHeld`: a consumer has the message, or its transaction; not who took it for a move. */
  readonly state: { isHeld(offset: number, receipt: number): boolean };
}

/** One delivery, and its message. */
export interface DyingDelivery extends SourceDelivery {
  readonly partition: DyingSource;
  readonly record: LogRecord;
  readonly deliveries: number;
  readonly failures: number;
}

/** What the mover needs of a share group. */
export interface DyingGroup {
  /** Called when there are exhausted messages. */
  onExhausted(callback: () => void): void;
  /** Takes some, with their records; each is held until it is archived or thawed. */
  takeExhausted(max: number): Promise<readonly DyingDelivery[]>;
}

export interface MoverOrigin {
  readonly group: string;
  readonly topic: string;
  /** Undefined for a topic that is no queue. */
  readonly queue: string | undefined;
}

export interface MoverParts {
  readonly group: DyingGroup;
  readonly origin: MoverOrigin;
  /** Where letters go, made when it is not there; undefined: there are none. */
  readonly target: () => Promise<HostedTopic | undefined>;
  readonly transactions: { run<T>(work: TransactionWork<T>): Promise<T> };
  readonly clock: Clock;
}

/** Why messages are moved that are not exhausted: words, or what a handler threw. */
export type MoveCause = DeadLetterCause | { readonly error: unknown };

export class DeadLetterMover {
  readonly #parts: MoverParts;
  readonly #causes = new DeadLetterCauses();
  readonly #moving = new Set<Promise<void>>();
  #aside: DyingDelivery[] = [];
  #running: Promise<void> | undefined;
  /** Something was exhausted since the last look. */
  #isDue = false;
  #retryMs = RETRY_MS_MIN;
  #cancelRetry: Cancel | undefined;
  /** Nothing can be moved until the next try. */
  #isPaused = false;
  #isClosed = false;

  /** Begins to move what is exhausted. */
  constructor(parts: MoverParts) {
    this.#parts = parts;
    parts.group.onExhausted(() => this.#wake());
    this.#wake();
  }

  /** A delivery has failed with this error, and is released next: its letter may tell of it. */
  noteFailure({ partition, offset }: SourceDelivery, error: unknown): void {
    this.#causes.note(partition.key.partition, offset, error);
  }

  /**
   * Moves messages that a consumer has, or that were taken for it. Resolves when that is durable;
   * when it rejects, those that are not moved go on as they were: a lease, or ready to be given
   * out. Rejects with RECEIPT_STALE, LEASE_FROZEN, and what the transaction rejects with.
   */
  async move(deliveries: readonly DyingDelivery[], cause: MoveCause): Promise<void> {
    const words = 'reason' in cause ? cause : causeOf(cause.error);
    for (let at = 0; at < deliveries.length; ) {
      const run = nextRun(deliveries, at);
      try {
        await this.#track(this.#moveRun(run, words));
      } catch (error) {
        giveBack(deliveries.slice(at + run.length));
        this.#tellFailed(run.length, undefined, error);
        throw error;
      }
      at += run.length;
    }
  }

  /** As `move`, as a part of this transaction: with it the messages are moved, or stay. */
  async moveIn(
    transaction: Transaction,
    deliveries: readonly DyingDelivery[],
    cause: DeadLetterCause,
  ): Promise<void> {
    const target = await this.#parts.target();
    const dying = deliveries.map((delivery): Dying => {
      return { delivery, letter: this.#letter(delivery, cause, target) };
    });
    const records = archiveIn(transaction, dying);
    if (target === undefined || records.length === 0) return;
    await transaction.sendTo({ topic: target, codec: bytes }, records);
  }

  /** Resolves when nothing is under way any more; what is exhausted stays so. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    await this.#running;
    await Promise.allSettled(this.#moving);
    giveBack(this.#aside.splice(0));
  }

  async #moveRun(run: readonly DyingDelivery[], cause: DeadLetterCause): Promise<void> {
    await this.#moveAs(run, (delivery, target) => {
      return { delivery, letter: this.#letter(delivery, cause, target) };
    });
  }

  #wake(): void {
    this.#isDue = true;
    if (this.#running !== undefined || this.#isPaused || this.#isClosed) return;
    this.#running = this.#moveExhausted().finally(() => {
      this.#running = undefined;
      if (this.#isDue) this.#wake();
    });
  }

  /** Never rejects. */
  async #moveExhausted(): Promise<void> {
    let left: readonly DyingDelivery[] = [];
    try {
      for (;;) {
        this.#isDue = false;
        left = await this.#take();
        if (left.length === 0) break;
        while (left.length > 0) {
          const run = nextRun(left, 0);
          left = left.slice(run.length);
          await this.#moveWhatFits(run);
        }
        if (this.#isClosed) return;
      }
      if (this.#aside.length === 0) this.#retryMs = RETRY_MS_MIN;
    } catch (error) {
      giveBack([...left, ...this.#aside.splice(0)]);
      this.#isPaused = true;
      this.#later(left.length + 1, error);
    }
  }

  /** About as many as one run takes. */
  async #take(): Promise<readonly DyingDelivery[]> {
    const { group } = this.#parts;
    const taken: DyingDelivery[] = [];
    let bytesLeft = RUN_BYTES;
    try {
      while (taken.length < RUN_MESSAGES && bytesLeft > 0) {
        const some = await group.takeExhausted(TAKE_MESSAGES);
        if (some.length === 0) break;
        taken.push(...some);
        for (const { record } of some) bytesLeft -= record.contentBytes;
      }
    } catch (error) {
      giveBack(taken);
      throw error;
    }
    return taken;
  }

  /** Moves those that the target takes; the others are set aside, or all wait. */
  async #moveWhatFits(run: readonly DyingDelivery[]): Promise<void> {
    await this.#moveAs(run, (delivery, target) => {
      const cause = this.#causes.of(delivery.partition.key.partition, delivery.offset);
      try {
        const letter = this.#letter(delivery, cause ?? exhaustedCause(delivery), target);
        return { delivery, letter };
      } catch (error) {
        if (this.#aside.length === ASIDE_MAX) throw error;
        this.#aside.push(delivery);
        this.#later(1, error);
        return undefined;
      }
    });
  }

  /** What fails before the transaction has the messages gives them back here. */
  async #moveAs(
    run: readonly DyingDelivery[],
    dyingOf: (delivery: DyingDelivery, target: HostedTopic | undefined) => Dying | undefined,
  ): Promise<void> {
    let isHanded = false;
    try {
      const target = await this.#parts.target();
      const dying = run.flatMap((delivery) => dyingOf(delivery, target) ?? []);
      if (dying.length === 0) return;
      await this.#bury(dying, target, () => {
        isHanded = true;
      });
    } catch (error) {
      if (!isHanded) giveBack(run);
      throw error;
    }
  }

  #letter(
    delivery: DyingDelivery,
    cause: DeadLetterCause,
    target: HostedTopic | undefined,
  ): Letter | undefined {
    if (target === undefined) return undefined;
    const { origin, clock } = this.#parts;
    const { record, deliveries, failures } = delivery;
    const { partition } = delivery.partition.key;
    const facts: DeadLetterFacts = {
      ...origin,
      partition,
      attempts: deliveries,
      deliveries,
      failures,
      cause,
      timeMs: clock.nowMs(),
    };
    const letter = deadLetterOf(record, facts, target.definition.config);
    // The same priority, as far as the target has it.
    return { ...letter, partition: Math.min(partition, target.partitions - 1) };
  }

  async #bury(
    dying: readonly Dying[],
    target: HostedTopic | undefined,
    handed: () => void,
  ): Promise<void> {
    await this.#parts.transactions.run(async (transaction) => {
      const letters = archiveIn(transaction, dying);
      handed();
      if (target === undefined) return;
      await transaction.sendTo({ topic: target, codec: bytes }, letters);
    });
    for (const { delivery } of dying) {
      this.#causes.forget(delivery.partition.key.partition, delivery.offset);
    }
    const { topic, group } = this.#parts.origin;
    const about = { topic, group, deadLetter: target?.name, messages: dying.length };
    deadLetterDiagnostics.died.publish(about);
  }

  /** Looks again after a while. */
  #later(messages: number, cause: unknown): void {
    const retryMs = this.#isClosed ? undefined : this.#retryMs;
    this.#tellFailed(messages, retryMs, cause);
    if (retryMs === undefined || this.#cancelRetry !== undefined) return;
    this.#retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
    this.#cancelRetry = this.#parts.clock.schedule(retryMs, () => {
      this.#cancelRetry = undefined;
      this.#isPaused = false;
      giveBack(this.#aside.splice(0));
      this.#wake();
    });
  }

  #tellFailed(messages: number, retryMs: number | undefined, cause: unknown): void {
    const { topic, group } = this.#parts.origin;
    const about = { topic, group, deadLetter: undefined, messages, retryMs, cause };
    deadLetterDiagnostics.failed.publish(about);
  }

  #track(moving: Promise<void>): Promise<void> {
    const ended = moving.catch(ignore).finally(() => this.#moving.delete(ended));
    this.#moving.add(ended);
    return moving;
  }
}

type Letter = RecordInput & { readonly partition: number };

interface Dying {
  readonly delivery: DyingDelivery;
  /** Undefined where there are no dead letters. */
  readonly letter: Letter | undefined;
}

/** The letters of those that are not moved by the transaction already: one for each message. */
function archiveIn(transaction: Transaction, dying: readonly Dying[]): Letter[] {
  const letters = new Map(dying.map(({ delivery, letter }) => [delivery, letter]));
  const fresh = transaction.archive([...letters.keys()]);
  return fresh.flatMap((delivery) => letters.get(delivery) ?? []);
}

/** What fits into one transaction, and at least one. */
function nextRun(deliveries: readonly DyingDelivery[], first: number): DyingDelivery[] {
  const run: DyingDelivery[] = [];
  let bytesLeft = RUN_BYTES;
  for (let at = first; at < deliveries.length && run.length < RUN_MESSAGES; at += 1) {
    const delivery = deliveries[at];
    if (delivery === undefined) break;
    bytesLeft -= delivery.record.contentBytes;
    if (run.length > 0 && bytesLeft < 0) break;
    run.push(delivery);
  }
  return run;
}

/** Of a message whose last failure nobody told. */
function exhaustedCause({ deliveries, failures }: DyingDelivery): DeadLetterCause {
  const reason = `given out ${deliveries} times, failed ${failures} times, and never acknowledged`;
  return { reason, code: 'DELIVERIES_EXHAUSTED' };
}

/** Gives back what was taken; others have their leases, or are held by another transaction. */
function giveBack(deliveries: readonly DyingDelivery[]): void {
  for (const { partition, offset, receipt } of deliveries) {
    const isTaken = partition.isHeld(offset, receipt) && !partition.state.isHeld(offset, receipt);
    if (isTaken) partition.thaw(offset, receipt);
  }
}

function ignore(): void {}
