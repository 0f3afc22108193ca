/**
 * What the broker layer publishes: topics in one folder, and who sends to them.
 */

export { Broker, type TypedTopicOptions } from './broker.js';
export type { BrokerEnvironment } from './broker-environment.js';
export type { BrokerOptions } from './broker-options.js';
export { bytes, type Codec } from './codec.js';
export {
  json,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
} from './codec-json.js';
export { msgpack } from './codec-msgpack.js';
export type { PartitionLog } from './partition-log.js';
export type { PartitionedRecord, Partitioner } from './partitioner.js';
export type { Producer } from './producer.js';
export type { ProducerOptions, SendOptions } from './producer-core.js';
export type { TopicRecord } from './producer-records.js';
export type { SentRange, SentRecords } from './producer-send.js';
export type { SentRecord, Topic } from './topic.js';
export type { PartitionDescription, TopicDescription, TopicSummary } from './topic-description.js';
export {
  type TopicConfig,
  type TopicOptions,
  topicOptionsOf,
  topicOptionTable,
} from './topic-options.js';
