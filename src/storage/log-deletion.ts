/**
 * Deleting records from the front: the new start is durable before a file goes, oldest first.
 *
 * Files of a segment that a reader is in stay until the reader leaves it; whatever a crash leaves
 * over is removed by the next open, which finds it below the start.
 */

import { join } from 'node:path';
import { createError } from '../base/errors.js';
import { segmentFileNames } from './log-cleanup.js';
import type { WritableLogCore } from './log-core.js';
import type { LogSource } from './log-source.js';
import type { LogWriting } from './log-writing.js';
import type { MarkKeeper } from './mark-keeper.js';
import type { Segment } from './segment.js';
import type { WriterStep } from './writer.js';

export interface DeletionParts {
  readonly opened: { readonly core: WritableLogCore };
  readonly marks: MarkKeeper;
  readonly writing: LogWriting;
}

export async function deleteBefore(
  source: LogSource,
  parts: DeletionParts,
  offset: number,
): Promise<number> {
  const { core } = parts.opened;
  const { offsets, segments } = core;
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > offsets.durable) {
    const startOffset = offsets.start;
    throw createError('OFFSET_OUT_OF_RANGE', { offset, startOffset, endOffset: offsets.durable });
  }
  if (offset <= offsets.start) return offsets.start;
  await parts.writing.exclusively(async () => {
    offsets.advanceStart(offset);
    await parts.marks.settle(parts.writing.appender.markContent());
  });
  // A roll that was planned is not a segment on the disk yet: its sealed half has a file to close.
  while (segments.count > 1 && segments.first.writerFile === undefined) {
    const next = segments.all()[1];
    if (next === undefined || next.baseOffset > offset) break;
    const removed = segments.removeFirst();
    removed.whenUnpinned(() => removeFiles(source, core, removed));
  }
  return offsets.start;
}

function removeFiles(source: LogSource, core: WritableLogCore, segment: Segment): void {
  source.indexes.forget(segment);
  source.files.forget(segment);
  const steps = segmentFileNames(segment.baseOffset).map(
    (name): WriterStep => ({ kind: 'unlink', path: join(core.directory, name) }),
  );
  steps.push({ kind: 'syncDirectory', path: core.directory });
  // What stays behind after a failure lies below the start: the next open removes it.
  core.writer.run(steps).catch(() => undefined);
}
