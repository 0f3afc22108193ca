/**
 * What verifying a log says: problems, which need a repair, and warnings, which do not.
 *
 * A problem is named by a permanent code, and by the file and the position where it shows. Both
 * lists are bounded; their counts are not.
 */

import type { ErrorFact } from '../base/errors.js';

export type ProblemCode =
  /** Bytes that are no valid batch of this log at this place. */
  | 'BATCH_INVALID'
  /** A batch whose checksum holds and whose records do not. */
  | 'RECORDS_INVALID'
  /** Offsets that the log should hold and that no file holds. */
  | 'OFFSETS_MISSING'
  | 'FILE_MISSING'
  /** A cleaned segment that is to replace others, and does not verify. */
  | 'SWAP_INVALID'
  | 'SEAL_ABSENT'
  | 'SEAL_INVALID'
  | 'SEAL_DIFFERS'
  | 'INDEX_ABSENT'
  | 'INDEX_INVALID'
  | 'INDEX_DIFFERS'
  | 'WATERMARK_ABSENT'
  | 'WATERMARK_UNREADABLE'
  | 'WATERMARK_DIFFERS'
  | 'EPOCHS_INVALID'
  | 'OPTIONS_INVALID'
  | 'METADATA_INVALID';

export type WarningCode =
  /** Bytes behind the watermark that are no batch: in flight, or what a crash left. */
  | 'TORN_TAIL'
  | 'CODEC_UNAVAILABLE'
  | 'RECORDS_UNCHECKED'
  | 'WATERMARK_SLOT_DAMAGED'
  | 'SIDE_FILE_DOUBTFUL'
  | 'LEFTOVER'
  /** Segments are being replaced, or that was cut short: the next open finishes it. */
  | 'SWAP_UNFINISHED'
  | 'BROKEN_FILE'
  | 'CREATION_UNFINISHED';

interface Finding {
  readonly file: string;
  readonly position: number;
  /** First offset that is affected, where that is known. */
  readonly offset?: number | undefined;
  readonly reason: string;
  readonly expected?: ErrorFact;
  readonly actual?: ErrorFact;
}

export interface VerifyProblem extends Finding {
  readonly code: ProblemCode;
}

export interface VerifyWarning extends Finding {
  readonly code: WarningCode;
}

export interface VerifyReport {
  readonly directory: string;
  /** No problem was found. */
  readonly ok: boolean;
  readonly segments: number;
  /** Valid batches, their records, and the bytes of all `.log` files that were looked at. */
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  readonly startOffset: number;
  /** The offset behind the last valid batch. */
  readonly endOffset: number;
  /** At most {@link FINDINGS_MAX}, in the order of the log. */
  readonly problems: readonly VerifyProblem[];
  readonly warnings: readonly VerifyWarning[];
  readonly problemCount: number;
  readonly warningCount: number;
}

/** How many problems, and how many warnings, a report holds. */
export const FINDINGS_MAX = 1000;

/** Findings of one kind, kept up to the bound and counted beyond it. */
export class Findings<Kept> {
  readonly #kept: Kept[] = [];
  #count = 0;

  get kept(): readonly Kept[] {
    return this.#kept;
  }

  get count(): number {
    return this.#count;
  }

  add(found: Kept): void {
    this.#count += 1;
    if (this.#kept.length < FINDINGS_MAX) this.#kept.push(found);
  }

  addAll(others: Findings<Kept>): void {
    for (const found of others.kept) this.add(found);
    this.#count += others.count - others.kept.length;
  }
}
