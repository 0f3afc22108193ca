/**
 * What lies in the folder of a log, before anything is believed or changed.
 *
 * Reads names and small side files, bounded; refuses what is not a folder, what may not be read and
 * what holds files that are not a log's. It changes nothing.
 */

import { basename, join } from 'node:path';
import { createError, errnoOf, MillraceError } from '../base/errors.js';
import type { FileSystem, ReadableFile } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import type { ListedSegment } from './segment.js';
import {
  parseFileName,
  type SegmentSuffix,
  segmentSuffixesInOrder,
  sideFiles,
} from './segment-files.js';

export interface SegmentFileNames extends ListedSegment {
  readonly suffixes: ReadonlySet<SegmentSuffix>;
}

export interface LogFolder {
  readonly directory: string;
  readonly kind: 'absent' | 'empty' | 'log';
  /** Segments that have a `.log` file, by base offset. */
  readonly segments: readonly SegmentFileNames[];
  /** Names that a crash left and nobody needs: temporary files, indexes without a segment. */
  readonly leftovers: readonly string[];
  readonly brokenFiles: readonly string[];
  readonly hasOptions: boolean;
  /** Every name, as it was listed. */
  readonly names: readonly string[];
}

/** Makes an error of the operating system one of ours, naming the path. */
export function fromSystem(error: unknown, path: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const errno = errnoOf(error);
  if (errno === 'EACCES' || errno === 'EPERM') {
    return createError('PERMISSION_DENIED', { path, errno }, error);
  }
  if (errno === 'ENOTDIR') return createError('NOT_A_DIRECTORY', { path }, error);
  if (errno === 'EMFILE' || errno === 'ENFILE') {
    return createError('TOO_MANY_OPEN_FILES', { path, errno }, error);
  }
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return createError('DISK_FULL', { path, errno }, error);
  }
  return createError('IO_FAILED', { path, errno }, error);
}

/** Settles like `running`, but for an error of the file system, which becomes one of ours. */
export async function withOurErrors<Value>(running: Promise<Value>, path: string): Promise<Value> {
  try {
    return await running;
  } catch (error) {
    // Nothing but the file system names the call that failed.
    const isSystemError = error instanceof Error && 'syscall' in error && !isOurs(error);
    throw isSystemError ? fromSystem(error, path) : error;
  }
}

export async function readFolder(fileSystem: FileSystem, directory: string): Promise<LogFolder> {
  try {
    const facts = await fileSystem.facts(directory);
    if (facts === undefined) return emptyFolder(directory, 'absent');
    if (facts.kind !== 'directory') {
      throw createError('NOT_A_DIRECTORY', { path: directory, actual: facts.kind });
    }
    return classify(directory, await fileSystem.list(directory));
  } catch (error) {
    if (errnoOf(error) === undefined || isOurs(error)) throw error;
    throw fromSystem(error, directory);
  }
}

/** What the folder is; its options tell without a listing, and there may be very many names. */
export async function folderKind(
  fileSystem: FileSystem,
  directory: string,
): Promise<LogFolder['kind']> {
  const path = join(directory, sideFiles.options);
  const options = await fileSystem.facts(path).catch(() => undefined);
  return options?.kind === 'file' ? 'log' : (await readFolder(fileSystem, directory)).kind;
}

/** The whole content of a small file; undefined when it is not there. */
export async function readSmallFile(
  fileSystem: FileSystem,
  path: string,
  bytesMax: number = limits.sideFileBytesMax,
): Promise<Uint8Array | undefined> {
  let file: ReadableFile | undefined;
  try {
    file = await fileSystem.open(path);
    const size = await file.size();
    if (size > bytesMax) {
      throw createError('LOG_CORRUPT', {
        file: path,
        reason: 'the file is too large',
        expected: `at most ${bytesMax} bytes`,
        actual: size,
      });
    }
    const bytes = new Uint8Array(size);
    const count = await file.read(bytes, 0, size, 0);
    return bytes.subarray(0, count);
  } catch (error) {
    if (isOurs(error)) throw error;
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw fromSystem(error, path);
  } finally {
    if (file !== undefined) await withOurErrors(file.close(), path);
  }
}

function isOurs(error: unknown): boolean {
  return error instanceof Error && error.name === 'MillraceError';
}

function emptyFolder(directory: string, kind: 'absent' | 'empty'): LogFolder {
  return {
    directory,
    kind,
    segments: [],
    leftovers: [],
    brokenFiles: [],
    hasOptions: false,
    names: [],
  };
}

function classify(directory: string, names: readonly string[]): LogFolder {
  const suffixes = new Map<number, number>();
  const leftovers: string[] = [];
  const brokenFiles: string[] = [];
  const foreign: string[] = [];
  const work: string[] = [];
  for (const name of names) {
    const parsed = parseFileName(name);
    if (parsed.kind === 'temporary') leftovers.push(name);
    else if (isWork(parsed.kind)) work.push(name);
    else if (parsed.kind === 'broken') brokenFiles.push(name);
    else if (parsed.kind === 'foreign') foreign.push(name);
    else if (parsed.kind === 'segment') {
      const known = suffixes.get(parsed.baseOffset) ?? 0;
      suffixes.set(parsed.baseOffset, known | suffixBit(parsed.suffix));
    }
  }
  const segments: SegmentFileNames[] = [];
  for (const [baseOffset, bits] of suffixes) {
    const present = suffixSet(bits);
    if (present.has('log')) segments.push({ baseOffset, suffixes: present });
  }
  segments.sort((one, two) => one.baseOffset - two.baseOffset);
  const hasOptions = names.includes(sideFiles.options);
  if (segments.length === 0 && !hasOptions) {
    const strangers = foreign.filter((name) => !name.startsWith('.'));
    const first = strangers[0] ?? brokenFiles[0] ?? work[0];
    if (first !== undefined) {
      throw createError('NOT_A_LOG', {
        path: directory,
        expected: 'an empty folder, or segments',
        actual: basename(join(directory, first)),
      });
    }
    return { ...emptyFolder(directory, 'empty'), leftovers, names };
  }
  return { directory, kind: 'log', segments, leftovers, brokenFiles, hasOptions, names };
}

function suffixBit(suffix: SegmentSuffix): number {
  return 1 << segmentSuffixesInOrder.indexOf(suffix);
}

/** Most segments have the same files, and share the set of them. */
const suffixSets = new Map<number, ReadonlySet<SegmentSuffix>>();

function suffixSet(bits: number): ReadonlySet<SegmentSuffix> {
  const known = suffixSets.get(bits);
  if (known !== undefined) return known;
  const present = segmentSuffixesInOrder.filter((suffix) => (bits & suffixBit(suffix)) !== 0);
  const made = new Set(present);
  suffixSets.set(bits, made);
  return made;
}

function isWork(kind: string): boolean {
  return kind === 'cleaned' || kind === 'swap' || kind === 'deleted';
}
