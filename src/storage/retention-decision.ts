/**
 * What retention lets go: a pure decision over facts, options and the time.
 *
 * Only whole segments go, oldest first, up to the first that stays. A segment goes when one of
 * three limits says so:
 *
 *     retentionMs       its newest record is older than the limit (see `segment-time.ts`)
 *     retentionBytes    the segments behind it still hold at least that many bytes
 *     retentionRecords  the segments behind it still hold at least that many records
 *
 * The last two are Kafka's rule for bytes: a log keeps at least the limit and at most one segment
 * more. The active segment is never deleted. It is rolled instead when retentionMs has passed since
 * its first append: otherwise a log that is hardly written to would keep old records for as long
 * as its segment is not full.
 */

import { limitOf, type Unlimited } from '../base/options.js';
import { isDeleting, type LogConfig } from './log-config.js';
import { type SegmentTimes, segmentTime } from './segment-time.js';

export type RetentionPolicy = Pick<
  LogConfig,
  'cleanup' | 'retentionMs' | 'retentionBytes' | 'retentionRecords'
>;

export interface RetentionSegment extends SegmentTimes {
  readonly baseOffset: number;
  /** The base offset of the segment behind it; of the active one the durable end. */
  readonly endOffset: number;
  readonly logBytes: number;
}

/** Nothing at or beyond `offset` goes. */
export interface RetentionFloor {
  /** Infinite when nobody is protected. */
  readonly offset: number;
  /** Who keeps it there. */
  readonly group: string | undefined;
  /** Whether the group has reported since the log was opened. */
  readonly hasReported: boolean;
}

export interface RetentionFacts {
  /** Oldest first, without a gap. The active one is the last when `isComplete`. */
  readonly segments: readonly RetentionSegment[];
  /** Whether these are all; otherwise more can be asked for. */
  readonly isComplete: boolean;
  /** Of all segments, the active one included; too little is safe, too much is not. */
  readonly totalBytes: number;
  readonly totalRecords: number;
  readonly startOffset: number;
  readonly durableEnd: number;
  readonly floor: RetentionFloor;
  /** Whether the active segment may be rolled now. */
  readonly mayRoll: boolean;
  /** Wall clock: everything in the log was appended before it. */
  readonly newestMs: number;
  readonly nowMs: number;
}

export type RetentionReason =
  /** These go. */
  | 'age'
  | 'bytes'
  | 'records'
  /** These stay. */
  | 'no-limit'
  | 'within-limits'
  | 'protected'
  | 'not-durable'
  | 'active';

export interface RetentionVerdict {
  readonly segment: RetentionSegment;
  readonly goes: boolean;
  readonly reason: RetentionReason;
  /** The reason with its numbers, for people. */
  readonly why: string;
}

export interface RetentionDecision {
  /** Where the log is to start; the start that it has when nothing goes. */
  readonly startOffset: number;
  readonly rollActive: boolean;
  /** The segments that go and the first one that stays; those behind it stay because of it. */
  readonly verdicts: readonly RetentionVerdict[];
  /** All known segments go, and more are there: nothing is known about them yet. */
  readonly wantsMore: boolean;
}

/** The least offset that the groups have reported; 0 as long as one of them has not. */
export function retentionFloor(
  groups: readonly string[],
  reports: ReadonlyMap<string, number>,
): RetentionFloor {
  let floor: RetentionFloor = {
    offset: Number.POSITIVE_INFINITY,
    group: undefined,
    hasReported: false,
  };
  for (const group of groups) {
    const offset = reports.get(group);
    if (offset === undefined) return { offset: 0, group, hasReported: false };
    if (offset < floor.offset) floor = { offset, group, hasReported: true };
  }
  return floor;
}

/** Whether the policy can let anything go. */
export function hasRetention(policy: RetentionPolicy): boolean {
  const { retentionMs, retentionBytes, retentionRecords } = policy;
  const isLimited = [retentionMs, retentionBytes, retentionRecords].some(isLimit);
  return isDeleting(policy) && isLimited;
}

/** Whether the policy needs the sizes of all segments, and not only of the oldest. */
export function needsTotals(policy: RetentionPolicy): boolean {
  return isDeleting(policy) && (isLimit(policy.retentionBytes) || isLimit(policy.retentionRecords));
}

