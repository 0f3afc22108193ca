/**
 * Rolls of an open log: planned, submitted to the writer, and asked for by others.
 *
 * A roll that a batch makes necessary rides on that batch. One that is asked for (retention wants
 * to give the active segment back, though nobody appends) is submitted when everything before it
 * was. At most one is asked for at a time: who asks meanwhile shares it.
 */

import { assert } from '../base/assert.js';
import { logDiagnostics } from '../base/diagnostics.js';
import { errnoOf } from '../base/errors.js';
import type { Roll } from './append-extent.js';
import type { WritableLogCore } from './log-core.js';
import { Segment } from './segment.js';
import { rollSteps, sealedProducers } from './segment-roll.js';
import { WriterFailure } from './writer.js';

/** 'empty': there was nothing to seal. 'failed': the log says why. */
export type RollOutcome = 'rolled' | 'empty' | 'failed';

export interface RollEvents {
  /** The sealed segment and the next one are on the disk. */
  readonly onRolled: (roll: Roll) => void;
  readonly onFailed: (errno: string, stepIndex: number, roll: Roll) => void;
}

interface RollRequest {
  readonly outcome: Promise<RollOutcome>;
  readonly settle: (outcome: RollOutcome) => void;
  roll: Roll | undefined;
}

export class AppendRolls {
  readonly #core: WritableLogCore;
  readonly #events: RollEvents;
  #inFlight = 0;
  #request: RollRequest | undefined;

  constructor(core: WritableLogCore, events: RollEvents) {
    this.#core = core;
    this.#events = events;
  }

  /** Rolls whose outcome is not known yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether one was asked for and is still to be submitted. */
  get isDue(): boolean {
    return this.#request !== undefined && this.#request.roll === undefined;
  }

  /** Asks for a roll, or shares the one that was asked for. */
  ask(): Promise<RollOutcome> {
    this.#request ??= newRequest();
    return this.#request.outcome;
  }

  /** Submits the roll that was asked for; 'empty' when there is nothing to seal. */
  submitDue(): 'submitted' | 'empty' {
    const request = this.#request;
    assert(request !== undefined && request.roll === undefined, 'a roll was asked for');
    if (this.#core.segments.active.active().totals.bytes === 0) {
      this.#settle('empty');
      return 'empty';
    }
    request.roll = this.plan('on demand');
    this.submit(request.roll);
    return 'submitted';
  }

  /** What was asked for does not happen any more: the log was cut back, poisoned or closed. */
  abandon(): void {
    this.#settle('failed');
  }

  /** Makes the next segment active at once; the steps of the roll are submitted by `submit`. */
  plan(reason: string): Roll {
    const core = this.#core;
    const sealed = core.segments.active;
    assert(sealed.writerFile !== undefined, 'the active segment is open in the writer');
    const { logId, epochs, runningMaxBefore } = core;
    const producers = sealedProducers(core, sealed);
    const files = sealed.toSealedFiles(logId, epochs, runningMaxBefore, producers);
    core.runningMaxBefore = sealed.seal?.runningMaxTimestamp ?? core.runningMaxBefore;
    const baseOffset = sealed.active().totals.nextOffset;
    const next = Segment.createActive(core.directory, baseOffset, core.config.indexIntervalBytes);
    const file = core.writer.newFile();
    const steps = rollSteps(sealed, sealed.writerFile, files, next, file);
    next.writerFile = file;
    core.segments.append(next);
    return { sealed, next, steps, reason };
  }

  submit(roll: Roll): void {
    this.#inFlight += 1;
    this.#core.writer.run(roll.steps).then(
      () => {
        this.#inFlight -= 1;
        this.#finish(roll);
      },
      (error: unknown) => {
        this.#inFlight -= 1;
        const stepIndex = error instanceof WriterFailure ? error.stepIndex : 0;
        this.#events.onFailed(errnoOf(error) ?? 'EIO', stepIndex, roll);
      },
    );
  }

  #finish(roll: Roll): void {
    const { sealed, next, reason } = roll;
    const core = this.#core;
    sealed.writerFile = undefined;
    // The files say it all now; a reader that needs the index loads it within its bound.
    sealed.indexer = undefined;
    sealed.totals = undefined;
    // An end that lies where the next segment begins lies in it: the sealed one may be deleted.
    const place = { segmentBase: next.baseOffset, position: 0 };
    if (core.offsets.written === next.baseOffset) core.writtenAt = place;
    if (core.offsets.durable === next.baseOffset) core.durableAt = place;
    logDiagnostics.roll.publish({
      path: core.directory,
      sealedBaseOffset: sealed.baseOffset,
      sealedBytes: sealed.seal?.logBytes ?? 0,
      baseOffset: next.baseOffset,
      reason,
    });
    this.#events.onRolled(roll);
    if (this.#request?.roll === roll) this.#settle('rolled');
  }

  #settle(outcome: RollOutcome): void {
    const request = this.#request;
    this.#request = undefined;
    request?.settle(outcome);
  }
}

function newRequest(): RollRequest {
  let settle: (outcome: RollOutcome) => void = () => undefined;
  const outcome = new Promise<RollOutcome>((resolve) => {
    settle = resolve;
  });
  return { outcome, settle, roll: undefined };
}
