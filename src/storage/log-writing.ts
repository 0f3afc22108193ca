/**
 * The writing half of an open log: admission, the states it can be in, and what happens when calls
 * fail. The appender does the work; this file decides whether it may.
 *
 *     open      appends are taken
 *     failing   a call failed: the file is being cut back, or the log is about to be poisoned
 *     poisoned  nothing is written any more; durable records can be read
 *     closing   what was accepted is made durable, nothing new is taken
 *     closed
 */

import { assert } from '../base/assert.js';
import { logDiagnostics } from '../base/diagnostics.js';
import { createError, errnoOf, type MillraceError } from '../base/errors.js';
import { AppendAdmission, copyRecords } from './append-admission.js';
import { copyLone, type LoneBatch, placeLone } from './append-alone.js';
import { type AppendLimits, boundOf, type CheckedRecords, checkOne } from './append-bounds.js';
import { type AppendFailure, failureAction } from './append-failure.js';
import type { Acks } from './append-options.js';
import type { AppendResult } from './append-waiters.js';
import { Appender } from './appender.js';
import { Epochs, epochsCrc } from './epochs.js';
import type { WritableLogCore } from './log-core.js';
import { epochsStep } from './log-creation.js';
import { cutBack } from './log-cut.js';
import type { MarkKeeper } from './mark-keeper.js';
import type { RecordInput } from './record.js';
import type { Segment } from './segment.js';
import { segmentPath } from './segment-files.js';
import type { MarkContent } from './watermark.js';
import { isNoSpace } from './writer.js';

const ROLL_REFUSED = 'no space is left to begin a segment; nothing was changed';

type State = 'open' | 'failing' | 'poisoned' | 'closing' | 'closed';

/** From each state, the ones that may follow. */
export const writingTransitions: Readonly<Record<State, readonly State[]>> = {
  open: ['failing', 'closing'],
  failing: ['open', 'poisoned', 'closing'],
  poisoned: ['closed'],
  closing: ['failing', 'poisoned', 'closed'],
  closed: [],
};

/** What the writing half tells the log. */
export interface WritingEvents {
  /** An end has moved, or the log was poisoned. */
  readonly onProgress: () => void;
  /** A segment was sealed. */
  readonly onRolled: () => void;
  /** No space was left; the log is cut back and goes on. */
  readonly onDiskFull: () => void;
}

export class LogWriting {
  readonly #core: WritableLogCore;
  readonly #marks: MarkKeeper;
  readonly #appender: Appender;
  readonly #admission: AppendAdmission;
  readonly #events: WritingEvents;
  #state: State = 'open';
  #isClosing = false;
  /** The watermark was settled outside a commit, and with that its clean flag cleared. */
  #hasSettled = false;
  #poison: MillraceError | undefined;
  #writableWaiters: (() => void)[] = [];
  /** What the last refused `tryAppend` asked for: `writable` waits for that much. */
  #wantedBytes = 1;
  #recovering: Promise<void> | undefined;
  /** The last of those that run alone, one after the other. */
  #exclusive: Promise<void> = Promise.resolve();
  #isWatchingSlabs = false;
  /** Why appends are refused for a while; rolls, flushes and the rest go on. */
  #refusalOf: (() => MillraceError) | undefined;

