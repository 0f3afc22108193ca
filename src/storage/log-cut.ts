/**
 * Cutting a log back to what was written, after a write found no space.
 *
 * Segments that were planned behind the failed one are taken away, its file is cut and synced, and
 * its indexes are built again from the file. When any of that fails the caller poisons the log.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { segmentFileNames } from './log-cleanup.js';
import type { WritableLogCore } from './log-core.js';
import type { Segment } from './segment.js';
import { rebuildSegment } from './segment-loader.js';
import type { WriterStep } from './writer.js';

/** Makes `segment` the active one again, ending at the written end. */
export async function cutBack(core: WritableLogCore, segment: Segment): Promise<void> {
  const { writer, directory, writtenAt } = core;
  const file = segment.writerFile;
  assert(file !== undefined, 'the segment is open in the writer');
  const bytes = writtenAt.segmentBase === segment.baseOffset ? writtenAt.position : 0;
  const steps: WriterStep[] = [];
  for (const planned of core.segments.removeAfter(segment)) {
    if (planned.writerFile !== undefined) steps.push({ kind: 'close', file: planned.writerFile });
    for (const name of segmentFileNames(planned.baseOffset)) {
      steps.push({ kind: 'unlink', path: join(directory, name) });
    }
  }
  steps.push({ kind: 'cut', file, bytes }, { kind: 'syncDirectory', path: directory });
  await writer.run(steps);
  const context = {
    fileSystem: core.fileSystem,
    logId: core.logId,
    indexIntervalBytes: core.config.indexIntervalBytes,
    epochs: core.epochs,
  };
  const { baseOffset, hasGaps } = segment;
  const rebuilt = await rebuildSegment(context, segment, hasGaps, bytes);
  assert(rebuilt.invalid === undefined, 'what was written verifies');
  segment.totals = rebuilt.segment.totals;
  segment.indexer = rebuilt.segment.indexer;
  segment.seal = undefined;
  core.writtenAt = { segmentBase: baseOffset, position: bytes };
}
