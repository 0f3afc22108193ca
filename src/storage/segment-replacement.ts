/**
 * Putting a cleaned segment in the place of others in a log that is open.
 *
 * While the files change their names nobody opens one: the gates of the old segments are held, and
 * what is being opened is awaited first. Then the list is edited in one synchronous step. A reader
 * in an old segment goes on through its pin, and moves to the new one with its next chunk; the old
 * files are removed when the last one left.
 *
 * When the swap fails half-way it is finished or undone in place, by the rules of an opening. If
 * that fails too, or a sync of the folder failed, which is not tried again, it is not known what
 * the names will lead to after a crash: the gates are shut, so that reads of the range fail with
 * IO_FAILED rather than serve a wrong file, and the caller poisons the log. The next open settles
 * it.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { createError, MillraceError } from '../base/errors.js';
import { isSyncFailure } from './compaction-swap.js';
import type { WritableLogCore } from './log-core.js';
import type { LogSource } from './log-source.js';
import { isSameSeal, type Seal } from './seal.js';
import { Segment } from './segment.js';
import { deletedName, segmentSuffixesInOrder } from './segment-files.js';
import { readSeal } from './segment-loader.js';
import { settleLiveSwaps } from './swap-settling.js';
import type { WriterStep } from './writer.js';

const HALF_WAY = 'a swap failed half-way; the next open finishes or undoes it';

export interface Replacement {
  /** Adjacent segments of the list, sealed; in order. */
  readonly old: readonly Segment[];
  /** Of the cleaned segment, which starts where the first of them does. */
  readonly seal: Seal;
  /** Of this replacement in this folder: no `.deleted` file that may be there bears it. */
  readonly number: number;
  /** Carries out the swap of these segments under that number. */
  readonly run: () => Promise<void>;
}

/** Whether the folder was left in a state that only an opening can settle. */
export function isHalfWay(error: unknown): boolean {
  return error instanceof MillraceError && error.facts['reason'] === HALF_WAY;
}

/**
 * Resolves to the new segment once it is in the list. Rejects with the error of `run` when the
 * replacement was undone: the log is then as it was. Rejects with IO_FAILED when it could be
 * neither finished nor undone.
 *
 * The caller holds the log's mutex: segments are neither deleted nor replaced meanwhile.
 */
export async function replaceSegments(
  source: LogSource,
  core: WritableLogCore,
  replacement: Replacement,
): Promise<Segment> {
  const { old, seal, number, run } = replacement;
  assert(old[0]?.baseOffset === seal.baseOffset, 'the new segment starts where the first one does');
  assert(
    old.every((segment) => segment !== core.segments.active && segment.writerFile === undefined),
    'only sealed segments are replaced',
  );
  for (const segment of old) segment.gate.hold();
  await source.quiesce(old);
  try {
    await run();
  } catch (error) {
    const outcome = isSyncFailure(error)
      ? { cause: error }
      : await settle(source, core, replacement);
    if (outcome !== 'finished') {
      for (const { gate } of old) if (outcome === 'undone') gate.release();
      if (outcome === 'undone') throw error;
      const failure = createError(
        'IO_FAILED',
        { path: core.directory, reason: HALF_WAY },
        outcome.cause,
      );
      for (const { gate } of old) gate.shut(failure);
      throw failure;
    }
  }
  const next = new Segment(core.directory, seal.baseOffset);
  next.seal = seal;
  next.hasGaps = seal.hasGaps;
  movePlaces(core, old, seal);
  core.segments.replace(old, next);
  for (const segment of old) {
    segment.retire(number);
    segment.gate.release();
    segment.whenUnpinned(() => removeFiles(source, core, segment, number));
  }
  return next;
}

/** An end that is the end of an old file becomes the one of the new file. */
function movePlaces(core: WritableLogCore, old: readonly Segment[], seal: Seal): void {
  const isOld = (base: number): boolean => old.some(({ baseOffset }) => baseOffset === base);
  const place = { segmentBase: seal.baseOffset, position: seal.logBytes };
  if (isOld(core.writtenAt.segmentBase)) core.writtenAt = place;
  if (isOld(core.durableAt.segmentBase)) core.durableAt = place;
}

/** Ends a swap that failed half-way, and tells from what lies there how. */
async function settle(
  source: LogSource,
  core: WritableLogCore,
  { seal }: Replacement,
): Promise<'finished' | 'undone' | { readonly cause: unknown }> {
  try {
    await settleLiveSwaps(core, core.directory, core.logId);
    const segment = new Segment(core.directory, seal.baseOffset);
    const found = await readSeal(source.segmentContext, segment);
    return typeof found !== 'string' && isSameSeal(found, seal) ? 'finished' : 'undone';
  } catch (cause) {
    return { cause };
  }
}

function removeFiles(
  source: LogSource,
  core: WritableLogCore,
  segment: Segment,
  number: number,
): void {
  source.indexes.forget(segment);
  source.files.forget(segment);
  const steps = segmentSuffixesInOrder.map((suffix): WriterStep => {
    const name = deletedName(segment.baseOffset, suffix, number);
    return { kind: 'unlink', path: join(core.directory, name) };
  });
  steps.push({ kind: 'syncDirectory', path: core.directory });
  // What stays behind after a failure says by its name that it is to go: the next open does it.
  core.writer.run(steps).catch(() => undefined);
}
