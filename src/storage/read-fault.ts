/**
 * The errors of a reader that met bytes which do not belong where they are.
 */

import { createError, type MillraceError } from '../base/errors.js';
import type { BatchFault } from './batch-scan.js';
import type { Segment } from './segment.js';

/** `offset` is the one that the reader had come to. */
export function readFault(
  segment: Segment,
  position: number,
  offset: number,
  { reason, expected, actual }: BatchFault,
): MillraceError {
  return createError('LOG_CORRUPT', {
    file: segment.logPath,
    position,
    offset,
    reason,
    expected: expected === undefined ? undefined : String(expected),
    actual: actual === undefined ? undefined : String(actual),
  });
}

/** What it means that bytes at `position`, read up to `end`, hold no batch of `bytesMin` bytes. */
export function shortFault(
  position: number,
  end: number,
  visible: number,
  bytesMin: number,
): { readonly position: number; readonly fault: BatchFault } {
  if (end < visible) {
    const fault = { reason: 'the file ends early', expected: visible, actual: end };
    return { position: end, fault };
  }
  // At the visible end it is the batch's length that is wrong: reading again brings no more.
  const reason = 'the batch reaches beyond the end';
  return { position, fault: { reason, expected: end, actual: position + bytesMin } };
}
