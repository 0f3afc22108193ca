/**
 * What the small files of a log say, each judged on its own, before a batch is looked at.
 *
 * Unlike opening, nothing here throws for a damaged file: verify names it and goes on, and repair
 * needs what is left.
 */

import { basename, join } from 'node:path';
import { hasCode, MillraceError } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { Epochs, epochsCrc } from './epochs.js';
import { type LogFolder, readFolder, readSmallFile } from './log-folder.js';
import { decodeLogJson, decodeMetadata, type LogIdentity } from './log-json.js';
import { decodeSeal, SEAL_BYTES_MAX } from './seal.js';
import { Segment } from './segment.js';
import { parseFileName, sideFiles, swapName } from './segment-files.js';
import { committedSwaps } from './swap-recovery.js';
import { readSwapEnds, withSwaps } from './swap-state.js';
import type { Findings, VerifyProblem, VerifyWarning } from './verify-report.js';
import { judgeWatermark, type Watermark, type WatermarkVerdict } from './watermark.js';

export interface LogFacts {
  readonly folder: LogFolder;
  readonly watermark: WatermarkVerdict;
  readonly mark: Watermark | undefined;
  readonly identity: LogIdentity | undefined;
  /** From `log.json`, else from the other files that name it. */
  readonly logId: string | undefined;
  /** No file of ours is there: another engine's folder. */
  readonly isForeign: boolean;
  /** The epoch table, when the watermark vouches for it. */
  readonly epochs: Epochs | undefined;
  /** The highest epoch that the table or the watermark knows, trusted or not. */
  readonly epochMax: number;
}

export interface FactFindings {
  readonly problems: Findings<VerifyProblem>;
  readonly warnings: Findings<VerifyWarning>;
}

export async function readWatermark(
  fileSystem: FileSystem,
  directory: string,
): Promise<WatermarkVerdict> {
  const path = join(directory, sideFiles.watermark);
  return judgeWatermark(await readSmallFile(fileSystem, path));
}

/** The watermark first, then the names: so every segment that it speaks of is listed. */
export async function readLogFacts(
  fileSystem: FileSystem,
  directory: string,
  found: FactFindings,
): Promise<LogFacts> {
  const facts = await fileSystem.facts(directory);
  const isFolder = facts?.kind === 'directory';
  const watermark = isFolder
    ? await readWatermark(fileSystem, directory)
    : judgeWatermark(undefined);
  const listed = await readFolder(fileSystem, directory);
  const folder = await placeSwaps(fileSystem, listed, found);
  const seals = folder.segments.filter(({ suffixes }) => suffixes.has('seal'));
  const isForeign = !folder.hasOptions && watermark.kind === 'absent' && seals.length === 0;
  const identity = await readIdentity(fileSystem, directory, isForeign, found);
  const metadataId = await readMetadata(fileSystem, directory, isForeign, identity, found);
  const logId = identity?.logId ?? metadataId ?? (await idOfSeals(fileSystem, folder));
  if (!isForeign) noteWatermark(watermark, join(directory, sideFiles.watermark), found);
  const mark = watermark.kind === 'present' ? watermark.watermark : undefined;
  const table = await readEpochs(fileSystem, directory, mark, isForeign, found);
  const epochMax = Math.max(mark?.epoch ?? -1, table.known?.current ?? -1);
  noteNames(folder, found);
  const { trusted } = table;
  return { folder, watermark, mark, identity, logId, isForeign, epochs: trusted, epochMax };
}

/** The folder as it looks with its swaps finished; each of them is told. */
async function placeSwaps(
  fileSystem: FileSystem,
  folder: LogFolder,
  found: FactFindings,
): Promise<LogFolder> {
  const { directory } = folder;
  const bases = committedSwaps(folder.names);
  if (bases.length === 0) return folder;
  for (const base of bases) {
    const reason = 'segments are being replaced, or that was cut short: the next open finishes it';
    const file = join(directory, swapName(base, 'log'));
    found.warnings.add({ code: 'SWAP_UNFINISHED', file, position: 0, offset: base, reason });
  }
  try {
    // Whose seals they are is judged with the segments: here their batches say where they end.
    return withSwaps(folder, await readSwapEnds(fileSystem, folder, undefined));
  } catch (error) {
    if (!hasCode(error, 'LOG_CORRUPT')) throw error;
    const { file, position, reason } = error.facts;
    found.problems.add({
      code: 'SWAP_INVALID',
      file: String(file),
      position: Number(position),
      reason: String(reason),
    });
    return folder;
  }
}

async function readIdentity(
  fileSystem: FileSystem,
  directory: string,
  isForeign: boolean,
  found: FactFindings,
): Promise<LogIdentity | undefined> {
  const file = join(directory, sideFiles.options);
  const code = 'OPTIONS_INVALID';
  try {
    const bytes = await readSmallFile(fileSystem, file, limits.slabBytesSmall);
    if (bytes !== undefined) return decodeLogJson(bytes, file);
    if (!isForeign) found.problems.add({ code, file, position: 0, reason: 'the file is missing' });
  } catch (error) {
    if (!hasCode(error, 'LOG_CORRUPT')) throw error;
    const reason = String(error.facts['reason'] ?? error.message);
    found.problems.add({ code, file, position: 0, reason });
  }
  return undefined;
}

