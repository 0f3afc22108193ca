/**
 * Where a reset puts a group: pure.
 *
 * What lies outside the log is moved to its nearest end, and said so. A time for which there is no
 * record yet is the end; a shift needs an offset to start from.
 */

export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  /** Milliseconds since 1970: the first record at or after it. */
  | { readonly timestamp: number }
  /** Records forward, or back when negative. */
  | { readonly shiftBy: number };

export interface ResetFacts {
  readonly startOffset: number;
  /** The durable end. */
  readonly endOffset: number;
  readonly committed: number | undefined;
  /** The first record at or after the timestamp of the target. */
  readonly atTimestamp: number | undefined;
}

export type ResetPlan =
  | { readonly kind: 'move'; readonly offset: number; readonly isClamped: boolean }
  /** A shift of what was never committed. */
  | { readonly kind: 'stay' };

export function planReset(target: ResetTarget, facts: ResetFacts): ResetPlan {
  const wanted = wantedOffset(target, facts);
  if (wanted === undefined) return { kind: 'stay' };
  const offset = Math.min(Math.max(wanted, facts.startOffset), facts.endOffset);
  return { kind: 'move', offset, isClamped: offset !== wanted };
}

function wantedOffset(target: ResetTarget, facts: ResetFacts): number | undefined {
  if (target === 'earliest') return facts.startOffset;
  if (target === 'latest') return facts.endOffset;
  if ('offset' in target) return target.offset;
  if ('timestamp' in target) return facts.atTimestamp ?? facts.endOffset;
  return facts.committed === undefined ? undefined : facts.committed + target.shiftBy;
}
