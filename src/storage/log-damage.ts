/**
 * Damage: what an opening found that keeps a log from being written.
 *
 * A damaged log opens, serves what verifies, and refuses appends with this error. Nothing is cut or
 * changed: that is the decision of `repair`, made by a person.
 */

import { createError, type MillraceError } from '../base/errors.js';

export interface LogDamage {
  readonly file: string;
  readonly position: number;
  /** First offset that is affected. */
  readonly offset: number;
  /** The durable end that the watermark promises, when it can be read. */
  readonly promisedEnd: number | undefined;
  readonly reason: string;
  readonly expected?: string | number | undefined;
  readonly actual?: string | number | undefined;
}

export function damageError(damage: LogDamage): MillraceError {
  return createError('LOG_CORRUPT', {
    file: damage.file,
    position: damage.position,
    offset: damage.offset,
    promisedEnd: damage.promisedEnd,
    reason: damage.reason,
    expected: damage.expected,
    actual: damage.actual,
    remedy: 'verify shows the extent, repair --accept-loss gives up what is lost',
  });
}