async function readMetadata(
  fileSystem: FileSystem,
  directory: string,
  isForeign: boolean,
  identity: LogIdentity | undefined,
  found: FactFindings,
): Promise<string | undefined> {
  const file = join(directory, sideFiles.metadata);
  const bytes = await readSideFile(fileSystem, file);
  const problem = { code: 'METADATA_INVALID', file, position: 0 } as const;
  if (bytes === undefined) {
    if (!isForeign) found.problems.add({ ...problem, reason: 'the file is missing' });
    return undefined;
  }
  const logId = bytes === 'unreadable' ? 'invalid' : decodeMetadata(bytes);
  if (logId === 'invalid') {
    if (isForeign) warnSideFile(file, found);
    else found.problems.add({ ...problem, reason: 'it is not of the known form' });
    return undefined;
  }
  if (identity !== undefined && identity.logId !== logId) {
    const reason = 'its topic id is not the id of the log';
    found.problems.add({ ...problem, reason, expected: identity.logId, actual: logId });
  }
  return logId;
}

/** A side file, or `'unreadable'` when it is too large to be one. */
async function readSideFile(
  fileSystem: FileSystem,
  file: string,
): Promise<Uint8Array | 'unreadable' | undefined> {
  try {
    return await readSmallFile(fileSystem, file);
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'LOG_CORRUPT') return 'unreadable';
    throw error;
  }
}

/** When nothing else names the log: what its seals say. */
async function idOfSeals(fileSystem: FileSystem, folder: LogFolder): Promise<string | undefined> {
  for (const names of folder.segments) {
    if (!names.suffixes.has('seal')) continue;
    const path = Segment.listed(folder.directory, names).path('seal');
    const bytes = await readSmallFile(fileSystem, path, SEAL_BYTES_MAX).catch(() => undefined);
    const seal = bytes === undefined ? 'invalid' : decodeSeal(bytes);
    if (seal !== 'invalid') return seal.logId;
  }
  return undefined;
}

function noteWatermark(watermark: WatermarkVerdict, file: string, found: FactFindings): void {
  if (watermark.kind === 'absent') {
    const reason = 'the file is missing';
    found.problems.add({ code: 'WATERMARK_ABSENT', file, position: 0, reason });
  } else if (watermark.kind === 'unreadable') {
    const reason = 'no slot is whole';
    found.problems.add({ code: 'WATERMARK_UNREADABLE', file, position: 0, reason });
  } else if (watermark.damagedSlot) {
    const reason = 'one of the two slots is not whole';
    found.warnings.add({ code: 'WATERMARK_SLOT_DAMAGED', file, position: 0, reason });
  }
}

async function readEpochs(
  fileSystem: FileSystem,
  directory: string,
  mark: Watermark | undefined,
  isForeign: boolean,
  found: FactFindings,
): Promise<{ readonly known: Epochs | undefined; readonly trusted: Epochs | undefined }> {
  const file = join(directory, sideFiles.epochs);
  const none = { known: undefined, trusted: undefined };
  const bytes = await readSideFile(fileSystem, file);
  if (bytes === undefined && isForeign) return none;
  const epochs = bytes instanceof Uint8Array ? Epochs.decode(bytes) : 'invalid';
  if (isForeign) {
    if (epochs === 'invalid') warnSideFile(file, found);
    return none;
  }
  const problem = { code: 'EPOCHS_INVALID', file, position: 0 } as const;
  if (!(bytes instanceof Uint8Array) || epochs === 'invalid') {
    const reason = bytes === undefined ? 'the file is missing' : 'it is not of the known form';
    found.problems.add({ ...problem, reason });
    return none;
  }
  if (mark === undefined) return { known: epochs, trusted: undefined };
  const actual = epochsCrc(bytes);
  // One entry more is what a crash leaves between the two syncs that raise an epoch.
  const withoutLast = new Epochs(epochs.entries.slice(0, -1));
  const isTrusted = actual === mark.epochsCrc || epochsCrc(withoutLast.encode()) === mark.epochsCrc;
  if (isTrusted) return { known: epochs, trusted: epochs };
  const reason = 'its checksum is not the one in the watermark';
  found.problems.add({ ...problem, reason, expected: mark.epochsCrc, actual });
  return { known: epochs, trusted: undefined };
}

function warnSideFile(file: string, found: FactFindings): void {
  const reason = 'it is not of the known form; nothing depends on it';
  found.warnings.add({ code: 'SIDE_FILE_DOUBTFUL', file, position: 0, reason });
}

function noteNames(folder: LogFolder, found: FactFindings): void {
  for (const name of folder.leftovers) {
    const reason = 'work that a crash cut short; the next open removes it';
    const file = join(folder.directory, basename(name));
    found.warnings.add({ code: 'LEFTOVER', file, position: 0, reason });
  }
  const isCommitted = committedSwaps(folder.names).length > 0;
  for (const name of folder.names) {
    const { kind } = parseFileName(name);
    const isWork = kind === 'cleaned' || kind === 'deleted' || (kind === 'swap' && !isCommitted);
    if (!isWork) continue;
    const reason = 'a cleaning at work, or what one left: the next open removes it';
    const file = join(folder.directory, name);
    found.warnings.add({ code: 'LEFTOVER', file, position: 0, reason });
  }
  for (const name of folder.brokenFiles) {
    const reason = 'bytes that a recovery or a repair cut away';
    const file = join(folder.directory, basename(name));
    found.warnings.add({ code: 'BROKEN_FILE', file, position: 0, reason });
  }
}
