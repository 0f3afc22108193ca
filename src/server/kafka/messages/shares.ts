/**
 * Messages of share groups (KIP-932): many members on one partition, each message with a lease.
 * Fields and versions are facts of Apache Kafka 4.4.
 */

import { defineApi } from '../wire-api.js';
import { field, struct } from '../wire-struct.js';
import {
  bool,
  int8,
  int16,
  int32,
  int64,
  list,
  nullableList,
  nullableStruct,
  nullableText,
  records,
  text,
  uuid,
} from '../wire-type.js';

const NO_OPERATIONS = -0x8000_0000;

const topicPartitions = struct({ topicId: field(uuid), partitions: field(list(int32)) });
const currentLeader = struct({ leaderId: field(int32), leaderEpoch: field(int32) });
const nodeEndpoints = list(
  struct({
    nodeId: field(int32),
    host: field(text),
    port: field(int32),
    rack: field(nullableText),
  }),
);
const acknowledgementBatches = list(
  struct({
    firstOffset: field(int64),
    lastOffset: field(int64),
    /** 0 a gap, 1 accept, 2 release, 3 reject, 4 renew; one for all, or one for each offset. */
    acknowledgeTypes: field(list(int8)),
  }),
);

export const shareGroupHeartbeat = defineApi({
  key: 76,
  name: 'ShareGroupHeartbeat',
  versions: [1, 1],
  flexibleFrom: 0,
  request: {
    groupId: field(text),
    memberId: field(text),
    memberEpoch: field(int32),
    rackId: field(nullableText),
    subscribedTopicNames: field(nullableList(text)),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    errorMessage: field(nullableText),
    memberId: field(nullableText),
    memberEpoch: field(int32),
    heartbeatIntervalMs: field(int32),
    assignment: field(nullableStruct(struct({ topicPartitions: field(list(topicPartitions)) }))),
  },
});

export const shareGroupDescribe = defineApi({
  key: 77,
  name: 'ShareGroupDescribe',
  versions: [1, 1],
  flexibleFrom: 0,
  request: { groupIds: field(list(text)), includeAuthorizedOperations: field(bool) },
  response: {
    throttleTimeMs: field(int32),
    groups: field(
      list(
        struct({
          errorCode: field(int16),
          errorMessage: field(nullableText),
          groupId: field(text),
          groupState: field(text),
          groupEpoch: field(int32),
          assignmentEpoch: field(int32),
          assignorName: field(text),
          members: field(
            list(
              struct({
                memberId: field(text),
                rackId: field(nullableText),
                memberEpoch: field(int32),
                clientId: field(text),
                clientHost: field(text),
                subscribedTopicNames: field(list(text)),
                assignment: field(
                  struct({
                    topicPartitions: field(
                      list(
                        struct({
                          topicId: field(uuid),
                          topicName: field(text),
                          partitions: field(list(int32)),
                        }),
                      ),
                    ),
                  }),
                ),
              }),
            ),
          ),
          authorizedOperations: field(int32, { absent: NO_OPERATIONS }),
        }),
      ),
    ),
  },
});

const askedTopics = nullableList(
  struct({ topicName: field(text), partitions: field(list(int32)) }),
);

export const describeShareGroupOffsets = defineApi({
  key: 90,
  name: 'DescribeShareGroupOffsets',
  versions: [0, 1],
  flexibleFrom: 0,
  request: {
    /** Topics that are null: all of the group. */
    groups: field(list(struct({ groupId: field(text), topics: field(askedTopics) }))),
  },
  response: {
    throttleTimeMs: field(int32),
    groups: field(
      list(
        struct({
          groupId: field(text),
          topics: field(
            list(
              struct({
                topicName: field(text),
                topicId: field(uuid),
                partitions: field(
                  list(
                    struct({
                      partitionIndex: field(int32),
                      startOffset: field(int64),
                      leaderEpoch: field(int32),
                      lag: field(int64, { from: 1, absent: -1 }),
                      errorCode: field(int16),
                      errorMessage: field(nullableText),
                    }),
                  ),
                ),
              }),
            ),
          ),
          errorCode: field(int16),
          errorMessage: field(nullableText),
        }),
      ),
    ),
  },
});

