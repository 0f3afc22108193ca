/**
 * The segments of a log that another process writes: follows rolls and replacements.
 *
 * A file is believed to be the one that is known because of the order of looks. The file is opened,
 * and then:
 *   - of a sealed segment the seal is read again. A swap takes the old seal away before it takes
 *     the old `.log`, and places the new seal before the new `.log`, with the directory synced
 *     between. So if the seal is still the one that is known, the file opened before fits it;
 *   - of the last segment the watermark is read again. A segment is replaced only after it was
 *     rolled and the watermark named a later one, so if it does not, the file is the active one.
 * A descriptor that is open goes on to show the old file, which holds all that the new one does.
 *
 * Whatever fails while a file is replaced is therefore met by looking at the folder again. When
 * that shows another segment there, the reader starts over in it at its own offset; else the error
 * stands. Each look that says so has edited the list, so this ends.
 */

import { join } from 'node:path';
import { createError, MillraceError } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import type { LogCore } from './log-core.js';
import { type LogFolder, readFolder, readSmallFile } from './log-folder.js';
import { decodeLogJson } from './log-json.js';
import type { LogSource } from './log-source.js';
import { isSameSeal, type Seal } from './seal.js';
import { Segment } from './segment.js';
import { segmentSuffixesInOrder, sideFiles } from './segment-files.js';
import { readSeal } from './segment-loader.js';
import { committedSwaps } from './swap-recovery.js';
import { readSwapEnds, withSwaps } from './swap-state.js';

/** How often a folder is looked at whose names change while they are looked at. */
export const DISTURBED_LOOKS_MAX = 100;

/**
 * The folder as it looks with the swaps in it finished; nothing is changed. Throws LOG_CORRUPT when
 * a committed segment does not verify, and system errors.
 */
export async function readFolderWithSwaps(
  fileSystem: FileSystem,
  directory: string,
): Promise<LogFolder> {
  for (let look = 1; ; look += 1) {
    const folder = await readFolder(fileSystem, directory);
    if (committedSwaps(folder.names).length === 0) return folder;
    try {
      const path = join(directory, sideFiles.options);
      const bytes = await readSmallFile(fileSystem, path, limits.slabBytesSmall);
      const logId = bytes === undefined ? undefined : decodeLogJson(bytes, path).logId;
      return withSwaps(folder, await readSwapEnds(fileSystem, folder, logId));
    } catch (error) {
      // A swap that goes on has moved the file that was listed; the next look sees it further on.
      const isSwap = mayBeSwap(error) && look < DISTURBED_LOOKS_MAX;
      if (!isSwap || (await isListedStill(fileSystem, folder))) throw error;
    }
  }
}

/**
 * Whether the names are those that were listed. A listing is no snapshot: a file that is renamed
 * meanwhile may be missed, but then the next one, which comes after a swap's sync, shows others.
 */
export async function isListedStill(fileSystem: FileSystem, folder: LogFolder): Promise<boolean> {
  const { names } = await readFolder(fileSystem, folder.directory);
  const listed = new Set(folder.names);
  return names.length === listed.size && names.every((name) => listed.has(name));
}

/** Errors that a file may cause that is being replaced. */
function mayBeSwap(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  const { code } = error;
  return code === 'LOG_CORRUPT' || code === 'IO_FAILED' || code === 'OFFSET_OUT_OF_RANGE';
}

export class ReadOnlySegments {
  readonly #source: LogSource;
  readonly #core: LogCore;
  readonly #refresh: () => Promise<void>;

  /** `refresh` takes over what the watermark says, and adds the segments that it speaks of. */
  constructor(source: LogSource, core: LogCore, refresh: () => Promise<void>) {
    this.#source = source;
    this.#core = core;
    this.#refresh = refresh;
  }

