/**
 * What a committed offset means in the log as it is now: pure.
 *
 * A commit waits until its log is durable, so the record before it is normally there. It is not
 * when the log was cut by hand, or put back from a backup: then records of a newer epoch stand at
 * those offsets, and to go on from the committed one would pass over them unread. The epoch that
 * was stored tells: it ends where the next one begins, and that is where the group goes on.
 */

export interface ClampFacts {
  readonly offset: number;
  /** Of the record before the offset; -1 when it is not known. */
  readonly epoch: number;
  /** Where that epoch ends; undefined when the log knows nothing of it. */
  readonly epochEnd: number | undefined;
  readonly logEnd: number;
}

export function clampOffset({ offset, epoch, epochEnd, logEnd }: ClampFacts): number {
  const end = epoch < 0 || epochEnd === undefined ? logEnd : Math.min(epochEnd, logEnd);
  return Math.min(offset, end);
}
