/**
 * What a queue needs of the share group that hands its messages out, of its dead letters, and of
 * the messages that wait for their time.
 *
 * The parts of others fit these forms; a queue knows nothing else of them.
 */

import type { LogRecord, RecordHeaderInput } from '../../storage/main.js';
import type { DyingDelivery, MoveCause } from '../share/dead-letter-mover.js';
import type { Transaction } from '../transaction/transaction.js';
import type { TriagePartition } from '../triage/queue-triage-move.js';

/** One delivery of a message: whoever has it ends it. */
export interface QueueDelivery extends DyingDelivery {
  /** Monotonic milliseconds; to extend the lease moves it. */
  readonly leaseEndsMs: number;
}

/** What could not be ended as was asked, because the delivery is over or a transaction has it. */
export interface RefusedQueueDelivery {
  readonly delivery: QueueDelivery;
  readonly answer: 'stale' | 'frozen';
}

/** Which partitions to take from, first to last; it hears what was taken. */
export interface PartitionPicker {
  order(ready: readonly boolean[], into: Uint16Array): number;
  taken(partition: number, count: number): void;
}

export interface GroupSettings {
  readonly leaseMs: number;
  readonly deliveriesMax: number;
  readonly failuresMax: number;
  readonly inFlightCountMax: number;
  readonly inFlightBytesMax: number;
  readonly order: 'none' | 'key';
  readonly isSingleActive: boolean;
  readonly retainAcknowledgedMs: number;
  readonly deletesFinished: boolean;
  readonly startsAt: 'earliest' | 'latest';
}

export interface MemberOptions {
  readonly inFlightCountMax?: number | undefined;
  readonly inFlightBytesMax?: number | undefined;
  readonly priority?: number | undefined;
  /** Called in the step in which a lease ends without its consumer. */
  readonly onLeaseEnded?: (() => void) | undefined;
}

export interface MemberRequest {
  readonly max: number;
  readonly maxBytes?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly leaseMs?: number | undefined;
  readonly filter?: ((record: LogRecord) => 'expired' | undefined) | undefined;
}

export interface QueueMember {
  receive(request: MemberRequest): Promise<QueueDelivery[]>;
  close(): Promise<void>;
}

export interface GroupCounts {
  readonly toCome: number;
  readonly ready: number;
  readonly waiting: number;
  readonly exhausted: number;
  readonly moving: number;
  readonly inFlight: number;
  readonly inFlightBytes: number;
  readonly delivered: number;
  readonly redelivered: number;
  readonly acknowledged: number;
  readonly archived: number;
  readonly released: number;
  readonly expired: number;
}

/** A message that is done with; its bytes when they are known. */
export interface FinishedMessage {
  readonly partition: number;
  readonly offset: number;
  readonly bytes?: number | undefined;
}

/** What has become of the messages of one priority. */
export interface QueuePartition {
  readonly partition: number;
  /** Everything below is done with. */
  readonly startOffset: number;
  /** Whether there is something that was not looked at, and room for it. */
  readonly mayReadAhead: boolean;
  isFinished(offset: number): boolean;
}

export interface QueueGroup {
  alter(changes: Partial<Omit<GroupSettings, 'order' | 'startsAt'>>): void;
  join(options: MemberOptions): QueueMember;
  acknowledgeAll(deliveries: readonly QueueDelivery[]): Promise<readonly RefusedQueueDelivery[]>;
  /** One, without a list: durable when it resolves. */
  acknowledgeOne(delivery: QueueDelivery): Promise<void> | RefusedQueueDelivery['answer'];
  releaseAll(
    deliveries: readonly QueueDelivery[],
    how: { readonly delayMs?: number; readonly isFailure?: boolean },
  ): Promise<readonly RefusedQueueDelivery[]>;
  /** Ends them without a dead letter. */
  rejectAll(deliveries: readonly QueueDelivery[]): Promise<readonly RefusedQueueDelivery[]>;
  extendAll(
    deliveries: readonly QueueDelivery[],
    leaseMs: number,
  ): readonly RefusedQueueDelivery[] | Promise<readonly RefusedQueueDelivery[]>;
  /** They never reached anybody: their deliveries do not count. */
  withdraw(
    deliveries: readonly QueueDelivery[],
    how: { readonly delayMs: number },
  ): void | Promise<void>;
  /** Whether the delivery goes on. */
  isHeld(delivery: QueueDelivery): boolean;
  receiptOf(delivery: QueueDelivery): string;
  deliveryOf(receipt: string): Promise<QueueDelivery>;
  /** Those of receipts get their records; without those that are nowhere any more. */
  withRecords(deliveries: readonly QueueDelivery[]): Promise<readonly QueueDelivery[]>;
  /** The oldest that nobody has, until one is not wanted; they are held until they are finished. */
  takeOldest(max: number, wanted?: (record: LogRecord) => boolean): Promise<QueueDelivery[]>;
  /** Ends what is held; then it is done with. */
  archive(deliveries: readonly QueueDelivery[]): Promise<void>;
  giveBack(deliveries: readonly QueueDelivery[]): void | Promise<void>;
  /** Called when there are messages that were given out, or have failed, too often. */
  onExhausted(callback: () => void): void;
  takeExhausted(max: number): Promise<readonly QueueDelivery[]>;
  /** What a filter called expired is held, and comes here. */
  onExpired(callback: (deliveries: QueueDelivery[]) => void): void;
  /** Told of what is done with; undefined: nobody knows which; none: there may be fewer anyway. */
  onFinished(
    callback: (finished: readonly FinishedMessage[] | undefined) => void,
    isWanted: () => boolean,
  ): void;
  /** Those that are in use. */
  partitions(): readonly (QueuePartition & TriagePartition)[];
  /** Everything that is there is done with; resolves to how many messages that were. */
  purge(): Promise<number>;
  counts(): GroupCounts;
  /** All messages that are not done with, those included that were not looked at yet. */
  unfinished(): number;
  /** Of those, messages behind a transaction that is not decided. */
  undecided(): number;
  /** Looks at what was not looked at yet, as far as it fits in memory. */
  catchUp(): Promise<void>;
  oldestTimestamp(): Promise<number | undefined>;
}

export interface DeadLetters {
  /** Resolves when the messages are moved, durable; rejects when nothing has changed. */
  move(deliveries: readonly QueueDelivery[], cause: MoveCause): Promise<void>;
  /** The same as a part of a transaction. */
  moveIn(
    transaction: Transaction,
    deliveries: readonly QueueDelivery[],
    cause: { readonly reason: string; readonly code?: string | undefined },
  ): Promise<void>;
  /** Becomes the reason, when this failure is the last one of the message. */
  noteFailure(delivery: QueueDelivery, error: unknown): void;
  close(): Promise<void>;
}

export interface DelayedMessage {
  readonly key?: Uint8Array | string | null | undefined;
  readonly value?: Uint8Array | string | null | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  /** Of the queue's topic: where the message goes when its time has come. */
  readonly partition: number;
  /** Milliseconds since 1970. */
  readonly dueMs: number;
}

export interface Delays {
  /** The time to give to `schedule` for a delay from now. */
  dueAfter(delayMs: number): number;
  schedule(
    messages: readonly DelayedMessage[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<readonly number[]>;
  /** They wait, and enter, only if the transaction commits. */
  scheduleIn(
    transaction: Transaction,
    messages: readonly DelayedMessage[],
  ): Promise<readonly number[]>;
  cancel(ids: readonly number[]): Promise<readonly boolean[]>;
  purge(): Promise<number>;
  readonly count: number;
  readonly nextDueMs: number | undefined;
  close(): Promise<void>;
}
