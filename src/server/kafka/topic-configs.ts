/**
 * The settings of a topic under Kafka's names: which option each one is, and how its values read.
 *
 * Settings that have only one value here are shown with it, and accepted when that is what is asked
 * for; any other is INVALID_CONFIG, as is a name that is not Kafka's.
 */

import { createError } from '../../base/errors.js';
import { type TopicOptions, topicOptionsOf, topicOptionTable } from '../../broker/main.js';

type OptionName = keyof TopicOptions;

/** The numbers of the protocol for what kind of value a setting has. */
export const configTypes = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const;
type ConfigType = keyof typeof configTypes;
/** The same for where its value comes from. */
export const configSources = { topic: 1, server: 4, default: 5, group: 8 } as const;

interface Setting {
  readonly option: OptionName;
  readonly type: ConfigType;
  /** From Kafka's text, and to it, where they are not the same. */
  readonly read?: (text: string) => unknown;
  readonly show?: (value: unknown) => string;
}

const UNLIMITED = '-1';
const ENDLESS = '9223372036854775807';

function limited(option: OptionName, type: ConfigType, unlimited = UNLIMITED): Setting {
  return {
    option,
    type,
    read: (text) => (text === unlimited || text === UNLIMITED ? 'unlimited' : numberOf(text)),
    show: (value) => (value === 'unlimited' ? unlimited : String(value)),
  };
}

function plain(option: OptionName, type: ConfigType): Setting {
  return { option, type, read: numberOf };
}

export const topicSettings: Readonly<Record<string, Setting>> = {
  'cleanup.policy': {
    option: 'cleanup',
    type: 'list',
    read: (text) => {
      const parts = text.split(',').map((part) => part.trim());
      return parts.length === 2 ? parts.sort().join(',') : parts[0];
    },
  },
  'compression.type': {
    option: 'compression',
    type: 'string',
    // What producers send is kept as it came, so both are the same.
    read: (text) => (text === 'producer' || text === 'uncompressed' ? 'none' : text),
    show: (value) => (value === 'none' ? 'producer' : String(value)),
  },
  'delete.retention.ms': plain('tombstoneRetentionMs', 'long'),
  'index.interval.bytes': plain('indexIntervalBytes', 'int'),
  'max.compaction.lag.ms': limited('maxCompactionLagMs', 'long', ENDLESS),
  'max.message.bytes': plain('batchBytesMax', 'int'),
  'min.cleanable.dirty.ratio': plain('minCleanableDirtyRatio', 'double'),
  'min.compaction.lag.ms': plain('minCompactionLagMs', 'long'),
  'retention.bytes': limited('retentionBytes', 'long'),
  'retention.ms': limited('retentionMs', 'long'),
  'segment.bytes': plain('segmentBytes', 'int'),
  'segment.ms': limited('segmentMs', 'long', ENDLESS),
};

export interface FixedSetting {
  readonly value: string;
  readonly type: ConfigType;
}

/** What is as it is, on one node with one copy of everything. */
export const fixedSettings: Readonly<Record<string, FixedSetting>> = {
  'file.delete.delay.ms': { value: '0', type: 'long' },
  'flush.messages': { value: '1', type: 'long' },
  'follower.replication.throttled.replicas': { value: '', type: 'list' },
  'leader.replication.throttled.replicas': { value: '', type: 'list' },
  'message.timestamp.type': { value: 'CreateTime', type: 'string' },
  'min.insync.replicas': { value: '1', type: 'int' },
  preallocate: { value: 'false', type: 'boolean' },
  'remote.storage.enable': { value: 'false', type: 'boolean' },
  'unclean.leader.election.enable': { value: 'false', type: 'boolean' },
};

export interface GivenConfig {
  readonly name: string;
  readonly value: string | null;
}

/** The options that settings ask for. Throws OPTION_INVALID, OPTION_UNKNOWN. */
export function topicOptionsFrom(configs: readonly GivenConfig[]): TopicOptions {
  const options: Record<string, unknown> = {};
  for (const { name, value } of configs) {
    if (value === null) continue;
    const fixed = fixedSettings[name];
    if (fixed !== undefined) {
      if (fixed.value === value) continue;
      throw invalid(name, fixed.value, value);
    }
    const setting = topicSettings[name];
    if (setting === undefined) throw createError('OPTION_UNKNOWN', { option: name, kafka });
    options[setting.option] = setting.read?.(value) ?? value;
  }
  // In a topic that only compacts age and size mean nothing; here they are then not set at all.
  const ageless = options['cleanup'] === 'compact' ? withoutRetention : {};
  return topicOptionsOf({ ...options, ...ageless, ...recordOptions(options['batchBytesMax']) });
}

/** Kafka bounds a batch and no record by itself: one may be as large as the batch that it is in. */
function recordOptions(batchBytesMax: unknown): Readonly<Record<string, unknown>> {
  if (typeof batchBytesMax !== 'number' || !Number.isSafeInteger(batchBytesMax)) return {};
  return { recordBytesMax: Math.min(batchBytesMax, topicOptionTable.recordBytesMax.max) };
}

const withoutRetention = { retentionMs: 'unlimited', retentionBytes: 'unlimited' } as const;

/** A setting's value in Kafka's text. */
export function shownSetting(setting: Setting, value: unknown): string {
  return setting.show?.(value) ?? String(value);
}

export interface ShownSetting {
  readonly name: string;
  readonly value: string;
  readonly type: ConfigType;
  readonly readOnly: boolean;
  readonly configSource: number;
}

/** Every setting of a topic, by name; `usual` is what it has for which nobody says anything. */
export function shownSettings(
  options: Readonly<Partial<Record<OptionName, unknown>>>,
  usual: Readonly<Partial<Record<OptionName, unknown>>>,
): ShownSetting[] {
  const own = Object.entries(topicSettings).map(([name, setting]): ShownSetting => {
    const value = shownSetting(setting, options[setting.option]);
    const isUsual = value === shownSetting(setting, usual[setting.option]);
    const configSource = isUsual ? configSources.default : configSources.topic;
    return { name, value, type: setting.type, readOnly: false, configSource };
  });
  const fixed = Object.entries(fixedSettings).map(([name, { value, type }]): ShownSetting => {
    return { name, value, type, readOnly: true, configSource: configSources.default };
  });
  return [...own, ...fixed].sort((one, other) => (one.name < other.name ? -1 : 1));
}

const kafka = 'INVALID_CONFIG';

function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

function invalid(option: string, expected: string, actual: string): Error {
  return createError('OPTION_INVALID', { option, expected, actual, kafka });
}
