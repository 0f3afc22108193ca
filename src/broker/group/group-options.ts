/**
 * The options of groups: Kafka's names where it has one, its defaults where they fit a program
 * whose members live beside the log.
 */

import { type GivenOptions, optionTable, type ResolvedOptions } from '../../base/options.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const groupOptionTable = optionTable({
  groupMaxSize: {
    unit: 'members',
    default: 1_000,
    min: 1,
    max: 10_000,
    doc: 'Most members of one group, ids that were given out and not used yet included.',
  },
  groupMinSessionTimeoutMs: {
    unit: 'milliseconds',
    default: 6_000,
    min: 1,
    max: 30 * MINUTE_MS,
    doc: 'The shortest session timeout that a member may ask for.',
  },
  groupMaxSessionTimeoutMs: {
    unit: 'milliseconds',
    default: 30 * MINUTE_MS,
    min: 1,
    max: DAY_MS,
    doc: 'The longest session timeout that a member may ask for.',
  },
  groupInitialRebalanceDelayMs: {
    unit: 'milliseconds',
    default: 0,
    min: 0,
    max: 10 * MINUTE_MS,
    doc: 'How long the first rebalance of an empty group waits for more members.',
  },
  groupConsumerSessionTimeoutMs: {
    unit: 'milliseconds',
    default: 45_000,
    min: 1,
    max: DAY_MS,
    doc: 'After how long of silence a member of the newer protocol is given up.',
  },
  groupConsumerHeartbeatIntervalMs: {
    unit: 'milliseconds',
    default: 5_000,
    min: 1,
    max: DAY_MS,
    doc: 'How often members of the newer protocol are told to send a heartbeat.',
  },
  offsetMetadataMaxBytes: {
    unit: 'bytes',
    default: 4_096,
    min: 0,
    max: 65_536,
    doc: 'Largest text that a commit may carry per partition.',
  },
  offsetsRetentionMs: {
    unit: 'milliseconds',
    isLimit: true,
    default: 7 * DAY_MS,
    min: 1,
    max: 36_500 * DAY_MS,
    doc: 'How long offsets are kept once their group is empty, or unsubscribed from the topic.',
  },
  offsetsRetentionCheckIntervalMs: {
    unit: 'milliseconds',
    default: 10 * MINUTE_MS,
    min: 1,
    max: DAY_MS,
    doc: 'How often offsets are looked through for those to remove.',
  },
  lagIntervalMs: {
    unit: 'milliseconds',
    default: 10_000,
    min: 10,
    max: DAY_MS,
    doc: 'How often the lag of groups with members is published while somebody listens.',
  },
});

export type GroupOptions = GivenOptions<typeof groupOptionTable>;
export type GroupConfig = ResolvedOptions<typeof groupOptionTable>;
