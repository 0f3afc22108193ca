/**
 * One call of `send`: a promise over its shares in the partitions.
 *
 * A share is the records of one send that go to one partition, at most one batch of them. Shares
 * are stored whole, each by itself: the first one that fails rejects the send, and the others may
 * be stored all the same.
 */

import type { AppendLimits, RecordInput } from '../../storage/main.js';

/** Where records of one send are: offsets that follow on each other in one partition. */
export interface SentRange {
  readonly partition: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
}

/** Where one record is. */
export interface SentRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** A record with the same `deduplicationId` was stored before: this is where. */
  readonly isDuplicate?: true;
}

export interface SentRecords {
  readonly topic: string;
  readonly count: number;
  /** One or more for each partition that got records, in the order in which they were stored. */
  readonly ranges: readonly SentRange[];
}

/** What a send of one record resolves to, made of the place that the record got. */
export type PlaceResult<Result> = (topic: string, partition: number, offset: number) => Result;

/** The place itself. */
export function recordAt(topic: string, partition: number, offset: number): SentRecord {
  return { topic, partition, offset };
}

/** What a send of one record resolves to. */
export function onlyOne({ topic, ranges }: SentRecords): SentRecord {
  const [range] = ranges;
  return { topic, partition: range?.partition ?? -1, offset: range?.baseOffset ?? -1 };
}

/** The same, made by `resultOf`. */
export function ofOnlyOne<Result>(resultOf: PlaceResult<Result>): (sent: SentRecords) => Result {
  return (sent) => {
    const { topic, partition, offset } = onlyOne(sent);
    return resultOf(topic, partition, offset);
  };
}

/** What `flush` waits for. */
export interface Pending {
  readonly promise: Promise<unknown>;
}

/** A send that has not ended, whatever its promise resolves to. */
export interface OpenSend extends Pending {
  readonly topic: string;
  readonly isOver: boolean;
  /** What the send was split into. */
  expect(shares: number, count: number): void;
  stored(range: SentRange): void;
  /** Later calls have no effect. */
  fail(error: unknown): void;
}

export class PendingSend<Result> implements OpenSend {
  readonly topic: string;
  readonly promise: Promise<Result>;
  readonly #settled: (send: OpenSend) => void;
  readonly #resultOf: (sent: SentRecords) => Result;
  readonly #ranges: SentRange[] = [];
  #count = 0;
  #sharesLeft = 0;
  #resolve: (result: Result) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #isOver = false;

  /** `settled` is called once, right before the promise is settled. */
  constructor(
    topic: string,
    settled: (send: OpenSend) => void,
    resultOf: (sent: SentRecords) => Result,
  ) {
    this.topic = topic;
    this.#settled = settled;
    this.#resultOf = resultOf;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  expect(shares: number, count: number): void {
    this.#sharesLeft = shares;
    this.#count = count;
  }

  stored(range: SentRange): void {
    this.#ranges.push(range);
    this.#sharesLeft -= 1;
    if (this.#sharesLeft > 0 || this.#isOver) return;
    this.#end();
    const { topic } = this;
    this.#resolve(this.#resultOf({ topic, count: this.#count, ranges: this.#ranges }));
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#settled(this);
  }
}

/** What goes to one partition as a whole: it is stored or fails at once. */
export interface Parcel {
  /** Records in it. */
  readonly count: number;
  /** A bound of the encoded size. */
  readonly bytes: number;
  /** Its records are there, from this offset on. */
  stored(baseOffset: number): void;
  fail(error: unknown): void;
}

export class SendShare implements Parcel {
  readonly send: OpenSend;
  readonly partition: number;
  readonly records: readonly RecordInput[];
  readonly bytes: number;
  /** What the records were held against. */
  readonly limits: AppendLimits;

  /** `bytes` bounds the size of the records, which were checked, each by itself. */
  constructor(
    send: OpenSend,
    partition: number,
    records: readonly RecordInput[],
    bytes: number,
    limits: AppendLimits,
  ) {
    this.send = send;
    this.partition = partition;
    this.records = records;
    this.bytes = bytes;
    this.limits = limits;
  }

  get count(): number {
    return this.records.length;
  }

  stored(baseOffset: number): void {
    const lastOffset = baseOffset + this.records.length - 1;
    this.send.stored({ partition: this.partition, baseOffset, lastOffset });
  }

  fail(error: unknown): void {
    this.send.fail(error);
  }
}
