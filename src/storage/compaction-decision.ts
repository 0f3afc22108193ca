/**
 * Whether a log is worth a pass of compaction, and up to where: a pure decision.
 *
 *     |---- clean ----|--------- cleanable ---------|-- not yet --|-- active --|
 *     start      first dirty                      upper
 *
 * A pass is due when one of these holds:
 * - the cleanable bytes exceed `minCleanableDirtyRatio` of the clean and cleanable ones;
 * - the oldest dirty record is older than `maxCompactionLagMs`; when it is in the active segment,
 *   that one is to be rolled;
 * - tombstones have outlived their horizon: a pass tells the earliest one that it left. What passes
 *   before the open have left is not known: one hour after it, a log that was ever compacted is
 *   looked at.
 */

import { limitOf } from '../base/options.js';
import { isCompacting, type LogConfig } from './log-config.js';
import { type SegmentTimes, segmentTime } from './segment-time.js';

export type CompactionPolicy = Pick<
  LogConfig,
  | 'cleanup'
  | 'minCleanableDirtyRatio'
  | 'minCompactionLagMs'
  | 'maxCompactionLagMs'
  | 'tombstoneRetentionMs'
>;

export interface CompactionSegment extends SegmentTimes {
  readonly baseOffset: number;
  /** The base offset of the segment behind it; of the active one the durable end. */
  readonly endOffset: number;
  readonly logBytes: number;
}

export interface CompactionFacts {
  /** All segments, oldest first; the last one is active. */
  readonly segments: readonly CompactionSegment[];
  /** Everything below was compacted by an earlier pass. */
  readonly firstDirtyOffset: number;
  /** Where the oldest open transaction starts, and the durable end when there is none. */
  readonly lastStableOffset: number;
  readonly durableEnd: number;
  readonly isEverCompacted: boolean;
  /** Wall clock, milliseconds since 1970, like the times below. */
  readonly openedMs: number;
  /**
   * The earliest delete horizon that the last whole pass left, infinite when it left none;
   * undefined while there was no such pass since the open.
   */
  readonly horizonMs: number | undefined;
  /** Everything in the log was appended before it. */
  readonly newestMs: number;
  readonly nowMs: number;
}

export type CompactionTrigger = 'ratio' | 'lag' | 'tombstones';

export interface CompactionVerdict {
  readonly baseOffset: number;
  readonly state: 'clean' | 'dirty' | 'active';
  /** Whether a pass that begins now would go through it. */
  readonly isEligible: boolean;
  readonly why: string;
}

export interface CompactionDecision {
  readonly isEligible: boolean;
  readonly trigger: CompactionTrigger | undefined;
  readonly why: string;
  readonly cleanBytes: number;
  readonly dirtyBytes: number;
  /** Dirty bytes of clean and dirty ones, 0 to 1; 0 for an empty log. */
  readonly dirtyRatio: number;
  /** Exclusive end of what a pass may map and clean. */
  readonly upperOffset: number;
  /** The active segment holds records that waited for longer than they may. */
  readonly rollActive: boolean;
}

/** How long after the open a log is looked at for tombstones of which nothing is known. */
const TOMBSTONE_LOOK_MS = 60 * 60 * 1000;

export function decideCompaction(
  policy: CompactionPolicy,
  facts: CompactionFacts,
): CompactionDecision {
  const { firstDirtyOffset } = facts;
  const upperOffset = upperBound(policy, facts).offset;
  const cleanBytes = bytesBetween(facts, 0, Math.min(firstDirtyOffset, upperOffset));
  const dirtyBytes = bytesBetween(facts, firstDirtyOffset, upperOffset);
  const bytes = cleanBytes + dirtyBytes;
  const dirtyRatio = bytes === 0 ? 0 : dirtyBytes / bytes;
  const measures = { cleanBytes, dirtyBytes, dirtyRatio, upperOffset };
  if (!isCompacting(policy)) {
    const why = `cleanup is '${policy.cleanup}'`;
    return { ...measures, isEligible: false, trigger: undefined, why, rollActive: false };
  }
  const lagMs = oldestDirtyLag(facts);
  const rollActive = isActiveOverdue(policy, facts);
  const due = dueTrigger(policy, facts, measures, lagMs);
  if (due !== undefined) return { ...measures, isEligible: true, rollActive, ...due };
  const ratio = `${dirtyRatio.toFixed(3)} of ${bytes} bytes is dirty`;
  const why = `${ratio}, minCleanableDirtyRatio is ${policy.minCleanableDirtyRatio}`;
  return { ...measures, isEligible: false, trigger: undefined, why, rollActive };
}

/** What each segment is to a pass that begins now, and why; for people. */
export function compactionVerdicts(
  policy: CompactionPolicy,
  facts: CompactionFacts,
): readonly CompactionVerdict[] {
  const { segments, firstDirtyOffset } = facts;
  const upper = upperBound(policy, facts);
  return segments.map(({ baseOffset, endOffset }, index): CompactionVerdict => {
    const isActive = index === segments.length - 1;
    const isClean = endOffset <= firstDirtyOffset;
    const state = isActive ? 'active' : isClean ? 'clean' : 'dirty';
    const verdict = (isEligible: boolean, why: string): CompactionVerdict => {
      return { baseOffset, state, isEligible, why };
    };
    if (!isCompacting(policy)) return verdict(false, `cleanup is '${policy.cleanup}'`);
    if (isActive) return verdict(false, 'it is written to');
    if (baseOffset >= upper.offset) return verdict(false, upper.why);
    if (isClean) return verdict(true, `compacted up to ${firstDirtyOffset}; goes through again`);
    const end = Math.min(endOffset, upper.offset);
    return verdict(true, `offsets ${Math.max(baseOffset, firstDirtyOffset)} to ${end} are dirty`);
  });
}

