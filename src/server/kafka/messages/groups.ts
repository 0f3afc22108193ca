/**
 * Messages of groups: the classic protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup), that of
 * KIP-848 (ConsumerGroupHeartbeat), what describes, lists and deletes them, and their offsets.
 * Fields and versions are facts of Apache Kafka 4.4.
 */

import { defineApi } from '../wire-api.js';
import { field, struct } from '../wire-struct.js';
import {
  bool,
  bytes,
  int8,
  int16,
  int32,
  int64,
  list,
  nullableList,
  nullableStruct,
  nullableText,
  text,
  uuid,
} from '../wire-type.js';

const NO_OPERATIONS = -0x8000_0000;

export const joinGroup = defineApi({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 9],
  flexibleFrom: 6,
  request: {
    groupId: field(text),
    sessionTimeoutMs: field(int32),
    rebalanceTimeoutMs: field(int32, { from: 1, absent: -1 }),
    memberId: field(text),
    groupInstanceId: field(nullableText, { from: 5 }),
    protocolType: field(text),
    protocols: field(list(struct({ name: field(text), metadata: field(bytes) }))),
    reason: field(nullableText, { from: 8 }),
  },
  response: {
    throttleTimeMs: field(int32, { from: 2 }),
    errorCode: field(int16),
    generationId: field(int32, { absent: -1 }),
    protocolType: field(nullableText, { from: 7 }),
    protocolName: field(nullableText, { nullableFrom: 7, absent: '' }),
    leader: field(text),
    skipAssignment: field(bool, { from: 9 }),
    memberId: field(text),
    members: field(
      list(
        struct({
          memberId: field(text),
          groupInstanceId: field(nullableText, { from: 5 }),
          metadata: field(bytes),
        }),
      ),
    ),
  },
});

export const syncGroup = defineApi({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexibleFrom: 4,
  request: {
    groupId: field(text),
    generationId: field(int32),
    memberId: field(text),
    groupInstanceId: field(nullableText, { from: 3 }),
    protocolType: field(nullableText, { from: 5 }),
    protocolName: field(nullableText, { from: 5 }),
    assignments: field(list(struct({ memberId: field(text), assignment: field(bytes) }))),
  },
  response: {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: field(int16),
    protocolType: field(nullableText, { from: 5 }),
    protocolName: field(nullableText, { from: 5 }),
    assignment: field(bytes),
  },
});

export const heartbeat = defineApi({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexibleFrom: 4,
  request: {
    groupId: field(text),
    generationId: field(int32),
    memberId: field(text),
    groupInstanceId: field(nullableText, { from: 3 }),
  },
  response: { throttleTimeMs: field(int32, { from: 1 }), errorCode: field(int16) },
});

export const leaveGroup = defineApi({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexibleFrom: 4,
  request: {
    groupId: field(text),
    memberId: field(text, { to: 2 }),
    members: field(
      list(
        struct({
          memberId: field(text),
          groupInstanceId: field(nullableText),
          reason: field(nullableText, { from: 5 }),
        }),
      ),
      { from: 3 },
    ),
  },
  response: {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: field(int16),
    members: field(
      list(
        struct({
          memberId: field(text),
          groupInstanceId: field(nullableText),
          errorCode: field(int16),
        }),
      ),
      { from: 3 },
    ),
  },
});

export const describeGroups = defineApi({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 6],
  flexibleFrom: 5,
  request: {
    groups: field(list(text)),
    includeAuthorizedOperations: field(bool, { from: 3 }),
  },
  response: {
    throttleTimeMs: field(int32, { from: 1 }),
    groups: field(
      list(
        struct({
          errorCode: field(int16),
          errorMessage: field(nullableText, { from: 6 }),
          groupId: field(text),
          groupState: field(text),
          protocolType: field(text),
          protocolData: field(text),
          members: field(
            list(
              struct({
                memberId: field(text),
                groupInstanceId: field(nullableText, { from: 4 }),
                clientId: field(text),
                clientHost: field(text),
                memberMetadata: field(bytes),
                memberAssignment: field(bytes),
              }),
            ),
          ),
          authorizedOperations: field(int32, { from: 3, absent: NO_OPERATIONS }),
        }),
      ),
    ),
  },
});

export const listGroups = defineApi({
  key: 16,
  name: 'ListGroups',
  versions: [0, 5],
  flexibleFrom: 3,
  request: {
    statesFilter: field(list(text), { from: 4 }),
    typesFilter: field(list(text), { from: 5 }),
  },
  response: {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: field(int16),
    groups: field(
      list(
        struct({
          groupId: field(text),
          protocolType: field(text),
          groupState: field(text, { from: 4 }),
          groupType: field(text, { from: 5 }),
        }),
      ),
    ),
  },
});

