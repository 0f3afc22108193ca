/**
 * Every fixed bound in the product, with the relations among them asserted at load.
 *
 * Whatever comes from outside (a file, a frame, an option) is checked against one of these before
 * memory is given to it. Tunable values live in the option tables; these are their outer walls.
 */

import { assert } from './assert.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

export const limits = Object.freeze({
  /** Largest offset: numbers stay exact up to 2^53 - 1. */
  offsetMax: Number.MAX_SAFE_INTEGER - 1,
  /** Largest batch that is read from a file or taken ready-made, bytes on disk. */
  batchBytesMax: 64 * MIB,
  /** Largest size to which a compressed batch may inflate, in bytes. */
  inflatedBytesMax: 64 * MIB,
  /** Smallest and largest `segmentBytes`. */
  segmentBytesMin: 4 * KIB,
  segmentBytesMax: 2 * GIB - 1,
  /** Records in one batch: the count field is a signed 32-bit number. */
  batchRecordsMax: 2 ** 31 - 1,
  /** Headers of one record. */
  recordHeadersMax: 65_535,
  /** Size of one slab of the append path, for natural batching and for large batches. */
  slabBytesSmall: 128 * KIB,
  /** Target size of one batch that the log builds itself, in bytes. */
  naturalBatchBytes: 64 * KIB,
  /** Bytes of slabs that one writer keeps for all its logs. */
  slabPoolBytesMax: 256 * MIB,
  /** Largest `.index` file: as many entries as fit in this many bytes, then the segment rolls. */
  indexBytesMax: 10 * MIB,
  /** Bytes of loaded indexes that one log keeps in memory. */
  indexCacheBytes: 32 * MIB,
  /** Files of sealed segments that one log keeps open. */
  openSegmentsMax: 64,
  /** The smallest and the largest read of a reader, in bytes. */
  readBytesMin: 8 * KIB,
  readBytesMax: 4 * MIB,
  /** Bytes of the small text and binary side files that are read whole. */
  sideFileBytesMax: 16 * MIB,
  /** Entries kept in `leader-epoch-checkpoint`. */
  epochEntriesMax: 100_000,
  /** `.broken` files kept in one log. */
  brokenFilesMax: 16,
  /** One frame on the holder's socket, in bytes. */
  holderFrameBytesMax: 8 * MIB,
  /** Connections that the holder serves at once. */
  holderConnectionsMax: 16,
  /** Adjacent segments that one cleaning makes into one. */
  compactionGroupSegments: 64,
  /** Groups that a log can protect from retention, and bytes of a group's name. */
  protectedGroupsMax: 64,
  groupNameBytesMax: 249,
  /** Groups whose offsets a log notes. */
  reportingGroupsMax: 10_000,
  /** Producers that one log knows. */
  producersMax: 100_000,
  /** Entries of all lists in one frame of Kafka's protocol. */
  kafkaFrameEntriesMax: 200_000,
  /** Topics of a broker, and partitions of a topic. */
  topicsMax: 100_000,
  topicPartitionsMax: 10_000,
  /** Producers with a name, and bytes of such a name. */
  namedProducersMax: 100_000,
  producerNameBytesMax: 249,
  /** Characters of a topic's name; with a partition's number it is the name of a folder. */
  topicNameMax: 249,
  /** Groups of a broker, those that only hold offsets included. */
  groupsMax: 100_000,
  /** A member's id, in bytes: a name and a random part. */
  memberIdBytesMax: 320,
  /** Assignors that one member offers. */
  memberProtocolsMax: 16,
  /** The metadata of a member for all its assignors together, and its assignment, in bytes. */
  memberMetadataBytesMax: 1 * MIB,
  /** A pattern of topic names: its bytes, its steps when repetitions are written out, its depth. */
  topicPatternBytesMax: 4 * KIB,
  topicPatternStepsMax: 10_000,
  topicPatternDepthMax: 200,
  /** The longest time that a rebalance waits for a member, in milliseconds. */
  rebalanceTimeoutMsMax: 24 * 60 * 60 * 1000,
  /** Transactions of a broker that are open at once. */
  transactionsMax: 10_000,
  /** What one transaction writes to and commits: its decision is one record. */
  transactionPartitionsMax: 4_096,
  transactionOffsetsMax: 1_000,
  transactionMetadataBytesMax: 256 * KIB,
  /** Messages that it finishes, and the delivery states of partitions that have them. */
  transactionDeliveriesMax: 4_000,
  transactionDeliveryStatesMax: 64,
  /** Partitions in one commit. */
  commitPartitionsMax: 10_000,
  /** A deduplication id, in bytes. */
  deduplicationIdBytesMax: 256,
  /** Sends of one topic that wait behind one with their id, and what they hold, in bytes. */
  deduplicationWaitersMax: 65_536,
  deduplicationWaitingBytesMax: 64 * MIB,
  /** Calls of one deduplicator that run, and as many that wait for others. */
  deduplicatorCallsMax: 65_536,
  /** Who consume over the holder's socket at once. */
  consumeSessionsMax: 64,
  /** Exchanges of a broker and their bindings, and about what bindings take in memory, in bytes. */
  exchangesMax: 10_000,
  bindingsMax: 100_000,
  bindingsBytesMax: 256 * MIB,
  /** Characters of an exchange's name, and UTF-8 bytes of a routing key: AMQP's short strings. */
  exchangeNameMax: 255,
  routingKeyBytesMax: 255,
  /** Attributes of a message that bindings look at, and values in a list. */
  attributesMax: 256,
  attributeListMax: 256,
  /** An attribute's name and a text that a binding compares with, in bytes. */
  attributeNameBytesMax: 256,
  attributeTextBytesMax: 4 * KIB,
  /** Headers that one binding asks for. */
  bindingHeadersMax: 64,
  /** A filter policy: attributes, combinations of values, and bytes, as in SNS. */
  filterAttributesMax: 5,
  filterCombinationsMax: 150,
  filterPolicyBytesMax: 256 * KIB,
  /** Queues of a broker, and letters of a name: more is put in front of it for internal topics. */
  queuesMax: 10_000,
  queueNameMax: 200,
  /** Levels of priority of a queue. */
  queuePrioritiesMax: 32,
  /** Messages of one queue that consumers have at once. */
  queueInFlightMax: 4_000_000,
  /** Requests of one broker that wait for their replies. */
  requestsMax: 65_536,
  /** The name of a group of messages, in bytes. */
  queueGroupBytesMax: 256,
  /** Sends of one queue that wait for room in it, and what they hold, in bytes. */
  queueWaitersMax: 65_536,
  queueWaitingBytesMax: 64 * MIB,
  /** Messages that one call takes or gives. */
  queueBatchMax: 100_000,
  /** Calls of one queue that wait for its depth or age. */
  queueWatchersMax: 10_000,
  /** How long the second watermark slot may lag behind the first, in milliseconds. */
  watermarkLagMs: 50,
});

assert(limits.naturalBatchBytes < limits.slabBytesSmall, 'a natural batch fits in a small slab');
assert(limits.batchBytesMax < limits.segmentBytesMax, 'a batch fits in a segment');
assert(limits.indexBytesMax % 8 === 0, 'an index holds whole entries');
