/**
 * The options of a consumer: a table, and what a table cannot say.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import {
  type GivenOptions,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
} from '../../base/options.js';
import { checkFrom, type ReadFrom } from '../../storage/main.js';
import { checkGroupId } from '../group/group-admission.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;

export const consumerOptionTable = optionTable({
  group: {
    default: '',
    bytesMax: limits.groupNameBytesMax,
    doc: 'The group that shares the partitions and remembers offsets; without one all are read.',
  },
  instanceId: {
    default: '',
    bytesMax: limits.groupNameBytesMax,
    doc: 'A member of this name keeps its place in the group over a restart.',
  },
  clientId: {
    default: '',
    bytesMax: limits.groupNameBytesMax,
    doc: 'The first part of the member id, for people.',
  },
  assignor: {
    values: ['cooperative-sticky', 'sticky', 'range', 'roundrobin'],
    default: 'cooperative-sticky',
    doc: 'How partitions are shared out; the members of a group name the same one.',
  },
  sessionTimeoutMs: {
    unit: 'milliseconds',
    default: 45_000,
    min: 1,
    max: 24 * 60 * MINUTE_MS,
    doc: 'A member that is not heard of for so long loses its partitions.',
  },
  heartbeatIntervalMs: {
    unit: 'milliseconds',
    default: 3_000,
    min: 1,
    max: 60 * MINUTE_MS,
    doc: 'How often a member tells that it lives.',
  },
  rebalanceTimeoutMs: {
    unit: 'milliseconds',
    default: MINUTE_MS,
    min: 1,
    max: limits.rebalanceTimeoutMsMax,
    doc: 'How long others wait until a member has finished with what it gives up.',
  },
  commit: {
    values: ['automatic', 'manual', 'before'],
    default: 'automatic',
    doc: 'Who commits: the loop as it goes on, the program, or the loop before it hands out.',
  },
  commitIntervalMs: {
    unit: 'milliseconds',
    default: 100,
    min: 0,
    max: 60 * MINUTE_MS,
    doc: 'How long automatic commits lie apart at least; what is done meanwhile goes together.',
  },
  isolation: {
    values: ['committed', 'uncommitted'],
    default: 'committed',
    doc: 'Whether records of open and aborted transactions are passed over.',
  },
  durability: {
    values: ['durable', 'written'],
    default: 'durable',
    doc: 'Whether to see only what is on the disk, or also what is merely written.',
  },
  onOutOfRange: {
    values: ['nearest', 'earliest', 'latest', 'fail'],
    default: 'nearest',
    doc: 'Where to go on when the next offset is not in the log: the nearest end, one end, or not.',
  },
  prefetchBytes: {
    unit: 'bytes',
    default: 16 * MIB,
    min: KIB,
    max: 4096 * MIB,
    doc: 'What is read ahead, or handed out and not done; one batch may be larger.',
  },
  prefetchCount: {
    unit: 'batches',
    default: 1_000,
    min: 1,
    max: 1_000_000,
    doc: 'The same, in batches.',
  },
});

/** What only a member of a group has a use for. */
const memberOptions = [
  'instanceId',
  'clientId',
  'assignor',
  'sessionTimeoutMs',
  'heartbeatIntervalMs',
  'rebalanceTimeoutMs',
] as const;

export type ConsumerTableOptions = GivenOptions<typeof consumerOptionTable>;

export interface ConsumerCoreOptions extends ConsumerTableOptions {
  /** Where to begin without a committed offset. Default `'earliest'`. */
  readonly from?: ReadFrom | undefined;
  /** Only these, of every topic, chosen by hand: the group then only remembers offsets. */
  readonly partitions?: readonly number[] | undefined;
}

export interface ConsumerConfig extends ResolvedOptions<typeof consumerOptionTable> {
  readonly from: ReadFrom;
  readonly partitions: readonly number[] | undefined;
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID. */
export function resolveConsumerOptions(given: ConsumerCoreOptions): ConsumerConfig {
  const { from = 'earliest', partitions, ...table } = given;
  const config = resolveOptions(consumerOptionTable, table, 'consumer');
  checkFrom(from);
  if (given.group !== undefined) checkGroupId(given.group);
  const where = 'consumer';
  if (config.heartbeatIntervalMs >= config.sessionTimeoutMs) {
    const expected = 'less than sessionTimeoutMs';
    const actual = config.heartbeatIntervalMs;
    throw createError('OPTION_INVALID', { option: 'heartbeatIntervalMs', expected, actual, where });
  }
  if (config.group === '' || partitions !== undefined) {
    for (const option of memberOptions) {
      if (given[option] === undefined) continue;
      const expected = 'absent unless the consumer joins a group';
      throw createError('OPTION_INVALID', { option, expected, where });
    }
  }
  const isAutomatic = config.group !== '' && config.commit === 'automatic';
  if (given.commitIntervalMs !== undefined && !isAutomatic) {
    const expected = 'absent without automatic commits';
    throw createError('OPTION_INVALID', { option: 'commitIntervalMs', expected, where });
  }
  if (config.group === '') {
    if (given.commit !== undefined && given.commit !== 'manual') {
      throw createError('OPTION_INVALID', {
        option: 'commit',
        expected: 'a group that remembers offsets',
        actual: given.commit,
        where,
      });
    }
  }
  if (partitions !== undefined) checkPartitions(partitions);
  const chosen = partitions === undefined ? undefined : Object.freeze([...new Set(partitions)]);
  return Object.freeze({ ...config, from, partitions: chosen });
}

function checkPartitions(partitions: readonly number[]): void {
  const isList = Array.isArray(partitions) && partitions.length > 0;
  const isFine =
    isList &&
    partitions.every((one) => Number.isSafeInteger(one) && one >= 0) &&
    partitions.length <= limits.topicPartitionsMax;
  if (isFine) return;
  const expected = 'a list of partition numbers';
  throw createError('OPTION_INVALID', { option: 'partitions', expected, where: 'consumer' });
}
