/**
 * What an append may say beside its records, and the check of it.
 */

import { createError } from '../base/errors.js';
import type { CheckedRecords } from './append-bounds.js';

/** When an append counts as done: synced to the disk, handed to the file system, or accepted. */
export type Acks = 'durable' | 'written' | 'none';

/**
 * Who appends, and which of its records these are: the log then takes each batch once and in order.
 */
export interface ProducerStamp {
  /** 0 to 2^63 - 1; never used by two producers. */
  readonly producerId: bigint | number;
  /** Of the process: a new one has a higher epoch, and the old one is fenced. 0 to 32,767. */
  readonly producerEpoch: number;
  /** Of the first record; the others follow. From 0, and from 0 again behind 2^31 - 1. */
  readonly baseSequence: number;
  /** Readers of committed records see them when a marker has said so. Default false. */
  readonly isTransactional?: boolean | undefined;
}

export interface AppendOptions {
  /** What the promise waits for; `durable` (the default) is the only one that survives a crash. */
  readonly acks?: Acks | undefined;
  /** The records become a batch of their own, which is stored once, whatever is sent again. */
  readonly producer?: ProducerStamp | undefined;
  /** @internal The caller has checked each record, and lets nobody change them in between. */
  readonly checked?: CheckedRecords | undefined;
}

export interface AppendBatchOptions {
  readonly acks?: Acks | undefined;
  /** A batch whose codec is not installed: `'refuse'` (the default), or `'store'` it unread. */
  readonly unreadable?: 'refuse' | 'store' | undefined;
}

/** The end of a producer's transaction in this log. */
export interface TransactionMarker {
  readonly producerId: bigint | number;
  readonly producerEpoch: number;
  readonly kind: 'commit' | 'abort';
  /** Of who decided; a log takes nothing from an older one. 0 to 2^31 - 1. */
  readonly coordinatorEpoch: number;
}

/** What a producer adds to a batch, checked. */
export interface BatchProducer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isTransactional: boolean;
}

export interface CheckedMarker {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly kind: 'commit' | 'abort';
  readonly coordinatorEpoch: number;
}

const PRODUCER_ID_MAX = 2n ** 63n - 1n;
const EPOCH_MAX = 2 ** 15 - 1;
const SEQUENCE_MAX = 2 ** 31 - 1;

/** Throws OPTION_INVALID. */
export function checkProducer(stamp: ProducerStamp): BatchProducer {
  const { producerEpoch, baseSequence, isTransactional = false } = stamp;
  const producerId = checkProducerId(stamp.producerId);
  checkWhole('producerEpoch', producerEpoch, EPOCH_MAX);
  checkWhole('baseSequence', baseSequence, SEQUENCE_MAX);
  if (typeof isTransactional !== 'boolean') {
    throw invalid('isTransactional', 'true or false', isTransactional);
  }
  return { producerId, producerEpoch, baseSequence, isTransactional };
}

/** Throws OPTION_INVALID. */
export function checkMarker(marker: TransactionMarker): CheckedMarker {
  const { producerEpoch, kind, coordinatorEpoch } = marker;
  const producerId = checkProducerId(marker.producerId);
  checkWhole('producerEpoch', producerEpoch, EPOCH_MAX);
  checkWhole('coordinatorEpoch', coordinatorEpoch, SEQUENCE_MAX);
  if (kind !== 'commit' && kind !== 'abort') throw invalid('kind', "'commit' or 'abort'", kind);
  return { producerId, producerEpoch, kind, coordinatorEpoch };
}

function checkProducerId(given: bigint | number): bigint {
  const isWhole = typeof given === 'bigint' || Number.isSafeInteger(given);
  const producerId = isWhole ? BigInt(given) : -1n;
  if (producerId >= 0n && producerId <= PRODUCER_ID_MAX) return producerId;
  throw invalid('producerId', 'a whole number from 0 to 2^63 - 1', given);
}

function checkWhole(option: string, given: number, max: number): void {
  if (Number.isInteger(given) && given >= 0 && given <= max) return;
  throw invalid(option, `a whole number from 0 to ${max}`, given);
}

function invalid(option: string, expected: string, actual: unknown): Error {
  return createError('OPTION_INVALID', { option, expected, actual: String(actual).slice(0, 64) });
}
