/**
 * The log: an append-only sequence of records in one folder.
 *
 * This class is the face; it holds no decision. Writing is `log-writing.ts`, reading
 * `log-reader.ts`, opening `log-opening.ts` and `log-read-only.ts`. One process writes a folder at
 * a time; any number read it.
 */

import { join } from 'node:path';
import { inspect } from 'node:util';
import { logDiagnostics } from '../base/diagnostics.js';
import { createError, errnoOf, type MillraceError } from '../base/errors.js';
import { Mutex } from '../base/mutex.js';
import { markerBatch, producerBatch, readyBatch } from './append-alone.js';
import type { AppendBatchOptions, AppendOptions, TransactionMarker } from './append-options.js';
import type { AppendResult } from './append-waiters.js';
import type { Batch } from './batch.js';
import type { PassReport } from './cleaning-loop.js';
import { serveHolder } from './holder-service.js';
import { closeWriting, type WritingParts } from './log-closing.js';
import { alterConfig, checkLogOptions, type LogOptions, rememberedOf } from './log-config.js';
import { damageError } from './log-damage.js';
import { describeForOthers, type LogDescription } from './log-description.js';
import { type LogEnvironment, systemEnvironment } from './log-environment.js';
import { fromSystem, withOurErrors } from './log-folder.js';
import { encodeLogJson } from './log-json.js';
import { LogMaintenance } from './log-maintenance.js';
import { openForWriting } from './log-opening.js';
import { openForReading } from './log-read-only.js';
import { readOnlyStats } from './log-read-only-stats.js';
import { LogReader, type ReadStart } from './log-reader.js';
import type { RetentionReport } from './log-retention.js';
import { LogSource } from './log-source.js';
import type { LogStats } from './log-stats.js';
import { LogWriting } from './log-writing.js';
import type { ProducerDescription } from './producer-states.js';
import { checkReadOptions, type ReadOptions } from './read-options.js';
import { findStart } from './read-start.js';
import type { RecordInput } from './record.js';
import { knownBytes } from './segment-facts.js';
import { sideFiles } from './segment-files.js';
import type { AbortedRange } from './transactions.js';
import type { WriterStep } from './writer.js';

export class Log {
  readonly #source: LogSource;
  readonly #parts: WritingParts | undefined;
  readonly #closeReading: () => Promise<void>;
  readonly #mutex: Mutex;
  #closing: Promise<void> | undefined;

  private constructor(
    source: LogSource,
    parts: WritingParts | undefined,
    mutex: Mutex,
    closeReading: () => Promise<void>,
  ) {
    this.#source = source;
    this.#mutex = mutex;
    this.#parts = parts;
    this.#closeReading = closeReading;
    parts?.lock.serve((request) =>
      serveHolder(
        {
          describe: () => describeForOthers(this.describe()),
          append: (records) => this.append(records),
          deleteRecordsBefore: (offset) => this.deleteRecordsBefore(offset),
          alter: (options) => this.alter(options),
          stats: () => this.stats(),
          compact: () => this.compact(),
          retain: () => this.retain(),
        },
        request,
      ),
    );
  }

  /**
   * Opens the log in `directory`, making it when it is absent.
   *
   * Throws NOT_A_DIRECTORY, NOT_A_LOG, LOG_NOT_FOUND, PERMISSION_DENIED, LOG_LOCKED,
   * OPTION_UNKNOWN, OPTION_INVALID, OPTION_CONFLICT, CODEC_UNAVAILABLE, FORMAT_UNSUPPORTED, and
   * LOG_CORRUPT when a side file is damaged. A log whose records are damaged opens, serves what
   * verifies and refuses appends.
   */
  static async open(
    directory: string,
    options: LogOptions = {},
    environment: LogEnvironment = systemEnvironment,
  ): Promise<Log> {
    const startedMs = environment.clock.monotonicMs();
    const { readOnly } = checkLogOptions(options, directory);
    const log = readOnly
      ? await Log.#openReadOnly(directory, options, environment)
      : await Log.#openWritable(directory, options, environment);
    const { startOffset, durableOffset } = log.describe();
    logDiagnostics.open.publish({
      path: directory,
      startOffset,
      endOffset: durableOffset,
      isReadOnly: readOnly,
      wasClean: log.#parts?.opened.wasClean ?? true,
      durationMs: environment.clock.monotonicMs() - startedMs,
    });
    return log;
  }

