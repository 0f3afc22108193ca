/**
 * What the broker layer publishes: topics in one folder, who sends to them, and who reads them.
 */

export {
  Broker,
  type TopicsConsumerOptions,
  type TypedConsumerOptions,
  type TypedTopicOptions,
} from './broker.js';
export type { BrokerEnvironment } from './broker-environment.js';
export type { BrokerOptions } from './broker-options.js';
export type { CircuitBreakerOptions } from './circuit-breaker.js';
export { bytes, type Codec, type ConsumerRecord } from './codec.js';
export {
  json,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
} from './codec-json.js';
export { msgpack } from './codec-msgpack.js';
export type {
  Consumer,
  ConsumerCloseOptions,
  ConsumerOptions,
  ConsumerPosition,
} from './consumer.js';
export type { BatchCommit, ConsumerBatch } from './consumer-batch.js';
export type { InvalidRecord, InvalidValuePolicy } from './consumer-decoder.js';
export { consumerOptionTable } from './consumer-options.js';
export type { TopicSelector } from './consumer-topics.js';
export type { Deduplicator, Once, OnceOptions } from './deduplicator.js';
export type { DeduplicatorOptions } from './deduplicator-options.js';
export type { ResetOffset, ResetOptions } from './group-admin.js';
export type { OffsetToCommit } from './group-commits.js';
export type {
  GroupDescription,
  GroupListing,
  GroupPartitionDescription,
  MemberDescription,
} from './group-description.js';
export type { GroupLag } from './group-diagnostics.js';
export type { TopicPartition } from './group-topics.js';
export type { TransactionOffset } from './group-transactions.js';
export type { Groups } from './groups.js';
export type { ResetTarget } from './offset-reset.js';
export type { PartitionLog } from './partition-log.js';
export type { PartitionedRecord, Partitioner } from './partitioner.js';
export type { ProcessOptions, RateLimitOptions } from './process-options.js';
export type { ProcessContext, ProcessHandler, ProcessRecord } from './process-record.js';
export type { ProcessGroupOptions, ProcessWorker, StopOptions } from './process-worker.js';
export type { Producer } from './producer.js';
export type { ProducerOptions, SendOptions } from './producer-core.js';
export type { TopicRecord } from './producer-records.js';
export type { SentRange, SentRecord, SentRecords } from './producer-send.js';
export type { WritableOptions } from './producer-stream.js';
export type { RetryOptions } from './retry-policy.js';
export type { Topic } from './topic.js';
export type { PartitionDescription, TopicDescription, TopicSummary } from './topic-description.js';
export {
  type TopicConfig,
  type TopicOptions,
  topicOptionsOf,
  topicOptionTable,
} from './topic-options.js';
export type { Transaction, TransactionWork } from './transaction.js';
export type { TransactionalProducerOptions, TransactionOptions } from './transaction-options.js';
export type { TransactionalProducer } from './transactional-producer.js';
