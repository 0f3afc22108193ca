/**
 * The deliveries that one transaction finishes: frozen from the first call on, finished by commit.
 *
 *     add      the lease is frozen: it does not end by time, and nobody else finishes the message
 *     check    asks again whether each is held; in one synchronous step with the decision
 *     finish   in memory, once the decision is durable
 *     store    in the journal; again at every try, which changes nothing
 *     thaw     the transaction was undone: leases go on
 *
 * Where deliveries are all that a transaction has, the journal's append is the decision: one batch
 * for all keys, and the states in memory move when it is durable.
 */

import { assert } from '../../base/assert.js';
import { limits } from '../../base/limits.js';
import { type ReceiptAnswer, receiptRefused } from '../share/share-errors.js';
import type { Ending } from '../share/share-ledger.js';
import { type DeliveryPart, PART_ENTRIES_MAX, rangesOf } from '../share/share-part.js';
import type { OffsetRange } from '../share/share-ranges.js';
import { transactionTooLarge } from './transaction-errors.js';

/** Whose delivery state, of which partition. */
export interface DeliveryKey {
  readonly group: string;
  readonly topicId: string;
  readonly partition: number;
}

/** What a transaction needs of a delivery state; receipts are those of `DeliveryState`. */
export interface DeliverySource {
  readonly key: DeliveryKey;
  /** Another one after a reset of the group, and in a group that was made again. */
  readonly generation: number;
  /** The lease does not end by time until `finish` or `thaw`; done for one that is moving too. */
  freeze(offset: number, receipt: number): ReceiptAnswer;
  /** The lease goes on; no effect when the message is gone. */
  thaw(offset: number, receipt: number): void;
  /** Whether the message is frozen, or moving to the dead letters, in the name of the receipt. */
  isHeld(offset: number, receipt: number): boolean;
  /** Stays in use, as it is decided about its messages, until what it returns is called. */
  keep?(): () => void;
  /** Finishes the message in memory; no effect when it is gone. */
  finish(offset: number, receipt: number, ending: Ending): void;
}

/** One delivery of a message. */
export interface SourceDelivery {
  readonly partition: DeliverySource;
  readonly offset: number;
  readonly receipt: number;
}

/** A message in the hands of a program. */
export interface Acknowledgeable {
  /** @internal */
  readonly delivery: SourceDelivery;
}

export interface JournalEntry {
  readonly key: DeliveryKey;
  readonly part: DeliveryPart;
  /** Of another generation it does not count. */
  readonly generation: number;
}

/** What a transaction needs of the journal of delivery states. */
export interface DeliveryJournal {
  /** Resolves when the part is stored. What could not be stored for want of space stays owed. */
  append(
    key: DeliveryKey,
    part: DeliveryPart,
    acks: 'durable' | 'written',
    generation: number,
  ): Promise<void>;
  /**
   * Stores all entries or none. `landed` is called once they are durable, before anything else is
   * read of the states; when this rejects, nothing is owed.
   */
  decide(entries: readonly JournalEntry[], landed: () => void): Promise<void>;
  /** Undefined when nothing is known of the key. */
  generationOf(key: DeliveryKey): number | undefined;
}

/** What a decision says about one delivery state. */
export interface DecidedDeliveries extends DeliveryKey {
  readonly generation: number;
  /** Rising and apart. */
  readonly acknowledged: readonly OffsetRange[];
  readonly archived: readonly OffsetRange[];
}

interface Held {
  readonly receipt: number;
  readonly ending: Ending;
}

