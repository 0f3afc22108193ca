/**
 * The options of `consume`: how many handlers, when messages are acknowledged, what becomes of
 * failures, how fast.
 */

import { createError } from '../../base/errors.js';
import {
  type GivenOptions,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
} from '../../base/options.js';
import {
  breakerOptionTable,
  type CircuitBreakerConfig,
  type CircuitBreakerOptions,
} from '../process/circuit-breaker.js';
import {
  RETRY_ATTEMPTS_MAX,
  type RetryOptions,
  resolveRetryOptions,
  retryOptionTable,
} from '../process/retry-policy.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const queueWorkerOptionTable = optionTable({
  concurrency: {
    unit: 'handlers',
    default: 16,
    min: 1,
    max: 10_000,
    doc: 'How many handlers of this worker run at once.',
  },
  acknowledge: {
    values: ['on-return', 'on-receive'],
    default: 'on-return',
    doc: 'When the handler has returned; or durably before it is called, so it runs at most once.',
  },
  attemptTimeoutMs: {
    unit: 'milliseconds',
    isLimit: true,
    default: 5 * MINUTE_MS,
    min: 1,
    max: DAY_MS,
    doc: 'A handler that takes longer is told to end, and its attempt has failed.',
  },
  inFlightBytes: {
    unit: 'bytes',
    default: 64 * MIB,
    min: KIB,
    max: 4096 * MIB,
    doc: 'How many bytes of messages the worker holds; one message may be larger.',
  },
  priority: {
    unit: 'levels',
    default: 0,
    min: -1_000_000,
    max: 1_000_000,
    doc: 'Messages go to consumers of higher priority while those have room.',
  },
});

export const queueRateOptionTable = optionTable({
  count: {
    unit: 'messages',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: 1_000_000_000,
    doc: 'How many handlers are started per `perMs`, on average; each attempt counts.',
  },
  perMs: {
    unit: 'milliseconds',
    default: 1_000,
    min: 1,
    max: DAY_MS,
    doc: 'The time that `count` goes by.',
  },
  burst: {
    unit: 'messages',
    isAutomatic: true,
    default: 'auto',
    min: 1,
    max: 1_000_000_000,
    doc: 'How many may be started at once after a pause; automatic is what `count` says.',
  },
  onLimit: {
    values: ['wait', 'delay', 'drop'],
    default: 'wait',
    doc: 'Over the rate a message waits in the queue, comes again in time, or is acknowledged.',
  },
  dropBelowPriority: {
    unit: 'levels',
    isLimit: true,
    default: 'unlimited',
    min: 0,
    max: 32,
    doc: "With 'drop': messages of this priority or a higher one wait; without it, none do.",
  },
});

export type QueueRateOptions = GivenOptions<typeof queueRateOptionTable>;
export type QueueRateConfig = ResolvedOptions<typeof queueRateOptionTable>;

export interface QueueWorkerOptions extends GivenOptions<typeof queueWorkerOptionTable> {
  /**
   * When a message whose handler failed is given out again; what is not said here the queue says.
   * With `attempts` it goes to the dead letters after so many failures; without, only the limits of
   * the queue decide about that.
   */
  readonly retry?: RetryOptions | undefined;
  /** Whether this failure is worth another attempt; without it each one is. */
  readonly retryIf?: ((error: unknown, attempt: number) => boolean) | undefined;
  /** When no handlers are started because most of them fail; without it they always are. */
  readonly circuitBreaker?: CircuitBreakerOptions | undefined;
  readonly rateLimit?: QueueRateOptions | undefined;
  /** Ends the worker as `stop({ drainMs: 0 })` does. */
  readonly signal?: AbortSignal | undefined;
}

export interface QueueWorkerConfig extends ResolvedOptions<typeof queueWorkerOptionTable> {
  /** As it was given: what is missing the queue says. */
  readonly retry: RetryOptions;
  readonly retryIf: (error: unknown, attempt: number) => boolean;
  readonly circuitBreaker: CircuitBreakerConfig | undefined;
  readonly rateLimit: QueueRateConfig;
  readonly signal: AbortSignal | undefined;
}

/** Throws OPTION_UNKNOWN and OPTION_INVALID. */
export function resolveWorkerOptions(
  given: QueueWorkerOptions,
  queueRetry: RetryOptions,
): QueueWorkerConfig {
  if (typeof given !== 'object' || given === null) throw invalid('options', 'an object', given);
  const { retry = {}, retryIf, circuitBreaker, rateLimit, signal, ...table } = given;
  const config = resolveOptions(queueWorkerOptionTable, table, 'consume');
  if (retryIf !== undefined && typeof retryIf !== 'function') {
    throw invalid('retryIf', 'a function', retryIf);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid('signal', 'an AbortSignal', signal);
  }
  resolveOptions(retryOptionTable, retry, 'consume: retry');
  resolveRetryOptions(retryOptions(queueRetry, retry), 'consume: retry');
  return Object.freeze({
    ...config,
    retry,
    retryIf: retryIf ?? always,
    circuitBreaker:
      circuitBreaker === undefined
        ? undefined
        : resolveOptions(breakerOptionTable, circuitBreaker, 'consume: circuitBreaker'),
    rateLimit: rateConfig(rateLimit),
    signal,
  });
}

/** What holds when a queue and its worker both say something: the worker's word. */
export function retryOptions(queue: RetryOptions, worker: RetryOptions): RetryOptions {
  const said = Object.entries(worker).filter(([, value]) => value !== undefined);
  return { attempts: RETRY_ATTEMPTS_MAX, ...queue, ...Object.fromEntries(said) };
}

function rateConfig(given: QueueRateOptions | undefined): QueueRateConfig {
  const config = resolveOptions(queueRateOptionTable, given, 'consume: rateLimit');
  const isDropping = config.onLimit === 'drop';
  if (config.dropBelowPriority === 'unlimited' || isDropping) return config;
  throw invalid('rateLimit.dropBelowPriority', "absent, unless onLimit is 'drop'", 'given');
}

function always(): boolean {
  return true;
}

function invalid(option: string, expected: string, actual: unknown): Error {
  const shown = typeof actual === 'string' ? actual : typeof actual;
  return createError('OPTION_INVALID', { option, expected, actual: shown, where: 'consume' });
}
