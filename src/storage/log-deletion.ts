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
import { sealedFacts } from './segment-facts.js';
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
  /** Taken out of the log, and kept on the disk by readers. */
  readonly #pinned = new Set<Segment>();
  #waiting: Deletion | undefined;

  constructor(source: LogSource, parts: DeletionParts, mutex: Mutex) {
    this.#source = source;
    this.#parts = parts;
    this.#mutex = mutex;
  }

  /** Bytes of deleted segments that readers still hold, as far as their sizes are known. */
  get pinnedBytes(): number {
    let bytes = 0;
    for (const segment of this.#pinned) bytes += sealedFacts(segment)?.logBytes ?? 0;
    return bytes;
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
      return this.#delete(deletion.offset);
    });
    const deletion: Deletion = { offset, done };
    this.#waiting = deletion;
    return done;
  }

  async #delete(offset: number): Promise<number> {
    const source = this.#source;
    const { opened, writing, marks } = this.#parts;
    const { core } = opened;
    const { offsets, segments } = core;
    // A start that was moved and then could not be noted is not one to answer with.
    if (offset <= offsets.start && writing.state !== 'poisoned') return offsets.start;
    await writing.exclusively(async () => {
      offsets.advanceStart(offset);
      await marks.settle(writing.appender.markContent());
    });
    // A roll that was planned is not a segment on the disk yet: its sealed half is still open.
    while (segments.count > 1 && segments.first.writerFile === undefined) {
      const next = segments.all()[1];
      if (next === undefined || next.baseOffset > offset) break;
      const removed = segments.removeFirst();
      this.#pinned.add(removed);
      removed.whenUnpinned(() => {
        this.#pinned.delete(removed);
        this.#forgetAborted();
        removeFiles(source, core, removed);
      });
    }
    return offsets.start;
  }

  /** Aborted transactions that no reader can meet any more, not even in a segment that it holds. */
  #forgetAborted(): void {
    const { segments, producers } = this.#parts.opened.core;
    let first = segments.first.baseOffset;
    for (const { baseOffset } of this.#pinned) first = Math.min(first, baseOffset);
    producers.transactions.aborted.dropBefore(first);
  }
}

function checkRange(core: WritableLogCore, offset: number): void {
  const { start: startOffset, durable: endOffset } = core.offsets;
  if (Number.isSafeInteger(offset) && offset >= 0 && offset <= endOffset) return;
  throw createError('OFFSET_OUT_OF_RANGE', { offset, startOffset, endOffset });
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
