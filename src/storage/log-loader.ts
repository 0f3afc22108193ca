/**
 * Opening an existing log: from the files of its folder to the state that it goes on with.
 *
 * After a clean close nothing is scanned: names, the last index and the watermark say it all.
 * After a crash the active segment is walked, and `recovery-verdict.ts` decides what an invalid
 * byte means. A folder without our side files comes from another engine: every batch is walked
 * before it is believed.
 *
 * Loading reads; what must be changed on the disk is in the result, for `log-recovery.ts` to carry
 * out.
 */

import { join } from 'node:path';
import { createError } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { searchBatches } from './batch-scan.js';
import { Epochs, epochsCrc } from './epochs.js';
import {
  type LogConfig,
  type LogOptions,
  mergeRemembered,
  resolveLogOptions,
} from './log-config.js';
import { isUnmade } from './log-creation.js';
import { damageError, type LogDamage } from './log-damage.js';
import { type LogFolder, readSmallFile } from './log-folder.js';
import { decodeLogJson, type LogIdentity } from './log-json.js';
import { producersAtEnd, producersBeforeActive } from './producer-loading.js';
import { ProducerStates } from './producer-states.js';
import { judgeInvalidBytes } from './recovery-verdict.js';
import { type ListedSegment, Segment } from './segment.js';
import { sideFiles } from './segment-files.js';
import {
  type RebuiltSegment,
  readIndexes,
  readSeal,
  rebuildSegment,
  type SegmentContext,
} from './segment-loader.js';
import { judgeWatermark, type WatermarkVerdict } from './watermark.js';

/** A torn tail that recovery cuts away. */
export interface TornTail {
  readonly from: number;
  readonly to: number;
  /** Valid batches in it: the same flight, written out of order. */
  readonly validBatches: number;
}

export interface LoadedLog {
  /** Undefined for a folder of another engine. */
  readonly identity: LogIdentity | undefined;
  readonly config: LogConfig;
  readonly segments: readonly Segment[];
  readonly startOffset: number;
  /** The end of what is valid. */
  readonly endOffset: number;
  readonly epochs: Epochs;
  readonly watermark: WatermarkVerdict;
  readonly isEverCompacted: boolean;
  /** Everything below was compacted. */
  readonly firstDirtyOffset: number;
  readonly wasClean: boolean;
  /** Largest timestamp in all segments before the active one, -1 without. */
  readonly runningMaxBefore: number;
  /** What is known of producers and transactions where the log ends. */
  readonly producers: ProducerStates;
  /** Bytes of the active segment that are valid. */
  readonly activeBytes: number;
  /** From here on the active segment's bytes must be written again before they are believed. */
  readonly rewriteFrom: number;
  readonly tornTail: TornTail | undefined;
  readonly damage: LogDamage | undefined;
}

export async function loadLog(
  fileSystem: FileSystem,
  folder: LogFolder,
  options: LogOptions,
): Promise<LoadedLog> {
  const { directory } = folder;
  const path = join(directory, sideFiles.options);
  const jsonBytes = await readSmallFile(fileSystem, path, limits.slabBytesSmall);
  const watermarkPath = join(directory, sideFiles.watermark);
  // What an adoption that was cut short left behind says nothing.
  const isAdopting = jsonBytes === undefined && folder.names.includes(sideFiles.adoption);
  const watermarkBytes = isAdopting ? undefined : await readSmallFile(fileSystem, watermarkPath);
  const watermark = judgeWatermark(watermarkBytes);
  if (jsonBytes === undefined && watermark.kind !== 'absent') {
    // A process died while it made the log; the next one that writes makes it again.
    if (await isUnmade(fileSystem, folder)) {
      throw createError('LOG_NOT_FOUND', { path: directory, actual: 'a log that was not made' });
    }
    throw createError('LOG_CORRUPT', { file: path, reason: 'the file is missing' });
  }
  const identity = jsonBytes === undefined ? undefined : decodeLogJson(jsonBytes, path);
  const config =
    identity === undefined
      ? resolveLogOptions(options, directory)
      : mergeRemembered(options, identity.options, path);
  const context = { fileSystem, folder, config, identity, watermark };
  return identity === undefined ? await loadForeign(context) : await loadOurs(context, identity);
}

interface LoadContext {
  readonly fileSystem: FileSystem;
  readonly folder: LogFolder;
  readonly config: LogConfig;
  readonly identity: LogIdentity | undefined;
  readonly watermark: WatermarkVerdict;
}

