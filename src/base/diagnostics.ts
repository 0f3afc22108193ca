/**
 * What a log tells about itself on `node:diagnostics_channel`: every channel and its payload.
 *
 * A name is permanent; a payload may gain fields. Subscribers run inside the publishing call, so
 * they must be quick; what one throws never reaches the log (Node reports it as uncaught). Without
 * subscribers `publish` is one comparison; a hot path asks `isObserved` before it builds a payload.
 */

import { type Channel, channel } from 'node:diagnostics_channel';

interface LogEvent {
  /** The directory of the log. */
  readonly path: string;
}

export interface LogOpened extends LogEvent {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly isReadOnly: boolean;
  /** Whether the last writer closed the log; false means that it was recovered. */
  readonly wasClean: boolean;
  readonly durationMs: number;
}

export interface LogClosed extends LogEvent {
  readonly endOffset: number;
  readonly durationMs: number;
}

export interface LogRolled extends LogEvent {
  readonly sealedBaseOffset: number;
  readonly sealedBytes: number;
  /** The base offset of the new active segment. */
  readonly baseOffset: number;
  /** Why: the bound that was reached, in words of the log. */
  readonly reason: string;
}

export interface LogFlushed extends LogEvent {
  /** The durable end after the sync: an exclusive offset. */
  readonly durableEnd: number;
  readonly batchCount: number;
  readonly bytes: number;
  readonly durationMs: number;
}

export interface LogRecovered extends LogEvent {
  /** The file that was scanned, and from which position on. */
  readonly file: string;
  readonly position: number;
  readonly scannedBytes: number;
  /** The torn tail that was cut and kept aside; 0 when there was none. */
  readonly cutBytes: number;
  readonly endOffset: number;
  readonly durationMs: number;
}

export interface LogPoisoned extends LogEvent {
  readonly durableEnd: number;
  /** The failed call's error. */
  readonly cause: unknown;
}

export interface LogDamaged extends LogEvent {
  readonly file: string;
  /** Where the bytes stop to verify, and how many are affected as far as that is known. */
  readonly position: number;
  readonly bytes: number;
  readonly reason: string;
}

export interface LogSlowFlush extends LogEvent {
  readonly bytes: number;
  readonly durationMs: number;
  readonly thresholdMs: number;
}

/** A pass of the cleaner removed something. */
export interface LogCleaned extends LogEvent {
  /** Of the segments that were replaced, and of what replaced them. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** Records without a key that were dropped: a compacted log cannot keep them. */
  readonly keylessRecords: number;
  readonly durationMs: number;
}

export interface LogCleanFailed extends LogEvent {
  readonly cause: unknown;
  /** How many passes have failed in a row. */
  readonly count: number;
  /** How long the next one is put off. */
  readonly delayMs: number;
  readonly durationMs: number;
}

export interface LogRetained extends LogEvent {
  readonly startOffset: number;
  /** What was given back; readers may hold the files for a while. */
  readonly segments: number;
  readonly bytes: number;
  readonly durationMs: number;
}

export interface LogRetentionFailed extends LogEvent {
  /** It is tried again with the next check. */
  readonly cause: unknown;
}

/** The space that is kept for cleaning on a full disk was made, given up or is missing. */
export interface LogReserveChanged extends LogEvent {
  /** In `lent`, `owed` and `rebuilding` appends are refused with DISK_FULL. */
  readonly state: 'off' | 'absent' | 'building' | 'whole' | 'lent' | 'owed' | 'rebuilding';
  readonly bytes: number;
  /** Why it could not be built; undefined otherwise. */
  readonly cause: unknown;
}

/** The wall clock jumped; retention goes by a time that a jump does not carry away. */
export interface LogClockJumped extends LogEvent {
  readonly kind: 'doubted' | 'believed' | 'went-back';
  /** How far the wall clock is ahead of the time that was believed, milliseconds. */
  readonly jumpMs: number;
}

/** A channel that takes one type of payload. */
export class DiagnosticsChannel<Payload extends object> {
  readonly name: string;
  /** Held for good: Node forgets a channel that nobody holds, with its subscribers. */
  readonly #channel: Channel;

  constructor(name: string) {
    this.name = name;
    this.#channel = channel(name);
  }

  /** Whether anybody listens. */
  get isObserved(): boolean {
    return this.#channel.hasSubscribers;
  }

  publish(payload: Payload): void {
    if (this.#channel.hasSubscribers) this.#channel.publish(payload);
  }
}

export const logDiagnostics = Object.freeze({
  open: new DiagnosticsChannel<LogOpened>('millrace:log:open'),
  close: new DiagnosticsChannel<LogClosed>('millrace:log:close'),
  roll: new DiagnosticsChannel<LogRolled>('millrace:log:roll'),
  flush: new DiagnosticsChannel<LogFlushed>('millrace:log:flush'),
  recover: new DiagnosticsChannel<LogRecovered>('millrace:log:recover'),
  poison: new DiagnosticsChannel<LogPoisoned>('millrace:log:poison'),
  damage: new DiagnosticsChannel<LogDamaged>('millrace:log:damage'),
  slowFlush: new DiagnosticsChannel<LogSlowFlush>('millrace:log:slow-flush'),
  retain: new DiagnosticsChannel<LogRetained>('millrace:log:retain'),
  retainFailed: new DiagnosticsChannel<LogRetentionFailed>('millrace:log:retain-failed'),
  clockJump: new DiagnosticsChannel<LogClockJumped>('millrace:log:clock-jump'),
  clean: new DiagnosticsChannel<LogCleaned>('millrace:log:clean'),
  cleanFailed: new DiagnosticsChannel<LogCleanFailed>('millrace:log:clean-failed'),
  reserve: new DiagnosticsChannel<LogReserveChanged>('millrace:log:reserve'),
});
