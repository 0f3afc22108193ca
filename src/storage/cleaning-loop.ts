/**
 * The cleaning of one log, kept going: passes when they are due, never two at a time.
 *
 * What a pass does is not known here; it is given as a function. A pass that fails is tried again,
 * each time after a longer delay, for as long as the log is open: a full disk or a busy machine
 * gets better, and cleaning is what gives space back. Each failure is published, and the last one
 * is kept for the statistics until a pass succeeds. The timers hold no process.
 */

import { assert } from '../base/assert.js';
import type { Cancel, Clock } from '../base/clock.js';
import { logDiagnostics } from '../base/diagnostics.js';
import { createError } from '../base/errors.js';
import {
  CLEANING_REST_MS,
  type CleaningEvent,
  type CleaningState,
  cleaningDelayMs,
  moveCleaning,
} from './cleaning-schedule.js';

/** Longer than anybody waits. */
const HOLD_MS = 24 * 60 * 60 * 1000;

export interface PassReport {
  /** `nothing`: no segment was eligible, or none had anything to remove. */
  readonly outcome: 'cleaned' | 'nothing';
  /** Dirty records are left over that can be cleaned at once, such as those beyond a full map. */
  readonly hasMore: boolean;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** Records without a key that were dropped: a compacted log cannot keep them. */
  readonly keylessRecords: number;
}

/** `asked`: somebody waits for it, so what is dirty is cleaned however little it is. */
export type PassUrgency = 'due' | 'asked';

export type CleaningPass = (signal: AbortSignal, urgency: PassUrgency) => Promise<PassReport>;

export interface CleaningFailure {
  readonly error: unknown;
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: number;
  /** How many passes have failed in a row. */
  readonly count: number;
  /** How long the next pass was put off then. */
  readonly delayMs: number;
}

export interface CleaningStats {
  readonly state: CleaningState;
  readonly passes: number;
  /** Undefined once a pass succeeded after it. */
  readonly lastFailure: CleaningFailure | undefined;
  readonly lastReport: PassReport | undefined;
}

/** Somebody who waits, and the sums of the passes since. */
interface Asker {
  total: PassReport | undefined;
  readonly resolve: (report: PassReport) => void;
  readonly reject: (error: unknown) => void;
}

export class CleaningLoop {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #pass: CleaningPass;
  readonly #closing = new AbortController();
  #state: CleaningState = 'idle';
  #cancelTimer: Cancel | undefined;
  /** The pass that runs, with what follows from it; never rejects. */
  #running: Promise<void> | undefined;
  /** Something changed since the running pass began. */
  #hasChanged = false;
  /** Who waits for a pass that has not begun yet, and who for the one that runs. */
  #waiting: Asker[] = [];
  #served: Asker[] = [];
  #passes = 0;
  #lastFailure: CleaningFailure | undefined;
  #lastReport: PassReport | undefined;

  /** `path` is the log's directory. It starts with a rest: opening shall not be slowed down. */
  constructor(path: string, clock: Clock, pass: CleaningPass) {
    this.#path = path;
    this.#clock = clock;
    this.#pass = pass;
    this.#arm(CLEANING_REST_MS);
  }

  /** A segment was sealed, or options were altered: there may be something to clean. */
  changed(): void {
    this.#take('changed');
  }

