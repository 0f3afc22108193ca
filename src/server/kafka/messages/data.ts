/**
 * Messages that carry and find records: Produce, Fetch, ListOffsets, OffsetForLeaderEpoch,
 * DeleteRecords, DescribeProducers. Fields and versions are facts of Apache Kafka 4.4.
 */

import { defineApi } from '../wire-api.js';
import { field, struct } from '../wire-struct.js';
import {
  int8,
  int16,
  int32,
  int64,
  list,
  nullableList,
  nullableRecords,
  nullableText,
  text,
  uuid,
} from '../wire-type.js';

/** The leader, in tagged fields of answers about partitions that have moved. */
const currentLeader = struct({
  leaderId: field(int32, { absent: -1 }),
  leaderEpoch: field(int32, { absent: -1 }),
});
const nodeEndpoint = struct({
  nodeId: field(int32),
  host: field(text),
  port: field(int32),
  rack: field(nullableText),
});

export const produce = defineApi({
  key: 0,
  name: 'Produce',
  versions: [3, 13],
  flexibleFrom: 9,
  request: {
    transactionalId: field(nullableText),
    acks: field(int16),
    timeoutMs: field(int32),
    topics: field(
      list(
        struct({
          name: field(text, { to: 12 }),
          topicId: field(uuid, { from: 13 }),
          partitions: field(list(struct({ index: field(int32), records: field(nullableRecords) }))),
        }),
      ),
    ),
  },
  response: {
    topics: field(
      list(
        struct({
          name: field(text, { to: 12 }),
          topicId: field(uuid, { from: 13 }),
          partitions: field(
            list(
              struct({
                index: field(int32),
                errorCode: field(int16),
                baseOffset: field(int64),
                logAppendTimeMs: field(int64, { absent: -1 }),
                logStartOffset: field(int64, { from: 5, absent: -1 }),
                recordErrors: field(
                  list(
                    struct({
                      batchIndex: field(int32),
                      batchIndexErrorMessage: field(nullableText),
                    }),
                  ),
                  { from: 8 },
                ),
                errorMessage: field(nullableText, { from: 8 }),
                currentLeader: field(currentLeader, { from: 10, tag: 0 }),
              }),
            ),
          ),
        }),
      ),
    ),
    throttleTimeMs: field(int32),
    nodeEndpoints: field(list(nodeEndpoint), { from: 10, tag: 0 }),
  },
});

export const fetch = defineApi({
  key: 1,
  name: 'Fetch',
  versions: [4, 17],
  flexibleFrom: 12,
  request: {
    replicaId: field(int32, { to: 14, absent: -1 }),
    maxWaitMs: field(int32),
    minBytes: field(int32),
    maxBytes: field(int32, { absent: 0x7fff_ffff }),
    isolationLevel: field(int8),
    sessionId: field(int32, { from: 7 }),
    sessionEpoch: field(int32, { from: 7, absent: -1 }),
    topics: field(
      list(
        struct({
          topic: field(text, { to: 12 }),
          topicId: field(uuid, { from: 13 }),
          partitions: field(
            list(
              struct({
                partition: field(int32),
                currentLeaderEpoch: field(int32, { from: 9, absent: -1 }),
                fetchOffset: field(int64),
                lastFetchedEpoch: field(int32, { from: 12, absent: -1 }),
                logStartOffset: field(int64, { from: 5, absent: -1 }),
                partitionMaxBytes: field(int32),
                replicaDirectoryId: field(uuid, { from: 17, tag: 0 }),
              }),
            ),
          ),
        }),
      ),
    ),
    forgottenTopics: field(
      list(
        struct({
          topic: field(text, { to: 12 }),
          topicId: field(uuid, { from: 13 }),
          partitions: field(list(int32)),
        }),
      ),
      { from: 7 },
    ),
    rackId: field(text, { from: 11 }),
    clusterId: field(nullableText, { from: 12, tag: 0 }),
    replicaState: field(
      struct({
        replicaId: field(int32, { absent: -1 }),
        replicaEpoch: field(int64, { absent: -1 }),
      }),
      { from: 15, tag: 1 },
    ),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16, { from: 7 }),
    sessionId: field(int32, { from: 7 }),
    topics: field(
      list(
        struct({
          topic: field(text, { to: 12 }),
          topicId: field(uuid, { from: 13 }),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                errorCode: field(int16),
                highWatermark: field(int64),
                lastStableOffset: field(int64, { absent: -1 }),
                logStartOffset: field(int64, { from: 5, absent: -1 }),
                abortedTransactions: field(
                  nullableList(struct({ producerId: field(int64), firstOffset: field(int64) })),
                ),
                preferredReadReplica: field(int32, { from: 11, absent: -1 }),
                records: field(nullableRecords),
                divergingEpoch: field(
                  struct({
                    epoch: field(int32, { absent: -1 }),
                    endOffset: field(int64, { absent: -1 }),
                  }),
                  { from: 12, tag: 0 },
                ),
                currentLeader: field(currentLeader, { from: 12, tag: 1 }),
                snapshotId: field(
                  struct({
                    endOffset: field(int64, { absent: -1 }),
                    epoch: field(int32, { absent: -1 }),
                  }),
                  { from: 12, tag: 2 },
                ),
              }),
            ),
          ),
        }),
      ),
    ),
    nodeEndpoints: field(list(nodeEndpoint), { from: 16, tag: 0 }),
  },
});

