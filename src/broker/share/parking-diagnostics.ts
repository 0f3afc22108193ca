/**
 * What is told of parked messages on `node:diagnostics_channel`.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';

interface ParkingEvent {
  readonly group: string;
  readonly topicId: string;
  readonly partition: number;
}

/** Messages that pinned the log have copies elsewhere. */
export interface MessagesParked extends ParkingEvent {
  readonly messages: number;
}

/** A look failed; the next one tries again, and the log stays as it is until then. */
export interface ParkingFailed extends ParkingEvent {
  readonly cause: unknown;
}

export const parkingDiagnostics = Object.freeze({
  parked: new DiagnosticsChannel<MessagesParked>('millrace:parking:parked'),
  failed: new DiagnosticsChannel<ParkingFailed>('millrace:parking:failed'),
});
