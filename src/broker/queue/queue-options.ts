/**
 * The options of a queue, as a table: leases, attempts, order, limits, and how its log is kept.
 *
 * All of them are stored with the queue. What a queue is, first in, first out or not, stays as it
 * was made; everything else can be altered while the queue is in use.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import {
  type GivenOptions,
  optionTable,
  type ResolvedOptions,
  resolveForeign,
  resolveOptions,
} from '../../base/options.js';
import { type RetryOptions, resolveRetryOptions } from '../process/retry-policy.js';
import { FAILURES_MAX } from '../share/share-deliveries.js';
import {
  resolveTopicOptions,
  type TopicConfig,
  type TopicOptions,
  topicOptionTable,
} from '../topic/topic-options.js';
import { checkQueueName } from './queue-name.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;
const YEAR_MS = 366 * DAY_MS;
const DURATION_MS_MAX = 10 * YEAR_MS;
const SEGMENT_BYTES_DEFAULT = 16 * MIB;

/** What `deadLetter` says when there are no dead letters. */
export const NO_DEAD_LETTER = 'none';

export const queueOptionTable = optionTable({
  visibilityTimeoutMs: {
    unit: 'ms',
    default: 30 * SECOND_MS,
    min: 1,
    max: 7 * DAY_MS,
    doc: 'For how long a message that was received is hidden from others.',
  },
  maxDeliveries: {
    unit: 'deliveries',
    isLimit: true,
    default: 5,
    min: 1,
    max: 1_000_000,
    doc: 'How often a message is handed out at most; then it is a dead letter.',
  },
  maxFailures: {
    unit: 'failures',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: FAILURES_MAX,
    doc: 'How many of its deliveries may fail; then it is a dead letter.',
  },
  deadLetter: {
    default: '',
    bytesMax: limits.queueNameMax,
    doc: "The queue of dead letters; '' is the own name and -dead; 'none': they vanish.",
  },
  expired: {
    values: ['dead-letter', 'drop'],
    default: 'dead-letter',
    doc: 'What becomes of messages whose time to live is over.',
  },
  priorities: {
    unit: 'levels',
    default: 1,
    min: 1,
    max: limits.queuePrioritiesMax,
    doc: 'Levels of priority, from 0 on; a higher one is more urgent. More can be added later.',
  },
  priorityOrder: {
    values: ['strict', 'weighted'],
    default: 'strict',
    doc: 'Whether lower levels wait for higher ones, or get a smaller share beside them.',
  },
  fifo: {
    default: false,
    doc: 'Whether messages of one group are handed out one after the other, in order.',
  },
  deduplication: {
    values: ['id', 'content'],
    default: 'id',
    doc: 'What makes two messages one: the id that they were sent with, or else their content.',
  },
  deduplicationWindowMs: topicOptionTable.deduplicationWindowMs,
  deduplicationIdsMax: topicOptionTable.deduplicationIdsMax,
  delayMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: DURATION_MS_MAX,
    doc: 'How long a message that says nothing else waits before it can be received.',
  },
  ttlMs: {
    unit: 'ms',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: DURATION_MS_MAX,
    doc: 'How long a message may wait to be received; a message can have a shorter time.',
  },
  retainAcknowledgedMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: DURATION_MS_MAX,
    doc: 'For how long messages that are done with can be read by offset, and replayed.',
  },
  lengthMax: {
    unit: 'messages',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'How many messages the queue holds that are not done with.',
  },
  lengthBytesMax: {
    unit: 'bytes',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The same, in bytes of keys, values and headers; one message may be larger.',
  },
  overflow: {
    values: ['wait', 'reject', 'drop-oldest'],
    default: 'wait',
    doc: 'What a send does at that limit.',
  },
  dropped: {
    values: ['dead-letter', 'drop'],
    default: 'dead-letter',
    doc: 'What becomes of messages that are dropped at that limit.',
  },
  singleActiveConsumer: {
    default: false,
    doc: 'Whether one consumer gets all messages, and others take over when it leaves.',
  },
  inFlightMax: {
    unit: 'messages',
    default: 100_000,
    min: 1,
    max: limits.queueInFlightMax,
    doc: 'How many messages all consumers have at once.',
  },
  inFlightBytesMax: {
    unit: 'bytes',
    isLimit: true,
    default: 1 * GIB,
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The same, in bytes of keys, values and headers; one message may be larger.',
  },
  segmentBytes: { ...topicOptionTable.segmentBytes, default: SEGMENT_BYTES_DEFAULT },
  recordBytesMax: topicOptionTable.recordBytesMax,
  batchBytesMax: topicOptionTable.batchBytesMax,
  compression: topicOptionTable.compression,
  flushMs: topicOptionTable.flushMs,
  flushBytes: topicOptionTable.flushBytes,
});

type TableConfig = ResolvedOptions<typeof queueOptionTable>;

export interface QueueOptions extends GivenOptions<typeof queueOptionTable> {
  /** When a message whose handler failed is tried again; workers may say something else. */
  readonly retry?: RetryOptions | undefined;
}

export interface QueueConfig extends TableConfig {
  /** As it was given; what is absent is up to the worker. */
  readonly retry: RetryOptions;
}

