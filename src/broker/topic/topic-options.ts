/**
 * The options of a topic: how many partitions it has, and how their logs keep records.
 *
 * They are those of a log, with another default: a topic lets go what is older than 7 days, as
 * Kafka's do. What a log remembers can be altered while the topic is in use; the others belong to
 * the topic from its creation on.
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
import {
  type LogOptions,
  logOptionTable,
  rememberedOptions,
  resolveLogOptions,
} from '../../storage/main.js';

const MINUTE_MS = 60 * 1000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const RETENTION_MS_DEFAULT = 7 * DAY_MS;

export const topicOptionTable = optionTable({
  partitions: {
    unit: 'partitions',
    default: 1,
    min: 1,
    max: limits.topicPartitionsMax,
    doc: 'Logs that the topic is spread over; more can be added later, none taken away.',
  },
  segmentBytes: logOptionTable.segmentBytes,
  segmentMs: logOptionTable.segmentMs,
  indexIntervalBytes: logOptionTable.indexIntervalBytes,
  recordBytesMax: logOptionTable.recordBytesMax,
  batchBytesMax: logOptionTable.batchBytesMax,
  cleanup: logOptionTable.cleanup,
  retentionMs: logOptionTable.retentionMs,
  retentionBytes: logOptionTable.retentionBytes,
  retentionRecords: logOptionTable.retentionRecords,
  protectedGroups: logOptionTable.protectedGroups,
  minCleanableDirtyRatio: logOptionTable.minCleanableDirtyRatio,
  minCompactionLagMs: logOptionTable.minCompactionLagMs,
  maxCompactionLagMs: logOptionTable.maxCompactionLagMs,
  tombstoneRetentionMs: logOptionTable.tombstoneRetentionMs,
  compression: logOptionTable.compression,
  flushMs: logOptionTable.flushMs,
  flushBytes: logOptionTable.flushBytes,
  deduplicationWindowMs: {
    unit: 'ms',
    default: 5 * MINUTE_MS,
    min: 1_000,
    max: 30 * DAY_MS,
    doc: 'For how long a record that is sent with the deduplicationId of another is not stored.',
  },
  deduplicationIdsMax: {
    unit: 'ids',
    default: 1_000_000,
    min: 1,
    max: 10_000_000,
    doc: 'How many ids that window holds, about 160 B each; beyond, the oldest are forgotten.',
  },
});

export type TopicOptions = GivenOptions<typeof topicOptionTable>;
export type TopicConfig = ResolvedOptions<typeof topicOptionTable>;

/** What is the topic's own, and not its logs'. */
const ownOptions = ['partitions', 'deduplicationWindowMs', 'deduplicationIdsMax'] as const;
const alterable: readonly string[] = [
  ...rememberedOptions,
  'deduplicationWindowMs',
  'deduplicationIdsMax',
];

/** Whether `alter` takes it. */
export function isAlterable(option: string): boolean {
  return alterable.includes(option);
}

/** The configuration of a new topic. Throws OPTION_UNKNOWN, OPTION_INVALID. */
export function resolveTopicOptions(given: TopicOptions, where: string): TopicConfig {
  const config = withDefaults(resolveOptions(topicOptionTable, given, where), given);
  resolveLogOptions(logOptionsOf(config), where);
  return config;
}

/** Options of unknown types, as a socket or a command line gives them. Throws OPTION_INVALID. */
export function topicOptionsOf(given: Readonly<Record<string, unknown>>): TopicOptions {
  const config = resolveForeign(topicOptionTable, given, 'topic');
  const named = Object.keys(given).filter((name) => given[name] !== undefined);
  return Object.fromEntries(Object.entries(config).filter(([name]) => named.includes(name)));
}

/** The configuration that a definition holds. */
export function restoreTopicOptions(given: unknown, where: string): TopicConfig {
  const config = resolveForeign(topicOptionTable, given, where);
  resolveLogOptions(logOptionsOf(config), where);
  return config;
}

