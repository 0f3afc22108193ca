/**
 * Deleting records from the front: the new start is durable before a file goes, oldest first.
 *
 * Files of a segment that a reader is in stay until the reader leaves it; whatever a crash leaves
 * over is removed by the next open, which finds it below the start.
 */

import { join } from 'node:path';
import { createError } from '../base/errors.js';
import type { Mutex } from '../base/mutex.js';
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

interface Deletion {
  offset: number;
  readonly done: Promise<number>;
}

/** Deletions of one log, one at a time; those that wait are carried out as one. */
export class LogDeletions {
  readonly #source: LogSource;
  readonly #parts: DeletionParts;
  readonly #mutex: Mutex;
  #waiting: Deletion | undefined;

  constructor(source: LogSource, parts: DeletionParts, mutex: Mutex) {
    this.#source = source;
    this.#parts = parts;
    this.#mutex = mutex;
  }

  /** Resolves to the log start once it is durable at `offset` or beyond. */
  before(offset: number): Promise<number> {
    checkRange(this.#parts.opened.core, offset);
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      waiting.offset = Math.max(waiting.offset, offset);
      return waiting.done;
    }
    const done = this.#mutex.run(() => {
      this.#waiting = undefined;
      return deleteBefore(this.#source, this.#parts, deletion.offset);
    });
    const deletion: Deletion = { offset, done };
    this.#waiting = deletion;
    return done;
  }
}

function checkRange(core: WritableLogCore, offset: number): void {
  const { start: startOffset, durable: endOffset } = core.offsets;
  if (Number.isSafeInteger(offset) && offset >= 0 && offset <= endOffset) return;
  throw createError('OFFSET_OUT_OF_RANGE', { offset, startOffset, endOffset });
}

async function deleteBefore(
  source: LogSource,
  parts: DeletionParts,
  offset: number,
): Promise<number> {
  const { core } = parts.opened;
  const { offsets, segments } = core;
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
