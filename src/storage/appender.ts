/**
 * The write path of one open log: groups of batches, one commit in flight while the next one fills.
 *
 * Records go into the buffer at once and get their offsets. What is submitted, and when:
 * - a slab that is full is written as soon as it is full;
 * - what lies in the open slab is written when nothing is in flight that it could wait for, so
 *   batches form by themselves under load and a lone append waits for nobody;
 * - a commit (sync, then watermark) follows when somebody needs an offset to be durable and no
 *   other commit is in flight; it covers everything submitted before it.
 *
 * Everything here runs on the main thread in synchronous steps; the writer answers in order. What
 * happens when a call fails is in `append-failure.ts`.
 */

import { assert } from '../base/assert.js';
import type { Cancel } from '../base/clock.js';
import type { MillraceError } from '../base/errors.js';
import { AppendBuffer, type SlabUse } from './append-buffer.js';
import { type Commit, publishFlush } from './append-commit.js';
import {
  addToExtents,
  type Extent,
  extentEnd,
  type RecentBytes,
  RecentExtents,
} from './append-extent.js';
import type { AppendFailure } from './append-failure.js';
import { AppendRolls, type RollOutcome } from './append-roll.js';
import { AppendWaiters, type OffsetWaiter } from './append-waiters.js';
import type { ProducerFields } from './batch-encoder.js';
import { batchLastOffset } from './batch-header.js';
import type { WritableLogCore } from './log-core.js';
import { markContentOf } from './mark-content.js';
import type { MarkKeeper } from './mark-keeper.js';
import type { RecordInput } from './record.js';
import type { Segment } from './segment.js';
import { rollReason } from './segment-roll.js';
import type { MarkContent } from './watermark.js';
import {
  errnoOfStatus,
  STATUS_OK,
  type WriterClient,
  type WriterFile,
  type WriterStatus,
} from './writer.js';

/** What keeps batches from being submitted; each begins and ends by itself. */
export type HoldReason = 'exclusive' | 'recovery' | 'closed';

/** What the appender tells the log. */
export interface AppenderEvents {
  /** Room may have come back, or an end has moved. */
  readonly onProgress: () => void;
  /** A segment was sealed. */
  readonly onRolled: () => void;
  /** A write, sync or roll failed; nothing is submitted until `resume`. */
  readonly onFailure: (failure: AppendFailure) => void;
  /** The first write since an open or a cut: epoch and watermark come first, then `resume`. */
  readonly onUnprepared: () => void;
}

/** How many appends share one reading of the clock. */
const STAMP_USES_MAX = 256;

export class Appender implements WriterClient {
  readonly #core: WritableLogCore;
  readonly #marks: MarkKeeper;
  readonly #events: AppenderEvents;
  readonly #buffer: AppendBuffer;
  readonly #recent = new RecentExtents();
  readonly #durableWaiters = new AppendWaiters();
  readonly #writtenWaiters = new AppendWaiters();
  readonly #rolls: AppendRolls;
  #pending: Extent[] = [];
  #inFlight: Extent[] = [];
  #commit: Commit | undefined;
  /** Somebody needs everything below to be durable. */
  #durableDemand = 0;
  #submitted: Commit;
  /** The file of the newest extent that was submitted: the one that a commit syncs. */
  #lastFile: WriterFile;
  readonly #onSettled: (() => void)[] = [];
  readonly #holds = new Set<HoldReason>();
  #isPrepared = false;
  #isPumpQueued = false;
  #stamp = 0;
  #stampUses = 0;
  #cancelFlush: Cancel | undefined;

