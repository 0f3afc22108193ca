/**
 * What the broker layer publishes: topics in one folder, who sends to them, and who reads them.
 */

export {
  Broker,
  type TopicsConsumerOptions,
  type TypedConsumerOptions,
  type TypedTopicOptions,
} from './broker.js';
export type { BrokerEngine } from './broker-engine.js';
export type { BrokerEnvironment } from './broker-environment.js';
export type { BrokerOptions } from './broker-options.js';
export type {
  Consumer,
  ConsumerCloseOptions,
  ConsumerOptions,
  ConsumerPosition,
} from './consumer/consumer.js';
export type { BatchCommit, ConsumerBatch } from './consumer/consumer-batch.js';
export type { InvalidRecord, InvalidValuePolicy } from './consumer/consumer-decoder.js';
export { consumerOptionTable } from './consumer/consumer-options.js';
export type { TopicSelector } from './consumer/consumer-topics.js';
export type { ResetOffset, ResetOptions } from './group/group-admin.js';
export type { OffsetToCommit } from './group/group-commits.js';
export type {
  GroupDescription,
  GroupListing,
  GroupPartitionDescription,
  MemberDescription,
} from './group/group-description.js';
export type { GroupLag } from './group/group-diagnostics.js';
export type { TopicPartition } from './group/group-topics.js';
export type { TransactionOffset } from './group/group-transactions.js';
export type { Groups } from './group/groups.js';
export type { ResetTarget } from './group/offset-reset.js';
export type { CircuitBreakerOptions } from './process/circuit-breaker.js';
export type { ProcessOptions, RateLimitOptions } from './process/process-options.js';
export type { ProcessContext, ProcessHandler, ProcessRecord } from './process/process-record.js';
export type { ProcessGroupOptions, ProcessWorker, StopOptions } from './process/process-worker.js';
export type { RetryOptions } from './process/retry-policy.js';
export type { Deduplicator, Once, OnceOptions } from './producer/deduplicator.js';
export type { DeduplicatorOptions } from './producer/deduplicator-options.js';
export type { PartitionedRecord, Partitioner } from './producer/partitioner.js';
export type { Producer } from './producer/producer.js';
export type { ProducerOptions, SendOptions } from './producer/producer-core.js';
export type { TopicRecord } from './producer/producer-records.js';
export type { SentRange, SentRecord, SentRecords } from './producer/producer-send.js';
export type { WritableOptions } from './producer/producer-stream.js';
export { bytes, type Codec, type ConsumerRecord } from './topic/codec.js';
export {
  json,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
} from './topic/codec-json.js';
export { msgpack } from './topic/codec-msgpack.js';
export type { PartitionLog } from './topic/partition-log.js';
export type { Topic } from './topic/topic.js';
export type {
  PartitionDescription,
  TopicDescription,
  TopicSummary,
} from './topic/topic-description.js';
export {
  isAlterable,
  type TopicConfig,
  type TopicOptions,
  topicOptionsOf,
  topicOptionTable,
} from './topic/topic-options.js';
export type { Transaction, TransactionWork } from './transaction/transaction.js';
export type {
  TransactionalProducerOptions,
  TransactionOptions,
} from './transaction/transaction-options.js';
export type { TransactionalProducer } from './transaction/transactional-producer.js';