/** What the log of the queue is told of them. */
const topicOptionNames = [
  'deduplicationWindowMs',
  'deduplicationIdsMax',
  'segmentBytes',
  'recordBytesMax',
  'batchBytesMax',
  'compression',
  'flushMs',
  'flushBytes',
] as const;

/** What a queue keeps from its creation on. */
const fixedOptions: readonly (keyof QueueConfig)[] = [
  'fifo',
  'compression',
  'flushMs',
  'flushBytes',
];

/** The configuration of a new queue. Throws OPTION_UNKNOWN, OPTION_INVALID, INVALID_TOPIC_NAME. */
export function resolveQueueOptions(queue: string, given: QueueOptions = {}): QueueConfig {
  const config = resolveAlone(queue, given);
  if (config.fifo && config.priorities > 1) {
    throw invalid(queue, 'priorities', '1 where `fifo` is on', config.priorities);
  }
  resolveTopicOptions(topicOptionsOfQueue(config), queue);
  return config;
}

/** Each option by itself. */
function resolveAlone(queue: string, { retry, ...table }: QueueOptions): QueueConfig {
  const config = resolveOptions(queueOptionTable, table, queue);
  const deadLetter = config.deadLetter === '' ? `${queue}-dead` : config.deadLetter;
  checkDeadLetter(queue, deadLetter);
  return Object.freeze({ ...config, deadLetter, retry: givenRetry(queue, retry) });
}

/** Options of unknown types, as a definition, a socket or a command line gives them. */
export function queueOptionsOf(
  queue: string,
  { retry, ...given }: Readonly<Record<string, unknown>>,
): QueueOptions {
  const checked = resolveForeign(queueOptionTable, given, queue);
  const named = Object.entries(checked).filter(([name]) => given[name] !== undefined);
  const options: QueueOptions = Object.fromEntries(named);
  return retry === undefined ? options : { ...options, retry: foreignRetry(queue, retry) };
}

/** The configuration after an alteration. Throws OPTION_UNKNOWN, OPTION_INVALID. */
export function alterQueueOptions(
  queue: string,
  config: QueueConfig,
  changes: QueueOptions,
): QueueConfig {
  const named = given(changes);
  for (const name of named) {
    if (fixedOptions.includes(name) && changes[name] !== config[name]) {
      throw invalid(queue, name, 'what the queue was made with', shown(changes[name]));
    }
  }
  const { priorities } = changes;
  if (priorities !== undefined && priorities < config.priorities) {
    throw invalid(queue, 'priorities', `at least ${config.priorities}`, priorities);
  }
  const changed = Object.fromEntries(named.map((name) => [name, changes[name]]));
  return resolveQueueOptions(queue, { ...config, ...changed });
}

/** Throws QUEUE_CONFLICT, with both values, when the queue has other options than these. */
export function checkDeclaredQueue(
  queue: string,
  config: QueueConfig,
  options: QueueOptions,
): void {
  const asked = resolveAlone(queue, options);
  for (const name of given(options)) {
    const [expected, actual] = [shown(config[name]), shown(asked[name])];
    if (expected === actual) continue;
    throw createError('QUEUE_CONFLICT', { queue, option: name, expected, actual });
  }
}

/** The options of the queue's topic: it deletes what is done with by itself. */
export function topicOptionsOfQueue(config: QueueConfig): TopicOptions {
  const passed = topicOptionNames.map((name) => [name, config[name]]);
  return {
    partitions: config.priorities,
    retentionMs: 'unlimited',
    ...Object.fromEntries(passed),
  };
}

/** What the topic is to be told so that it is as the queue says. */
export function alteredTopicOptions(topic: TopicConfig, config: QueueConfig): TopicOptions {
  const changed = topicOptionNames.filter((name) => topic[name] !== config[name]);
  return Object.fromEntries(changed.map((name) => [name, config[name]]));
}

function givenRetry(queue: string, retry: RetryOptions | undefined): RetryOptions {
  resolveRetryOptions(retry, `${queue}: retry`);
  const named = Object.entries(retry ?? {}).filter(([, value]) => value !== undefined);
  return Object.freeze(Object.fromEntries(named));
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID. */
function foreignRetry(queue: string, retry: unknown): RetryOptions {
  const where = `${queue}: retry`;
  if (typeof retry !== 'object' || retry === null || Array.isArray(retry)) {
    throw invalid(queue, 'retry', 'an object', typeof retry);
  }
  const options: RetryOptions = { ...retry };
  resolveRetryOptions(options, where);
  return options;
}

function checkDeadLetter(queue: string, deadLetter: string): void {
  if (deadLetter === NO_DEAD_LETTER) return;
  checkQueueName(deadLetter);
  if (deadLetter === queue) throw invalid(queue, 'deadLetter', 'another queue', deadLetter);
}

function given(options: QueueOptions): readonly (keyof QueueConfig)[] {
  const names = Object.keys(options).filter(
    (name): name is keyof QueueConfig => name in queueOptionTable || name === 'retry',
  );
  return names.filter((name) => options[name] !== undefined);
}

function shown(value: unknown): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  return JSON.stringify(sorted(value)) ?? 'nothing';
}

/** Equal for equal options, whatever order they were written in. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
}

function invalid(
  where: string,
  option: string,
  expected: string,
  actual: string | number | boolean,
): Error {
  return createError('OPTION_INVALID', { option, expected, actual, where });
}
