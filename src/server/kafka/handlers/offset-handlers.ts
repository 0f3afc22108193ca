/**
 * Where things lie in a log: ListOffsets by place and by time, OffsetForLeaderEpoch, DeleteRecords.
 */

import type { PartitionLog } from '../../../broker/main.js';
import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { deleteRecords, listOffsets, offsetForLeaderEpoch } from '../messages/data.js';
import { partitionOf, topicOf } from '../partition-lookup.js';
import { NO_UUID } from '../wire-type.js';

const COMMITTED = 1;
const LATEST = -1;
const EARLIEST = -2;
const LARGEST_TIME = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;

interface Place {
  readonly offset: number;
  readonly timestamp: number;
}

const NOWHERE: Place = { offset: -1, timestamp: -1 };

export function addOffsetHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(listOffsets, async ({ topics, isolationLevel }, { access }) => ({
    throttleTimeMs: 0,
    topics: await eachPartition(
      { node, access },
      topics,
      async (log, { partitionIndex, timestamp }) => {
        const place = await placeOf(log, timestamp, isolationLevel === COMMITTED);
        const leaderEpoch = place.offset < 0 ? -1 : log.epochAt(place.offset);
        return { partitionIndex, errorCode: kafkaErrors.NONE, ...place, leaderEpoch };
      },
      ({ partitionIndex }, errorCode) => {
        return { partitionIndex, errorCode, ...NOWHERE, leaderEpoch: -1 };
      },
    ),
  }));
  handlers.add(offsetForLeaderEpoch, async ({ topics }, { access }) => {
    const named = topics.map(({ topic, partitions }) => ({ name: topic, partitions }));
    const answered = await eachPartition(
      { node, access },
      named,
      async (log, { partition, leaderEpoch }) => {
        const endOffset = log.epochEnd(leaderEpoch) ?? -1;
        const epoch = endOffset < 0 ? -1 : leaderEpoch;
        return { errorCode: kafkaErrors.NONE, partition, leaderEpoch: epoch, endOffset };
      },
      ({ partition }, errorCode) => {
        return { errorCode, partition, leaderEpoch: -1, endOffset: -1 };
      },
    );
    return {
      throttleTimeMs: 0,
      topics: answered.map(({ name, partitions }) => ({ topic: name, partitions })),
    };
  });
  handlers.add(deleteRecords, async ({ topics }, { access }) => ({
    throttleTimeMs: 0,
    topics: await eachPartition(
      { node, access },
      topics,
      async (log, { partitionIndex, offset }) => {
        const before = offset === LATEST ? log.durableOffset : offset;
        const lowWatermark = await log.deleteRecordsBefore(before);
        return { partitionIndex, lowWatermark, errorCode: kafkaErrors.NONE };
      },
      ({ partitionIndex }, errorCode) => {
        return { partitionIndex, lowWatermark: -1, errorCode };
      },
    ),
  }));
}

/** Asks each partition, side by side; one that fails is answered by its error. */
async function eachPartition<
  Asked extends { readonly partitionIndex?: number; readonly partition?: number },
  Answered,
>(
  { node, access }: { readonly node: KafkaNode; readonly access: RequestAccess },
  topics: readonly { readonly name: string; readonly partitions: readonly Asked[] }[],
  ask: (log: PartitionLog, asked: Asked) => Promise<Answered>,
  refuse: (asked: Asked, errorCode: number) => Answered,
): Promise<{ readonly name: string; readonly partitions: readonly Answered[] }[]> {
  return await Promise.all(
    topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(async (asked) => {
          try {
            const index = asked.partitionIndex ?? asked.partition ?? -1;
            const topic = topicOf(node, { name, topicId: NO_UUID }, access);
            return await ask(await partitionOf(topic, index), asked);
          } catch (error) {
            return refuse(asked, kafkaErrorOf(error));
          }
        }),
      ),
    })),
  );
}

async function placeOf(log: PartitionLog, timestamp: number, isCommitted: boolean): Promise<Place> {
  const end = isCommitted ? log.stableOffset : log.durableOffset;
  if (timestamp === LATEST) return { offset: end, timestamp: -1 };
  if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) {
    return { offset: log.startOffset, timestamp: -1 };
  }
  if (timestamp === LATEST_TIERED) return NOWHERE;
  if (timestamp === LARGEST_TIME) return await largestTime(log, end);
  const offset = await log.offsetOf(Math.max(timestamp, 0));
  if (offset === undefined || offset >= end) return NOWHERE;
  return { offset, timestamp: await timeOf(log, offset) };
}

async function timeOf(log: PartitionLog, offset: number): Promise<number> {
  for await (const batch of log.read({ from: offset, isolation: 'uncommitted' })) {
    for (const record of batch) return record.timestamp;
  }
  return -1;
}

/** The record with the largest timestamp; the first of several. */
async function largestTime(log: PartitionLog, end: number): Promise<Place> {
  let largest = NOWHERE;
  for await (const batch of log.read({ isolation: 'uncommitted' })) {
    if (batch.baseOffset >= end) break;
    if (batch.maxTimestamp <= largest.timestamp) continue;
    for (const { offset, timestamp } of batch) {
      if (timestamp > largest.timestamp && offset < end) largest = { offset, timestamp };
    }
  }
  return largest;
}
