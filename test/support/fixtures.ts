/** Small verbs that tests of every layer share: errors by code, and time for what is in flight. */

import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { type ErrorCode, MillraceError } from '../../src/base/errors.js';

/** The error that a promise rejects with, which has this code. */
export async function rejection(
  promise: Promise<unknown>,
  code: ErrorCode,
): Promise<MillraceError> {
  const outcome = await promise.then(
    (value) => assert.fail(`expected ${code}, it resolved: ${String(value)}`),
    (error: unknown) => error,
  );
  return withCode(outcome, code);
}

/** The error that a call throws, which has this code. */
export function thrown(call: () => unknown, code: ErrorCode): MillraceError {
  try {
    call();
  } catch (error) {
    return withCode(error, code);
  }
  return assert.fail(`expected ${code}, nothing was thrown`);
}

/** Lets every microtask run: in a simulation that is everything which is in flight. */
export async function settled(): Promise<void> {
  await setImmediate();
}

/** Whether the promise is still pending once nothing is in flight any more. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isDone = false;
  const note = (): void => {
    isDone = true;
  };
  promise.then(note, note);
  await settled();
  return !isDone;
}

function withCode(error: unknown, code: ErrorCode): MillraceError {
  if (!(error instanceof MillraceError)) throw error;
  assert.equal(error.code, code, error.message);
  return error;
}