function segmentContext(context: LoadContext, epochs: Epochs | undefined): SegmentContext {
  return {
    fileSystem: context.fileSystem,
    logId: context.identity?.logId,
    indexIntervalBytes: context.config.indexIntervalBytes,
    epochs,
  };
}

async function loadOurs(context: LoadContext, identity: LogIdentity): Promise<LoadedLog> {
  const { folder, watermark } = context;
  const mark = watermark.kind === 'present' ? watermark.watermark : undefined;
  const listed = folder.segments;
  const last = listed.at(-1);
  if (last === undefined) {
    const missing = missingSegment(context, mark?.segmentBase ?? 0, mark?.durableOffset);
    throw damageError(missing);
  }
  const lastBase = last.baseOffset;
  const loaded = await loadActive(context, identity, last);
  const { startOffset } = loaded;
  const kept = keptOf(listed, startOffset);
  const sealed = kept.slice(0, -1).map((names) => {
    const segment = Segment.listed(folder.directory, names);
    segment.hasGaps = loaded.isEverCompacted;
    return segment;
  });
  const isLastMissing = mark !== undefined && lastBase < mark.segmentBase;
  const damage = isLastMissing
    ? missingSegment(context, mark.segmentBase, mark.durableOffset)
    : (loaded.damage ?? lostStart(context, kept[0]?.baseOffset ?? lastBase, startOffset));
  return { ...loaded, segments: [...sealed, ...loaded.segments.slice(-1)], damage };
}

/** A log whose first segment begins behind its start has lost records. */
function lostStart(
  context: LoadContext,
  firstBase: number,
  startOffset: number,
): LogDamage | undefined {
  if (firstBase <= startOffset) return undefined;
  return {
    file: context.folder.directory,
    position: 0,
    offset: startOffset,
    promisedEnd: undefined,
    reason: 'the first segment is missing',
    expected: startOffset,
    actual: firstBase,
  };
}

function missingSegment(
  context: LoadContext,
  baseOffset: number,
  promisedEnd: number | undefined,
): LogDamage {
  const file = new Segment(context.folder.directory, baseOffset).logPath;
  return { file, position: 0, offset: baseOffset, promisedEnd, reason: 'the segment is missing' };
}

async function loadActive(
  context: LoadContext,
  identity: LogIdentity,
  last: ListedSegment,
): Promise<LoadedLog> {
  const { folder, watermark, config } = context;
  const { baseOffset } = last;
  const mark = watermark.kind === 'present' ? watermark.watermark : undefined;
  const epochs = await loadEpochs(context);
  const ownContext = segmentContext(context, epochs);
  const common = {
    identity,
    config,
    startOffset: mark?.startOffset ?? folder.segments[0]?.baseOffset ?? 0,
    watermark,
    isEverCompacted: mark?.isEverCompacted ?? false,
    // A mark that is lost makes everything dirty: cleaning again what is clean changes nothing.
    firstDirtyOffset: mark?.firstDirtyOffset ?? 0,
    tornTail: undefined,
    damage: undefined,
  };
  const files = {
    context: segmentContext(context, undefined),
    directory: folder.directory,
    // Of a deletion that was cut short, any of the files may be left: none of them counts.
    segments: keptOf(folder.segments, common.startOffset),
  };
  if (mark?.isClean === true && mark.segmentBase === baseOffset) {
    const active = await loadCleanActive(ownContext, folder, last, mark.position);
    const seal = active === 'doubt' ? undefined : active.seal;
    const producers = seal === undefined ? 'doubt' : await producersAtEnd(files, seal);
    if (active !== 'doubt' && seal && epochs !== undefined && producers !== 'doubt') {
      return {
        ...common,
        producers,
        segments: [active],
        endOffset: mark.durableOffset,
        epochs,
        // An epoch was raised and nothing written: what the raise left behind is made durable.
        wasClean: epochsCrc(epochs.encode()) === mark.epochsCrc,
        runningMaxBefore: seal.runningMaxBefore,
        activeBytes: mark.position,
        rewriteFrom: mark.position,
      };
    }
  }
  const hasGaps = common.isEverCompacted;
  const producers = await producersBeforeActive(files);
  const listed = Segment.listed(folder.directory, last);
  const all = Number.POSITIVE_INFINITY;
  const rebuilt = await rebuildSegment(ownContext, listed, hasGaps, all, producers);
  const judged = await judgeActive(context, rebuilt);
  const { totals } = rebuilt.segment.active();
  rebuilt.segment.firstAppendMs = totals.bytes === 0 ? 0 : await modifiedMs(context, rebuilt);
  return {
    ...common,
    ...judged,
    producers,
    segments: [rebuilt.segment],
    endOffset: totals.nextOffset,
    epochs: epochs ?? (await rebuildEpochs(context, rebuilt)),
    // Files that do not agree with a clean mark come from a stop in the middle of something.
    wasClean: false,
    runningMaxBefore: await runningMaxBefore(context, baseOffset),
    activeBytes: totals.bytes,
    rewriteFrom: Math.min(markPosition(context, baseOffset), totals.bytes),
  };
}