export const deleteGroups = defineApi({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexibleFrom: 2,
  request: { groupsNames: field(list(text)) },
  response: {
    throttleTimeMs: field(int32),
    results: field(list(struct({ groupId: field(text), errorCode: field(int16) }))),
  },
});

const topicPartitions = struct({ topicId: field(uuid), partitions: field(list(int32)) });

export const consumerGroupHeartbeat = defineApi({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexibleFrom: 0,
  request: {
    groupId: field(text),
    memberId: field(text),
    /** 0 joins, -1 leaves, -2 leaves for a while. */
    memberEpoch: field(int32),
    instanceId: field(nullableText),
    rackId: field(nullableText),
    rebalanceTimeoutMs: field(int32, { absent: -1 }),
    subscribedTopicNames: field(nullableList(text)),
    subscribedTopicRegex: field(nullableText, { from: 1 }),
    serverAssignor: field(nullableText),
    topicPartitions: field(nullableList(topicPartitions)),
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

const describedAssignment = struct({
  topicPartitions: field(
    list(struct({ topicId: field(uuid), topicName: field(text), partitions: field(list(int32)) })),
  ),
});

export const consumerGroupDescribe = defineApi({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
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
                instanceId: field(nullableText),
                rackId: field(nullableText),
                memberEpoch: field(int32),
                clientId: field(text),
                clientHost: field(text),
                subscribedTopicNames: field(list(text)),
                subscribedTopicRegex: field(nullableText),
                assignment: field(describedAssignment),
                targetAssignment: field(describedAssignment),
                memberType: field(int8, { from: 1, absent: -1 }),
              }),
            ),
          ),
          authorizedOperations: field(int32, { absent: NO_OPERATIONS }),
        }),
      ),
    ),
  },
});

export const offsetCommit = defineApi({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 9],
  flexibleFrom: 8,
  request: {
    groupId: field(text),
    generationIdOrMemberEpoch: field(int32, { absent: -1 }),
    memberId: field(text),
    groupInstanceId: field(nullableText, { from: 7 }),
    retentionTimeMs: field(int64, { to: 4, absent: -1 }),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                committedOffset: field(int64),
                committedLeaderEpoch: field(int32, { from: 6, absent: -1 }),
                committedMetadata: field(nullableText),
              }),
            ),
          ),
        }),
      ),
    ),
  },
  response: {
    throttleTimeMs: field(int32, { from: 3 }),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(struct({ partitionIndex: field(int32), errorCode: field(int16) })),
          ),
        }),
      ),
    ),
  },
});

const fetchedPartition = struct({
  partitionIndex: field(int32),
  committedOffset: field(int64),
  committedLeaderEpoch: field(int32, { from: 5, absent: -1 }),
  metadata: field(nullableText),
  errorCode: field(int16),
});
const fetchedTopic = struct({ name: field(text), partitions: field(list(fetchedPartition)) });
const askedTopic = struct({ name: field(text), partitionIndexes: field(list(int32)) });

export const offsetFetch = defineApi({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 9],
  flexibleFrom: 6,
  request: {
    groupId: field(text, { to: 7 }),
    /** Null: all of them. */
    topics: field(nullableList(askedTopic), { to: 7, nullableFrom: 2 }),
    groups: field(
      list(
        struct({
          groupId: field(text),
          memberId: field(nullableText, { from: 9 }),
          memberEpoch: field(int32, { from: 9, absent: -1 }),
          topics: field(nullableList(askedTopic)),
        }),
      ),
      { from: 8 },
    ),
    requireStable: field(bool, { from: 7 }),
  },
  response: {
    throttleTimeMs: field(int32, { from: 3 }),
    topics: field(list(fetchedTopic), { to: 7 }),
    errorCode: field(int16, { from: 2, to: 7 }),
    groups: field(
      list(
        struct({
          groupId: field(text),
          topics: field(list(fetchedTopic)),
          errorCode: field(int16),
        }),
      ),
      { from: 8 },
    ),
  },
});

export const offsetDelete = defineApi({
  key: 47,
  name: 'OffsetDelete',
  versions: [0, 0],
  request: {
    groupId: field(text),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(list(struct({ partitionIndex: field(int32) }))),
        }),
      ),
    ),
  },
  response: {
    errorCode: field(int16),
    throttleTimeMs: field(int32),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(struct({ partitionIndex: field(int32), errorCode: field(int16) })),
          ),
        }),
      ),
    ),
  },
});
