/**
 * What is told of messages that go to the dead letters on `node:diagnostics_channel`.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';

interface DeadLetterEvent {
  readonly topic: string;
  readonly group: string;
  /** Undefined when it could not be made, or messages are dropped on purpose. */
  readonly deadLetter: string | undefined;
  readonly messages: number;
}

/** Messages have gone to the dead letters, or away where there are none. */
export type MessagesDied = DeadLetterEvent;

/** They could not; they stay where they are, and are tried again. */
export interface DeadLetterFailed extends DeadLetterEvent {
  /** When; undefined: whoever asked for the move is told, or the broker closes. */
  readonly retryMs: number | undefined;
  readonly cause: unknown;
}

export const deadLetterDiagnostics = Object.freeze({
  died: new DiagnosticsChannel<MessagesDied>('millrace:dead-letter:died'),
  failed: new DiagnosticsChannel<DeadLetterFailed>('millrace:dead-letter:failed'),
});