/** Those that do not lie wholly below the log start. */
function keptOf<Listed extends { readonly baseOffset: number }>(
  listed: readonly Listed[],
  startOffset: number,
): readonly Listed[] {
  return listed.filter((_, at) => (listed[at + 1]?.baseOffset ?? Infinity) > startOffset);
}

/** The watermark's position in a segment: 0 when it lies in an earlier one. */
function markPosition(context: LoadContext, baseOffset: number): number {
  const { watermark } = context;
  if (watermark.kind !== 'present') return 0;
  return watermark.watermark.segmentBase === baseOffset ? watermark.watermark.position : 0;
}

async function modifiedMs(context: LoadContext, rebuilt: RebuiltSegment): Promise<number> {
  const facts = await context.fileSystem.facts(rebuilt.segment.logPath);
  return facts?.modifiedMs ?? 0;
}

/** After a clean close: believed without a scan when the seal, the sizes and the indexes agree. */
async function loadCleanActive(
  context: SegmentContext,
  folder: LogFolder,
  last: ListedSegment,
  bytes: number,
): Promise<Segment | 'doubt'> {
  const segment = Segment.listed(folder.directory, last);
  const facts = await context.fileSystem.facts(segment.logPath);
  if (facts?.bytes !== bytes) return 'doubt';
  const seal = await readSeal(context, segment);
  if (typeof seal === 'string' || seal.logBytes !== bytes) return 'doubt';
  const indexer = await readIndexes(context, segment, seal);
  if (indexer === 'doubt') return 'doubt';
  indexer.resume(bytes);
  segment.indexer = indexer;
  segment.seal = seal;
  segment.hasGaps = seal.hasGaps;
  segment.firstAppendMs = seal.firstAppendMs;
  const { nextOffset, batches, records, headersCrc } = seal;
  segment.totals = { bytes, nextOffset, batches, records, headersCrc };
  return segment;
}

/** What invalid bytes, or missing ones, in the active segment mean. */
async function judgeActive(
  context: LoadContext,
  rebuilt: RebuiltSegment,
): Promise<Pick<LoadedLog, 'tornTail' | 'damage'>> {
  const { watermark, fileSystem } = context;
  const { segment, fileBytes, invalid } = rebuilt;
  const validBytes = segment.active().totals.bytes;
  const markAt = markPosition(context, segment.baseOffset);
  if (invalid === undefined && validBytes >= markAt && watermark.kind === 'present') {
    return { tornTail: undefined, damage: undefined };
  }
  const mark = watermark.kind === 'present' ? watermark.watermark : undefined;
  const file = await fileSystem.open(segment.logPath);
  try {
    const { nextOffset } = segment.active().totals;
    const found = await searchBatches(file, { from: validBytes, to: fileBytes }, nextOffset);
    const flightEnd = validBytes + (mark?.unsyncedBytesMax ?? 0);
    const verdict = judgeInvalidBytes({
      isClean: mark?.isClean === true && validBytes < fileBytes,
      isActive: true,
      watermark: watermark.kind,
      isBelowWatermark: validBytes < markAt,
      isBeyondFlight: found.some((batch) => batch.position + batch.bytes > flightEnd),
    });
    if (verdict === 'torn') {
      const tornTail = { from: validBytes, to: fileBytes, validBatches: found.length };
      return { tornTail, damage: undefined };
    }
    const damage = {
      file: segment.logPath,
      position: validBytes,
      offset: nextOffset,
      promisedEnd: mark?.durableOffset,
      reason: `${verdict}: ${invalid?.reason ?? 'bytes are missing'}`,
      expected: invalid?.expected ?? (validBytes < markAt ? `${markAt} bytes` : undefined),
      actual: invalid?.actual ?? `${fileBytes} bytes`,
    };
    return { tornTail: undefined, damage };
  } finally {
    await file.close();
  }
}

/**
 * Largest timestamp before the active segment: in the seal of the one before. A segment whose seal
 * is lost is walked, and the one before it is asked.
 */
