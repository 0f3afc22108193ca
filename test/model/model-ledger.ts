/**
 * What the model knows of records: which were sent, what lies at which offset, what must survive.
 *
 * It learns only from answers and from what is read, never from inside. The rules:
 *
 * - an offset has one record for ever, and a record one offset: nothing is stored twice
 * - records of one sender in one partition lie in the order of the calls
 * - what was answered as durable, or read as durable, is there after any crash; what was answered
 *   as written is there after the death of the process
 * - what was never sent is nowhere, and what was refused is nowhere
 */

/** One record that somebody sent. */
export interface SentRecord {
  readonly id: string;
  readonly sender: string;
  /** Rises with the calls of this sender. */
  readonly order: number;
  readonly key: string | null;
  readonly transaction: string | undefined;
  /** It was answered that it is not stored. */
  isRefused: boolean;
}

export function rule(holds: boolean, what: string): asserts holds {
  if (!holds) throw new RuleBroken(what);
}

/** What the product did against a rule of the model. */
export class RuleBroken extends Error {
  override readonly name = 'RuleBroken';
}

export class PartitionLedger {
  readonly name: string;
  /** What was sent to the topic, shared by its partitions. */
  readonly #sent: ReadonlyMap<string, SentRecord>;
  readonly #homes: Map<string, string>;
  readonly #topic: TopicLedger;
  /** By offset, as far as it is known. */
  readonly #idAt = new Map<number, string>();
  readonly #offsetOf = new Map<string, number>();
  /** Exclusive ends of what survives a power cut, and the death of the process. */
  #durableEnd = 0;
  #writtenEnd = 0;
  /** Where the log ended when it was last looked at as a whole. */
  end = 0;

  constructor(name: string, topic: TopicLedger) {
    this.name = name;
    this.#topic = topic;
    this.#sent = topic.sent;
    this.#homes = topic.homes;
  }

  /** Its topic goes, or is gone: nothing is said of it any more, unless it comes back. */
  get isDoomed(): boolean {
    return this.#topic.isDoomed;
  }

  offsetOf(id: string): number | undefined {
    return this.#offsetOf.get(id);
  }

  recordAt(offset: number): SentRecord | undefined {
    const id = this.#idAt.get(offset);
    return id === undefined ? undefined : this.#sent.get(id);
  }

  /** The record at an offset is known now. */
  learn(offset: number, id: string, safety: 'durable' | 'written' | 'unsafe'): SentRecord {
    const record = this.#sent.get(id);
    const where = `${this.name} at ${offset}`;
    rule(record !== undefined, `${where}: ${id}, which nobody sent there`);
    rule(!record.isRefused, `${where}: ${id}, which was refused`);
    const known = this.#idAt.get(offset);
    rule(known === undefined || known === id, `${where}: ${id}, which was ${known}`);
    const other = this.#offsetOf.get(id);
    rule(other === undefined || other === offset, `${where}: ${id}, which is also at ${other}`);
    const home = this.#homes.get(id) ?? this.name;
    rule(home === this.name, `${where}: ${id}, which is also in ${home}`);
    this.#homes.set(id, this.name);
    this.#idAt.set(offset, id);
    this.#offsetOf.set(id, offset);
    if (safety === 'durable') this.#durableEnd = Math.max(this.#durableEnd, offset + 1);
    if (safety !== 'unsafe') this.#writtenEnd = Math.max(this.#writtenEnd, offset + 1);
    return record;
  }

  /**
   * The whole log, read after a crash or at the end: `ids` has a hole where a mark lies. What the
   * log says is durable now has to survive from now on.
   */
  check(
    ids: readonly (string | undefined)[],
    after: 'kill' | 'power cut' | 'nothing',
    durableOffset: number,
  ): void {
    const mustHave = after === 'power cut' ? this.#durableEnd : this.#writtenEnd;
    rule(ids.length >= mustHave, `${this.name} ends at ${ids.length}, before ${mustHave}`);
    // What need not have survived may be gone, and something else be in its place.
    const certain = after === 'nothing' ? ids.length : mustHave;
    for (const [offset, id] of [...this.#idAt]) {
      if (offset < certain) continue;
      this.#idAt.delete(offset);
      this.#offsetOf.delete(id);
      this.#homes.delete(id);
    }
    const last = new Map<string, SentRecord>();
    for (const [offset, id] of ids.entries()) {
      if (id === undefined) {
        rule(
          !this.#idAt.has(offset),
          `${this.name} at ${offset}: ${this.#idAt.get(offset)} is gone`,
        );
        continue;
      }
      const record = this.learn(offset, id, 'unsafe');
      const before = last.get(record.sender);
      const isInOrder = before === undefined || before.order < record.order;
      rule(isInOrder, `${this.name} at ${offset}: ${id} comes after ${before?.id}`);
      last.set(record.sender, record);
    }
    this.#writtenEnd = Math.min(this.#writtenEnd, Math.max(mustHave, certain));
    this.#durableEnd = Math.max(this.#durableEnd, Math.min(durableOffset, ids.length));
    this.end = ids.length;
  }
}

/** A topic from its creation to its deletion; another one of that name is another ledger. */
export class TopicLedger {
  readonly name: string;
  readonly incarnation: number;
  readonly sent = new Map<string, SentRecord>();
  /** The partition of each record, by name. */
  readonly homes = new Map<string, string>();
  readonly #partitions: PartitionLedger[] = [];
  readonly #keyHomes = new Map<string, string>();
  /** It was answered that so many partitions are there. */
  partitionsAnswered = 0;
  /** Somebody asked for its deletion. */
  isDoomed = false;
  isDeleted = false;

  constructor(name: string, incarnation: number) {
    this.name = name;
    this.incarnation = incarnation;
  }

  partition(at: number): PartitionLedger {
    let known = this.#partitions[at];
    if (known === undefined) {
      known = new PartitionLedger(`${this.name}(${this.incarnation})-${at}`, this);
      this.#partitions[at] = known;
    }
    return known;
  }

  get partitions(): readonly (PartitionLedger | undefined)[] {
    return this.#partitions;
  }

  /** Records of one key stay together as long as the number of partitions is the same. */
  noteKey(key: string, partitionCount: number, partition: number): void {
    const name = `${key} of ${partitionCount}`;
    const known = this.#keyHomes.get(name) ?? `${partition}`;
    rule(known === `${partition}`, `${this.name}: key ${name} in ${partition}, was in ${known}`);
    this.#keyHomes.set(name, known);
  }
}