export const alterShareGroupOffsets = defineApi({
  key: 91,
  name: 'AlterShareGroupOffsets',
  versions: [0, 0],
  flexibleFrom: 0,
  request: {
    groupId: field(text),
    topics: field(
      list(
        struct({
          topicName: field(text),
          partitions: field(
            list(struct({ partitionIndex: field(int32), startOffset: field(int64) })),
          ),
        }),
      ),
    ),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    errorMessage: field(nullableText),
    responses: field(
      list(
        struct({
          topicName: field(text),
          topicId: field(uuid),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                errorCode: field(int16),
                errorMessage: field(nullableText),
              }),
            ),
          ),
        }),
      ),
    ),
  },
});

export const deleteShareGroupOffsets = defineApi({
  key: 92,
  name: 'DeleteShareGroupOffsets',
  versions: [0, 0],
  flexibleFrom: 0,
  request: {
    groupId: field(text),
    topics: field(list(struct({ topicName: field(text) }))),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    errorMessage: field(nullableText),
    responses: field(
      list(
        struct({
          topicName: field(text),
          topicId: field(uuid),
          errorCode: field(int16),
          errorMessage: field(nullableText),
        }),
      ),
    ),
  },
});

export const shareFetch = defineApi({
  key: 78,
  name: 'ShareFetch',
  versions: [1, 2],
  flexibleFrom: 0,
  request: {
    groupId: field(nullableText),
    memberId: field(nullableText),
    shareSessionEpoch: field(int32),
    maxWaitMs: field(int32),
    minBytes: field(int32),
    maxBytes: field(int32, { absent: 0x7fff_ffff }),
    maxRecords: field(int32),
    batchSize: field(int32),
    /** 0 whole batches, 1 no more than asked for. */
    shareAcquireMode: field(int8, { from: 2 }),
    isRenewAck: field(bool, { from: 2 }),
    topics: field(
      list(
        struct({
          topicId: field(uuid),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                acknowledgementBatches: field(acknowledgementBatches),
              }),
            ),
          ),
        }),
      ),
    ),
    forgottenTopics: field(list(topicPartitions)),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    errorMessage: field(nullableText),
    acquisitionLockTimeoutMs: field(int32),
    responses: field(
      list(
        struct({
          topicId: field(uuid),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                errorCode: field(int16),
                errorMessage: field(nullableText),
                acknowledgeErrorCode: field(int16),
                acknowledgeErrorMessage: field(nullableText),
                currentLeader: field(currentLeader),
                records: field(records),
                acquiredRecords: field(
                  list(
                    struct({
                      firstOffset: field(int64),
                      lastOffset: field(int64),
                      deliveryCount: field(int16),
                    }),
                  ),
                ),
              }),
            ),
          ),
        }),
      ),
    ),
    nodeEndpoints: field(nodeEndpoints),
  },
});

export const shareAcknowledge = defineApi({
  key: 79,
  name: 'ShareAcknowledge',
  versions: [1, 2],
  flexibleFrom: 0,
  request: {
    groupId: field(nullableText),
    memberId: field(nullableText),
    shareSessionEpoch: field(int32),
    isRenewAck: field(bool, { from: 2 }),
    topics: field(
      list(
        struct({
          topicId: field(uuid),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                acknowledgementBatches: field(acknowledgementBatches),
              }),
            ),
          ),
        }),
      ),
    ),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    errorMessage: field(nullableText),
    acquisitionLockTimeoutMs: field(int32, { from: 2 }),
    responses: field(
      list(
        struct({
          topicId: field(uuid),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                errorCode: field(int16),
                errorMessage: field(nullableText),
                currentLeader: field(currentLeader),
              }),
            ),
          ),
        }),
      ),
    ),
    nodeEndpoints: field(nodeEndpoints),
  },
});
