/**
 * The options of a producer, as a table.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import {
  type GivenOptions,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
} from '../../base/options.js';

const KIB = 1024;
const MIB = 1024 * KIB;

export const producerOptionTable = optionTable({
  acks: {
    values: ['durable', 'written', 'none'],
    default: 'durable',
    doc: 'When a send counts as done: on the disk, handed to the file system, or accepted.',
  },
  name: {
    default: '',
    bytesMax: limits.producerNameBytesMax,
    doc: 'A producer of this name goes on where the last one stopped, also after a restart.',
  },
  idempotent: {
    default: true,
    doc: "Whether each batch is numbered, so that it is stored once; not with acks 'none'.",
  },
  bufferBytes: {
    unit: 'bytes',
    default: 32 * MIB,
    min: KIB,
    max: 4096 * MIB,
    doc: 'What may be buffered or on its way at once, as a bound of the encoded size.',
  },
  bufferRecords: {
    unit: 'records',
    default: 1_000_000,
    min: 1,
    max: 100_000_000,
    doc: 'The same, in records.',
  },
  onFull: {
    values: ['wait', 'reject', 'drop-oldest'],
    default: 'wait',
    doc: 'At the limit a send waits, or fails, or takes the place of the oldest ones that wait.',
  },
  waitingSendsMax: {
    unit: 'sends',
    default: 65_536,
    min: 1,
    max: 16 * 1024 * 1024,
    doc: 'How many sends may wait for the buffer; one more is rejected with BUFFER_FULL.',
  },
  waitingBytesMax: {
    unit: 'bytes',
    default: 64 * MIB,
    min: KIB,
    max: 4096 * MIB,
    doc: 'How many bytes the waiting sends may hold; one more is rejected with BUFFER_FULL.',
  },
  recordsPerSecond: {
    unit: 'records per second',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: 1_000_000_000,
    doc: 'How many records are handed over, on average; a second of them may go at once.',
  },
  bytesPerSecond: {
    unit: 'bytes per second',
    isLimit: true,
    default: 'unlimited',
    min: KIB,
    max: 1024 * 1024 * MIB,
    doc: 'The same, in bytes.',
  },
});

export type ProducerTableOptions = GivenOptions<typeof producerOptionTable>;
export type ProducerConfig = ResolvedOptions<typeof producerOptionTable>;

/** Throws OPTION_UNKNOWN and OPTION_INVALID. */
export function resolveProducerOptions(given: ProducerTableOptions): ProducerConfig {
  const config = resolveOptions(producerOptionTable, given, 'producer');
  if (config.acks !== 'none') {
    if (config.idempotent || config.name === '') return config;
    throw conflict('name', "'', or idempotent: true", config.name);
  }
  // What is lost without a word would be a gap to the log: batches are not numbered.
  if (given.idempotent === true) throw conflict('idempotent', "false with acks 'none'", true);
  if (config.name !== '') throw conflict('name', "'' with acks 'none'", config.name);
  return Object.freeze({ ...config, idempotent: false });
}

function conflict(option: string, expected: string, actual: string | boolean): Error {
  return createError('OPTION_INVALID', { option, expected, actual, where: 'producer' });
}
