/**
 * What a failed call of the write path means: a pure decision.
 *
 * No space at a write or at the creation of a file can be undone: the file is cut back to what was
 * written, and the log goes on when there is space again. Any other failed write, and any failed
 * sync, leaves the content of the file unknown: the log is poisoned, and the sync is never tried
 * again, because the kernel marks pages clean that it could not write.
 */

import type { Segment } from './segment.js';
import { ROLL_SYNC_STEP } from './segment-roll.js';
import { isNoSpace } from './writer.js';

export interface AppendFailure {
  readonly call: 'write' | 'commit' | 'roll';
  /** errno name; `ECANCELED` when an earlier call on the file failed. */
  readonly errno: string;
  /** The roll's step that failed, 0 otherwise. */
  readonly stepIndex: number;
  /** The segment that was to be written, or sealed. */
  readonly segment: Segment;
  /** Rolls whose outcome is not known yet: one of them may be the reason. */
  readonly rollsInFlight: number;
}

export type FailureAction =
  /** Cut back, tell the waiters that nothing was stored, go on. */
  | 'cut'
  | 'poison'
  /** A consequence of a roll whose own answer comes next and decides. */
  | 'await-roll';

export function failureAction(failure: AppendFailure): FailureAction {
  switch (failure.call) {
    case 'write':
      if (isNoSpace(failure.errno)) return 'cut';
      return isConsequence(failure) ? 'await-roll' : 'poison';
    case 'commit':
      return isConsequence(failure) ? 'await-roll' : 'poison';
    case 'roll':
      return isNoSpace(failure.errno) && failure.stepIndex !== ROLL_SYNC_STEP ? 'cut' : 'poison';
  }
}

/** The file was refused because the roll that was to open it failed. */
function isConsequence(failure: AppendFailure): boolean {
  return failure.errno === 'ECANCELED' && failure.rollsInFlight > 0;
}
