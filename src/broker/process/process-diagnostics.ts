/**
 * What workers tell on `node:diagnostics_channel`: every channel and its payload.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';
import type { BreakerState } from './circuit-breaker.js';

interface WorkerEvent {
  readonly group: string;
  readonly topic: string;
}

interface RecordEvent extends WorkerEvent {
  readonly partition: number;
  readonly offset: number;
  readonly attempt: number;
  readonly cause: unknown;
}

/** An attempt failed; the record is tried again after the delay. */
export interface ProcessAttemptFailed extends RecordEvent {
  readonly retryDelayMs: number;
}

/** A record is not tried again: it goes to the dead letters. */
export interface ProcessRecordDied extends RecordEvent {
  readonly deadLetter: string;
}

/** Records are in the topic of dead letters, and the offset past them is committed. */
export interface ProcessRecordsBuried extends WorkerEvent {
  readonly partition: number;
  readonly deadLetter: string;
  readonly records: number;
  readonly nextOffset: number;
}

/** A commit or a burial failed and is tried again; nothing is lost. */
export interface ProcessCommitDelayed extends WorkerEvent {
  readonly cause: unknown;
}

export interface ProcessBreakerChanged extends WorkerEvent {
  readonly state: BreakerState;
  readonly before: BreakerState;
}

/** Handlers did not end in time after they were told to; nobody waits for them any more. */
export interface ProcessHandlersLeft extends WorkerEvent {
  readonly partition: number;
  readonly handlers: number;
}

/** The worker has ended by an error; `finished` rejects with it. */
export interface ProcessFailed extends WorkerEvent {
  readonly cause: unknown;
}

export const processDiagnostics = Object.freeze({
  attemptFailed: new DiagnosticsChannel<ProcessAttemptFailed>('millrace:process:attempt-failed'),
  recordDied: new DiagnosticsChannel<ProcessRecordDied>('millrace:process:record-died'),
  recordsBuried: new DiagnosticsChannel<ProcessRecordsBuried>('millrace:process:records-buried'),
  commitDelayed: new DiagnosticsChannel<ProcessCommitDelayed>('millrace:process:commit-delayed'),
  breaker: new DiagnosticsChannel<ProcessBreakerChanged>('millrace:process:breaker'),
  handlersLeft: new DiagnosticsChannel<ProcessHandlersLeft>('millrace:process:handlers-left'),
  failed: new DiagnosticsChannel<ProcessFailed>('millrace:process:failed'),
});