/** Throws TOPIC_CONFLICT, with both values, when the topic has other options than these. */
export function checkDeclared(config: TopicConfig, given: TopicOptions, topic: string): void {
  const asked = resolveOptions(topicOptionTable, given, topic);
  for (const name of optionNames(given)) {
    if (given[name] === undefined) continue;
    const [expected, actual] = [shownOption(config[name]), shownOption(asked[name])];
    if (expected === actual) continue;
    throw createError('TOPIC_CONFLICT', { topic, option: name, expected, actual });
  }
}

/** The configuration after an alteration, which may name what a log remembers only. */
export function alterTopicOptions(
  config: TopicConfig,
  changes: TopicOptions,
  topic: string,
): TopicConfig {
  const checked = resolveOptions(topicOptionTable, changes, topic);
  const altered: Record<string, unknown> = { ...config };
  for (const name of optionNames(changes)) {
    if (changes[name] === undefined) continue;
    if (!alterable.includes(name)) {
      const expected = `one of ${alterable.join(', ')}`;
      throw createError('OPTION_INVALID', { option: name, expected, actual: name, where: topic });
    }
    altered[name] = checked[name];
  }
  if (changes.cleanup !== undefined && changes.retentionMs === undefined) {
    altered['retentionMs'] = retentionAfter(config, checked.cleanup);
  }
  return restoreTopicOptions(altered, topic);
}

/** Those of the options that can be altered and are others than the topic has. */
export function changedOptions(config: TopicConfig, asked: TopicOptions): TopicOptions {
  const names = optionNames(asked).filter((name) => alterable.includes(name));
  const changed = names.filter((name) => {
    const value = asked[name];
    return value !== undefined && shownOption(value) !== shownOption(config[name]);
  });
  return Object.fromEntries(changed.map((name) => [name, asked[name]]));
}

/** A topic with more partitions. Throws OPTION_INVALID when they are not more. */
export function growTopicOptions(
  config: TopicConfig,
  partitions: number,
  topic: string,
): TopicConfig {
  resolveOptions(topicOptionTable, { partitions }, topic);
  if (partitions > config.partitions) return Object.freeze({ ...config, partitions });
  throw createError('OPTION_INVALID', {
    option: 'partitions',
    expected: `more than ${config.partitions}`,
    actual: partitions,
    where: topic,
    kafka: 'INVALID_PARTITIONS',
  });
}

/** What each partition's log is opened with. */
export function logOptionsOf(config: TopicConfig): LogOptions {
  const own: readonly string[] = ownOptions;
  return Object.fromEntries(Object.entries(config).filter(([name]) => !own.includes(name)));
}

/** The part of them that a log remembers, and that its `alter` takes. */
export function rememberedLogOptions(config: TopicConfig): LogOptions {
  return Object.fromEntries(rememberedOptions.map((name) => [name, config[name]]));
}

function withDefaults(config: TopicConfig, given: TopicOptions): TopicConfig {
  if (given.retentionMs !== undefined || config.cleanup === 'compact') return config;
  return Object.freeze({ ...config, retentionMs: RETENTION_MS_DEFAULT });
}

/** The default age comes and goes with deletion; one that was chosen stays as it is. */
function retentionAfter(
  config: TopicConfig,
  cleanup: TopicConfig['cleanup'],
): TopicConfig['retentionMs'] {
  const { retentionMs } = config;
  if (cleanup === 'compact') {
    return retentionMs === RETENTION_MS_DEFAULT ? 'unlimited' : retentionMs;
  }
  return config.cleanup === 'compact' ? RETENTION_MS_DEFAULT : retentionMs;
}

function optionNames(given: TopicOptions): readonly (keyof TopicConfig)[] {
  return Object.keys(given).filter((name): name is keyof TopicConfig => name in topicOptionTable);
}

/** An option's value as one that can be compared, and that an error can show. */
function shownOption(value: TopicConfig[keyof TopicConfig]): string | number {
  return typeof value === 'object' ? `[${value.join(', ')}]` : value;
}
