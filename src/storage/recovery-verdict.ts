/**
 * Torn or corrupt: what an invalid byte in a segment means.
 *
 * *Torn* is what a crash leaves behind the watermark: bytes that were in flight and promised to
 * nobody. They are cut. *Corrupt* is everything else: bytes that were acknowledged, or may have
 * been. They are never cut by themselves.
 *
 * The rule is a table: the first row whose facts hold decides, and a test enumerates every input.
 */

import { assert } from '../base/assert.js';

export interface RecoveryFacts {
  /** The last writer closed the log. */
  readonly isClean: boolean;
  /** The segment is the last one: no other was begun after it. */
  readonly isActive: boolean;
  readonly watermark: 'present' | 'absent' | 'unreadable';
  /** The first invalid byte X lies below the watermark W. */
  readonly isBelowWatermark: boolean;
  /** A valid batch ends beyond X + U, the most that may have been in flight. */
  readonly isBeyondFlight: boolean;
}

export type RecoveryVerdict =
  | 'torn'
  | 'corrupt-after-clean-stop'
  | 'corrupt-sealed-segment'
  | 'corrupt-no-watermark'
  | 'corrupt-watermark-unreadable'
  | 'corrupt-below-watermark'
  | 'corrupt-beyond-flight';

interface Row {
  readonly verdict: RecoveryVerdict;
  readonly holds: (facts: RecoveryFacts) => boolean;
}

/** In order: an earlier row is the stronger reason. */
export const recoveryTable: readonly Row[] = [
  { verdict: 'corrupt-no-watermark', holds: (facts) => facts.watermark === 'absent' },
  { verdict: 'corrupt-watermark-unreadable', holds: (facts) => facts.watermark === 'unreadable' },
  { verdict: 'corrupt-after-clean-stop', holds: (facts) => facts.isClean },
  { verdict: 'corrupt-sealed-segment', holds: (facts) => !facts.isActive },
  { verdict: 'corrupt-below-watermark', holds: (facts) => facts.isBelowWatermark },
  { verdict: 'corrupt-beyond-flight', holds: (facts) => facts.isBeyondFlight },
  { verdict: 'torn', holds: () => true },
];

export function judgeInvalidBytes(facts: RecoveryFacts): RecoveryVerdict {
  const row = recoveryTable.find(({ holds }) => holds(facts));
  assert(row !== undefined, 'the last row holds always');
  return row.verdict;
}
