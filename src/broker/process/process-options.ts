/**
 * The options of `process`: how many handlers, what becomes of failures, how fast.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import {
  type GivenOptions,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
} from '../../base/options.js';
import { checkTopicName } from '../topic/topic-name.js';
import {
  breakerOptionTable,
  type CircuitBreakerConfig,
  type CircuitBreakerOptions,
} from './circuit-breaker.js';
import { type RetryConfig, type RetryOptions, resolveRetryOptions } from './retry-policy.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const processOptionTable = optionTable({
  concurrency: {
    unit: 'handlers',
    default: 16,
    min: 1,
    max: 10_000,
    doc: 'How many handlers run at once, for all partitions of this worker together.',
  },
  inFlightRecords: {
    unit: 'records',
    default: 10_000,
    min: 1,
    max: 10_000_000,
    doc: 'How many records are taken and not done; each partition gets an equal part of it.',
  },
  inFlightBytes: {
    unit: 'bytes',
    default: 64 * MIB,
    min: KIB,
    max: 4096 * MIB,
    doc: 'The same, in bytes of keys, values and headers; one record may be larger.',
  },
  attemptTimeoutMs: {
    unit: 'milliseconds',
    isLimit: true,
    default: 5 * MINUTE_MS,
    min: 1,
    max: DAY_MS,
    doc: 'A handler that takes longer is told to end, and its attempt has failed.',
  },
  commitIntervalMs: {
    unit: 'milliseconds',
    default: 100,
    min: 0,
    max: 60 * MINUTE_MS,
    doc: 'The shortest time from one commit to the next.',
  },
  deadLetter: {
    default: '',
    bytesMax: limits.topicNameMax,
    doc: "The topic for records that failed for good; '' is the topic's own name and -dead.",
  },
});

export const rateLimitOptionTable = optionTable({
  records: {
    unit: 'records',
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
    doc: 'The time that `records` goes by.',
  },
  burst: {
    unit: 'records',
    isAutomatic: true,
    default: 'auto',
    min: 1,
    max: 1_000_000_000,
    doc: 'How many may be started at once after a pause; automatic is what `records` says.',
  },
});

export type RateLimitOptions = GivenOptions<typeof rateLimitOptionTable>;
export type RateLimitConfig = ResolvedOptions<typeof rateLimitOptionTable>;

export interface ProcessOptions extends GivenOptions<typeof processOptionTable> {
  /** When a record whose handler failed is tried again. */
  readonly retry?: RetryOptions | undefined;
  /** Whether this failure is worth another attempt; without it each one is. */
  readonly retryIf?: ((error: unknown, attempt: number) => boolean) | undefined;
  /** When no handlers are started because most of them fail; without it they always are. */
  readonly circuitBreaker?: CircuitBreakerOptions | undefined;
  readonly rateLimit?: RateLimitOptions | undefined;
  /** Ends the worker as `stop({ drainMs: 0 })` does. */
  readonly signal?: AbortSignal | undefined;
}

export interface ProcessConfig extends ResolvedOptions<typeof processOptionTable> {
  readonly retry: RetryConfig;
  readonly retryIf: (error: unknown, attempt: number) => boolean;
  readonly circuitBreaker: CircuitBreakerConfig | undefined;
  readonly rateLimit: RateLimitConfig;
  readonly signal: AbortSignal | undefined;
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID, INVALID_TOPIC_NAME for the dead letters. */
export function resolveProcessOptions(topic: string, given: ProcessOptions): ProcessConfig {
  const { retry, retryIf, circuitBreaker, rateLimit, signal, ...table } = given;
  const config = resolveOptions(processOptionTable, table, 'process');
  const deadLetter = config.deadLetter === '' ? `${topic}-dead` : config.deadLetter;
  checkTopicName(deadLetter);
  if (deadLetter === topic) throw invalid('deadLetter', 'another topic', deadLetter);
  if (retryIf !== undefined && typeof retryIf !== 'function') {
    throw invalid('retryIf', 'a function', typeof retryIf);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid('signal', 'an AbortSignal', typeof signal);
  }
  return Object.freeze({
    ...config,
    deadLetter,
    retry: resolveRetryOptions(retry, 'process: retry'),
    retryIf: retryIf ?? always,
    circuitBreaker:
      circuitBreaker === undefined
        ? undefined
        : resolveOptions(breakerOptionTable, circuitBreaker, 'process: circuitBreaker'),
    rateLimit: resolveOptions(rateLimitOptionTable, rateLimit, 'process: rateLimit'),
    signal,
  });
}

function always(): boolean {
  return true;
}

function invalid(option: string, expected: string, actual: string): Error {
  return createError('OPTION_INVALID', { option, expected, actual, where: 'process' });
}