  /**
   * Cleans now; resolves to the totals of the passes that this took, all of them begun after this
   * call. `hasMore` in it means that the log was closed before all was cleaned. Rejects with the
   * error of a pass, which is retried all the same, and with LOG_CLOSED.
   */
  async ask(): Promise<PassReport> {
    // A pass that runs by itself holds no process, and it may be what has to end first.
    const letGo = this.#clock.schedule(HOLD_MS, () => undefined, 'keep-alive');
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.push({ total: undefined, resolve, reject });
        this.#take('asked');
      });
    } finally {
      letGo();
    }
  }

  stats(): CleaningStats {
    return {
      state: this.#state,
      passes: this.#passes,
      lastFailure: this.#lastFailure,
      lastReport: this.#lastReport,
    };
  }

  /** Aborts the pass that runs; resolves when it has ended. Idempotent. */
  async close(): Promise<void> {
    this.#take('closed');
    this.#disarm();
    this.#refuse();
    await this.#running;
    assert(this.#waiting.length === 0, 'nobody waits for a closed cleaning');
  }

  #take(event: CleaningEvent): void {
    const { state, action } = moveCleaning(this.#state, event);
    this.#state = state;
    switch (action) {
      case 'start':
        this.#disarm();
        this.#start();
        return;
      case 'remember':
        this.#hasChanged = true;
        return;
      case 'rest':
        this.#arm(CLEANING_REST_MS);
        return;
      case 'delay':
        this.#arm(this.#lastFailure?.delayMs ?? CLEANING_REST_MS);
        return;
      case 'abort':
        this.#closing.abort(this.#closed());
        return;
      case 'refuse':
        this.#refuse();
        return;
      default:
    }
  }

  #start(): void {
    this.#served.push(...this.#waiting.splice(0));
    this.#hasChanged = false;
    this.#running = this.#run(this.#served.length > 0 ? 'asked' : 'due');
  }

  async #run(urgency: PassUrgency): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    let report: PassReport;
    try {
      // Whoever brought the event goes on before the pass looks at anything.
      await Promise.resolve();
      report = await this.#pass(this.#closing.signal, urgency);
    } catch (error) {
      this.#failed(error, this.#clock.monotonicMs() - startedMs);
      return;
    }
    this.#succeeded(report, this.#clock.monotonicMs() - startedMs);
  }

  #succeeded(report: PassReport, durationMs: number): void {
    const { outcome, hasMore, ...counts } = report;
    this.#passes += 1;
    this.#lastFailure = undefined;
    this.#lastReport = report;
    if (outcome === 'cleaned') {
      logDiagnostics.clean.publish({ path: this.#path, ...counts, durationMs });
    }
    for (const asker of this.#served) asker.total = sumOf(asker.total, report);
    // A pass that says more and does nothing would go round without end.
    const isUnfinished = hasMore && outcome === 'cleaned';
    if (!isUnfinished || this.#state === 'stopped') {
      for (const { resolve, total } of this.#served.splice(0)) resolve(total ?? report);
    }
    const isCalledFor = isUnfinished || this.#hasChanged || this.#waiting.length > 0;
    this.#take(isCalledFor ? 'more' : 'done');
  }

  #failed(error: unknown, durationMs: number): void {
    for (const { reject } of this.#served.splice(0)) reject(error);
    if (this.#state === 'stopped') return;
    const count = (this.#lastFailure?.count ?? 0) + 1;
    const delayMs = cleaningDelayMs(count);
    this.#passes += 1;
    this.#lastFailure = { error, atMs: this.#clock.nowMs(), count, delayMs };
    logDiagnostics.cleanFailed.publish({
      path: this.#path,
      cause: error,
      count,
      delayMs,
      durationMs,
    });
    this.#take('failed');
    if (this.#waiting.length > 0) this.#take('asked');
  }

  #refuse(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(this.#closed());
  }

  #closed(): Error {
    return createError('LOG_CLOSED', { path: this.#path });
  }

  #arm(delayMs: number): void {
    this.#disarm();
    this.#cancelTimer = this.#clock.schedule(delayMs, () => {
      this.#cancelTimer = undefined;
      this.#take('due');
    });
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

function sumOf(before: PassReport | undefined, next: PassReport): PassReport {
  if (before === undefined) return next;
  return {
    outcome: before.outcome === 'cleaned' ? 'cleaned' : next.outcome,
    hasMore: next.hasMore,
    bytesIn: before.bytesIn + next.bytesIn,
    bytesOut: before.bytesOut + next.bytesOut,
    recordsIn: before.recordsIn + next.recordsIn,
    recordsOut: before.recordsOut + next.recordsOut,
    keylessRecords: before.keylessRecords + next.keylessRecords,
  };
}
