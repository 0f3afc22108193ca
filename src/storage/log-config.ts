/**
 * The configuration of one log: which options it remembers, and which go together.
 *
 * Remembered options decide how and what is kept; they lie in `log.json`. Opening with another
 * value than the remembered one is an error that names both; `alter` changes it. An option that
 * would have no effect, because `cleanup` leaves its part out, is an error that names both.
 */

import { createError } from '../base/errors.js';
import {
  type GivenOptions,
  limitOf,
  type ResolvedOptions,
  resolveForeign,
  resolveOptions,
} from '../base/options.js';
import { logOptionTable } from './log-options.js';

export type LogOptions = GivenOptions<typeof logOptionTable>;
export type LogConfig = ResolvedOptions<typeof logOptionTable>;

/** The options that `log.json` held when only deletion from the front existed. */
export const firstRememberedOptions = [
  'segmentBytes',
  'segmentMs',
  'indexIntervalBytes',
  'recordBytesMax',
  'batchBytesMax',
] as const satisfies readonly (keyof LogConfig)[];

/** The options that `log.json` holds. */
export const rememberedOptions = [
  ...firstRememberedOptions,
  'cleanup',
  'retentionMs',
  'retentionBytes',
  'retentionRecords',
  'protectedGroups',
  'minCleanableDirtyRatio',
  'minCompactionLagMs',
  'maxCompactionLagMs',
  'tombstoneRetentionMs',
] as const satisfies readonly (keyof LogConfig)[];

export type RememberedOptions = Pick<LogConfig, (typeof rememberedOptions)[number]>;

/** Which part of `cleanup` an option belongs to: without it, only the default is accepted. */
const cleanupParts = {
  retentionMs: 'delete',
  retentionBytes: 'delete',
  retentionRecords: 'delete',
  protectedGroups: 'delete',
  minCleanableDirtyRatio: 'compact',
  minCompactionLagMs: 'compact',
  maxCompactionLagMs: 'compact',
  tombstoneRetentionMs: 'compact',
} as const satisfies Partial<Record<keyof LogConfig, 'delete' | 'compact'>>;

type CleanupOption = keyof typeof cleanupParts;
const cleanupOptions = rememberedOptions.filter(
  (name): name is CleanupOption => name in cleanupParts,
);

/** Whether old segments go; whether old values of a key go. */
export function isDeleting(config: Pick<LogConfig, 'cleanup'>): boolean {
  return config.cleanup !== 'compact';
}

export function isCompacting(config: Pick<LogConfig, 'cleanup'>): boolean {
  return config.cleanup !== 'delete';
}

/**
 * Checks what was given against the table alone. Before the log is loaded that is all there is to
 * check: what an option goes with may be remembered.
 */
export function checkLogOptions(given: LogOptions, where: string): LogConfig {
  return resolveOptions(logOptionTable, given, where);
}

/** Checks options against the table and against each other. */
export function resolveLogOptions(given: LogOptions, where: string): LogConfig {
  return checkRelations(checkLogOptions(given, where), where);
}

/** The options that a file holds; those that it leaves out have their defaults. */
export function rememberedFrom(given: unknown, where: string): RememberedOptions {
  return rememberedOf(checkRelations(resolveForeign(logOptionTable, given, where), where));
}

export function rememberedOf(config: LogConfig): RememberedOptions {
  return {
    segmentBytes: config.segmentBytes,
    segmentMs: config.segmentMs,
    indexIntervalBytes: config.indexIntervalBytes,
    recordBytesMax: config.recordBytesMax,
    batchBytesMax: config.batchBytesMax,
    cleanup: config.cleanup,
    retentionMs: config.retentionMs,
    retentionBytes: config.retentionBytes,
    retentionRecords: config.retentionRecords,
    protectedGroups: config.protectedGroups,
    minCleanableDirtyRatio: config.minCleanableDirtyRatio,
    minCompactionLagMs: config.minCompactionLagMs,
    maxCompactionLagMs: config.maxCompactionLagMs,
    tombstoneRetentionMs: config.tombstoneRetentionMs,
  };
}

/** Options of an existing log: what was given must not differ from what is remembered. */
export function mergeRemembered(
  given: LogOptions,
  remembered: RememberedOptions,
  where: string,
): LogConfig {
  const checked = checkLogOptions(given, where);
  for (const name of rememberedOptions) {
    if (given[name] === undefined || shownOption(checked[name]) === shownOption(remembered[name])) {
      continue;
    }
    throw createError('OPTION_CONFLICT', {
      option: name,
      expected: shownOption(remembered[name]),
      actual: shownOption(checked[name]),
      where,
    });
  }
  return resolveLogOptions({ ...given, ...remembered }, where);
}

/** The configuration after an `alter`, which may name remembered options only. */
export function alterConfig(config: LogConfig, changes: LogOptions, where: string): LogConfig {
  const names: readonly string[] = rememberedOptions;
  const checked = checkLogOptions({ ...config, ...changes }, where);
  for (const name of Object.keys(changes)) {
    if (names.includes(name)) continue;
    const expected = `one of ${names.join(', ')}`;
    throw createError('OPTION_INVALID', { option: name, expected, actual: name, where });
  }
  return checkRelations(checked, where);
}

function checkRelations(config: LogConfig, where: string): LogConfig {
  const refuse = (option: keyof LogConfig, expected: string): never => {
    const actual = shownOption(config[option]);
    throw createError('OPTION_INVALID', { option, expected, actual, where });
  };
  const { cleanup, batchBytesMax, minCompactionLagMs } = config;
  if (config.recordBytesMax > batchBytesMax) {
    refuse('recordBytesMax', `at most batchBytesMax (${batchBytesMax})`);
  }
  if (minCompactionLagMs > limitOf(config.maxCompactionLagMs)) {
    refuse('minCompactionLagMs', `at most maxCompactionLagMs (${config.maxCompactionLagMs})`);
  }
  for (const option of cleanupOptions) {
    const part = cleanupParts[option];
    if (part === 'delete' ? isDeleting(config) : isCompacting(config)) continue;
    const unset = shownOption(logOptionTable[option].default);
    if (shownOption(config[option]) === unset) continue;
    refuse(option, `${unset}, or cleanup with '${part}' in it (cleanup is '${cleanup}')`);
  }
  return config;
}

/** An option's value as one that can be compared, and that an error can show. */
function shownOption(value: LogConfig[keyof LogConfig]): string | number | boolean {
  return typeof value === 'object' ? `[${value.join(', ')}]` : value;
}
