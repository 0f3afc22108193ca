/**
 * Looks through the messages of a queue without taking them: page by page, bounded, from the
 * highest priority to the lowest and in the order of their offsets.
 *
 * A place is `<priority>-<offset>`, the id of the message to look at next. What is sent after a
 * look began is not seen by it.
 */

import { createError, hasCode } from '../../base/errors.js';
import type { Batch, LogRecord } from '../../storage/main.js';
import type { ParkedRecords } from '../share/share-parked.js';
import type { PartitionLog } from '../topic/partition-log.js';

/** A partition of the queue, as far as a look needs it. */
export interface ScannedPartition {
  readonly partition: number;
  readonly log: PartitionLog;
  readonly state: ScannedState;
  readonly parked: ParkedRecords | undefined;
}

interface ScannedState {
  readonly startOffset: number;
  isFinished(offset: number): boolean;
  readonly ledger: {
    /** Finished, and not acknowledged; known behind the start alone. */
    isArchived(offset: number): boolean;
    firstUnfinishedFrom(offset: number): number;
  };
}

export interface ScanPlace {
  readonly partition: number;
  readonly offset: number;
}

export interface Scan<Partition extends ScannedPartition> {
  readonly partitions: readonly Partition[];
  readonly from: ScanPlace | undefined;
  /** Of each partition: where the look ends; its end as it is now when absent. */
  readonly ends?: ReadonlyMap<number, number> | undefined;
  /** What is read at most, about, in bytes. */
  readonly bytesMax: number;
  /** Messages that are not done with, or those that are. */
  readonly wanted: 'unfinished' | 'finished';
  readonly signal?: AbortSignal | undefined;
  /** False: stop before this one. */
  readonly visit: (record: LogRecord, partition: Partition) => boolean | Promise<boolean>;
}

const READ_BYTES = 256 * 1024;
/** More offsets than this, all done with, are jumped over. */
const GAP_OFFSETS = 1_000;
const PLACE = /^(\d{1,6})-(\d{1,16})$/;

/** Throws OPTION_INVALID. */
export function placeOf(text: string | undefined): ScanPlace | undefined {
  if (text === undefined) return undefined;
  const [, partition, offset] = PLACE.exec(text) ?? [];
  const place = { partition: Number(partition), offset: Number(offset) };
  if (offset !== undefined && Number.isSafeInteger(place.offset)) return place;
  throw createError('OPTION_INVALID', { option: 'after', expected: 'the `next` of a page' });
}

export function textOfPlace(place: ScanPlace | undefined): string | undefined {
  return place === undefined ? undefined : `${place.partition}-${place.offset}`;
}

/** Where the partitions end now. */
export function endsOf(partitions: readonly ScannedPartition[]): ReadonlyMap<number, number> {
  return new Map(partitions.map(({ partition, log }) => [partition, endOf(log)]));
}

/** Resolves to the place to go on from; undefined when everything was seen. */
export async function scan<Partition extends ScannedPartition>(
  options: Scan<Partition>,
): Promise<ScanPlace | undefined> {
  const { from, ends } = options;
  const rest = [...options.partitions]
    .sort((one, other) => other.partition - one.partition)
    .filter(({ partition }) => partition <= (from?.partition ?? partition));
  const budget = { bytes: options.bytesMax };
  for (const partition of rest) {
    const end = Math.min(ends?.get(partition.partition) ?? Infinity, endOf(partition.log));
    const first = partition.partition === from?.partition ? from.offset : 0;
    const stopped = await scanPartition(options, partition, { first, end, budget });
    if (stopped !== undefined) return { partition: partition.partition, offset: stopped };
  }
  return undefined;
}

interface Bounds {
  readonly first: number;
  readonly end: number;
  readonly budget: { bytes: number };
}

async function scanPartition<Partition extends ScannedPartition>(
  options: Scan<Partition>,
  partition: Partition,
  { first, end, budget }: Bounds,
): Promise<number | undefined> {
  const { log } = partition;
  const stopped = await scanParked(options, partition, first, budget);
  if (stopped !== undefined) return stopped;
  let from = nextFrom(options, partition, Math.max(first, log.startOffset));
  while (from < end) {
    options.signal?.throwIfAborted();
    if (budget.bytes <= 0) return from;
    const next = await scanRun(options, partition, { first: from, end, budget });
    if ('stopped' in next) return next.stopped;
    from = nextFrom(options, partition, Math.max(next.from, log.startOffset));
  }
  return undefined;
}

/** Those that lie before the log. */
async function scanParked<Partition extends ScannedPartition>(
  { wanted, visit, signal }: Scan<Partition>,
  partition: Partition,
  first: number,
  budget: Bounds['budget'],
): Promise<number | undefined> {
  const { parked, log, state } = partition;
  if (parked === undefined || wanted === 'finished') return undefined;
  for (const offset of parked.offsets()) {
    if (offset >= log.startOffset) return undefined;
    if (offset < first || state.isFinished(offset)) continue;
    signal?.throwIfAborted();
    if (budget.bytes <= 0) return offset;
    const record = await parked.read(offset);
    if (record === undefined) continue;
    budget.bytes -= record.contentBytes;
    if (!(await visit(record, partition))) return offset;
  }
  return undefined;
}

/** Reads on while there is something near. */
async function scanRun<Partition extends ScannedPartition>(
  options: Scan<Partition>,
  partition: Partition,
  bounds: Bounds,
): Promise<{ readonly stopped: number } | { readonly from: number }> {
  const { first, end, budget } = bounds;
  let from = first;
  try {
    for await (const batch of partition.log.read({ from, readBytesMax: READ_BYTES })) {
      const stopped = await scanBatch(options, partition, { first, end, budget }, batch);
      if (stopped !== undefined) return { stopped };
      budget.bytes -= batch.bytes;
      from = batch.nextOffset;
      if (from >= end || budget.bytes <= 0) return { from };
      if (nextFrom(options, partition, from) > from + GAP_OFFSETS) return { from };
      options.signal?.throwIfAborted();
    }
  } catch (error) {
    // The log was deleted up to a later place meanwhile.
    if (!hasCode(error, 'OFFSET_OUT_OF_RANGE')) throw error;
    return { from: Math.max(from, partition.log.startOffset) };
  }
  return { from: end };
}

async function scanBatch<Partition extends ScannedPartition>(
  { visit, wanted }: Scan<Partition>,
  partition: Partition,
  { first, end }: Bounds,
  batch: Batch,
): Promise<number | undefined> {
  for (const record of batch) {
    const { offset } = record;
    if (offset < first || offset >= end) continue;
    if (partition.state.isFinished(offset) !== (wanted === 'finished')) continue;
    if (!(await visit(record, partition))) return offset;
  }
  return undefined;
}

function nextFrom<Partition extends ScannedPartition>(
  { wanted }: Scan<Partition>,
  { state }: Partition,
  offset: number,
): number {
  return wanted === 'finished' ? offset : state.ledger.firstUnfinishedFrom(offset);
}

function endOf(log: PartitionLog): number {
  return Math.min(log.stableOffset, log.durableOffset);
}
