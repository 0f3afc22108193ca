/**
 * Opening a log for writing: folder, lock, load, recovery, watermark; in this order.
 *
 * Nothing is changed before the lock is held. What fails after that gives everything back.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { logDiagnostics } from '../base/diagnostics.js';
import { createError, errnoOf, MillraceError } from '../base/errors.js';
import { codecNamed } from './compression.js';
import { Epochs, epochsCrc } from './epochs.js';
import type { HolderLock } from './holder-lock.js';
import { checkLogOptions, type LogOptions, rememberedOf, resolveLogOptions } from './log-config.js';
import type { WritableLogCore } from './log-core.js';
import {
  adoptionSteps,
  beginAdoption,
  endAdoption,
  epochsStep,
  identitySteps,
  isUnmade,
  syncWayTo,
} from './log-creation.js';
import type { LogDamage } from './log-damage.js';
import type { LogEnvironment } from './log-environment.js';
import { folderKind, fromSystem, type LogFolder, readFolder } from './log-folder.js';
import { type LoadedLog, loadLog } from './log-loader.js';
import { LogOffsets } from './log-offsets.js';
import { cleanupSteps, recoverySteps } from './log-recovery.js';
import { markContentOf } from './mark-content.js';
import { MarkKeeper } from './mark-keeper.js';
import { ProducerStates } from './producer-states.js';
import { Segment } from './segment.js';
import { sideFiles } from './segment-files.js';
import { SegmentList } from './segment-list.js';
import { settleSwaps } from './swap-settling.js';
import { WATERMARK_BYTES } from './watermark.js';
import { isNoSpace, type Writer, type WriterFile, type WriterStep } from './writer.js';

export interface OpenedLog {
  readonly core: WritableLogCore;
  readonly marks: MarkKeeper;
  readonly lock: HolderLock;
  readonly damage: LogDamage | undefined;
  /** Another engine wrote what is there. */
  readonly isForeign: boolean;
  readonly wasClean: boolean;
  /** Recovery took the space of the reserve. */
  readonly hasSpentReserve: boolean;
}

/** Tells who holds the marks that another writer wrote over them, once they are in use. */
export interface ForeignWriterAlarm {
  onForeign: (error: Error) => void;
}

export async function openForWriting(
  directory: string,
  options: LogOptions,
  environment: LogEnvironment,
  alarm: ForeignWriterAlarm,
): Promise<OpenedLog> {
  const config = checkLogOptions(options, directory);
  // Later it would be found out behind the back of whoever appends.
  if (!codecNamed(config.compression).isAvailable()) {
    throw createError('CODEC_UNAVAILABLE', { codec: config.compression, path: directory });
  }
  const before = await folderKind(environment.fileSystem, directory);
  if (before !== 'log' && !config.create) {
    throw createError('LOG_NOT_FOUND', { path: directory, actual: before });
  }
  if (before !== 'log') resolveLogOptions(options, directory);
  const writer = environment.acquireWriter();
  let lock: HolderLock | undefined;
  const files: WriterFile[] = [];
  try {
    if (before === 'absent') {
      await writer.run([{ kind: 'makeDirectory', path: directory }]);
    }
    lock = await environment.lockManager.acquire(directory);
    const listed = await readFolder(environment.fileSystem, directory);
    const folder = await settleSwaps({ fileSystem: environment.fileSystem, writer }, listed);
    const opening = {
      directory,
      options,
      environment,
      writer,
      lock,
      alarm,
      files,
      hasSpentReserve: false,
    };
    return (await isUnmade(environment.fileSystem, folder))
      ? await createLog(opening)
      : await openExisting(opening, folder);
  } catch (error) {
    // The writer's thread may go on for other logs: nothing of this one stays open in it.
    const steps = files.map((file): WriterStep => ({ kind: 'close', file }));
    if (steps.length > 0) await writer.run(steps).catch(() => undefined);
    await lock?.release();
    await writer.release();
    if (error instanceof MillraceError || errnoOf(error) === undefined) throw error;
    throw fromSystem(error, directory);
  }
}

interface Opening {
  readonly directory: string;
  readonly options: LogOptions;
  readonly environment: LogEnvironment;
  readonly writer: Writer;
  readonly lock: HolderLock;
  readonly alarm: ForeignWriterAlarm;
  /** Files that were opened in the writer, to be closed when the opening fails. */
  readonly files: WriterFile[];
  hasSpentReserve: boolean;
}

