/**
 * Dumps files of a log as lines: for people, for machines, and for tests that compare.
 *
 * It reads only. Whatever the bytes are, a dump ends without throwing for them: what is malformed
 * is a line of type `problem`, and the dump goes on behind it where it can.
 */

import { basename, dirname, join } from 'node:path';
import { createError, errnoOf, MillraceError } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import { nodeFileSystem } from '../base/node-file-system.js';
import { dumpBatches } from './dump-batches.js';
import { type DumpLine, problem } from './dump-line.js';
import {
  dumpAborted,
  dumpEpochs,
  dumpLogJson,
  dumpMetadata,
  dumpOffsetIndex,
  dumpSeal,
  dumpSnapshot,
  dumpTimeIndex,
  dumpWatermark,
} from './dump-side-files.js';
import { fromSystem, readFolder, readSmallFile, withOurErrors } from './log-folder.js';
import {
  type FileName,
  parseFileName,
  type SegmentSuffix,
  sideFiles,
  TEMPORARY_SUFFIX,
} from './segment-files.js';
import { inspectLog } from './verify-inspection.js';

export interface DumpOptions {
  readonly fileSystem?: FileSystem | undefined;
  /** Whether the records of each batch are shown too. Default false. */
  readonly records?: boolean | undefined;
}

type Lines = AsyncGenerator<DumpLine, void, undefined>;

/**
 * One file, by its name. Throws OPTION_INVALID for a name of no known kind, LOG_NOT_FOUND, and
 * PERMISSION_DENIED, TOO_MANY_OPEN_FILES or IO_FAILED when it cannot be read.
 */
export async function* dumpFile(path: string, options: DumpOptions = {}): Lines {
  yield* dumpNamed(options.fileSystem ?? nodeFileSystem, path, options, 'compared');
}

/** `compared`: an index is held against the log; a folder's dump does that once, at its end. */
async function* dumpNamed(
  fileSystem: FileSystem,
  path: string,
  options: DumpOptions,
  mode: 'alone' | 'compared',
): Lines {
  const facts = await withOurErrors(fileSystem.facts(path), path);
  if (facts === undefined) throw createError('LOG_NOT_FOUND', { path });
  const name = basename(path).replace(suffixPattern, '');
  const parsed = parseFileName(name);
  yield { type: 'file', file: path, bytes: facts.bytes };
  try {
    if (isOfSegment(parsed)) {
      const { baseOffset, suffix } = parsed;
      yield* dumpSegmentFile(fileSystem, path, baseOffset, suffix, options.records ?? false);
      const isPlain = parsed.kind === 'segment';
      const isIndex = suffix === 'offsetIndex' || suffix === 'timeIndex';
      if (isPlain && isIndex && mode === 'compared') yield* compared(fileSystem, path);
    } else if (parsed.kind === 'broken') {
      const baseOffset = Number(name.slice(0, name.indexOf('.')));
      yield* dumpBatches(fileSystem, path, baseOffset, options.records ?? false);
    } else {
      yield* await dumpSideFile(fileSystem, path, name);
    }
  } catch (error) {
    if (error instanceof MillraceError || errnoOf(error) === undefined) throw error;
    throw fromSystem(error, path);
  }
}

/** Every file of a log, the small ones first, and at the end what verifying says of them. */
export async function* dumpLog(directory: string, options: DumpOptions = {}): Lines {
  const fileSystem = options.fileSystem ?? nodeFileSystem;
  const folder = await readFolder(fileSystem, directory);
  if (folder.kind !== 'log') throw createError('LOG_NOT_FOUND', { path: directory });
  const names = [...(await withOurErrors(fileSystem.list(directory), directory))].sort();
  const isDumped = (name: string): boolean => {
    const parsed = parseFileName(name);
    return isOfSegment(parsed) || parsed.kind === 'broken' || sideFilesDumped.has(name);
  };
  const isSide = (name: string): boolean => parseFileName(name).kind === 'side';
  const dumped = names.filter(isDumped);
  for (const name of [...dumped.filter(isSide), ...dumped.filter((name) => !isSide(name))]) {
    yield* dumpNamed(fileSystem, join(directory, name), options, 'alone');
  }
  const { problems, warnings } = await inspectLog(fileSystem, directory);
  for (const found of problems.kept) yield { type: 'problem', ...found };
  for (const found of warnings.kept) yield { type: 'warning', ...found };
}

/** A file of a segment, in its place, on the way there, or replaced. */
function isOfSegment(
  name: FileName,
): name is Extract<FileName, { readonly suffix: SegmentSuffix }> {
  return 'suffix' in name;
}

const suffixPattern = new RegExp(`\\${TEMPORARY_SUFFIX}$`);
const sideFilesDumped = new Set<string>([
  sideFiles.options,
  sideFiles.metadata,
  sideFiles.epochs,
  sideFiles.watermark,
]);

async function* dumpSegmentFile(
  fileSystem: FileSystem,
  path: string,
  baseOffset: number,
  suffix: SegmentSuffix,
  withRecords: boolean,
): Lines {
  if (suffix === 'log') {
    yield* dumpBatches(fileSystem, path, baseOffset, withRecords);
    return;
  }
  const bytes = await readBounded(fileSystem, path);
  if (!(bytes instanceof Uint8Array)) yield bytes;
  else if (suffix === 'offsetIndex') yield* dumpOffsetIndex(path, bytes, baseOffset);
  else if (suffix === 'timeIndex') yield* dumpTimeIndex(path, bytes, baseOffset);
  else if (suffix === 'seal') yield* dumpSeal(path, bytes);
  else if (suffix === 'txnIndex') yield* dumpAborted(path, bytes);
  else yield* dumpSnapshot(path, bytes);
}

/** What verifying the log around it says of an index. */
async function* compared(fileSystem: FileSystem, path: string): Lines {
  const inspection = await inspectLog(fileSystem, dirname(path)).catch(() => undefined);
  for (const found of inspection?.problems.kept ?? []) {
    if (found.file === path) yield { type: 'problem', ...found };
  }
}

async function dumpSideFile(
  fileSystem: FileSystem,
  path: string,
  name: string,
): Promise<Generator<DumpLine, void, undefined>> {
  const dump = sideDumps.get(name);
  if (dump === undefined) {
    const expected = 'a file of a log, such as 00000000000000000000.log';
    throw createError('OPTION_INVALID', { option: 'file', expected, actual: path });
  }
  const bytes = await readBounded(fileSystem, path);
  return bytes instanceof Uint8Array ? dump(path, bytes) : one(bytes);
}

function* one(line: DumpLine): Generator<DumpLine, void, undefined> {
  yield line;
}

const sideDumps = new Map<
  string,
  (file: string, bytes: Uint8Array) => Generator<DumpLine, void, undefined>
>([
  [sideFiles.options, dumpLogJson],
  [sideFiles.metadata, dumpMetadata],
  [sideFiles.epochs, dumpEpochs],
  [sideFiles.watermark, dumpWatermark],
]);

/** The file's bytes, or the line that says that it is too large to be what its name says. */
async function readBounded(fileSystem: FileSystem, path: string): Promise<Uint8Array | DumpLine> {
  try {
    const bytes = await readSmallFile(fileSystem, path);
    if (bytes === undefined) throw createError('LOG_NOT_FOUND', { path });
    return bytes;
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'LOG_CORRUPT') throw error;
    return problem(path, 0, 'the file is too large to be what its name says');
  }
}
