/**
 * The options of one log, as a table: what each means, its unit, its default and its bounds.
 *
 * Relations between them, and which of them a log remembers, are in `log-config.ts`.
 */

import { limits } from '../base/limits.js';
import { optionTable } from '../base/options.js';

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
  cleanup: {
    values: ['delete', 'compact', 'compact,delete'],
    default: 'delete',
    doc: 'How space is given back: old segments go, or old values of each key go, or both.',
  },
  retentionMs: {
    unit: 'ms',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: 36_500 * DAY_MS,
    doc: 'A segment goes when its newest record is older than this.',
  },
  retentionBytes: {
    unit: 'bytes',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The oldest segment goes while the ones behind it hold this much or more.',
  },
  retentionRecords: {
    unit: 'records',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The oldest segment goes while the ones behind it hold this many or more.',
  },
  protectedGroups: {
    default: [],
    namesMax: limits.protectedGroupsMax,
    nameBytesMax: limits.groupNameBytesMax,
    doc: 'Retention keeps what one of these groups has not reported as done; see reportOffset.',
  },
  minCleanableDirtyRatio: {
    unit: 'of the bytes',
    isFraction: true,
    default: 0.5,
    min: 0,
    max: 1,
    doc: 'A log is compacted when more than this share of it was not compacted yet.',
  },
  minCompactionLagMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: 36_500 * DAY_MS,
    doc: 'A record is not compacted away before it is this old.',
  },
  maxCompactionLagMs: {
    unit: 'ms',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: 36_500 * DAY_MS,
    doc: 'A record is compacted when it is this old, however little there is to compact.',
  },
  tombstoneRetentionMs: {
    unit: 'ms',
    default: DAY_MS,
    min: 0,
    max: 36_500 * DAY_MS,
    doc: "How long a tombstone stays after it was compacted (Kafka's delete.retention.ms).",
  },
  retentionCheckMs: {
    unit: 'ms',
    default: 5 * 60 * 1000,
    min: 1,
    max: DAY_MS,
    doc: 'How often is looked for what retention lets go; besides at each roll and alter.',
  },
  cleanerBytesPerSecond: {
    unit: 'bytes per second',
    isLimit: true,
    default: 'unlimited',
    min: 64 * KIB,
    max: 1024 * 1024 * MIB,
    doc: 'What compaction of this log reads and writes, at most.',
  },
  cleanerMapBytes: {
    unit: 'bytes',
    default: 64 * MIB,
    min: MIB,
    max: 1024 * MIB,
    doc: 'Memory for the keys of one pass of compaction; more keys take more passes.',
  },
  reserveBytes: {
    unit: 'bytes',
    isAutomatic: true,
    default: 'auto',
    min: 0,
    max: 8 * 1024 * MIB,
    doc: 'Disk that is kept for retention and compaction on a full disk; 0 for none.',
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