function newFile(opening: Opening): WriterFile {
  const file = opening.writer.newFile();
  opening.files.push(file);
  return file;
}

async function createLog(opening: Opening): Promise<OpenedLog> {
  const { directory, options, environment, writer, lock } = opening;
  const config = resolveLogOptions(options, directory);
  await syncWayTo(writer, directory);
  const logId = environment.newLogId();
  const active = Segment.createActive(directory, 0, config.indexIntervalBytes);
  active.writerFile = newFile(opening);
  const epochs = new Epochs();
  await writer.run([
    { kind: 'open', file: active.writerFile, path: active.logPath, mode: 'create' },
    epochsStep(directory, epochs),
  ]);
  const core: WritableLogCore = {
    directory,
    logId,
    clock: environment.clock,
    fileSystem: environment.fileSystem,
    segments: new SegmentList([active]),
    offsets: new LogOffsets(0, 0),
    config,
    epochs,
    runningMaxBefore: -1,
    isEverCompacted: false,
    firstDirtyOffset: 0,
    producers: new ProducerStates(),
    durableAt: { segmentBase: 0, position: 0 },
    writtenAt: { segmentBase: 0, position: 0 },
    writer,
    nonce: lock.nonce,
    createdMs: environment.clock.nowMs(),
    bootId: environment.bootId(),
    epochsCrc: epochsCrc(epochs.encode()),
  };
  const marks = await openMarks(opening, core, { slot: 0, sequence: 0 }, false);
  await marks.settle(markContentOf(core, core.durableAt, core.offsets.durable));
  const identity = { logId, createdMs: core.createdMs, options: rememberedOf(config) };
  await writer.run(identitySteps(directory, identity));
  const found = { damage: undefined, isForeign: false, wasClean: true, hasSpentReserve: false };
  return { core, marks, lock, ...found };
}

async function openExisting(opening: Opening, folder: LogFolder): Promise<OpenedLog> {
  const { directory, options, environment, writer, lock } = opening;
  const startedMs = environment.clock.monotonicMs();
  const loaded = await loadLog(environment.fileSystem, folder, options);
  const active = loaded.segments.at(-1);
  assert(active !== undefined, 'a loaded log has a segment');
  const isForeign = loaded.identity === undefined;
  const { firstOpenOffset } = loaded.producers.transactions;
  if (isForeign && firstOpenOffset !== undefined) {
    throw createError('FORMAT_UNSUPPORTED', {
      path: directory,
      message: 'a transaction of another engine is open in this log; it can only be read',
      offset: firstOpenOffset,
    });
  }
  const logId = loaded.identity?.logId ?? environment.newLogId();
  active.writerFile = newFile(opening);
  const place = { segmentBase: active.baseOffset, position: loaded.activeBytes };
  const core: WritableLogCore = {
    directory,
    logId,
    clock: environment.clock,
    fileSystem: environment.fileSystem,
    segments: new SegmentList(loaded.segments),
    offsets: new LogOffsets(loaded.startOffset, Math.max(loaded.startOffset, loaded.endOffset)),
    config: loaded.config,
    epochs: loaded.epochs,
    runningMaxBefore: loaded.runningMaxBefore,
    isEverCompacted: loaded.isEverCompacted,
    firstDirtyOffset: loaded.firstDirtyOffset,
    producers: loaded.producers,
    durableAt: place,
    writtenAt: place,
    writer,
    nonce: lock.nonce,
    createdMs: loaded.identity?.createdMs ?? environment.clock.nowMs(),
    bootId: environment.bootId(),
    epochsCrc: epochsCrc(loaded.epochs.encode()),
  };
  const { damage } = loaded;
  if (damage !== undefined) {
    logDiagnostics.damage.publish({
      path: directory,
      file: damage.file,
      position: damage.position,
      bytes: 0,
      reason: damage.reason,
    });
  }
  const refusal = damage ?? (await recover(opening, folder, loaded, active, core, startedMs));
  if (refusal === undefined && isForeign) await writer.run(beginAdoption(directory));
  const marks = await openMarks(opening, core, continuesOf(loaded), refusal !== undefined);
  if (refusal === undefined && !loaded.wasClean) {
    await marks.settle(markContentOf(core, core.durableAt, core.offsets.durable));
  }
  if (refusal === undefined) {
    // The start that was read may be one that a process died before it could sync: by now it is.
    const cleanup = cleanupSteps(folder, loaded);
    if (cleanup.length > 0) await writer.run(cleanup).catch(() => undefined);
  }
  if (refusal === undefined && isForeign) await adopt(opening, core);
  const { hasSpentReserve } = opening;
  const { wasClean } = loaded;
  return { core, marks, lock, damage: refusal, isForeign, wasClean, hasSpentReserve };
}

