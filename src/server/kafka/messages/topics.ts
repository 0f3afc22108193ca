/**
 * Messages that make, change and describe topics, and their settings. Fields and versions are facts
 * of Apache Kafka 4.4.
 */

import { defineApi } from '../wire-api.js';
import { field, struct } from '../wire-struct.js';
import {
  bool,
  int8,
  int16,
  int32,
  list,
  nullableList,
  nullableStruct,
  nullableText,
  text,
  uuid,
} from '../wire-type.js';

const NO_OPERATIONS = -0x8000_0000;

export const createTopics = defineApi({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleFrom: 5,
  request: {
    topics: field(
      list(
        struct({
          name: field(text),
          /** -1, from version 4 on: as the server likes it. */
          numPartitions: field(int32),
          replicationFactor: field(int16),
          assignments: field(
            list(struct({ partitionIndex: field(int32), brokerIds: field(list(int32)) })),
          ),
          configs: field(list(struct({ name: field(text), value: field(nullableText) }))),
        }),
      ),
    ),
    timeoutMs: field(int32, { absent: 60_000 }),
    validateOnly: field(bool),
  },
  response: {
    throttleTimeMs: field(int32),
    topics: field(
      list(
        struct({
          name: field(text),
          topicId: field(uuid, { from: 7 }),
          errorCode: field(int16),
          errorMessage: field(nullableText),
          topicConfigErrorCode: field(int16, { from: 5, tag: 0 }),
          numPartitions: field(int32, { from: 5, absent: -1 }),
          replicationFactor: field(int16, { from: 5, absent: -1 }),
          configs: field(
            nullableList(
              struct({
                name: field(text),
                value: field(nullableText),
                readOnly: field(bool),
                configSource: field(int8, { absent: -1 }),
                isSensitive: field(bool),
              }),
            ),
            { from: 5 },
          ),
        }),
      ),
    ),
  },
});

export const deleteTopics = defineApi({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexibleFrom: 4,
  request: {
    topics: field(list(struct({ name: field(nullableText), topicId: field(uuid) })), { from: 6 }),
    topicNames: field(list(text), { to: 5 }),
    timeoutMs: field(int32),
  },
  response: {
    throttleTimeMs: field(int32),
    responses: field(
      list(
        struct({
          name: field(nullableText, { nullableFrom: 6 }),
          topicId: field(uuid, { from: 6 }),
          errorCode: field(int16),
          errorMessage: field(nullableText, { from: 5 }),
        }),
      ),
    ),
  },
});

export const createPartitions = defineApi({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexibleFrom: 2,
  request: {
    topics: field(
      list(
        struct({
          name: field(text),
          count: field(int32),
          assignments: field(nullableList(struct({ brokerIds: field(list(int32)) }))),
        }),
      ),
    ),
    timeoutMs: field(int32),
    validateOnly: field(bool),
  },
  response: {
    throttleTimeMs: field(int32),
    results: field(
      list(
        struct({
          name: field(text),
          errorCode: field(int16),
          errorMessage: field(nullableText),
        }),
      ),
    ),
  },
});

export const describeTopicPartitions = defineApi({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: [0, 0],
  flexibleFrom: 0,
  request: {
    topics: field(list(struct({ name: field(text) }))),
    responsePartitionLimit: field(int32, { absent: 2_000 }),
    cursor: field(nullableStruct(struct({ topicName: field(text), partitionIndex: field(int32) }))),
  },
  response: {
    throttleTimeMs: field(int32),
    topics: field(
      list(
        struct({
          errorCode: field(int16),
          name: field(nullableText),
          topicId: field(uuid),
          isInternal: field(bool),
          partitions: field(
            list(
              struct({
                errorCode: field(int16),
                partitionIndex: field(int32),
                leaderId: field(int32),
                leaderEpoch: field(int32, { absent: -1 }),
                replicaNodes: field(list(int32)),
                isrNodes: field(list(int32)),
                eligibleLeaderReplicas: field(nullableList(int32)),
                lastKnownElr: field(nullableList(int32)),
                offlineReplicas: field(list(int32)),
              }),
            ),
          ),
          topicAuthorizedOperations: field(int32, { absent: NO_OPERATIONS }),
        }),
      ),
    ),
    nextCursor: field(
      nullableStruct(struct({ topicName: field(text), partitionIndex: field(int32) })),
    ),
  },
});

export const listPartitionReassignments = defineApi({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: [0, 0],
  flexibleFrom: 0,
  request: {
    timeoutMs: field(int32, { absent: 60_000 }),
    topics: field(
      nullableList(struct({ name: field(text), partitionIndexes: field(list(int32)) })),
    ),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    errorMessage: field(nullableText),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                replicas: field(list(int32)),
                addingReplicas: field(list(int32)),
                removingReplicas: field(list(int32)),
              }),
            ),
          ),
        }),
      ),
    ),
  },
});

export const describeConfigs = defineApi({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleFrom: 4,
  request: {
    resources: field(
      list(
        struct({
          /** 2 a topic, 4 the broker, 8 its loggers, 32 a group. */
          resourceType: field(int8),
          resourceName: field(text),
          configurationKeys: field(nullableList(text)),
        }),
      ),
    ),
    includeSynonyms: field(bool),
    includeDocumentation: field(bool, { from: 3 }),
  },
  response: {
    throttleTimeMs: field(int32),
    results: field(
      list(
        struct({
          errorCode: field(int16),
          errorMessage: field(nullableText),
          resourceType: field(int8),
          resourceName: field(text),
          configs: field(
            list(
              struct({
                name: field(text),
                value: field(nullableText),
                readOnly: field(bool),
                configSource: field(int8, { absent: -1 }),
                isSensitive: field(bool),
                synonyms: field(
                  list(
                    struct({
                      name: field(text),
                      value: field(nullableText),
                      source: field(int8),
                    }),
                  ),
                ),
                configType: field(int8, { from: 3 }),
                documentation: field(nullableText, { from: 3 }),
              }),
            ),
          ),
        }),
      ),
    ),
  },
});

const alteredResources = list(
  struct({
    errorCode: field(int16),
    errorMessage: field(nullableText),
    resourceType: field(int8),
    resourceName: field(text),
  }),
);

export const alterConfigs = defineApi({
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 2],
  flexibleFrom: 2,
  request: {
    resources: field(
      list(
        struct({
          resourceType: field(int8),
          resourceName: field(text),
          configs: field(list(struct({ name: field(text), value: field(nullableText) }))),
        }),
      ),
    ),
    validateOnly: field(bool),
  },
  response: { throttleTimeMs: field(int32), responses: field(alteredResources) },
});

export const incrementalAlterConfigs = defineApi({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleFrom: 1,
  request: {
    resources: field(
      list(
        struct({
          resourceType: field(int8),
          resourceName: field(text),
          configs: field(
            list(
              struct({
                name: field(text),
                /** 0 set, 1 delete, 2 append, 3 subtract. */
                configOperation: field(int8),
                value: field(nullableText),
              }),
            ),
          ),
        }),
      ),
    ),
    validateOnly: field(bool),
  },
  response: { throttleTimeMs: field(int32), responses: field(alteredResources) },
});
