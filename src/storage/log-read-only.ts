/**
 * Opening a log for reading only: beside a live writer, after a crash, or a folder of another
 * engine.
 *
 * It takes no lock and changes nothing. The watermark says how far the log is durable; while a
 * reader waits at that end, the watermark is looked at again a few times per second.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Cancel } from '../base/clock.js';
import { createError, hasCode } from '../base/errors.js';
import { Epochs, epochsCrc } from './epochs.js';
import type { LogOptions } from './log-config.js';
import type { LogCore } from './log-core.js';
import type { LogDamage } from './log-damage.js';
import type { LogEnvironment } from './log-environment.js';
import { readSmallFile } from './log-folder.js';
import { type LoadedLog, loadLog } from './log-loader.js';
import { LogOffsets } from './log-offsets.js';
import { LogSource } from './log-source.js';
import { FollowedProducers } from './read-only-producers.js';
import {
  DISTURBED_LOOKS_MAX,
  isListedStill,
  ReadOnlySegments,
  readFolderWithSwaps,
} from './read-only-segments.js';
import type { Segment } from './segment.js';
import { sideFiles } from './segment-files.js';
import { SegmentList } from './segment-list.js';
import {
  judgeWatermark,
  WATERMARK_SLOT_DISTANCE,
  type Watermark,
  type WatermarkVerdict,
} from './watermark.js';

const POLL_MS = 25;
const LOAD_ATTEMPTS = 5;

export interface ReadOnlyLog {
  readonly source: LogSource;
  close(): Promise<void>;
}

export async function openForReading(
  directory: string,
  options: LogOptions,
  environment: LogEnvironment,
): Promise<ReadOnlyLog> {
  const loaded = await loadUndisturbed(directory, options, environment);
  const isForeign = loaded.identity === undefined;
  const mark = loaded.watermark.kind === 'present' ? loaded.watermark.watermark : undefined;
  // A live writer moves on while this reads: what lies beyond the watermark is not ours to judge.
  const damage = loaded.damage ?? lostMark(directory, loaded.watermark);
  const isScanned = mark === undefined || loaded.damage !== undefined;
  const end = isScanned ? loaded.endOffset : mark.durableOffset;
  const active = loaded.segments.at(-1);
  assert(active !== undefined, 'a loaded log has a segment');
  const place = isScanned
    ? { segmentBase: active.baseOffset, position: loaded.activeBytes }
    : { segmentBase: mark.segmentBase, position: mark.position };
  const core: LogCore = {
    directory,
    logId: loaded.identity?.logId ?? '',
    clock: environment.clock,
    fileSystem: environment.fileSystem,
    segments: new SegmentList(loaded.segments),
    offsets: new LogOffsets(loaded.startOffset, Math.max(end, loaded.startOffset)),
    config: loaded.config,
    epochs: loaded.epochs,
    runningMaxBefore: loaded.runningMaxBefore,
    isEverCompacted: loaded.isEverCompacted,
    firstDirtyOffset: loaded.firstDirtyOffset,
    producers: loaded.producers,
    durableAt: place,
    writtenAt: place,
  };
  const isFollowed = mark !== undefined && damage === undefined;
  const confirm = async (segment: Segment): Promise<void> => {
    if (isFollowed) await poller.segments.confirm(segment);
  };
  const source = new LogSource(core, damage, isForeign, confirm);
  const walkedTo = { segmentBase: active.baseOffset, position: loaded.activeBytes };
  const producers = new FollowedProducers(core, walkedTo);
  const poller = new WatermarkPoller(source, core, environment, producers);
  if (isFollowed) source.observe(poller);
  return {
    source,
    close: async () => {
      poller.stop();
      await source.close();
    },
  };
}

/**
 * A live writer may roll or replace segments between the listing and the watermark: then the load
 * is tried again, a few times, and more often as long as the names go on changing.
 */
async function loadUndisturbed(
  directory: string,
  options: LogOptions,
  environment: LogEnvironment,
): Promise<LoadedLog> {
  const { fileSystem } = environment;
  for (let attempt = 1; ; attempt++) {
    const folder = await readFolderWithSwaps(fileSystem, directory);
    if (folder.kind !== 'log') {
      throw createError('LOG_NOT_FOUND', { path: directory, actual: folder.kind });
    }
    const isLast = async (): Promise<boolean> =>
      attempt >= DISTURBED_LOOKS_MAX ||
      (attempt >= LOAD_ATTEMPTS && (await isListedStill(fileSystem, folder)));
    try {
      const loaded = await loadLog(fileSystem, folder, options);
      // A slot that is unreadable may be one that is being written.
      const { damage, watermark } = loaded;
      const isDoubtful =
        damage !== undefined ||
        (watermark.kind === 'present' && watermark.damagedSlot) ||
        (loaded.isEverCompacted && !(await isListedStill(fileSystem, folder)));
      if (!isDoubtful || (await isLast())) return loaded;
    } catch (error) {
      // A file that was replaced meanwhile is missing, or does not fit the others.
      const isDisturbed = hasCode(error, 'IO_FAILED') || hasCode(error, 'LOG_CORRUPT');
      if (!isDisturbed || (await isLast())) throw error;
    }
  }
}