/**
 * Carries out the recovery; when that fails, the log opens for reading only. Throws when there is
 * no space for it.
 */
async function recover(
  opening: Opening,
  folder: LogFolder,
  loaded: LoadedLog,
  active: Segment,
  core: WritableLogCore,
  startedMs: number,
): Promise<LogDamage | undefined> {
  const file = active.writerFile;
  assert(file !== undefined, 'the active segment has a file in the writer');
  try {
    await opening.writer.run([{ kind: 'open', file, path: active.logPath, mode: 'existing' }]);
    await runRecovery(opening, folder, recoverySteps(folder, loaded, file));
  } catch (error) {
    // Nothing is damaged: with more space the next open does it.
    if (isNoSpace(errnoOf(error))) throw error;
    return {
      file: active.logPath,
      position: loaded.rewriteFrom,
      offset: core.offsets.end,
      promisedEnd: undefined,
      reason: `recovery failed: ${errnoOf(error) ?? String(error)}`,
    };
  }
  if (!loaded.wasClean) {
    logDiagnostics.recover.publish({
      path: opening.directory,
      file: active.logPath,
      position: loaded.rewriteFrom,
      scannedBytes: loaded.activeBytes,
      cutBytes: loaded.tornTail === undefined ? 0 : loaded.tornTail.to - loaded.tornTail.from,
      endOffset: loaded.endOffset,
      durationMs: core.clock.monotonicMs() - startedMs,
    });
  }
  return undefined;
}

/** Keeping a torn tail takes space: on a full disk, that of the reserve. */
async function runRecovery(
  opening: Opening,
  folder: LogFolder,
  steps: readonly WriterStep[],
): Promise<void> {
  const { writer, directory } = opening;
  try {
    await writer.run(steps);
  } catch (error) {
    const hasReserve = folder.names.includes(sideFiles.reserve);
    if (!hasReserve || !isNoSpace(errnoOf(error))) throw error;
    opening.hasSpentReserve = true;
    const path = join(directory, sideFiles.reserve);
    await writer.run([
      { kind: 'unlink', path },
      { kind: 'syncDirectory', path: directory },
      ...steps,
    ]);
  }
}

function continuesOf(loaded: LoadedLog): { readonly slot: 0 | 1; readonly sequence: number } {
  const { watermark } = loaded;
  if (watermark.kind !== 'present') return { slot: 0, sequence: 0 };
  // The valid slot stays as it is until the other one was written and synced.
  return { slot: watermark.slot === 0 ? 1 : 0, sequence: watermark.watermark.sequence };
}

async function openMarks(
  opening: Opening,
  core: WritableLogCore,
  continues: { readonly slot: 0 | 1; readonly sequence: number },
  isRefused: boolean,
): Promise<MarkKeeper> {
  const { writer, environment, directory, alarm } = opening;
  const file = newFile(opening);
  const path = join(directory, sideFiles.watermark);
  // A log that may not be written is left exactly as it is.
  if (!isRefused) await writer.run([{ kind: 'open', file, path, mode: 'create' }]);
  const slab = writer.acquireSlab(WATERMARK_BYTES);
  if (slab === undefined) throw createError('BUFFER_FULL', { path: directory });
  const onForeign = (error: Error): void => alarm.onForeign(error);
  return new MarkKeeper(writer, environment.clock, file, slab, core.nonce, continues, onForeign);
}

/** A folder of another engine becomes ours: seals, epochs and, last, `log.json`. */
async function adopt(opening: Opening, core: WritableLogCore): Promise<void> {
  const { writer, directory } = opening;
  const { logId, createdMs, segments, epochs, config, producers } = core;
  await writer.run(adoptionSteps(directory, logId, segments.all(), epochs, producers));
  const identity = { logId, createdMs, options: rememberedOf(config) };
  await writer.run([...identitySteps(directory, identity), ...endAdoption(directory)]);
}