  constructor(core: WritableLogCore, marks: MarkKeeper, events: AppenderEvents) {
    this.#core = core;
    this.#marks = marks;
    this.#events = events;
    this.#buffer = new AppendBuffer(
      core.writer,
      core.config,
      core.offsets.end,
      (use, start, bytes) => this.#addBatch(use, start, bytes),
      () => this.#pump(),
    );
    this.#buffer.epoch = core.epochs.current + 1;
    this.#rolls = new AppendRolls(core, {
      onRolled: () => this.#rolled(),
      onFailed: (errno, stepIndex, { sealed }) => this.#fail('roll', errno, stepIndex, sealed),
    });
    this.#submitted = this.#place();
    this.#lastFile = this.#activeFile();
  }

  /** The next offset to be assigned. */
  get nextOffset(): number {
    return this.#buffer.nextOffset;
  }

  /** Everything below was handed to the writer. */
  get submittedEnd(): number {
    return this.#submitted.offset;
  }

  get isIdle(): boolean {
    return this.#inFlight.length === 0 && this.#commit === undefined && !this.#hasUnsubmitted;
  }

  get #hasUnsubmitted(): boolean {
    return this.#pending.length > 0 || this.#buffer.hasOpenBatch;
  }

  /** Places records of at most `bytes` encoded bytes; 'full' when there is no room now. */
  place(records: readonly RecordInput[], bytes: number): number | 'full' {
    if (this.#buffer.reserve(bytes, this.#inFlight.length > 0) === 'full') return 'full';
    const baseOffset = this.#buffer.nextOffset;
    const nowMs = this.#stampMs();
    for (const record of records) this.#buffer.add(record, nowMs);
    return baseOffset;
  }

  /** Like `place`, for one record. */
  placeOne(record: RecordInput, bytes: number): number | 'full' {
    if (this.#buffer.reserve(bytes, this.#inFlight.length > 0) === 'full') return 'full';
    const offset = this.#buffer.nextOffset;
    this.#buffer.add(record, this.#stampMs());
    return offset;
  }

  /** Like `place`, as a batch of its own, of a producer. */
  placeAlone(
    records: readonly RecordInput[],
    bytes: number,
    producer: ProducerFields,
  ): number | 'full' {
    this.#buffer.finishBatch();
    if (this.#buffer.reserve(bytes, this.#inFlight.length > 0) === 'full') return 'full';
    this.#buffer.stamp(producer);
    const baseOffset = this.place(records, bytes);
    this.#buffer.finishBatch();
    return baseOffset;
  }

  /** Places a finished batch, which gets its offset and the epoch; 'full' as above. */
  placeReady(batch: Uint8Array): number | 'full' {
    this.#buffer.finishBatch();
    return this.#buffer.addReady(batch, this.#inFlight.length > 0);
  }

  /** The time of an append: read once for those of one microtask queue, up to a bound. */
  #stampMs(): number {
    if (!this.#isPumpQueued || this.#stampUses === STAMP_USES_MAX) {
      this.#stamp = this.#core.clock.nowMs();
      this.#stampUses = 0;
    }
    this.#stampUses += 1;
    return this.#stamp;
  }

  /** Whether records of `bytes` encoded bytes would find room now; keeps it for the next append. */
  hasRoom(bytes: number): boolean {
    return this.#buffer.reserve(bytes, this.#inFlight.length > 0) === 'ready';
  }

  /** Resolves when no commit is in flight; with `hold` before it, none is until `resume`. */
  async commitSettled(): Promise<void> {
    while (this.#commit !== undefined) {
      await new Promise<void>((resolve) => this.#onSettled.push(resolve));
    }
  }

  /** Waits until everything below the target is durable. */
  awaitDurable(waiter: OffsetWaiter): void {
    if (waiter.target <= this.#core.offsets.durable) {
      waiter.resolve(waiter.result);
      return;
    }
    this.#durableWaiters.push(waiter);
    this.demandDurable(waiter.target);
  }

  /** Waits until everything below the target is written. */
  awaitWritten(waiter: OffsetWaiter): void {
    if (waiter.target <= this.#core.offsets.written) {
      waiter.resolve(waiter.result);
      return;
    }
    this.#writtenWaiters.push(waiter);
    this.wake();
  }

  /** Asks for a commit that makes everything below `offset` durable. */
  demandDurable(offset: number): void {
    if (offset > this.#durableDemand) this.#durableDemand = offset;
    this.wake();
  }

  /**
   * Submits what is due at the end of the current microtask queue: appends of one tick share it.
   */
  wake(): void {
    if (this.#isPumpQueued) return;
    this.#isPumpQueued = true;
    queueMicrotask(this.#queuedPump);
  }

  readonly #queuedPump = (): void => {
    this.#isPumpQueued = false;
    this.#pump();
  };

  /** Seals what was accepted so far and begins the next segment, though nothing follows yet. */
  rollNow(): Promise<RollOutcome> {
    const rolled = this.#rolls.ask();
    this.wake();
    return rolled;
  }

  /** Stops submitting; answers of what is in flight still come. Reasons do not nest. */
  hold(reason: HoldReason): void {
    this.#holds.add(reason);
  }

  /** Submits again, unless something else holds it. */
  resume(reason: HoldReason): void {
    this.#holds.delete(reason);
    this.wake();
  }

  /** The epoch and the watermark are on the disk: writing may begin. */
  markPrepared(): void {
    this.#isPrepared = true;
  }

  get isPrepared(): boolean {
    return this.#isPrepared;
  }

  /** What the watermark says now, but for flags that the caller overrides. */
  markContent(overrides?: Partial<MarkContent>): MarkContent {
    const { durableAt, offsets } = this.#core;
    return markContentOf(this.#core, durableAt, offsets.durable, overrides);
  }

  /** Bytes of the newest batches, copied, or undefined when they are not in memory any more. */
  copyRecent(segment: Segment, position: number, countMax: number): RecentBytes | undefined {
    return this.#recent.copy(segment, position, countMax);
  }

  written(status: WriterStatus): void {
    const extent = this.#inFlight.shift();
    assert(extent !== undefined, 'a write was in flight');
    extent.use.pendingWrites -= 1;
    this.#buffer.releaseIfDone(extent.use);
    if (status !== STATUS_OK) {
      this.#fail('write', errnoOfStatus(status), 0, extent.segment);
      return;
    }
    this.#core.offsets.advanceWritten(extent.nextOffset);
    this.#core.writtenAt = extentEnd(extent);
    this.#writtenWaiters.resolveUpTo(extent.nextOffset);
    this.#events.onProgress();
    this.#watchUnsynced();
    this.#pump();
  }

  committed(status: WriterStatus): void {
    const commit = this.#commit;
    assert(commit !== undefined, 'a commit was in flight');
    this.#commit = undefined;
    for (const resolve of this.#onSettled.splice(0)) resolve();
    if (status !== STATUS_OK) {
      this.#fail('commit', errnoOfStatus(status), 0, this.#core.segments.active);
      return;
    }
    this.#core.offsets.advanceDurable(commit.offset);
    this.#core.durableAt = commit.at;
    this.#marks.scheduleSync();
    if (this.#cancelFlush !== undefined && commit.offset >= this.#core.offsets.written) {
      this.#cancelFlush();
      this.#cancelFlush = undefined;
    }
    publishFlush(this.#core.directory, commit, this.#core.clock.monotonicMs);
    this.#durableWaiters.resolveUpTo(commit.offset);
    this.#events.onProgress();
    this.#pump();
  }

  /** Rejects all who wait beyond `offset`. */
  rejectBeyond(offset: number, errorOf: (waiter: OffsetWaiter) => MillraceError): void {
    this.#durableWaiters.rejectBeyond(offset, errorOf);
    this.#writtenWaiters.rejectBeyond(offset, errorOf);
    // Who asked for less stood behind one that is gone now.
    this.#durableWaiters.resolveUpTo(this.#core.offsets.durable);
    this.#writtenWaiters.resolveUpTo(this.#core.offsets.written);
  }

  /** Forgets what was not written: the log ends at the written end again, with a new epoch. */
  discardUnwritten(): void {
    assert(this.#holds.has('recovery'), 'nothing is submitted while batches are discarded');
    assert(this.#inFlight.length === 0, 'the writer has answered');
    this.#dropPending();
    this.#core.offsets.cutToWritten();
    this.#core.producers.cutTo(this.#core.offsets.written);
    this.#buffer.discard(this.#core.offsets.end);
    this.#buffer.epoch = this.#core.epochs.current + 1;
    this.#recent.clear();
    this.#durableDemand = Math.min(this.#durableDemand, this.#core.offsets.written);
    this.#submitted = this.#place();
    this.#lastFile = this.#activeFile();
    this.#isPrepared = false;
    this.#rolls.abandon();
  }

  /** Ends timers; the log is closed or poisoned. */
  close(): void {
    this.#holds.add('closed');
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    this.#recent.clear();
    this.#rolls.abandon();
  }

  /** Gives all memory back, at the end of a log or of a poisoned one; what is in flight follows. */
  abandon(): void {
    assert(this.#holds.has('closed'), 'nothing is submitted any more');
    this.#dropPending();
    this.#buffer.close();
  }

  #dropPending(): void {
    for (const extent of this.#pending) {
      extent.use.pendingWrites -= 1;
      this.#buffer.releaseIfDone(extent.use);
    }
    this.#pending = [];
  }

  #pump(): void {
    if (this.#holds.size > 0) return;
    const isRollDue = this.#isRollDue();
    if (!this.#hasUnsubmitted && !this.#isCommitDue() && !isRollDue) return;
    // A sync of what is written already needs no new epoch, and works on a full disk.
    if (!this.#isPrepared && (this.#hasUnsubmitted || isRollDue)) {
      this.hold('recovery');
      this.#events.onUnprepared();
      return;
    }
    const isDurableWanted = this.#durableDemand > this.#submitted.offset;
    const isFree = isDurableWanted ? this.#commit === undefined : this.#inFlight.length === 0;
    const takeAll = isFree || isRollDue;
    if (takeAll) this.#buffer.finishBatch();
    this.#submitExtents(takeAll);
    if (isRollDue) this.#submitDueRoll();
    if (this.#isCommitDue()) this.#submitCommit();
    this.#core.writer.submit();
  }

  /** Whether a roll was asked for; when there is nothing to seal, it is answered here. */
  #isRollDue(): boolean {
    if (!this.#rolls.isDue) return false;
    const isEmpty = this.#core.segments.active.active().totals.bytes === 0;
    if (!isEmpty || this.#hasUnsubmitted) return true;
    return this.#rolls.submitDue() === 'submitted';
  }

  #submitDueRoll(): void {
    if (this.#rolls.submitDue() === 'empty') return;
    const { baseOffset } = this.#core.segments.active;
    assert(this.#submitted.offset === baseOffset, 'everything before the roll was submitted');
    // The roll closes the file of what came before, having synced it: a commit needs the new one.
    this.#lastFile = this.#activeFile();
    this.#submitted = { ...this.#submitted, at: { segmentBase: baseOffset, position: 0 } };
  }

  #isCommitDue(): boolean {
    const { durable } = this.#core.offsets;
    return (
      this.#commit === undefined &&
      this.#durableDemand > durable &&
      this.#submitted.offset > durable
    );
  }

  #submitExtents(takeAll: boolean): void {
    let count = 0;
    for (const extent of this.#pending) {
      if (!takeAll && !extent.use.isClosed) break;
      if (extent.roll !== undefined) this.#rolls.submit(extent.roll);
      const { use, start, end } = extent;
      const { writer } = this.#core;
      writer.write(this, extent.file, use.slab, start, end - start, extent.position);
      this.#inFlight.push(extent);
      this.#lastFile = extent.file;
      this.#recent.push(extent);
      this.#submitted = {
        offset: extent.nextOffset,
        at: extentEnd(extent),
        startedMs: 0,
        bytes: this.#submitted.bytes + end - start,
        batches: this.#submitted.batches + extent.batches,
      };
      count += 1;
    }
    if (count > 0) this.#pending.splice(0, count);
  }

  #submitCommit(): void {
    const { offset, at, bytes, batches } = this.#submitted;
    const startedMs = this.#core.clock.monotonicMs();
    this.#commit = { offset, at, startedMs, bytes, batches };
    this.#submitted = { offset, at, startedMs: 0, bytes: 0, batches: 0 };
    const position = this.#marks.position;
    const mark = this.#marks.prepare(markContentOf(this.#core, at, offset));
    this.#core.writer.commit(this, this.#lastFile, mark, position);
  }

  #addBatch(use: SlabUse, start: number, bytes: number): void {
    const { segments, config, clock } = this.#core;
    const memory = use.slab.bytes;
    const nowMs = clock.nowMs();
    const reason = rollReason(segments.active, {
      segmentBytes: config.segmentBytes,
      segmentMs: config.segmentMs,
      nowMs,
      batchBytes: bytes,
      lastOffset: batchLastOffset(memory, start),
    });
    const roll = reason === 'stay' ? undefined : this.#rolls.plan(reason);
    const segment = segments.active;
    const { totals } = segment.active();
    const position = totals.bytes;
    if (position === 0) segment.firstAppendMs = nowMs;
    segment.lastAppendMs = nowMs;
    segment.addBatch(memory, start, bytes);
    this.#core.offsets.advanceEnd(totals.nextOffset);
    const file = this.#activeFile();
    const { nextOffset } = totals;
    const end = start + bytes;
    addToExtents(this.#pending, { use, start, end, segment, file, position, nextOffset, roll });
  }

  #rolled(): void {
    this.#marks.scheduleSync();
    this.#events.onProgress();
    this.#events.onRolled();
  }

  #fail(call: AppendFailure['call'], errno: string, stepIndex: number, segment: Segment): void {
    this.hold('recovery');
    const rollsInFlight = this.#rolls.inFlight;
    this.#events.onFailure({ call, errno, stepIndex, segment, rollsInFlight });
  }

  /** Sees to it that records which nobody waits for are synced by time or bytes. */
  #watchUnsynced(): void {
    const { written, durable } = this.#core.offsets;
    if (written <= this.#durableDemand || written <= durable) return;
    if (this.#submitted.bytes >= this.#core.config.flushBytes) {
      this.demandDurable(written);
      return;
    }
    this.#cancelFlush ??= this.#core.clock.schedule(this.#core.config.flushMs, () => {
      this.#cancelFlush = undefined;
      this.demandDurable(this.#core.offsets.written);
    });
  }

  #activeFile(): WriterFile {
    const { writerFile } = this.#core.segments.active;
    assert(writerFile !== undefined, 'the active segment is open in the writer');
    return writerFile;
  }

  #place(): Commit {
    const { offsets, writtenAt } = this.#core;
    return { offset: offsets.written, at: writtenAt, startedMs: 0, bytes: 0, batches: 0 };
  }
}