  constructor(core: WritableLogCore, marks: MarkKeeper, events: WritingEvents) {
    this.#core = core;
    this.#marks = marks;
    this.#events = events;
    this.#admission = new AppendAdmission(core.config);
    this.#appender = new Appender(core, marks, {
      onProgress: () => this.#progress(),
      onRolled: events.onRolled,
      onFailure: (failure) => this.#fail(failure),
      onUnprepared: () => this.#recover(this.#prepare()),
    });
  }

  get appender(): Appender {
    return this.#appender;
  }

  get state(): State {
    return this.#state;
  }

  /** Whether anything was written since the log was opened, the watermark included. */
  get hasWritten(): boolean {
    if (this.#hasSettled) return true;
    return this.#appender.isPrepared || this.#core.offsets.end > this.#core.offsets.written;
  }

  append(
    records: readonly RecordInput[],
    acks: Acks,
    checked?: CheckedRecords,
  ): Promise<AppendResult> {
    try {
      this.#assertTaking();
      const bytes = boundOf(records, this.#core.config, checked);
      const baseOffset = this.#admission.isEmpty ? this.#place(records, bytes) : 'full';
      if (baseOffset !== 'full') return this.#settle(baseOffset, records.length, acks);
      this.#assertMayWait();
      const copies = copyRecords(records);
      return this.#wait(bytes, () => {
        const admitted = this.#place(copies, bytes);
        return admitted === 'full' ? 'full' : this.#settle(admitted, copies.length, acks);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Appends what `make` checks and makes of it, as a batch of its own. */
  appendAlone(make: (limits: AppendLimits) => LoneBatch, acks: Acks): Promise<AppendResult> {
    try {
      this.#assertTaking();
      const batch = make(this.#core.config);
      const placed = this.#admission.isEmpty ? this.#placeAlone(batch, acks) : 'full';
      if (placed !== 'full') return placed;
      this.#assertMayWait();
      const copy = copyLone(batch);
      return this.#wait(batch.bytes, () => this.#placeAlone(copy, acks));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryAppend(record: RecordInput, acks: Acks): number | undefined {
    this.#assertTaking();
    const bytes = checkOne(record, this.#core.config, 0);
    const isFull = !this.#admission.isEmpty || this.#state === 'failing';
    const offset = isFull ? 'full' : this.#appender.placeOne(record, bytes);
    if (offset === 'full') {
      this.#wantedBytes = bytes;
      return undefined;
    }
    if (acks === 'durable') this.#appender.demandDurable(offset + 1);
    else this.#appender.wake();
    return offset;
  }

  /** Resolves when `tryAppend` may find room again; rejects when it never will. */
  async writable(): Promise<void> {
    for (;;) {
      this.#assertOpen();
      const isRefused = this.#refusalOf !== undefined || this.#state === 'failing';
      const isFull = !this.#admission.isEmpty || isRefused;
      if (!isFull && this.#appender.hasRoom(this.#wantedBytes)) return;
      this.#watchSlabs();
      await new Promise<void>((resolve) => this.#writableWaiters.push(resolve));
    }
  }

  /** Resolves once everything below `target` is durable. */
  flush(target: number): Promise<AppendResult> {
    if (this.#poison !== undefined) return Promise.reject(this.#poison);
    return new Promise((resolve, reject) => {
      const result = { baseOffset: target, lastOffset: target - 1, isDuplicate: false };
      this.#appender.awaitDurable({ target, result, resolve, reject });
    });
  }

  /**
   * Seals the active segment and begins the next one; false when there was nothing to seal. Rejects
   * with DISK_FULL, which harms nothing, LOG_POISONED and LOG_CLOSED.
   */
  async rollNow(): Promise<boolean> {
    while (this.#recovering !== undefined) await this.#recovering;
    this.#assertOpen();
    const outcome = await this.#appender.rollNow();
    while (this.#recovering !== undefined) await this.#recovering;
    if (outcome !== 'failed') return outcome === 'rolled';
    this.#assertOpen();
    throw createError('DISK_FULL', { path: this.#core.directory, message: ROLL_REFUSED });
  }

  /** Runs while no commit is in flight and none begins; for changes of the watermark, in turn. */
  exclusively(run: () => Promise<void>): Promise<void> {
    const turn = this.#exclusive.then(() => this.#runAlone(run));
    this.#exclusive = turn.catch(() => undefined);
    return turn;
  }

  async #runAlone(run: () => Promise<void>): Promise<void> {
    while (this.#recovering !== undefined) await this.#recovering;
    this.#assertOpen();
    this.#appender.hold('exclusive');
    this.#hasSettled = true;
    try {
      await this.#appender.commitSettled();
      await run();
    } catch (error) {
      this.#poisonLog(error);
      throw this.#poison ?? error;
    }
    // An opening or a recovery that has begun meanwhile holds it by itself.
    this.#appender.resume('exclusive');
  }

  /** Refuses appends until `allowAppends`, also those that wait for room: none of it is stored. */
  refuseAppends(errorOf: () => MillraceError): void {
    this.#refusalOf = errorOf;
    this.#admission.rejectAll(errorOf());
  }

  allowAppends(): void {
    this.#refusalOf = undefined;
    this.#progress();
  }

  /** Resolves when everything that was accepted is written, or was refused. */
  async appendsSettled(): Promise<void> {
    for (;;) {
      while (this.#recovering !== undefined) await this.#recovering;
      const target = this.#appender.nextOffset;
      if (this.#poison !== undefined || this.#core.offsets.written >= target) return;
      const result = { baseOffset: target, lastOffset: target - 1, isDuplicate: false };
      await new Promise<void>((resolve) => {
        const settle = (): void => resolve();
        this.#appender.awaitWritten({ target, result, resolve: settle, reject: settle });
      });
    }
  }

  /** Another writer was seen, or background work failed: nothing is written any more. */
  poison(cause: unknown): void {
    this.#poisonLog(cause);
  }

  /**
   * Makes everything accepted durable and takes nothing new; resolves when nothing is in flight.
   */
  async drain(): Promise<void> {
    this.#isClosing = true;
    while (this.#recovering !== undefined) await this.#recovering;
    while (!this.#admission.isEmpty && this.#poison === undefined) {
      await new Promise<void>((resolve) => this.#writableWaiters.push(resolve));
    }
    while (this.#poison === undefined && this.#core.offsets.durable < this.#appender.nextOffset) {
      await this.flush(this.#appender.nextOffset).catch(() => undefined);
      while (this.#recovering !== undefined) await this.#recovering;
    }
    if (this.#state === 'open') this.#move('closing');
    this.#appender.close();
    await this.#appender.commitSettled();
    for (const wake of this.#writableWaiters.splice(0)) wake();
  }

  /** The last step of closing. */
  markClosed(): void {
    this.#move('closed');
  }

  #assertOpen(): void {
    if (this.#poison !== undefined) throw this.#poison;
    if (this.#isClosing) throw createError('LOG_CLOSED', { path: this.#core.directory });
  }

  #assertTaking(): void {
    this.#assertOpen();
    if (this.#refusalOf !== undefined) throw this.#refusalOf();
  }

  #place(records: readonly RecordInput[], bytes: number): number | 'full' {
    // A slab that a poisoned log gives back is no room.
    const isHeld = this.#state === 'failing' || this.#state === 'poisoned';
    return isHeld ? 'full' : this.#appender.place(records, bytes);
  }

  /** Rejects what may not follow; 'full' when there is no room to tell. */
  #placeAlone(batch: LoneBatch, acks: Acks): Promise<AppendResult> | 'full' {
    if (this.#state === 'failing' || this.#state === 'poisoned') return 'full';
    try {
      const placed = placeLone(this.#core, this.#appender, batch);
      return placed === 'full' ? 'full' : this.#await(placed.result, placed.target, acks);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #settle(baseOffset: number, count: number, acks: Acks): Promise<AppendResult> {
    const target = baseOffset + count;
    return this.#await({ baseOffset, lastOffset: target - 1, isDuplicate: false }, target, acks);
  }

  #await(result: AppendResult, target: number, acks: Acks): Promise<AppendResult> {
    if (acks === 'none') {
      this.#appender.wake();
      return Promise.resolve(result);
    }
    return new Promise((resolve, reject) => {
      const waiter = { target, result, resolve, reject };
      if (acks === 'durable') this.#appender.awaitDurable(waiter);
      else this.#appender.awaitWritten(waiter);
    });
  }

  #assertMayWait(): void {
    if (this.#core.config.overflow === 'wait') return;
    throw createError('BUFFER_FULL', { bufferBytes: this.#core.config.bufferBytes });
  }

  /** Waits in line for room. What `place` puts there has memory of its own. */
  #wait(bytes: number, place: () => Promise<AppendResult> | 'full'): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      const refusal = this.#admission.push({
        bytes,
        place: () => {
          const placed = place();
          if (placed === 'full') return 'full';
          placed.then(resolve, reject);
          return 'placed';
        },
        reject,
      });
      if (refusal !== undefined) reject(refusal);
      else this.#watchSlabs();
    });
  }

  /**
   * Asks once to be told when another log gives a slab back: the writer's memory may be used up.
   */
  #watchSlabs(): void {
    if (this.#isWatchingSlabs) return;
    this.#isWatchingSlabs = true;
    this.#core.writer.onSlab(() => {
      this.#isWatchingSlabs = false;
      this.#progress();
    });
  }

  #progress(): void {
    for (let first = this.#admission.first; first !== undefined; first = this.#admission.first) {
      if (first.place() === 'full') break;
      this.#admission.shift();
    }
    if (this.#admission.isEmpty && this.#writableWaiters.length > 0) {
      for (const wake of this.#writableWaiters.splice(0)) wake();
    }
    this.#events.onProgress();
  }

  /** Raises the epoch, drops an old seal and clears the clean flag, before the first write. */
  async #prepare(): Promise<void> {
    const core = this.#core;
    const epochs = new Epochs(core.epochs.entries);
    epochs.dropBefore(core.offsets.start);
    epochs.start(core.epochs.current + 1, core.offsets.written);
    const first = core.segments.floor(core.writtenAt.segmentBase);
    // A seal that an earlier close left says less than the segment will hold.
    first.seal = undefined;
    try {
      await core.writer.run([
        epochsStep(core.directory, epochs),
        { kind: 'unlink', path: segmentPath(core.directory, first.baseOffset, 'seal') },
        { kind: 'syncDirectory', path: core.directory },
      ]);
    } catch (error) {
      if (!isNoSpace(errnoOf(error))) throw error;
      this.#move('failing');
      await this.#cut(first, error);
      return;
    }
    core.epochs = epochs;
    core.epochsCrc = epochsCrc(epochs.encode());
    await this.#marks.settle(this.#appender.markContent());
    this.#appender.markPrepared();
    this.#appender.resume('recovery');
  }

  #fail(failure: AppendFailure): void {
    if (this.#state === 'failing' || this.#state === 'poisoned') return;
    const action = failureAction(failure);
    if (action === 'await-roll') return;
    const cause = Object.assign(new Error(`${failure.call} failed`), { code: failure.errno });
    if (action === 'poison') {
      this.#poisonLog(cause);
      return;
    }
    this.#move('failing');
    this.#recover(this.#cut(failure.segment, cause));
  }

  async #cut(segment: Segment, cause: unknown): Promise<void> {
    await cutBack(this.#core, segment);
    this.#rejectUnwritten(cause);
    this.#move('open');
    this.#appender.resume('recovery');
    this.#progress();
    this.#events.onDiskFull();
  }

  /** Nothing beyond the written end is stored, and nobody was told otherwise. */
  #rejectUnwritten(cause: unknown): void {
    const { directory, offsets } = this.#core;
    this.#appender.discardUnwritten();
    const errorOf = (): MillraceError =>
      createError('DISK_FULL', { path: directory, errno: errnoOf(cause) }, cause);
    this.#appender.rejectBeyond(offsets.written, errorOf);
    this.#admission.rejectAll(errorOf());
  }

  /** Runs a recovery; when that fails too, the log is poisoned. */
  #recover(recovery: Promise<void>): void {
    this.#recovering = recovery
      .catch((error: unknown) => this.#poisonLog(error))
      .finally(() => {
        this.#recovering = undefined;
        for (const wake of this.#writableWaiters.splice(0)) wake();
      });
  }

  #poisonLog(cause: unknown): void {
    if (this.#poison !== undefined || this.#state === 'closed') return;
    const { directory: path, offsets } = this.#core;
    this.#state = 'poisoned';
    this.#poison = createError('LOG_POISONED', { path, errno: errnoOf(cause) }, cause);
    const poison = this.#poison;
    const submitted = this.#appender.submittedEnd;
    this.#appender.close();
    const facts = { path, durableEnd: offsets.durable, errno: errnoOf(cause) };
    this.#appender.rejectBeyond(offsets.durable, ({ target }) =>
      target > submitted ? poison : createError('OUTCOME_UNKNOWN', facts, cause),
    );
    this.#appender.abandon();
    this.#admission.rejectAll(poison);
    for (const wake of this.#writableWaiters.splice(0)) wake();
    logDiagnostics.poison.publish({ path, durableEnd: offsets.durable, cause });
    // A note for the next open; the failed file stays as it is whether or not the note is written.
    this.#marks.settle(this.#poisonContent()).catch(() => undefined);
    this.#events.onProgress();
  }

  #poisonContent(): MarkContent {
    return this.#appender.markContent({ isPoisoned: true });
  }

  #move(state: State): void {
    assert(writingTransitions[this.#state].includes(state), 'the state may follow');
    this.#state = state;
  }
}