export const listOffsets = defineApi({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 10],
  flexibleFrom: 6,
  request: {
    replicaId: field(int32, { absent: -1 }),
    isolationLevel: field(int8, { from: 2 }),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                currentLeaderEpoch: field(int32, { from: 4, absent: -1 }),
                timestamp: field(int64),
              }),
            ),
          ),
        }),
      ),
    ),
    timeoutMs: field(int32, { from: 10 }),
  },
  response: {
    throttleTimeMs: field(int32, { from: 2 }),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                errorCode: field(int16),
                timestamp: field(int64, { absent: -1 }),
                offset: field(int64, { absent: -1 }),
                leaderEpoch: field(int32, { from: 4, absent: -1 }),
              }),
            ),
          ),
        }),
      ),
    ),
  },
});

export const offsetForLeaderEpoch = defineApi({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexibleFrom: 4,
  request: {
    replicaId: field(int32, { from: 3, absent: -2 }),
    topics: field(
      list(
        struct({
          topic: field(text),
          partitions: field(
            list(
              struct({
                partition: field(int32),
                currentLeaderEpoch: field(int32, { absent: -1 }),
                leaderEpoch: field(int32),
              }),
            ),
          ),
        }),
      ),
    ),
  },
  response: {
    throttleTimeMs: field(int32),
    topics: field(
      list(
        struct({
          topic: field(text),
          partitions: field(
            list(
              struct({
                errorCode: field(int16),
                partition: field(int32),
                leaderEpoch: field(int32, { absent: -1 }),
                endOffset: field(int64, { absent: -1 }),
              }),
            ),
          ),
        }),
      ),
    ),
  },
});

export const deleteRecords = defineApi({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 2],
  flexibleFrom: 2,
  request: {
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(list(struct({ partitionIndex: field(int32), offset: field(int64) }))),
        }),
      ),
    ),
    timeoutMs: field(int32),
  },
  response: {
    throttleTimeMs: field(int32),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                lowWatermark: field(int64),
                errorCode: field(int16),
              }),
            ),
          ),
        }),
      ),
    ),
  },
});

export const describeProducers = defineApi({
  key: 61,
  name: 'DescribeProducers',
  versions: [0, 0],
  flexibleFrom: 0,
  request: {
    topics: field(list(struct({ name: field(text), partitionIndexes: field(list(int32)) }))),
  },
  response: {
    throttleTimeMs: field(int32),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                errorCode: field(int16),
                errorMessage: field(nullableText),
                activeProducers: field(
                  list(
                    struct({
                      producerId: field(int64),
                      producerEpoch: field(int32),
                      lastSequence: field(int32, { absent: -1 }),
                      lastTimestamp: field(int64, { absent: -1 }),
                      coordinatorEpoch: field(int32),
                      currentTxnStartOffset: field(int64, { absent: -1 }),
                    }),
                  ),
                ),
              }),
            ),
          ),
        }),
      ),
    ),
  },
});
