/**
 * The options of a share group on a topic, of a consumer in it, and of one call.
 */

import { limits } from '../../base/limits.js';
import {
  type GivenOptions,
  limitOf,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
} from '../../base/options.js';
import { checkGroupId } from '../group/group-admission.js';
import { FAILURES_MAX } from './share-deliveries.js';
import type { ShareGroupConfig } from './share-group-config.js';
import { DELIVERIES_MAX, SLOTS_MAX } from './share-receipt.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const LEASE_MS_MAX = 7 * DAY_MS;
const WAIT_MS_MAX = DAY_MS;
const RECEIVE_MAX = 10_000;

export const shareOptionTable = optionTable({
  group: {
    default: '',
    bytesMax: limits.groupNameBytesMax,
    doc: 'The share group; its consumers take messages one by one, each message by one of them.',
  },
  order: {
    values: ['none', 'key'],
    default: 'none',
    doc: 'With key, of the messages of a key one is under way at a time, in their order.',
  },
  from: {
    values: ['earliest', 'latest'],
    default: 'earliest',
    doc: 'Where a group begins that is new.',
  },
  visibilityTimeoutMs: {
    unit: 'ms',
    default: 30_000,
    min: 1,
    max: LEASE_MS_MAX,
    doc: 'For how long a message that was received is hidden from others.',
  },
  maxDeliveries: {
    unit: 'deliveries',
    isLimit: true,
    default: 5,
    min: 1,
    max: 1_000_000,
    doc: 'How often a message is handed out at most.',
  },
  maxFailures: {
    unit: 'failures',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: FAILURES_MAX,
    doc: 'How many of its deliveries may fail.',
  },
  deadLetter: {
    default: '',
    bytesMax: limits.topicNameMax,
    doc: 'The topic for messages that were handed out so often or rejected; without one they end.',
  },
  inFlightMax: {
    unit: 'messages',
    default: 100_000,
    min: 1,
    max: SLOTS_MAX,
    doc: 'How many messages all consumers of the group have at once.',
  },
  inFlightBytesMax: {
    unit: 'bytes',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The same, in bytes of keys, values and headers.',
  },
  singleActiveConsumer: {
    default: false,
    doc: 'Whether one consumer gets all messages, and others take over when it leaves.',
  },
  consumerInFlightMax: {
    unit: 'messages',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: SLOTS_MAX,
    doc: 'How many messages this consumer has at once.',
  },
  consumerInFlightBytesMax: {
    unit: 'bytes',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The same, in bytes of keys, values and headers.',
  },
  priority: {
    unit: 'levels',
    default: 0,
    min: -1_000_000,
    max: 1_000_000,
    doc: 'Consumers of a higher priority are served first.',
  },
});

export type ShareOptions = GivenOptions<typeof shareOptionTable> & { readonly group: string };
export type ShareConfig = ResolvedOptions<typeof shareOptionTable>;

/** What belongs to the group, and is the same for all its consumers. */
export const groupOptionNames = [
  'order',
  'from',
  'visibilityTimeoutMs',
  'maxDeliveries',
  'maxFailures',
  'deadLetter',
  'inFlightMax',
  'inFlightBytesMax',
  'singleActiveConsumer',
] as const satisfies readonly (keyof ShareConfig)[];

/** Throws OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID. */
export function resolveShareOptions(given: ShareOptions, topic: string): ShareConfig {
  const config = resolveOptions(shareOptionTable, given, topic);
  checkGroupId(config.group);
  return config;
}

export function groupConfigOf(config: ShareConfig): ShareGroupConfig {
  return {
    leaseMs: config.visibilityTimeoutMs,
    deliveriesMax: Math.min(limitOf(config.maxDeliveries), DELIVERIES_MAX),
    failuresMax: Math.min(limitOf(config.maxFailures), FAILURES_MAX),
    inFlightCountMax: config.inFlightMax,
    inFlightBytesMax: limitOf(config.inFlightBytesMax),
    order: config.order,
    isSingleActive: config.singleActiveConsumer,
    retainAcknowledgedMs: 0,
    deletesFinished: false,
    startsAt: config.from,
  };
}

export const shareReceiveTable = optionTable({
  max: {
    unit: 'messages',
    default: 1,
    min: 1,
    max: RECEIVE_MAX,
    doc: 'Messages at most.',
  },
  maxBytes: {
    unit: 'bytes',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'Bytes of keys, values and headers at most; one message is given anyway.',
  },
  waitMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: WAIT_MS_MAX,
    doc: 'How long to wait for the first message.',
  },
  visibilityTimeoutMs: {
    unit: 'ms',
    default: shareOptionTable.visibilityTimeoutMs.default,
    min: 1,
    max: LEASE_MS_MAX,
    doc: 'Instead of that of the group.',
  },
});

export type ShareReceiveOptions = GivenOptions<typeof shareReceiveTable> & {
  /** Ends the call with its reason; nothing was received then. */
  readonly signal?: AbortSignal | undefined;
};

export const shareReleaseTable = optionTable({
  delayMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: LEASE_MS_MAX,
    doc: 'How long until the messages can be received again.',
  },
  isFailure: {
    default: false,
    doc: 'Whether the delivery counts as a failure.',
  },
});

export type ShareReleaseOptions = GivenOptions<typeof shareReleaseTable>;