/**
 * One slot of the watermark is damaged. If the other one says that the log was closed, nothing came
 * after it; otherwise the damaged one may have promised more, and only a writer, which recovers,
 * can tell what: a reader serves what is known and then says so.
 */
function lostMark(directory: string, verdict: WatermarkVerdict): LogDamage | undefined {
  if (verdict.kind !== 'present' || !verdict.damagedSlot || verdict.watermark.isClean) {
    return undefined;
  }
  return {
    file: join(directory, sideFiles.watermark),
    position: verdict.slot === 0 ? WATERMARK_SLOT_DISTANCE : 0,
    offset: verdict.watermark.durableOffset,
    promisedEnd: undefined,
    reason: 'a slot is unreadable, and may have promised records behind this offset',
  };
}

/** Looks at the watermark again for as long as somebody waits for it to move. */
class WatermarkPoller {
  readonly #source: LogSource;
  readonly #core: LogCore;
  readonly #environment: LogEnvironment;
  readonly segments: ReadOnlySegments;
  readonly #producers: FollowedProducers;
  #cancel: Cancel | undefined;
  #isStopped = false;

  constructor(
    source: LogSource,
    core: LogCore,
    environment: LogEnvironment,
    producers: FollowedProducers,
  ) {
    this.#producers = producers;
    this.#source = source;
    this.#core = core;
    this.#environment = environment;
    this.segments = new ReadOnlySegments(source, core, () => this.refresh());
  }

  hasMoved(segment: Segment | undefined, error: unknown): Promise<boolean> {
    return this.segments.hasMoved(segment, error);
  }

  /** Somebody waits. */
  wait(): void {
    if (this.#isStopped || this.#cancel !== undefined) return;
    // Somebody waits for another process: until then nothing else may keep this one alive.
    const look = (): void => {
      this.#cancel = undefined;
      this.refresh()
        .catch(() => undefined)
        .finally(() => {
          if (this.#source.hasWaiters) this.wait();
        });
    };
    this.#cancel = this.#environment.clock.schedule(POLL_MS, look, 'keep-alive');
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Takes over what the watermark says now; one that cannot be read is looked at later again. */
  async refresh(): Promise<void> {
    const path = join(this.#core.directory, sideFiles.watermark);
    const verdict = judgeWatermark(await readSmallFile(this.#environment.fileSystem, path));
    if (verdict.kind !== 'present') return;
    const { watermark } = verdict;
    // Before any segment is replaced the mark says that segments may be.
    if (watermark.isEverCompacted) this.#core.isEverCompacted = true;
    if (watermark.segmentBase > this.#core.segments.active.baseOffset)
      await this.segments.addSegments();
    if (watermark.segmentBase > this.#core.segments.active.baseOffset) return;
    const { segmentBase, position, hasProducers } = watermark;
    const to = { segmentBase, position };
    if (await this.#followEpochs(watermark.epochsCrc)) {
      await this.#producers.restart(to, hasProducers);
    } else await this.#producers.follow(to, hasProducers);
    this.#advance(watermark);
  }

  /** Whether the writer has raised its epoch, which batches carry from now on; the table first. */
  async #followEpochs(expected: number): Promise<boolean> {
    if (epochsCrc(this.#core.epochs.encode()) === expected) return false;
    const path = join(this.#core.directory, sideFiles.epochs);
    const bytes = await readSmallFile(this.#environment.fileSystem, path);
    const epochs = bytes === undefined ? 'invalid' : Epochs.decode(bytes);
    if (epochs === 'invalid') return false;
    this.#core.epochs = epochs;
    return true;
  }

  #advance(watermark: Watermark): void {
    const { offsets, segments } = this.#core;
    if (watermark.durableOffset < offsets.durable) return;
    const place = { segmentBase: watermark.segmentBase, position: watermark.position };
    const hasMoved = watermark.durableOffset > offsets.durable;
    offsets.advanceEnd(watermark.durableOffset);
    offsets.advanceWritten(watermark.durableOffset);
    offsets.advanceDurable(watermark.durableOffset);
    this.#core.durableAt = place;
    this.#core.writtenAt = place;
    if (watermark.startOffset > offsets.start) offsets.advanceStart(watermark.startOffset);
    while ((segments.all()[1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= offsets.start) {
      const removed = segments.removeFirst();
      this.#source.indexes.forget(removed);
      this.#source.files.forget(removed);
    }
    if (hasMoved) this.#source.progress();
  }
}