interface UpperBound {
  readonly offset: number;
  readonly why: string;
}

function upperBound(policy: CompactionPolicy, facts: CompactionFacts): UpperBound {
  const { segments, nowMs, newestMs } = facts;
  const active = segments.at(-1);
  // Whole segments only: the durable end is a position in a file, which nobody may replace.
  const undurable = segments.find(({ endOffset }) => endOffset > facts.durableEnd);
  const bounds: UpperBound[] = [
    { offset: active?.baseOffset ?? 0, why: 'it lies at or behind the active segment' },
    { offset: facts.lastStableOffset, why: 'a transaction that began before it is open' },
    { offset: undurable?.baseOffset ?? facts.durableEnd, why: 'it is not durable yet' },
  ];
  const lagMs = policy.minCompactionLagMs;
  if (lagMs > 0) {
    const index = segments.findIndex(({ endOffset }, place) => {
      if (endOffset <= facts.firstDirtyOffset) return false;
      const timeMs = segmentTime(segments, place, nowMs) ?? Math.min(newestMs, nowMs);
      return nowMs - timeMs < lagMs;
    });
    const young = segments[index];
    const why = `it, or one before it, holds records younger than minCompactionLagMs ${lagMs}`;
    if (young !== undefined) bounds.push({ offset: young.baseOffset, why });
  }
  return bounds.reduce((least, bound) => (bound.offset < least.offset ? bound : least));
}

function dueTrigger(
  policy: CompactionPolicy,
  facts: CompactionFacts,
  { cleanBytes, dirtyBytes, dirtyRatio }: Measures,
  lagMs: number,
): { readonly trigger: CompactionTrigger; readonly why: string } | undefined {
  const { minCleanableDirtyRatio, maxCompactionLagMs } = policy;
  if (dirtyBytes > 0 && dirtyRatio > minCleanableDirtyRatio) {
    const why = `${dirtyRatio.toFixed(3)} of ${cleanBytes + dirtyBytes} bytes is dirty`;
    return { trigger: 'ratio', why };
  }
  if (dirtyBytes > 0 && lagMs > limitOf(maxCompactionLagMs)) {
    const why = `the oldest dirty record is ${lagMs} ms old, more than ${maxCompactionLagMs}`;
    return { trigger: 'lag', why };
  }
  const waitedMs = facts.nowMs - tombstonesDueMs(policy, facts);
  if (cleanBytes === 0 || waitedMs < 0) return undefined;
  return { trigger: 'tombstones', why: `tombstones may have outlived their horizon` };
}

interface Measures {
  readonly cleanBytes: number;
  readonly dirtyBytes: number;
  readonly dirtyRatio: number;
}

/** From when on a pass may find tombstones to remove; infinite when it is known that none is. */
function tombstonesDueMs(policy: CompactionPolicy, facts: CompactionFacts): number {
  const { tombstoneRetentionMs } = policy;
  const { isEverCompacted, openedMs, horizonMs } = facts;
  if (horizonMs !== undefined) return horizonMs + 1;
  if (!isEverCompacted) return Number.POSITIVE_INFINITY;
  return openedMs + Math.min(tombstoneRetentionMs, TOMBSTONE_LOOK_MS);
}

/** How long ago the first dirty segment below the active one was begun; 0 when not known. */
function oldestDirtyLag({ segments, firstDirtyOffset, nowMs }: CompactionFacts): number {
  const first = segments.slice(0, -1).find(({ endOffset }) => endOffset > firstDirtyOffset);
  return first === undefined ? 0 : sinceFirstAppend(first, nowMs);
}

function isActiveOverdue(policy: CompactionPolicy, { segments, nowMs }: CompactionFacts): boolean {
  const active = segments.at(-1);
  if (active === undefined || active.logBytes === 0) return false;
  return sinceFirstAppend(active, nowMs) > limitOf(policy.maxCompactionLagMs);
}

/** A segment of which the first append is not known counts from its newest record. */
function sinceFirstAppend({ firstAppendMs, maxTimestamp }: SegmentTimes, nowMs: number): number {
  const sinceMs = firstAppendMs > 0 ? firstAppendMs : maxTimestamp;
  return sinceMs < 0 ? 0 : Math.max(0, nowMs - sinceMs);
}

/** Bytes of the offsets in [from, to); a segment that lies in it in part counts by offsets. */
function bytesBetween({ segments }: CompactionFacts, from: number, to: number): number {
  let bytes = 0;
  for (const { baseOffset, endOffset, logBytes } of segments.slice(0, -1)) {
    const count = Math.min(endOffset, to) - Math.max(baseOffset, from);
    if (count > 0) bytes += Math.round((logBytes * count) / (endOffset - baseOffset));
  }
  return bytes;
}
