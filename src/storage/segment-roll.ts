/**
 * Rolling: sealing the active segment and starting the next one.
 *
 * The decision is a pure function. The steps run in the writer in this order, and every prefix of
 * them recovers: the old file is synced; its indexes and its seal are complete files; the new file
 * exists; the directory is synced; only then are bytes written to the new file. So a segment that
 * has a successor is durable as a whole, and an empty last segment is legal.
 */

import { limits } from '../base/limits.js';
import { ENTRY_VALUE_MAX, OFFSET_ENTRY_BYTES } from '../index/index-format.js';
import type { WritableLogCore } from './log-core.js';
import type { SealedFiles, SealedProducers, Segment } from './segment.js';
import { segmentPath } from './segment-files.js';
import { encodeTxnIndex } from './transactions.js';
import type { WriterFile, WriterStep } from './writer.js';

export type RollReason = 'size' | 'age' | 'index' | 'offsets';

export interface RollFacts {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly nowMs: number;
  readonly batchBytes: number;
  /** Last offset of the batch that comes next. */
  readonly lastOffset: number;
}

/** Whether the batch that comes next starts a new segment, and why. */
export function rollReason(active: Segment, facts: RollFacts): RollReason | 'stay' {
  const { totals, indexer } = active.active();
  if (totals.bytes === 0) return 'stay';
  if (totals.bytes + facts.batchBytes > facts.segmentBytes) return 'size';
  // A clock that went back makes the age negative: the segment then stays.
  if (facts.nowMs - active.firstAppendMs > facts.segmentMs) return 'age';
  if (indexer.offsets.bytes + OFFSET_ENTRY_BYTES > limits.indexBytesMax) return 'index';
  if (facts.lastOffset - active.baseOffset > ENTRY_VALUE_MAX) return 'offsets';
  return 'stay';
}

/** The steps that seal `sealed` and open `next`; the first one syncs data that was written. */
export function rollSteps(
  sealed: Segment,
  sealedFile: WriterFile,
  files: SealedFiles,
  next: Segment,
  nextFile: WriterFile,
): readonly WriterStep[] {
  return [
    { kind: 'sync', file: sealedFile },
    ...sealSteps(sealed, files),
    { kind: 'open', file: nextFile, path: next.logPath, mode: 'exclusive' },
    { kind: 'syncDirectory', path: sealed.directory },
    { kind: 'close', file: sealedFile },
  ];
}

/** Which of the roll's steps is the sync of data: when it fails, the log is poisoned. */
export const ROLL_SYNC_STEP = 0;

/** The steps that write the indexes and the seal of a segment, without syncing the directory. */
export function sealSteps(segment: Segment, files: SealedFiles): readonly WriterStep[] {
  const { directory, baseOffset } = segment;
  const { txnIndex, snapshot } = files;
  const steps: WriterStep[] = [
    {
      kind: 'replace',
      path: segmentPath(directory, baseOffset, 'offsetIndex'),
      bytes: files.offsetIndex,
    },
    {
      kind: 'replace',
      path: segmentPath(directory, baseOffset, 'timeIndex'),
      bytes: files.timeIndex,
    },
  ];
  if (txnIndex !== undefined) {
    const path = segmentPath(directory, baseOffset, 'txnIndex');
    steps.push({ kind: 'replace', path, bytes: txnIndex });
  }
  if (snapshot !== undefined) {
    const nextOffset = segment.seal?.nextOffset ?? baseOffset;
    const path = segmentPath(directory, nextOffset, 'snapshot');
    steps.push({ kind: 'replace', path, bytes: snapshot });
  }
  const path = segmentPath(directory, baseOffset, 'seal');
  steps.push({ kind: 'replace', path, bytes: files.seal });
  return steps;
}

/** What the log knows of producers where `segment`, the last one, ends. */
export function sealedProducers(core: WritableLogCore, segment: Segment): SealedProducers {
  const { producers, clock } = core;
  const entries = producers.transactions.aborted.endingIn(
    segment.baseOffset,
    segment.active().totals.nextOffset,
  );
  const snapshot = producers.encode(clock.nowMs());
  const txnIndex = entries.length === 0 ? undefined : encodeTxnIndex(entries);
  return { txnIndex, snapshot, hasProducers: snapshot !== undefined };
}

/** The steps that seal the active segment at a clean close; its data is durable already. */
export function closeSteps(core: WritableLogCore): readonly WriterStep[] {
  const { active } = core.segments;
  const { logId, epochs, runningMaxBefore } = core;
  const producers = sealedProducers(core, active);
  const files = active.toSealedFiles(logId, epochs, runningMaxBefore, producers);
  return [...sealSteps(active, files), { kind: 'syncDirectory', path: core.directory }];
}
