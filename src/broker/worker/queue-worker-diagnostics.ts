/**
 * What workers of queues tell on `node:diagnostics_channel`: every channel and its payload.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';
import type { BreakerState } from '../process/circuit-breaker.js';

interface WorkerEvent {
  readonly queue: string;
}

interface MessageEvent extends WorkerEvent {
  /** The id of the message. */
  readonly id: string;
  readonly attempt: number;
  readonly cause: unknown;
}

/** A handler failed; the message is given out again after the delay, if it may be. */
export interface QueueAttemptFailed extends MessageEvent {
  readonly retryDelayMs: number;
}

/** A handler failed for good: the message goes to the dead letters. */
export type QueueMessageRejected = MessageEvent;

/** A handler failed whose message was acknowledged before, or ended by the handler itself. */
export type QueueHandlerFailed = MessageEvent;

/** The lease ended while the handler ran: it is told to end, and what it does does not count. */
export interface QueueLeaseLost extends WorkerEvent {
  readonly id: string;
}

/** The rate was exceeded, and the message is acknowledged without a handler. */
export interface QueueMessageDropped extends WorkerEvent {
  readonly id: string;
  readonly priority: number;
}

/** How messages have ended could not be stored, and is stored again; nothing is lost. */
export interface QueueAcknowledgeDelayed extends WorkerEvent {
  readonly messages: number;
  readonly cause: unknown;
}

/** No messages can be taken now; it is tried again. */
export interface QueueReceiveDelayed extends WorkerEvent {
  readonly cause: unknown;
}

export interface QueueBreakerChanged extends WorkerEvent {
  readonly state: BreakerState;
  readonly before: BreakerState;
}

/** Handlers did not end in time after they were told to; nobody waits for them any more. */
export interface QueueHandlersLeft extends WorkerEvent {
  readonly handlers: number;
}

/** The worker has ended by an error; `finished` rejects with it. */
export interface QueueWorkerFailed extends WorkerEvent {
  readonly cause: unknown;
}

export const queueWorkerDiagnostics = Object.freeze({
  attemptFailed: new DiagnosticsChannel<QueueAttemptFailed>('millrace:queue-worker:attempt-failed'),
  messageRejected: new DiagnosticsChannel<QueueMessageRejected>(
    'millrace:queue-worker:message-rejected',
  ),
  handlerFailed: new DiagnosticsChannel<QueueHandlerFailed>('millrace:queue-worker:handler-failed'),
  leaseLost: new DiagnosticsChannel<QueueLeaseLost>('millrace:queue-worker:lease-lost'),
  dropped: new DiagnosticsChannel<QueueMessageDropped>('millrace:queue-worker:dropped'),
  acknowledgeDelayed: new DiagnosticsChannel<QueueAcknowledgeDelayed>(
    'millrace:queue-worker:acknowledge-delayed',
  ),
  receiveDelayed: new DiagnosticsChannel<QueueReceiveDelayed>(
    'millrace:queue-worker:receive-delayed',
  ),
  breaker: new DiagnosticsChannel<QueueBreakerChanged>('millrace:queue-worker:breaker'),
  handlersLeft: new DiagnosticsChannel<QueueHandlersLeft>('millrace:queue-worker:handlers-left'),
  failed: new DiagnosticsChannel<QueueWorkerFailed>('millrace:queue-worker:failed'),
});
