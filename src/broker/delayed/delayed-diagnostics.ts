/**
 * What delayed messages tell on `node:diagnostics_channel`: every channel and its payload.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';

interface DelayedEvent {
  readonly queue: string;
}

/** Messages have entered the queue. */
export interface DelayedEntered extends DelayedEvent {
  readonly messages: number;
}

/** Something failed and is tried again; no message is lost by it. */
export interface DelayedFailed extends DelayedEvent {
  readonly cause: unknown;
}

/** Messages were no longer in the log when they were due: it was repaired at a loss. */
export interface DelayedLost extends DelayedEvent {
  readonly messages: number;
}

/** The wall clock jumped; delays go by a time that a jump does not carry away at once. */
export interface DelayedClockJumped extends DelayedEvent {
  readonly kind: 'doubted' | 'believed' | 'went-back';
  /** How far the wall clock is ahead of the time that was believed, milliseconds. */
  readonly jumpMs: number;
}

export const delayedDiagnostics = Object.freeze({
  entered: new DiagnosticsChannel<DelayedEntered>('millrace:delayed:entered'),
  failed: new DiagnosticsChannel<DelayedFailed>('millrace:delayed:failed'),
  lost: new DiagnosticsChannel<DelayedLost>('millrace:delayed:lost'),
  clockJump: new DiagnosticsChannel<DelayedClockJumped>('millrace:delayed:clock-jump'),
});
