/**
 * What cleaning keeps: the decisions alone, as pure functions of facts.
 *
 * A record goes when a larger offset of its key was seen, and a tombstone also when its batch's
 * delete horizon has passed. Nothing at or beyond the mapped end is judged: what follows there is
 * not known yet. Marks of transactions go after their data, by a horizon of their own. What is left
 * of an emptied batch is its header, for as long as somebody needs it.
 */

export type RecordVerdict =
  | 'keep'
  /** Kept, and its batch needs a delete horizon if it has none. */
  | 'keep-tombstone'
  | 'superseded'
  | 'expired'
  /** A record without a key, which a compacted log cannot keep. */
  | 'keyless';

/** Where a batch's delete horizon lies; it has passed when the clock is beyond it. */
export type HorizonState = 'none' | 'ahead' | 'passed';

/** `hasLater`: a record of its key follows in the mapped range. */
export function recordVerdict(
  offset: number,
  mappedEnd: number,
  hasKey: boolean,
  hasLater: boolean,
  isTombstone: boolean,
  horizon: HorizonState,
): RecordVerdict {
  if (offset >= mappedEnd) return 'keep';
  if (!hasKey) return 'keyless';
  if (hasLater) return 'superseded';
  if (!isTombstone) return 'keep';
  return horizon === 'passed' ? 'expired' : 'keep-tombstone';
}

export type MarkerVerdict = 'keep' | 'start-horizon' | 'drop';

/** A mark that ends a transaction; `hasData`: something of the transaction is still in the log. */
export function markerVerdict(
  isMapped: boolean,
  hasData: boolean,
  horizon: HorizonState,
): MarkerVerdict {
  if (!isMapped || hasData) return 'keep';
  if (horizon === 'none') return 'start-horizon';
  return horizon === 'passed' ? 'drop' : 'keep';
}

export interface EmptiedFacts {
  /** It ends the group: without it the range of the group could not be read from the file. */
  readonly isLast: boolean;
  readonly hasProducer: boolean;
  /** A later batch of the same producer is in the mapped range. */
  readonly hasLaterBatch: boolean;
  readonly maxTimestamp: number;
  readonly nowMs: number;
  readonly producerExpiryMs: number;
}

/** Whether the header of a batch without records stays. */
export function keepsEmptied(facts: EmptiedFacts): boolean {
  if (facts.isLast) return true;
  if (!facts.hasProducer || facts.hasLaterBatch) return false;
  return facts.nowMs - facts.maxTimestamp < facts.producerExpiryMs;
}

export function horizonState(hasHorizon: boolean, horizonMs: number, nowMs: number): HorizonState {
  if (!hasHorizon) return 'none';
  return nowMs > horizonMs ? 'passed' : 'ahead';
}
