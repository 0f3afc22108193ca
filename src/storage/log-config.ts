/**
 * Options of one log, as a table, and which of them the log remembers.
 *
 * Remembered options decide how and what is kept; they lie in `log.json`. Opening with another
 * value than the remembered one is an error that names both; `alter` changes it.
 */

import { createError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import {
  type GivenOptions,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
} from '../base/options.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 24 * 60 * 60 * 1000;

export const logOptionTable = optionTable({
  segmentBytes: {
    unit: 'bytes',
    default: 128 * MIB,
    min: limits.segmentBytesMin,
    max: limits.segmentBytesMax,
    doc: 'A segment rolls before it would grow beyond this.',
  },
  segmentMs: {
    unit: 'ms',
    default: 7 * DAY_MS,
    min: 1,
    max: 3650 * DAY_MS,
    doc: 'A segment whose first append is older than this rolls at the next append.',
  },
  indexIntervalBytes: {
    unit: 'bytes',
    default: 4 * KIB,
    min: 0,
    max: 16 * MIB,
    doc: 'How many bytes lie between two entries of the offset index, at least.',
  },
  recordBytesMax: {
    unit: 'bytes',
    default: MIB,
    min: 1,
    max: limits.batchBytesMax - 4 * KIB,
    doc: 'Largest record, as encoded: key, value, headers and a few bytes of lengths.',
  },
  batchBytesMax: {
    unit: 'bytes',
    default: MIB + 4 * KIB,
    min: KIB,
    max: limits.batchBytesMax,
    doc: 'Largest batch, uncompressed: one append is one batch.',
  },
  compression: {
    values: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    default: 'none',
    doc: 'Codec of the batches that are written from now on; reading takes any.',
  },
  flushMs: {
    unit: 'ms',
    default: 1000,
    min: 1,
    max: DAY_MS,
    doc: "Records appended with acks 'written' or 'none' are synced after this at the latest.",
  },
  flushBytes: {
    unit: 'bytes',
    default: 16 * MIB,
    min: 1,
    max: 1024 * MIB,
    doc: 'The same, in bytes written and not synced.',
  },
  bufferBytes: {
    unit: 'bytes',
    default: 16 * MIB,
    min: 64 * KIB,
    max: limits.slabPoolBytesMax,
    doc: 'Memory for records that are accepted and not yet written.',
  },
  overflow: {
    values: ['wait', 'reject'],
    default: 'wait',
    doc: 'What append does when the buffer is full: wait its turn, or reject with BUFFER_FULL.',
  },
  waitingAppendsMax: {
    unit: 'appends',
    default: 65_536,
    min: 1,
    max: 16 * 1024 * 1024,
    doc: 'How many appends may wait for the buffer; one more is rejected with BUFFER_FULL.',
  },
  waitingBytesMax: {
    unit: 'bytes',
    default: 64 * MIB,
    min: KIB,
    max: 4096 * MIB,
    doc: 'How many bytes the waiting appends may hold; one more is rejected with BUFFER_FULL.',
  },
  create: {
    default: true,
    doc: 'Whether an absent folder, or an empty one, becomes a new log.',
  },
  readOnly: {
    default: false,
    doc: 'Opens beside a live writer, or a folder of another engine, and changes nothing.',
  },
});

export type LogOptions = GivenOptions<typeof logOptionTable>;
export type LogConfig = ResolvedOptions<typeof logOptionTable>;

/** The options that `log.json` holds. */
export const rememberedOptions = [
  'segmentBytes',
  'segmentMs',
  'indexIntervalBytes',
  'recordBytesMax',
  'batchBytesMax',
] as const satisfies readonly (keyof LogConfig)[];

export type RememberedOptions = Readonly<Record<(typeof rememberedOptions)[number], number>>;

/** Checks options against the table and against each other. */
export function resolveLogOptions(given: LogOptions, where: string): LogConfig {
  const config = resolveOptions(logOptionTable, given, where);
  if (config.recordBytesMax > config.batchBytesMax) {
    throw createError('OPTION_INVALID', {
      option: 'recordBytesMax',
      expected: `at most batchBytesMax (${config.batchBytesMax})`,
      actual: config.recordBytesMax,
      where,
    });
  }
  return config;
}

export function rememberedOf(config: LogConfig): RememberedOptions {
  return {
    segmentBytes: config.segmentBytes,
    segmentMs: config.segmentMs,
    indexIntervalBytes: config.indexIntervalBytes,
    recordBytesMax: config.recordBytesMax,
    batchBytesMax: config.batchBytesMax,
  };
}

/** Options of an existing log: what was given must not differ from what is remembered. */
export function mergeRemembered(
  given: LogOptions,
  remembered: RememberedOptions,
  where: string,
): LogConfig {
  for (const name of rememberedOptions) {
    const value = given[name];
    if (value !== undefined && value !== remembered[name]) {
      throw createError('OPTION_CONFLICT', {
        option: name,
        expected: remembered[name],
        actual: value,
        where,
      });
    }
  }
  return resolveLogOptions({ ...given, ...remembered }, where);
}

/** The configuration after an `alter`, which may name remembered options only. */
export function alterConfig(config: LogConfig, changes: LogOptions, where: string): LogConfig {
  const names: readonly string[] = rememberedOptions;
  const checked = resolveLogOptions({ ...config, ...changes }, where);
  for (const name of Object.keys(changes)) {
    if (names.includes(name)) continue;
    const expected = `one of ${names.join(', ')}`;
    throw createError('OPTION_INVALID', { option: name, expected, actual: name, where });
  }
  return checked;
}
