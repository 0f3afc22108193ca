/**
 * Reads what the seals of sealed segments say, and the size alone where a seal is not believed.
 */

import type { BlockingFileSystem } from '../base/file-system.js';
import type { CleanerControl, FactsResult, FactsTask, SegmentFacts } from './cleaner-task.js';
import { readBelievedSeal, withFile } from './compaction-files.js';
import { SEAL_FIXED_BYTES } from './seal.js';
import { segmentPath } from './segment-files.js';

/** Throws errno errors of the file system, and what `control` throws. */
export function runFacts(
  fileSystem: BlockingFileSystem,
  task: FactsTask,
  control: CleanerControl,
): FactsResult {
  const segments: SegmentFacts[] = [];
  const { directory, logId } = task;
  for (const baseOffset of task.baseOffsets) {
    control.progress(SEAL_FIXED_BYTES);
    const path = segmentPath(directory, baseOffset, 'log');
    const logBytes = withFile(fileSystem, path, (file) => fileSystem.size(file));
    if (logBytes === undefined) continue;
    const seal = readBelievedSeal(fileSystem, directory, logId, baseOffset, logBytes);
    segments.push({
      baseOffset,
      logBytes,
      batches: seal?.batches ?? -1,
      records: seal?.records ?? -1,
      maxTimestamp: seal?.maxTimestamp ?? -1,
      firstAppendMs: seal?.firstAppendMs ?? 0,
    });
  }
  return { kind: 'facts', segments };
}