  static async #openReadOnly(
    directory: string,
    options: LogOptions,
    environment: LogEnvironment,
  ): Promise<Log> {
    const opening = openForReading(directory, options, environment);
    const { source, close } = await withOurErrors(opening, directory);
    return new Log(source, undefined, new Mutex(), close);
  }

  static async #openWritable(
    directory: string,
    options: LogOptions,
    environment: LogEnvironment,
  ): Promise<Log> {
    const alarm = { onForeign: (_error: Error): void => undefined };
    const opened = await openForWriting(directory, options, environment, alarm);
    const { core, marks, lock, damage, isForeign } = opened;
    const source = new LogSource(core, damage, isForeign);
    const writing = new LogWriting(core, marks, {
      onProgress: () => source.progress(),
      onRolled: () => maintenance.rolled(),
      onDiskFull: () => maintenance.diskFull(),
    });
    source.attach(writing.appender);
    alarm.onForeign = (error) => writing.poison(error);
    const mutex = new Mutex();
    const cleaner = environment.acquireCleaner();
    const maintenance = new LogMaintenance({ core, source, writing, marks, cleaner, mutex });
    if (damage === undefined) maintenance.start(opened.hasSpentReserve);
    const parts = { opened, marks, writing, lock, maintenance };
    return new Log(source, parts, mutex, () => source.close());
  }

  /** First readable offset. */
  get startOffset(): number {
    return this.#source.core.offsets.start;
  }

  /** Exclusive end of what is handed to the file system. */
  get writtenOffset(): number {
    return this.#source.core.offsets.written;
  }

  /** Exclusive end of what is on the disk: what readers see by default. */
  get durableOffset(): number {
    return this.#source.core.offsets.durable;
  }

  /** Where the oldest open transaction starts, or the durable end: how far `committed` reads. */
  get stableOffset(): number {
    const { offsets, producers } = this.#source.core;
    return Math.max(offsets.start, producers.transactions.stableOffset(offsets.durable));
  }

  /** The next offset to be assigned. */
  get endOffset(): number {
    return this.#parts?.writing.appender.nextOffset ?? this.durableOffset;
  }

  /** The writer epoch of the record at `offset`; -1 when it is not known. */
  epochAt(offset: number): number {
    return this.#source.core.epochs.at(offset);
  }

  /** Where the records of `epoch` end, exclusive; undefined when nothing is known of that epoch. */
  epochEnd(epoch: number): number | undefined {
    return this.#source.core.epochs.endOf(epoch, this.endOffset);
  }

  get directory(): string {
    return this.#source.core.directory;
  }

  describe(): LogDescription {
    const { core, damage } = this.#source;
    const writing = this.#parts?.writing;
    const state = this.#source.isClosed ? 'closed' : (writing?.state ?? 'read-only');
    return {
      directory: core.directory,
      logId: core.logId,
      startOffset: core.offsets.start,
      durableOffset: core.offsets.durable,
      writtenOffset: core.offsets.written,
      endOffset: this.endOffset,
      segments: core.segments.count,
      bytes: knownBytes(core),
      pinnedBytes: this.#parts?.maintenance.deletions.pinnedBytes ?? 0,
      state: damage !== undefined && state === 'open' ? 'damaged' : state,
      damage,
      options: core.config,
    };
  }

  /**
   * Appends records as one batch: all of them or none. Resolves when they are as safe as `acks`
   * says; the bytes are copied before this returns. With a `producer` what is sent again is stored
   * once: the answer is the same, and `isDuplicate`.
   *
   * Rejects with RECORD_INVALID, RECORD_TOO_LARGE, BATCH_TOO_LARGE, BUFFER_FULL, DISK_FULL
   * (definitely not stored), OUTCOME_UNKNOWN, LOG_POISONED, LOG_CORRUPT, LOG_READ_ONLY,
   * LOG_CLOSED; with a producer also with OPTION_INVALID, OUT_OF_ORDER_SEQUENCE, PRODUCER_FENCED,
   * TRANSACTION_STATE_INVALID, PRODUCERS_FULL.
   */
  append(records: readonly RecordInput[], options: AppendOptions = {}): Promise<AppendResult> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const parts = this.#parts;
    if (parts === undefined) return Promise.reject(this.#readOnly());
    const { acks = 'durable', producer, checked } = options;
    if (producer === undefined) return parts.writing.append(records, acks, checked);
    return parts.writing.appendAlone(
      (limits) => producerBatch(records, producer, limits, checked),
      acks,
    );
  }

  /**
   * Appends one RecordBatch v2 as Kafka's producers make it: checked whole, then stored as it came
   * but for its offset and epoch. If it names a producer, it is judged as with `append`.
   *
   * Rejects like `append`, and with BATCH_INVALID, CODEC_UNAVAILABLE, DECOMPRESSION_FAILED,
   * DECOMPRESSED_TOO_LARGE. With `unreadable: 'store'` a batch whose codec is not installed is
   * stored with its records unproved, and reading them throws CODEC_UNAVAILABLE here.
   */
  async appendBatch(batch: Uint8Array, options: AppendBatchOptions = {}): Promise<AppendResult> {
    const { writing } = this.#changeable().parts;
    return await writing.appendAlone(
      (limits) => readyBatch(batch, limits, options.unreadable),
      options.acks ?? 'durable',
    );
  }

  /**
   * Ends the producer's transaction in this log: readers of committed records then see it, or pass
   * over it. Resolves to the marker's offset once it is durable. One that ends nothing is stored
   * all the same. Rejects like `append`, and with COORDINATOR_FENCED.
   */
  async appendMarker(marker: TransactionMarker): Promise<{ readonly offset: number }> {
    const { writing } = this.#changeable().parts;
    const { baseOffset } = await writing.appendAlone(() => markerBatch(marker), 'durable');
    return { offset: baseOffset };
  }

  /**
   * Appends one record without waiting: its offset, or undefined when the buffer is full. It is
   * made durable like any other; `flush` tells when. Throws what `append` rejects with.
   */
  tryAppend(record: RecordInput, options: AppendOptions = {}): number | undefined {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const parts = this.#parts;
    if (parts === undefined) throw this.#readOnly();
    return parts.writing.tryAppend(record, options.acks ?? 'durable');
  }

  /** Resolves when `tryAppend` may find room again. */
  async writable(): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#parts === undefined) throw this.#readOnly();
    await this.#parts.writing.writable();
  }

  /**
   * Resolves to the durable end once the record at `offset`, or everything accepted so far, is on
   * the disk. Rejects with OFFSET_OUT_OF_RANGE when the offset was not assigned, and like
   * `append`.
   */
  async flush(offset?: number): Promise<number> {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#parts === undefined) throw this.#readOnly();
    const endOffset = this.endOffset;
    if (offset !== undefined && (!Number.isSafeInteger(offset) || offset < 0)) {
      throw createError('OPTION_INVALID', {
        option: 'offset',
        expected: 'an offset',
        actual: offset,
      });
    }
    if (offset !== undefined && offset >= endOffset) {
      throw createError('OFFSET_OUT_OF_RANGE', {
        offset,
        startOffset: this.startOffset,
        endOffset,
      });
    }
    await this.#parts.writing.flush(offset === undefined ? endOffset : offset + 1);
    return this.durableOffset;
  }

  /**
   * Reads batches in order. Without `follow` the loop ends at what was the end when it began; with
   * it the loop waits for more, until the log closes or the signal aborts.
   *
   * Throws OFFSET_OUT_OF_RANGE, LOG_CORRUPT, and the signal's reason. Records of a batch are views
   * on memory that is not used again; see `Batch.cursor` for the way that borrows it.
   */
  read(options: ReadOptions = {}): AsyncIterableIterator<Batch> & AsyncDisposable {
    const { from, ...checked } = checkReadOptions(options);
    const start = (): Promise<ReadStart> => {
      if (this.#source.isClosed) throw createError('LOG_CLOSED', { path: this.directory });
      return findStart(this.#source, from, checked.durability);
    };
    if (this.#closing !== undefined) throw createError('LOG_CLOSED', { path: this.directory });
    return new LogReader(this.#source, { ...checked, from: start });
  }

  /**
   * Resolves when the log ends beyond `offset` for readers, when it closes, and when the signal
   * aborts. Whoever waits for the durable end counts as a waiter of the next commit.
   */
  waitBeyond(
    offset: number,
    { durability = 'durable', signal }: Pick<ReadOptions, 'durability' | 'signal'> = {},
  ): Promise<void> {
    return this.#source.waitBeyond(offset, durability, signal);
  }

  /** Transactions that were aborted and have records in [from, to), in the order of their ends. */
  abortedIn(from: number, to: number): readonly AbortedRange[] {
    return this.#source.core.producers.transactions.aborted.within(from, to);
  }

  /**
   * The offset of the first durable record at or after a time (milliseconds since 1970), whether it
   * is committed or not; undefined when there is none.
   */
  async offsetOf(timestamp: number): Promise<number | undefined> {
    return await firstOffset(this.read({ from: { timestamp }, isolation: 'uncommitted' }));
  }

  /** What the log knows of its producers. */
  producers(): readonly ProducerDescription[] {
    const { producers, clock } = this.#source.core;
    return producers.describe(clock.nowMs());
  }

  /**
   * Moves the log start to `offset` and gives back the disk of segments that lie wholly before it;
   * resolves to the start offset once that is durable. A segment that a reader is in goes when the
   * reader leaves it. Throws OFFSET_OUT_OF_RANGE beyond the durable end.
   */
  async deleteRecordsBefore(offset: number): Promise<number> {
    const { parts } = this.#changeable();
    return await parts.maintenance.deletions.before(offset);
  }

  /**
   * Lets go what retention lets go, now; it does so by itself too, see `retentionCheckMs`. Resolves
   * to what went and why, once the new start is durable. Rejects like `deleteRecordsBefore`.
   */
  async retain(): Promise<RetentionReport> {
    return await this.#changeable().parts.maintenance.retain();
  }

  /**
   * Compacts now what may be compacted: rolls the active segment and keeps, of each key in what
   * lies before it, the last record; it does so by itself too, see `minCleanableDirtyRatio`.
   * Resolves to what that took and gave. Rejects with OPTION_INVALID unless `cleanup` contains
   * 'compact', with the error of a pass (which is tried again by itself all the same), LOG_CLOSED.
   */
  async compact(): Promise<PassReport> {
    return await this.#changeable().parts.maintenance.compact();
  }

  /** What the log holds, segment by segment, and why its cleaning does or does not take it. */
  async stats(): Promise<LogStats> {
    if (this.#closing !== undefined) throw createError('LOG_CLOSED', { path: this.directory });
    const parts = this.#parts;
    if (parts !== undefined) return await parts.maintenance.stats();
    return await withOurErrors(readOnlyStats(this.#source), this.#source.core.directory);
  }

  /**
   * Notes that `group` is done with everything below `offset`; undefined takes it back. Retention
   * keeps what a group in `protectedGroups` has not reported; of one that has not reported since
   * the log was opened, everything. Throws OPTION_INVALID.
   */
  reportOffset(group: string, offset: number | undefined): void {
    this.#changeable().parts.maintenance.report(group, offset);
  }

  /**
   * Changes options that the log remembers; durable when it resolves, and effective from the next
   * append on. Throws OPTION_INVALID for the others: those are given at open.
   */
  async alter(options: LogOptions): Promise<void> {
    const { parts } = this.#changeable();
    await this.#mutex.run(async () => {
      const { core } = parts.opened;
      const config = alterConfig(core.config, options, this.directory);
      const { logId, createdMs } = core;
      const bytes = encodeLogJson({ logId, createdMs, options: rememberedOf(config) });
      const path = join(this.directory, sideFiles.options);
      const steps: readonly WriterStep[] = [
        { kind: 'replace', path, bytes },
        { kind: 'syncDirectory', path: this.directory },
      ];
      try {
        await core.writer.run(steps);
      } catch (error) {
        throw errnoOf(error) === undefined ? error : fromSystem(error, path);
      }
      core.config = config;
    });
    parts.maintenance.altered();
  }

  /**
   * Makes durable what was accepted, ends reading loops, and gives the folder free. Idempotent;
   * calls that come later reject with LOG_CLOSED.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](): string {
    const { state, startOffset, durableOffset, writtenOffset, endOffset } = this.describe();
    const chain = `${startOffset} <= ${durableOffset} <= ${writtenOffset} <= ${endOffset}`;
    return `Log ${this.directory} (${state}, start <= durable <= written <= end: ${chain})`;
  }

  async #close(): Promise<void> {
    const startedMs = this.#source.core.clock.monotonicMs();
    const parts = this.#parts;
    try {
      if (parts !== undefined) {
        // Changes that were asked for before are carried out.
        await parts.maintenance.stop();
        await this.#mutex.run(async () => undefined);
        await parts.writing.drain();
      }
    } finally {
      await this.#closeReading();
      if (parts !== undefined) await closeWriting(parts, this.#source.damage);
    }
    logDiagnostics.close.publish({
      path: this.directory,
      endOffset: this.durableOffset,
      durationMs: this.#source.core.clock.monotonicMs() - startedMs,
    });
  }

  #changeable(): { readonly parts: WritingParts } {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#parts === undefined) throw this.#readOnly();
    return { parts: this.#parts };
  }

  #refusal(): MillraceError | undefined {
    if (this.#closing !== undefined) return createError('LOG_CLOSED', { path: this.directory });
    const { damage } = this.#source;
    return damage === undefined || this.#parts === undefined ? undefined : damageError(damage);
  }

  #readOnly(): MillraceError {
    return createError('LOG_READ_ONLY', { path: this.directory });
  }
}

async function firstOffset(batches: AsyncIterable<Batch>): Promise<number | undefined> {
  for await (const batch of batches) {
    const cursor = batch.cursor();
    if (cursor.next()) return cursor.offset;
  }
  return undefined;
}
