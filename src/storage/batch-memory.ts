/**
 * The memory that holds batches while a reader hands them out, and what became of it.
 *
 * The reader owns it and wants to read the next bytes into it. Whoever hands out views that
 * outlive the loop sets `escaped`: from then on the memory is never used again. Whoever borrows it
 * until the next step relies on `ended`, which the reader sets before it writes over the bytes.
 */

import { createError, type MillraceError } from '../base/errors.js';

export interface BatchMemory {
  readonly bytes: Buffer;
  /** Where the bytes come from, for errors. */
  readonly file: string;
  /** The position in that file of the first byte. */
  readonly filePosition: number;
  /** Views of these bytes are in the hands of the user: they are never written again. */
  escaped: boolean;
  /** The bytes may have been written over: nothing may read them any more. */
  ended: boolean;
  /** Batches that outlive the read and are not released yet. */
  holds: number;
  /** Called when the last of them is; set by a reader that has gone on. */
  freed: (() => void) | undefined;
}

export function createBatchMemory(bytes: Buffer, file: string, filePosition: number): BatchMemory {
  return { bytes, file, filePosition, escaped: false, ended: false, holds: 0, freed: undefined };
}

/** The error of a batch or cursor that is used after its memory ended. */
export function batchEnded(memory: BatchMemory): MillraceError {
  return createError('BATCH_ENDED', { file: memory.file });
}
