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
export type { BytesQueue, TypedQueueOptions } from './broker-queue-face.js';
export type { SharedGroup } from './broker-shares.js';
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
export type { AttributeScalar, AttributeValue } from './exchange/binding-attributes.js';
export type { BindingTarget } from './exchange/binding-definition.js';
export type { FilterPolicyInput } from './exchange/binding-filter.js';
export type { HeadersMatch } from './exchange/binding-headers.js';
export type { Exchange, PublishBatchResult } from './exchange/exchange.js';
export type { BindTarget } from './exchange/exchange-bind.js';
export type { ExchangeKind } from './exchange/exchange-definition.js';
export type { BindingDescription, ExchangeDescription } from './exchange/exchange-description.js';
export type {
  BindOptions,
  CallOptions,
  ExchangeOptions,
  MessageOptions,
  PublishedMessage,
  PublishHeaders,
  PublishOptions,
  TypedExchangeOptions,
  UnroutablePolicy,
} from './exchange/exchange-options.js';
export type { PublishResult } from './exchange/exchange-publisher.js';
export type { EpochHeartbeat, EpochPartition } from './group/epoch-requests.js';
export type { ResetOffset, ResetOptions } from './group/group-admin.js';
export type { OffsetToCommit } from './group/group-commits.js';
export type {
  GroupDescription,
  GroupListing,
  GroupPartitionDescription,
  MemberDescription,
} from './group/group-description.js';
export type { GroupLag } from './group/group-diagnostics.js';
export type { GroupSettings } from './group/group-settings.js';
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
export type { Queue, QueueConsumeOptions } from './queue/queue.js';
export type { QueueDescription, QueueSummary } from './queue/queue-description.js';
export type { MessageOrReceipt } from './queue/queue-endings.js';
export type {
  QueueMessage,
  RejectOptions,
  ReleaseOptions,
  ReplyOptions,
} from './queue/queue-message.js';
export {
  type QueueConfig,
  type QueueOptions,
  queueOptionsOf,
  queueOptionTable,
} from './queue/queue-options.js';
export type { ReceiveOptions } from './queue/queue-receive-options.js';
export type { QueueReceiver, QueueReceiverOptions } from './queue/queue-receiver.js';
export type { RequestOptions } from './queue/queue-request.js';
export type {
  QueueMessageInput,
  QueueMessageOptions,
  QueueSendOptions,
} from './queue/queue-send-options.js';
export type { SentMessage } from './queue/queue-sent.js';
export type { QueueRates, QueueStats } from './queue/queue-stats.js';
export type { QueueLevel, WhenOptions } from './queue/queue-watch.js';
export type { RequestStats } from './queue/request-replies.js';
export type { ShareConsumer, SharedMessage } from './share/share-consumer.js';
export {
  groupConfigOf,
  resolveShareOptions,
  type ShareOptions,
  type ShareReceiveOptions,
  type ShareReleaseOptions,
  shareOptionTable,
} from './share/share-consumer-options.js';
export type { Delivery } from './share/share-delivered.js';
export type { DeliveryCounts } from './share/share-delivery-options.js';
export type { StateRange } from './share/share-describe.js';
export type { ShareDescription, SharePartitionDescription } from './share/share-description.js';
export type { ShareResetTarget } from './share/share-group-config.js';
export type { ShareMember } from './share/share-member.js';
export type { ShareMessage, ShareRejectOptions } from './share/share-message.js';
export { isGroupOfQueue, type ShareListing, type ShareName, Shares } from './share/shares.js';
export { bytes, type Codec, type ConsumerRecord } from './topic/codec.js';
export {
  json,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
} from './topic/codec-json.js';
export { msgpack } from './topic/codec-msgpack.js';
export type { HostedTopic } from './topic/hosted-topic.js';
export type { PartitionLog } from './topic/partition-log.js';
export type { Topic } from './topic/topic.js';
export {
  describeTopic,
  type PartitionDescription,
  type TopicDescription,
  type TopicSummary,
} from './topic/topic-description.js';
export {
  isAlterable,
  type TopicConfig,
  type TopicOptions,
  topicOptionsOf,
  topicOptionTable,
} from './topic/topic-options.js';
export type { ClientBatch, NamedPartition } from './transaction/client-writes.js';
export type { Acknowledgeable, SourceDelivery } from './transaction/held-deliveries.js';
export type {
  Acknowledged,
  QueueDestination,
  QueueInput,
  RejectableMessage,
  SentInTransaction,
  TopicDestination,
  Transaction,
  TransactionWork,
} from './transaction/transaction.js';
export type { TransactionIdentity } from './transaction/transaction-decision.js';
export type {
  TransactionalProducerOptions,
  TransactionOptions,
} from './transaction/transaction-options.js';
export type { TransactionalProducer } from './transaction/transactional-producer.js';
export type {
  ErrorGroupsPage,
  PeekedMessage,
  PeekedPage,
  Redriven,
  Replayed,
} from './triage/queue-triage.js';
export type { ErrorGroup, TriageFilter } from './triage/queue-triage-filter.js';
export type { DeadLetterNote } from './triage/queue-triage-letter.js';
export type {
  PageOptions,
  PurgeOptions,
  RedriveOptions,
  ReplayOptions,
  TriageRate,
} from './triage/queue-triage-options.js';
export type { QueueHandler, QueueHandlerContext } from './worker/queue-handler.js';
export type { QueueWorker } from './worker/queue-worker.js';
export type { QueueRateOptions, QueueWorkerOptions } from './worker/queue-worker-options.js';
export type { QueueWorkerStats } from './worker/queue-worker-stats.js';