export function decideRetention(policy: RetentionPolicy, facts: RetentionFacts): RetentionDecision {
  const { segments, isComplete, nowMs } = facts;
  const verdicts: RetentionVerdict[] = [];
  let { startOffset } = facts;
  let behindBytes = facts.totalBytes;
  let behindRecords = facts.totalRecords;
  for (const [index, segment] of segments.entries()) {
    behindBytes -= segment.logBytes;
    behindRecords -= Math.max(0, segment.records);
    const boundMs = segmentTime(segments, index, nowMs);
    // The segment behind it would say more.
    if (boundMs === undefined && !isComplete) break;
    const ageMs = nowMs - (boundMs ?? Math.min(facts.newestMs, nowMs));
    const isActive = isComplete && index === segments.length - 1;
    const expired = expiry(policy, { ageMs, behindBytes, behindRecords });
    const kept = expired === undefined ? unexpired(policy, ageMs) : held(facts, segment, isActive);
    if (kept !== undefined) {
      verdicts.push({ segment, goes: false, ...kept });
      const rollActive = isActive && facts.mayRoll && isToBeRolled(policy, segment, ageMs, nowMs);
      return { startOffset, rollActive, verdicts, wantsMore: false };
    }
    if (expired !== undefined) verdicts.push({ segment, goes: true, ...expired });
    startOffset = Math.max(startOffset, segment.endOffset);
  }
  return { startOffset, rollActive: false, verdicts, wantsMore: !isComplete };
}

interface Reason {
  readonly reason: RetentionReason;
  readonly why: string;
}

/** What is compared with the limits. */
interface Measures {
  readonly ageMs: number;
  /** What the segments behind it hold. */
  readonly behindBytes: number;
  readonly behindRecords: number;
}

/** Which limit the segment exceeds, if one. */
function expiry(policy: RetentionPolicy, measures: Measures): Reason | undefined {
  if (!isDeleting(policy)) return undefined;
  const { retentionMs, retentionBytes, retentionRecords } = policy;
  const { ageMs, behindBytes, behindRecords } = measures;
  if (ageMs > limitOf(retentionMs)) {
    return { reason: 'age', why: `age ${ageMs} ms exceeds retentionMs ${retentionMs}` };
  }
  if (behindBytes >= limitOf(retentionBytes)) {
    const why = `${behindBytes} bytes behind it reach retentionBytes ${retentionBytes}`;
    return { reason: 'bytes', why };
  }
  if (behindRecords >= limitOf(retentionRecords)) {
    const why = `${behindRecords} records behind it reach retentionRecords ${retentionRecords}`;
    return { reason: 'records', why };
  }
  return undefined;
}

/** Why a segment that exceeds no limit stays. */
function unexpired(policy: RetentionPolicy, ageMs: number): Reason {
  const { cleanup, retentionMs, retentionBytes, retentionRecords } = policy;
  if (!hasRetention(policy)) {
    return { reason: 'no-limit', why: `cleanup is '${cleanup}' and no limit is set` };
  }
  const limits = `ms ${retentionMs}, bytes ${retentionBytes}, records ${retentionRecords}`;
  return { reason: 'within-limits', why: `age ${ageMs} ms; limits: ${limits}` };
}

/** Why a segment that exceeds a limit stays all the same, if it does. */
function held(
  facts: RetentionFacts,
  segment: RetentionSegment,
  isActive: boolean,
): Reason | undefined {
  const { floor, durableEnd } = facts;
  const { endOffset } = segment;
  if (endOffset > floor.offset) {
    const at = floor.hasReported ? `is at offset ${floor.offset}` : 'has not reported an offset';
    return { reason: 'protected', why: `the protected group '${floor.group}' ${at}` };
  }
  if (endOffset > durableEnd) {
    return { reason: 'not-durable', why: `it ends at ${endOffset}, durable is ${durableEnd}` };
  }
  return isActive ? { reason: 'active', why: 'it is written to' } : undefined;
}

/** The active segment has expired, or holds what was there longer than the limit. */
function isToBeRolled(
  policy: RetentionPolicy,
  segment: RetentionSegment,
  ageMs: number,
  nowMs: number,
): boolean {
  if (!isDeleting(policy) || segment.logBytes === 0) return false;
  const limitMs = limitOf(policy.retentionMs);
  const { firstAppendMs } = segment;
  return ageMs > limitMs || (firstAppendMs > 0 && nowMs - firstAppendMs > limitMs);
}

function isLimit(limit: number | Unlimited): boolean {
  return limit !== 'unlimited';
}
