/**
 * How far a group is behind: pure.
 *
 * Counted in offsets, up to the durable end: compaction and transaction markers leave gaps, so it
 * is a bound on the records, as in Kafka. What retention took is not to be read any more and does
 * not count.
 */

export interface LagFacts {
  /** The next offset to read; undefined when nothing was committed. */
  readonly committed: number | undefined;
  readonly startOffset: number;
  readonly endOffset: number;
}

/** Undefined without a commit: where the group would start is up to its consumers. */
export function lagOf({ committed, startOffset, endOffset }: LagFacts): number | undefined {
  if (committed === undefined) return undefined;
  return Math.max(0, endOffset - Math.max(committed, startOffset));
}
