/**
 * What transactions tell on `node:diagnostics_channel`.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';
import type { TransactionState } from './transaction-state.js';

export interface TransactionEnded {
  /** Undefined when it sent nothing. */
  readonly producerId: number | undefined;
  readonly producerEpoch: number | undefined;
  readonly state: TransactionState;
  readonly partitions: number;
  readonly durationMs: number;
}

/**
 * A marker, or decided offsets, could not be stored. Until they are, readers of committed records
 * wait in that partition, and the offsets stay as they were.
 */
export interface TransactionUnfinished {
  readonly producerId: number | bigint;
  /** Undefined for offsets. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;
  /** When it is tried again; undefined: when the partition is opened the next time. */
  readonly retryMs: number | undefined;
  readonly cause: unknown;
}

export const transactionDiagnostics = Object.freeze({
  end: new DiagnosticsChannel<TransactionEnded>('millrace:transaction:end'),
  unfinished: new DiagnosticsChannel<TransactionUnfinished>('millrace:transaction:unfinished'),
});
