/**
 * A queue, or a share group on a topic, as the model uses it: consumers that take messages, and
 * what they may do with them.
 */

import type { SeenMessage } from './queue-oracle.js';

export interface Inbox {
  receive(options: {
    readonly max: number;
    readonly waitMs: number;
    readonly leaseMs: number | undefined;
  }): Promise<readonly InboxMessage[]>;
  /** All in one call; rejects with RECEIPT_STALE and the offsets of those that were refused. */
  acknowledge(messages: readonly InboxMessage[], isByReceipt: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface InboxMessage {
  readonly seen: SeenMessage;
  /** Moves with extensions. */
  readonly leaseEndsMs: number;
  acknowledge(): Promise<void>;
  release(delayMs: number): Promise<void>;
  reject(): Promise<void>;
  extend(ms: number): Promise<void>;
  /** For transactions. */
  readonly source: FaceMessage;
}

/** What the model sees of a message of a queue. */
export interface QueueFaceMessage {
  readonly id: string;
  readonly value: Buffer | null;
  readonly priority: number;
  readonly group: string | undefined;
  readonly offset: number;
  readonly deliveries: number;
  readonly failures: number;
  readonly receipt: string;
  readonly leaseEndsMs: number;
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[];
  acknowledge(): Promise<void>;
  release(options?: { readonly delayMs?: number }): Promise<void>;
  reject(options?: { readonly reason?: string }): Promise<void>;
  extend(ms: number): Promise<void>;
}

/** What the model sees of a message of a share group. */
export interface ShareFaceMessage {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly deliveries: number;
  readonly failures: number;
  readonly receipt: string;
  readonly leaseEndsMs: number;
  acknowledge(): Promise<void>;
  release(options?: { readonly delayMs?: number }): Promise<void>;
  reject(): Promise<void>;
  renew(ms: number): Promise<void>;
}

export type FaceMessage = QueueFaceMessage | ShareFaceMessage;

/** What a message of a group says of itself, now; its lane counts in the order of keys alone. */
export function seenInGroup(message: ShareFaceMessage, isKeyed: boolean): SeenMessage {
  const { partition, offset, key, value, deliveries, failures, receipt, leaseEndsMs } = message;
  return {
    value: value?.toString() ?? 'null',
    place: `${partition}-${offset}`,
    offset,
    partition,
    priority: 0,
    lane: isKeyed ? key?.toString() : undefined,
    deliveries,
    failures,
    receipt,
    leaseEndsMs,
    letter: undefined,
  };
}

/** What a message of a queue says of itself, now. */
export function seenOf(message: QueueFaceMessage): SeenMessage {
  const { id, value, priority, group, offset, deliveries, failures, receipt } = message;
  const { leaseEndsMs } = message;
  const from = headerOf(message, 'dead-letter-topic');
  const attempts = headerOf(message, 'dead-letter-attempts');
  const letter = from === undefined ? undefined : { queue: from, deliveries: Number(attempts) };
  return {
    value: value?.toString() ?? 'null',
    place: id,
    offset,
    partition: priority,
    priority,
    lane: group,
    deliveries,
    failures,
    receipt,
    leaseEndsMs,
    letter,
  };
}

function headerOf({ headers }: QueueFaceMessage, name: string): string | undefined {
  const found = headers.find(({ key }) => key === name);
  return found?.value === null ? undefined : found?.value.toString();
}
