/**
 * What goes to a cleaner thread and what comes back, errors included.
 *
 * Copying an error between threads keeps its message and drops its class, code and facts. So errors
 * travel as plain values, and become errors of the same kind on the other side. A task never lets
 * one escape from its thread: what does escape is the death of the thread.
 */

import { threadId } from 'node:worker_threads';
import { InvariantViolation } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import { type ErrorCode, type ErrorFacts, MillraceError } from '../base/errors.js';
import { ThreadControl } from './cleaner-control.js';
import {
  CleanerCancelled,
  type CleanerControl,
  type CleanerResult,
  type CleanerTask,
} from './cleaner-task.js';

export interface CleanerMessage {
  readonly task: CleanerTask;
  readonly control: SharedArrayBuffer;
  readonly bytesPerSecond: number | undefined;
}

export type CleanerAnswer =
  | { readonly outcome: 'done'; readonly result: CleanerResult }
  | { readonly outcome: 'cancelled' }
  | { readonly outcome: 'failed'; readonly error: SentError };

type SentError =
  | {
      readonly kind: 'millrace';
      readonly code: ErrorCode;
      readonly facts: ErrorFacts;
      readonly cause: SentError | undefined;
    }
  | { readonly kind: 'invariant'; readonly message: string; readonly stack: string | undefined }
  | {
      readonly kind: 'other';
      readonly message: string;
      readonly stack: string | undefined;
      /** `code`, `errno`, `syscall`, `path` and `dest` of a system error. */
      readonly fields: Readonly<Record<string, string | number>>;
    };

const SYSTEM_FIELDS = ['code', 'errno', 'syscall', 'path', 'dest'];
/** How many causes of an error travel with it. */
const CAUSES_MAX = 4;

/** On the thread: carries out the task of a message. Never throws. */
export function answerCleanerTask(
  message: CleanerMessage,
  run: (task: CleanerTask, control: CleanerControl) => CleanerResult,
): CleanerAnswer {
  try {
    const { task, control, bytesPerSecond } = message;
    const own = new ThreadControl(control, threadId, bytesPerSecond, systemClock);
    return { outcome: 'done', result: run(task, own) };
  } catch (error) {
    if (error instanceof CleanerCancelled) return { outcome: 'cancelled' };
    return { outcome: 'failed', error: sendError(error, CAUSES_MAX) };
  }
}

/** On the side that asked: the error that the task threw. */
export function receiveError(sent: SentError): Error {
  switch (sent.kind) {
    case 'millrace': {
      const { code, facts, cause } = sent;
      return new MillraceError(code, facts, cause === undefined ? undefined : receiveError(cause));
    }
    case 'invariant':
      return withStack(new InvariantViolation(sent.message), sent.stack);
    case 'other':
      return withStack(Object.assign(new Error(sent.message), sent.fields), sent.stack);
  }
}

function sendError(error: unknown, causesMax: number): SentError {
  if (error instanceof MillraceError) {
    const { code, facts, cause } = error;
    const isSent = cause !== undefined && causesMax > 0;
    return {
      kind: 'millrace',
      code,
      facts: { ...facts },
      cause: isSent ? sendError(cause, causesMax - 1) : undefined,
    };
  }
  if (!(error instanceof Error)) {
    return { kind: 'other', message: String(error), stack: undefined, fields: {} };
  }
  const { message, stack } = error;
  if (error instanceof InvariantViolation) return { kind: 'invariant', message, stack };
  return { kind: 'other', message, stack, fields: systemFields(error) };
}

function systemFields(error: Error): Record<string, string | number> {
  const fields: Record<string, string | number> = {};
  for (const name of SYSTEM_FIELDS) {
    const value: unknown = Reflect.get(error, name);
    if (typeof value === 'string' || typeof value === 'number') fields[name] = value;
  }
  return fields;
}

/** Where it was thrown on the thread says more than where it was received. */
function withStack(error: Error, stack: string | undefined): Error {
  if (stack !== undefined) error.stack = stack;
  return error;
}
