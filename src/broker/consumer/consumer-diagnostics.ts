/**
 * What consumers tell on `node:diagnostics_channel`: every channel and its payload.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';

interface ConsumerEvent {
  /** Empty without a group. */
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

/** The next offset was not in the log: the consumer goes on elsewhere. */
export interface ConsumerMoved extends ConsumerEvent {
  readonly wantedOffset: number;
  readonly offset: number;
  readonly startOffset: number;
  readonly endOffset: number;
}

/** A record was passed over: its value does not fit the codec. */
export interface ConsumerValueSkipped extends ConsumerEvent {
  readonly offset: number;
  readonly cause: unknown;
}

/** An automatic commit failed and is tried again; its offsets are not lost. */
export interface ConsumerCommitDelayed {
  readonly group: string;
  readonly cause: unknown;
}

export const consumerDiagnostics = Object.freeze({
  moved: new DiagnosticsChannel<ConsumerMoved>('millrace:consumer:moved'),
  valueSkipped: new DiagnosticsChannel<ConsumerValueSkipped>('millrace:consumer:value-skipped'),
  commitDelayed: new DiagnosticsChannel<ConsumerCommitDelayed>('millrace:consumer:commit-delayed'),
});
