/**
 * What a worker needs of its queue: messages, and ways to end them.
 *
 * A call with a list does what it can for each of it, and answers with those that were refused
 * because their deliveries are over. It rejects when what was asked may not be stored.
 */

import type { RetryOptions } from '../process/retry-policy.js';

/** What the messages of a handler's queue do when the handler calls them. */
export interface MessageEndings {
  acknowledge(): Promise<void>;
  release(options: { readonly delayMs: number }): Promise<void>;
  reject(options: { readonly reason: string | undefined }): Promise<void>;
  extend(leaseMs: number): Promise<void>;
}

/** What a worker knows of a message. */
export interface WorkMessage {
  readonly id: string;
  readonly priority: number;
  /** How often it was given out, this time included. */
  readonly deliveries: number;
  /** How many of the deliveries before this one have failed. */
  readonly failures: number;
  /** When the lease ends, in monotonic milliseconds; an extension moves it. */
  readonly leaseEndsMs: number;
  /** From now on it is ended through these. */
  endBy(endings: MessageEndings): void;
}

export interface WorkerMember<Message> {
  /** Resolves to what there is, at the latest after `waitMs`; to nothing when the signal aborts. */
  receive(request: {
    readonly max: number;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }): Promise<readonly Message[]>;
  /** Gives back what it has. */
  close(): Promise<void>;
}

export interface MemberRequest {
  readonly inFlightCountMax: number;
  readonly inFlightBytesMax: number;
  readonly priority: number;
  /** Called in the step in which leases end without their consumer, before others get them. */
  readonly onLeaseEnded: () => void;
}

/** How a message goes back. */
export interface MessageRelease {
  readonly delayMs: number;
  readonly isFailure: boolean;
  /** Why the handler failed: it is told in the dead letter, if it comes to that. */
  readonly error?: unknown;
}

/** Why a message is given up: the words of who does it, or what was thrown. */
export type RejectReason = { readonly reason: string | undefined } | { readonly error: unknown };

export interface WorkerSource<Message extends WorkMessage> {
  readonly queue: string;
  /** The retry policy and the length of a lease, as the queue says now. */
  readonly retry: RetryOptions;
  readonly leaseMs: number;
  join(request: MemberRequest): Promise<WorkerMember<Message>>;
  /** Whether its delivery goes on. */
  isHeld(message: Message): boolean;
  acknowledge(messages: readonly Message[]): Promise<readonly Message[]>;
  release(messages: readonly Message[], how: MessageRelease): Promise<readonly Message[]>;
  /** To the dead letters. */
  reject(message: Message, why: RejectReason): Promise<readonly Message[]>;
  extend(messages: readonly Message[], leaseMs: number): Promise<readonly Message[]>;
  /** No handler has seen them: their deliveries do not count. */
  withdraw(messages: readonly Message[], delayMs: number): Promise<void>;
}