async function runningMaxBefore(context: LoadContext, baseOffset: number): Promise<number> {
  const { directory, segments } = context.folder;
  const plain = segmentContext(context, undefined);
  const before = segments.filter((names) => names.baseOffset < baseOffset);
  let runningMax = -1;
  for (const names of before.reverse()) {
    const segment = Segment.listed(directory, names);
    const seal = await readSeal(plain, segment);
    if (typeof seal !== 'string') return Math.max(runningMax, seal.runningMaxTimestamp);
    const rebuilt = await rebuildSegment(plain, segment, true);
    runningMax = Math.max(runningMax, rebuilt.segment.active().indexer.maxTimestamp);
  }
  return runningMax;
}

/**
 * The epoch table, or undefined when it must be rebuilt. A table with one entry more than the
 * watermark knows is what a crash leaves between the two syncs that raise an epoch.
 */
async function loadEpochs(context: LoadContext): Promise<Epochs | undefined> {
  const { watermark, folder, fileSystem } = context;
  const path = join(folder.directory, sideFiles.epochs);
  const bytes = await readSmallFile(fileSystem, path);
  if (bytes === undefined || watermark.kind !== 'present') return undefined;
  const epochs = Epochs.decode(bytes);
  if (epochs === 'invalid') return undefined;
  const { epochsCrc: expected } = watermark.watermark;
  if (epochsCrc(bytes) === expected) return epochs;
  const withoutLast = new Epochs(epochs.entries.slice(0, -1));
  return epochsCrc(withoutLast.encode()) === expected ? epochs : undefined;
}

/** Epochs as seals and batches say. */
async function rebuildEpochs(context: LoadContext, active: RebuiltSegment): Promise<Epochs> {
  const epochs = new Epochs();
  const note = (entry: { readonly epoch: number; readonly startOffset: number }): void => {
    if (entry.epoch > epochs.current) epochs.start(entry.epoch, entry.startOffset);
  };
  const plain = segmentContext(context, undefined);
  for (const names of context.folder.segments) {
    if (names.baseOffset === active.segment.baseOffset) break;
    const segment = Segment.listed(context.folder.directory, names);
    const seal = await readSeal(plain, segment);
    if (typeof seal !== 'string') seal.epochs.forEach(note);
    else {
      const rebuilt = await rebuildSegment(plain, segment, true);
      rebuilt.epochStarts.forEach(note);
    }
  }
  active.epochStarts.forEach(note);
  return epochs;
}

/** A folder of another engine: offsets may skip, epochs are what the batches say. */
async function loadForeign(context: LoadContext): Promise<LoadedLog> {
  const { folder, config, watermark } = context;
  const segments: Segment[] = [];
  const epochs = new Epochs();
  let damage: LogDamage | undefined;
  let runningMax = -1;
  let runningMaxBefore = -1;
  const producers = new ProducerStates();
  const plain = segmentContext(context, undefined);
  for (const names of folder.segments) {
    const all = Number.POSITIVE_INFINITY;
    const listed = Segment.listed(folder.directory, names);
    const rebuilt = await rebuildSegment(plain, listed, true, all, producers);
    const { totals, indexer } = rebuilt.segment.active();
    for (const { epoch, startOffset } of rebuilt.epochStarts) {
      if (epoch > epochs.current) epochs.start(epoch, startOffset);
    }
    runningMaxBefore = runningMax;
    runningMax = Math.max(runningMax, indexer.maxTimestamp);
    if (rebuilt.invalid !== undefined) {
      const { position, nextOffset, reason, expected, actual } = rebuilt.invalid;
      damage ??= {
        file: rebuilt.segment.logPath,
        position,
        offset: nextOffset,
        promisedEnd: undefined,
        reason,
        expected,
        actual,
      };
      totals.bytes = Math.max(totals.bytes, rebuilt.fileBytes);
    }
    segments.push(rebuilt.segment);
  }
  const active = segments.at(-1);
  if (active === undefined) {
    throw createError('NOT_A_LOG', { path: folder.directory, reason: 'it has no segment' });
  }
  const { totals } = active.active();
  return {
    identity: undefined,
    config,
    segments,
    startOffset: segments[0]?.baseOffset ?? 0,
    endOffset: totals.nextOffset,
    epochs,
    watermark,
    isEverCompacted: true,
    firstDirtyOffset: 0,
    producers,
    wasClean: false,
    runningMaxBefore,
    activeBytes: totals.bytes,
    rewriteFrom: 0,
    tornTail: undefined,
    damage,
  };
}
