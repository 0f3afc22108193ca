/**
 * Messages of idempotent producers and of transactions. Fields and versions are facts of Apache
 * Kafka 4.4.
 */

import { defineApi } from '../wire-api.js';
import { field, struct } from '../wire-struct.js';
import { bool, int16, int32, int64, list, nullableText, text } from '../wire-type.js';

const topicsOfPartitions = list(struct({ name: field(text), partitions: field(list(int32)) }));
const topicResults = list(
  struct({
    name: field(text),
    results: field(list(struct({ partitionIndex: field(int32), errorCode: field(int16) }))),
  }),
);

export const initProducerId = defineApi({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexibleFrom: 2,
  request: {
    transactionalId: field(nullableText),
    transactionTimeoutMs: field(int32),
    producerId: field(int64, { from: 3, absent: -1 }),
    producerEpoch: field(int16, { from: 3, absent: -1 }),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    producerId: field(int64, { absent: -1 }),
    producerEpoch: field(int16),
  },
});

/** From version 4 on it is spoken among brokers alone. */
export const addPartitionsToTxn = defineApi({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 3],
  flexibleFrom: 3,
  request: {
    transactionalId: field(text),
    producerId: field(int64),
    producerEpoch: field(int16),
    topics: field(topicsOfPartitions),
  },
  response: { throttleTimeMs: field(int32), resultsByTopic: field(topicResults) },
});

export const addOffsetsToTxn = defineApi({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: [0, 4],
  flexibleFrom: 3,
  request: {
    transactionalId: field(text),
    producerId: field(int64),
    producerEpoch: field(int16),
    groupId: field(text),
  },
  response: { throttleTimeMs: field(int32), errorCode: field(int16) },
});

/** From version 5 on an end gives the next epoch: the second protocol of transactions. */
export const endTxn = defineApi({
  key: 26,
  name: 'EndTxn',
  versions: [0, 4],
  flexibleFrom: 3,
  request: {
    transactionalId: field(text),
    producerId: field(int64),
    producerEpoch: field(int16),
    committed: field(bool),
  },
  response: { throttleTimeMs: field(int32), errorCode: field(int16) },
});

export const txnOffsetCommit = defineApi({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: [0, 4],
  flexibleFrom: 3,
  request: {
    transactionalId: field(text),
    groupId: field(text),
    producerId: field(int64),
    producerEpoch: field(int16),
    generationId: field(int32, { from: 3, absent: -1 }),
    memberId: field(text, { from: 3 }),
    groupInstanceId: field(nullableText, { from: 3 }),
    topics: field(
      list(
        struct({
          name: field(text),
          partitions: field(
            list(
              struct({
                partitionIndex: field(int32),
                committedOffset: field(int64),
                committedLeaderEpoch: field(int32, { from: 2, absent: -1 }),
                committedMetadata: field(nullableText),
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
          name: field(text),
          partitions: field(
            list(struct({ partitionIndex: field(int32), errorCode: field(int16) })),
          ),
        }),
      ),
    ),
  },
});

export const describeTransactions = defineApi({
  key: 65,
  name: 'DescribeTransactions',
  versions: [0, 0],
  flexibleFrom: 0,
  request: { transactionalIds: field(list(text)) },
  response: {
    throttleTimeMs: field(int32),
    transactionStates: field(
      list(
        struct({
          errorCode: field(int16),
          transactionalId: field(text),
          transactionState: field(text),
          transactionTimeoutMs: field(int32),
          transactionStartTimeMs: field(int64),
          producerId: field(int64),
          producerEpoch: field(int16),
          topics: field(list(struct({ topic: field(text), partitions: field(list(int32)) }))),
        }),
      ),
    ),
  },
});

/** From version 2 on it takes a regular expression, of a kind that needs linear time. */
export const listTransactions = defineApi({
  key: 66,
  name: 'ListTransactions',
  versions: [0, 1],
  flexibleFrom: 0,
  request: {
    stateFilters: field(list(text)),
    producerIdFilters: field(list(int64)),
    durationFilter: field(int64, { from: 1, absent: -1 }),
  },
  response: {
    throttleTimeMs: field(int32),
    errorCode: field(int16),
    unknownStateFilters: field(list(text)),
    transactionStates: field(
      list(
        struct({
          transactionalId: field(text),
          producerId: field(int64),
          transactionState: field(text),
        }),
      ),
    ),
  },
});
