/**
 * The reading side of an open log, over the state that the writing half moves.
 */

import type { RecentBytes } from './append-extent.js';
import type { Appender } from './appender.js';
import type { Epochs } from './epochs.js';
import { type ConfirmSegment, IndexCache, SegmentFiles } from './index-cache.js';
import type { LogCore, LogPosition } from './log-core.js';
import type { LogDamage } from './log-damage.js';
import { ProgressWaiters } from './progress-waiters.js';
import type { Durability, ReadSource } from './read-source.js';
import type { Segment } from './segment.js';
import type { SegmentContext } from './segment-loader.js';

/** Watches an end that another process moves. */
export interface EndObserver {
  wait(): void;
  refresh(): Promise<void>;
  /** Looks whether a file of the segment is another one now, and follows if so. */
  hasMoved(segment: Segment | undefined, error: unknown): Promise<boolean>;
}

export class LogSource implements ReadSource {
  readonly core: LogCore;
  readonly files: SegmentFiles;
  readonly indexes = new IndexCache();
  readonly damage: LogDamage | undefined;
  readonly #waiters = new ProgressWaiters();
  readonly #isForeign: boolean;
  #appender: Appender | undefined;
  #observer: EndObserver | undefined;
  #isClosed = false;

  /** `isForeign`: another engine wrote the batches, so their epochs say nothing. */
  constructor(
    core: LogCore,
    damage: LogDamage | undefined,
    isForeign: boolean,
    confirm?: ConfirmSegment,
  ) {
    this.core = core;
    this.damage = damage;
    this.files = new SegmentFiles(core.fileSystem, confirm);
    this.#isForeign = isForeign;
  }

  /** The writing half, from which the tail is read and which is asked for commits. */
  attach(appender: Appender): void {
    this.#appender = appender;
  }

  /** Who finds out that the end has moved, when another process writes. */
  observe(observer: EndObserver): void {
    this.#observer = observer;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasWaiters(): boolean {
    return !this.#waiters.isEmpty;
  }

  /** Looks where the end is now; nothing to do when this process moves it. */
  async refresh(): Promise<void> {
    await this.#observer?.refresh();
  }

  async hasMoved(segment: Segment | undefined, error: unknown): Promise<boolean> {
    if (segment?.isReplaced === true) return true;
    return (await this.#observer?.hasMoved(segment, error)) ?? false;
  }

  get epochs(): Epochs | undefined {
    return this.#isForeign ? undefined : this.core.epochs;
  }

  get segmentContext(): SegmentContext {
    const { fileSystem, logId, config } = this.core;
    return {
      fileSystem,
      logId: this.#isForeign ? undefined : logId,
      indexIntervalBytes: config.indexIntervalBytes,
      epochs: this.epochs,
    };
  }

  endOffset(durability: Durability): number {
    const { offsets } = this.core;
    return durability === 'durable' ? offsets.durable : offsets.written;
  }

  endPlace(durability: Durability): LogPosition {
    return durability === 'durable' ? this.core.durableAt : this.core.writtenAt;
  }

  copyRecent(segment: Segment, position: number, countMax: number): RecentBytes | undefined {
    return this.#appender?.copyRecent(segment, position, countMax);
  }

  async waitBeyond(
    offset: number,
    durability: Durability,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#isClosed || this.endOffset(durability) > offset) return;
    const waiting = this.#waiters.wait(durability, signal);
    this.#demand();
    this.#observer?.wait();
    await waiting;
  }

  /** Resolves when no file and no index of these segments is being opened or loaded. */
  async quiesce(segments: readonly Segment[]): Promise<void> {
    await Promise.all([this.files.quiesce(segments), this.indexes.quiesce(segments)]);
  }

  /** An end has moved: wakes who waits, and asks for a commit when a durable reader waits. */
  progress(): void {
    this.#waiters.wake();
    this.#demand();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiters.wake();
    await this.files.closeAll();
  }

  #demand(): void {
    const { written, durable } = this.core.offsets;
    if (written > durable && this.#waiters.wantsDurable) this.#appender?.demandDurable(written);
  }
}