export class HeldDeliveries {
  readonly #sources = new Map<DeliverySource, Map<number, Held>>();
  /** As they were when the first message of each was held. */
  readonly #generations = new Map<DeliverySource, number>();
  /** Calls that let go of what is kept in use. */
  readonly #kept: (() => void)[] = [];
  #count = 0;
  #isOver = false;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /**
   * Holds a delivery; false, and no effect, when it is held already, to be finished like this.
   * Throws RECEIPT_STALE when it is over, LEASE_FROZEN when another transaction has it, and
   * TRANSACTION_TOO_LARGE.
   */
  add({ partition: source, offset, receipt }: SourceDelivery, ending: Ending): boolean {
    assert(!this.#isOver, 'a transaction that is over takes nothing');
    const known = this.#sources.get(source);
    const held = known?.get(offset);
    if (held?.receipt === receipt && held.ending === ending) return false;
    if (held?.receipt === receipt) throw receiptRefused('frozen', factsOf(source, offset));
    if (known === undefined && this.#sources.size === limits.transactionDeliveryStatesMax) {
      throw transactionTooLarge('delivery states', limits.transactionDeliveryStatesMax);
    }
    if (this.#count === limits.transactionDeliveriesMax) {
      throw transactionTooLarge('deliveries', limits.transactionDeliveriesMax);
    }
    this.#freeze(source, offset, receipt);
    const messages = known ?? new Map<number, Held>();
    if (known === undefined) {
      this.#sources.set(source, messages);
      this.#generations.set(source, source.generation);
    }
    messages.set(offset, { receipt, ending });
    this.#count += 1;
    return true;
  }

  /** Throws RECEIPT_STALE when one is held no more: its group was reset, or it was purged. */
  check(): void {
    for (const [source, messages] of this.#sources) {
      for (const [offset, { receipt }] of messages) {
        if (this.#isSame(source) && source.isHeld(offset, receipt)) continue;
        throw receiptRefused('stale', factsOf(source, offset));
      }
    }
  }

  /** From the step of `check` on: who has the messages stays until they are finished or thawed. */
  keep(): void {
    for (const source of this.#sources.keys()) {
      if (source.keep !== undefined) this.#kept.push(source.keep());
    }
  }

  /** Nobody knows how it was decided: who has the messages may go. */
  letGo(): void {
    for (const letGo of this.#kept.splice(0)) letGo();
  }

  /** What a decision says of them. */
  decided(): readonly DecidedDeliveries[] {
    return [...this.#sources].map(([source, messages]) => ({
      ...source.key,
      generation: this.#generations.get(source) ?? source.generation,
      acknowledged: rangesOf(offsetsOf(messages, 'Acknowledged')),
      archived: rangesOf(offsetsOf(messages, 'Archived')),
    }));
  }

  finish(): void {
    this.#isOver = true;
    for (const [source, messages] of this.#sources) {
      if (!this.#isSame(source)) continue;
      for (const [offset, { receipt, ending }] of messages) source.finish(offset, receipt, ending);
    }
    this.letGo();
  }

  /** Resolves when what was finished is durable. */
  async store(journal: DeliveryJournal): Promise<void> {
    const sources = [...this.#sources.keys()];
    const decided = this.decided().filter((_, at) => {
      const source = sources[at];
      return source !== undefined && this.#isSame(source);
    });
    const entries = entriesOf(decided);
    await storeEntries(journal, entries);
  }

  /** Stores them as the decision; they are finished when that is durable. */
  decideAlone(journal: DeliveryJournal): Promise<void> {
    return journal.decide(entriesOf(this.decided()), () => this.finish());
  }

  thaw(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const [source, messages] of this.#sources) {
      if (!this.#isSame(source)) continue;
      for (const [offset, { receipt }] of messages) source.thaw(offset, receipt);
    }
    this.letGo();
  }

  #freeze(source: DeliverySource, offset: number, receipt: number): void {
    const answer = source.freeze(offset, receipt);
    if (answer === 'done') return;
    throw receiptRefused(answer === 'frozen' ? 'frozen' : 'stale', factsOf(source, offset));
  }

  #isSame(source: DeliverySource): boolean {
    return this.#generations.get(source) === source.generation;
  }
}

export async function storeEntries(
  journal: DeliveryJournal,
  entries: readonly JournalEntry[],
): Promise<void> {
  await Promise.all(
    entries.map(({ key, part, generation }) => journal.append(key, part, 'durable', generation)),
  );
}

/** As the journal takes them: of each state as many parts as it needs. */
export function entriesOf(decided: readonly DecidedDeliveries[]): JournalEntry[] {
  return decided.flatMap(({ group, topicId, partition, generation, acknowledged, archived }) => {
    const key = { group, topicId, partition };
    const parts = Math.ceil(Math.max(acknowledged.length, archived.length) / PART_ENTRIES_MAX);
    return Array.from({ length: parts }, (_, at): JournalEntry => {
      const [first, end] = [at * PART_ENTRIES_MAX, (at + 1) * PART_ENTRIES_MAX];
      const part = {
        startOffset: 0,
        acknowledged: acknowledged.slice(first, end),
        archived: archived.slice(first, end),
        attempts: [],
      };
      return { key, part, generation };
    });
  });
}

function offsetsOf(messages: ReadonlyMap<number, Held>, ending: Ending): number[] {
  const offsets: number[] = [];
  for (const [offset, held] of messages) if (held.ending === ending) offsets.push(offset);
  return offsets.sort((one, other) => one - other);
}

function factsOf({ key }: DeliverySource, offset: number) {
  return { group: key.group, topicId: key.topicId, partition: key.partition, offset };
}
