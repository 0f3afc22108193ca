/**
 * What a repair will do to each segment, and what that loses: a pure decision over an inspection.
 *
 * Every batch that verifies is kept, byte for byte. Batches that are damaged in nothing but the
 * header fields outside their checksum are healed. Each other damaged range becomes an empty batch
 * over the offsets that it held, so that offsets go on as they were; so do offsets that no file
 * holds.
 */

import type { LogInspection } from './verify-inspection.js';
import type { SegmentInspection } from './verify-segment.js';
import type { DamagedRange, HealedHeader } from './verify-survey.js';

export type PlannedPiece =
  | { readonly kind: 'copy'; readonly from: number; readonly to: number }
  | {
      readonly kind: 'heal';
      readonly from: number;
      readonly to: number;
      readonly header: HealedHeader;
    }
  | { readonly kind: 'empty'; readonly baseOffset: number; readonly nextOffset: number };

export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export interface PlannedSegment {
  readonly baseOffset: number;
  /** `rewrite`: batches change. `seal`: only indexes and seal. `create`: there is no file yet. */
  readonly work: 'keep' | 'seal' | 'rewrite' | 'create';
  readonly hasGaps: boolean;
  readonly inspection: SegmentInspection | undefined;
  readonly pieces: readonly PlannedPiece[];
  /** Bytes that go away, and are kept in a `.broken` file. */
  readonly dropped: readonly ByteRange[];
  readonly losesRecords: boolean;
  readonly nextOffset: number;
}

export interface RepairLoss {
  readonly file: string;
  readonly position: number;
  readonly bytes: number;
  readonly fromOffset: number;
  /** Exclusive; equal to `fromOffset` when it is not known whether offsets are lost. */
  readonly toOffset: number;
  readonly reason: string;
}

export interface RepairPlan {
  readonly segments: readonly PlannedSegment[];
  readonly losses: readonly RepairLoss[];
}

export function planRepair(inspection: LogInspection): RepairPlan {
  const losses: RepairLoss[] = [];
  const planned: PlannedSegment[] = [];
  for (const segment of inspection.segments) {
    planned.push(planSegment(inspection, segment, losses));
  }
  for (const { from, to, segment } of inspection.missing) {
    if (segment !== undefined) continue;
    const losesRecords = to > from;
    if (losesRecords) {
      const file = inspection.facts.folder.directory;
      const reason = 'the segment is missing';
      losses.push({ file, position: 0, bytes: 0, fromOffset: from, toOffset: to, reason });
    }
    planned.push({
      baseOffset: from,
      work: 'create',
      hasGaps: false,
      inspection: undefined,
      pieces: losesRecords ? [{ kind: 'empty', baseOffset: from, nextOffset: to }] : [],
      dropped: [],
      losesRecords,
      nextOffset: to,
    });
  }
  planned.sort((one, two) => one.baseOffset - two.baseOffset);
  return { segments: planned, losses };
}

function planSegment(
  inspection: LogInspection,
  segment: SegmentInspection,
  losses: RepairLoss[],
): PlannedSegment {
  const { baseOffset, logPath: file, fileBytes, hasGaps } = segment;
  const lossesBefore = losses.length;
  const pieces: PlannedPiece[] = [];
  const dropped: ByteRange[] = [];
  let offset = baseOffset;
  const fill = (to: number): void => {
    if (to > offset) pieces.push({ kind: 'empty', baseOffset: offset, nextOffset: to });
    offset = Math.max(offset, to);
  };
  const missing = inspection.missing.find((range) => range.segment === segment);
  for (const piece of segment.survey.pieces) {
    const { from, to } = piece;
    if (piece.kind === 'valid') {
      pieces.push({ kind: 'copy', from, to });
      offset = piece.nextOffset;
    } else if (piece.heal !== undefined) {
      pieces.push({ kind: 'heal', from, to, header: piece.heal });
      dropped.push({ from, to });
      offset = piece.heal.nextOffset;
    } else {
      const toOffset = piece.resumeOffset ?? Math.max(offset, missing?.to ?? offset);
      dropped.push({ from, to });
      if (losesOffsets(inspection, piece, toOffset)) {
        const { reason } = piece;
        const place = { file, position: from, bytes: to - from };
        losses.push({ ...place, fromOffset: offset, toOffset, reason });
      }
      fill(toOffset);
    }
  }
  if (missing !== undefined && offset < missing.to) {
    const reason = 'the file ends early';
    const fromOffset = offset;
    losses.push({ file, position: fileBytes, bytes: 0, fromOffset, toOffset: missing.to, reason });
    fill(missing.to);
  }
  if (inspection.tornFrom !== undefined && segment === inspection.segments.at(-1)) {
    dropped.push({ from: inspection.tornFrom, to: fileBytes });
  }
  const isWhole = dropped.length === 0 && pieces.every(({ kind }) => kind === 'copy');
  const work = !isWhole ? 'rewrite' : needsSeal(inspection, segment) ? 'seal' : 'keep';
  const losesRecords = losses.length > lossesBefore;
  return {
    baseOffset,
    work,
    hasGaps,
    inspection: segment,
    pieces,
    dropped,
    losesRecords,
    nextOffset: offset,
  };
}

/** Bytes behind a durable end that a clean stop vouches for were promised to nobody. */
function losesOffsets(inspection: LogInspection, damage: DamagedRange, toOffset: number): boolean {
  if (toOffset > damage.offset) return true;
  if (damage.resumeOffset !== undefined) return false;
  const { mark } = inspection.facts;
  return mark === undefined || !mark.isClean || damage.offset < mark.durableOffset;
}

/** The last segment is sealed too: the log is closed when the repair is over. */
function needsSeal(inspection: LogInspection, segment: SegmentInspection): boolean {
  return segment.sealProblems.count > 0 || segment.seal === undefined || inspection.facts.isForeign;
}