  /** Throws unless the file of the segment that was just opened is the one that is known. */
  async confirm(segment: Segment): Promise<void> {
    if (segment.isReplaced) throw this.#moved(segment);
    if (segment === this.#core.segments.active) {
      await this.#refresh();
      if (segment.isReplaced) throw this.#moved(segment);
      return;
    }
    const seal = await readSeal(this.#source.segmentContext, segment);
    if (!isSame(segment.seal, seal)) throw this.#moved(segment);
  }

  /** Whether another segment stands in the place of the one in which reading failed. */
  async hasMoved(segment: Segment | undefined, error: unknown): Promise<boolean> {
    if (!mayBeSwap(error)) return false;
    await this.#refresh();
    if (segment?.isReplaced === true) return true;
    const folder = await readFolderWithSwaps(this.#core.fileSystem, this.#core.directory);
    const suspects = segment === undefined ? this.#displaced(folder) : [segment];
    let hasMoved = false;
    for (const suspect of suspects) {
      if (suspect.isReplaced || (await this.#follow(folder, suspect))) hasMoved = true;
    }
    return hasMoved;
  }

  /** Rolled since: what was active is sealed now, and its files say what it holds. */
  async addSegments(): Promise<void> {
    const { directory, fileSystem, segments } = this.#core;
    const folder = await readFolderWithSwaps(fileSystem, directory);
    for (const names of folder.segments) {
      const { active } = segments;
      if (names.baseOffset <= active.baseOffset) continue;
      segments.append(this.#listed(names));
      const sealed = folder.segments.find(({ baseOffset }) => baseOffset === active.baseOffset);
      this.#replace([active], this.#listed(sealed ?? active));
      // Its seal says; until somebody reads that, any time may lie before the new active segment.
      this.#core.runningMaxBefore = Number.POSITIVE_INFINITY;
    }
  }

  /** Sealed segments whose files are not where they were. */
  #displaced(folder: LogFolder): readonly Segment[] {
    const { segments, directory } = this.#core;
    const paths = new Set(folder.segments.map((names) => Segment.listed(directory, names).logPath));
    return segments.all().filter((known) => !paths.has(known.logPath));
  }

  /** Puts what the folder shows in the place of `segment`, if that is something else. */
  async #follow(folder: LogFolder, segment: Segment): Promise<boolean> {
    const { segments } = this.#core;
    const at = folder.segments.findLastIndex(({ baseOffset }) => baseOffset <= segment.baseOffset);
    const names = folder.segments[at];
    const end = folder.segments[at + 1]?.baseOffset;
    if (names === undefined || end === undefined) return false;
    const next = this.#listed(names);
    const seal = await readSeal(this.#source.segmentContext, next);
    if (segment.isReplaced) return true;
    const run = segments
      .all()
      .filter(({ baseOffset }) => baseOffset >= names.baseOffset && baseOffset < end);
    const [first, ...merged] = run;
    if (first === undefined || run.includes(segments.active)) return false;
    // What lay before the first one was deleted here, and joined with it there.
    const isBefore = names.baseOffset < first.baseOffset;
    if (isBefore && first !== segments.first) return false;
    if (merged.length === 0 && !isBefore) {
      // Side files get their names before the `.log` does.
      const isThere = segmentSuffixesInOrder.every((each) => first.path(each) === next.path(each));
      if (isThere && isSame(first.seal, seal)) return false;
    } else if (typeof seal === 'string' || seal.nextOffset < end) {
      // Files that are gone are lost, unless a segment says that it holds what they did.
      return false;
    }
    this.#replace(run, next);
    return true;
  }

  #replace(old: readonly Segment[], next: Segment): void {
    this.#core.segments.replace(old, next);
    for (const segment of old) {
      segment.retire();
      this.#source.indexes.forget(segment);
      this.#source.files.forget(segment);
    }
  }

  #listed(names: Parameters<typeof Segment.listed>[1]): Segment {
    const segment = Segment.listed(this.#core.directory, names);
    segment.hasGaps = this.#core.isEverCompacted;
    return segment;
  }

  #moved(segment: Segment): Error {
    const reason = 'another segment was put in its place while it was opened';
    return createError('LOG_CORRUPT', { file: segment.logPath, position: 0, reason });
  }
}

function isSame(known: Seal | undefined, found: Seal | string): boolean {
  if (known === undefined || typeof found === 'string') {
    return known === undefined && typeof found === 'string';
  }
  return isSameSeal(known, found);
}
