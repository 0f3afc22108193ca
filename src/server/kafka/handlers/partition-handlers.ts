/**
 * Where partitions are: DescribeTopicPartitions, DescribeLogDirs, ListPartitionReassignments. With
 * one node nothing ever moves.
 */

import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers } from '../handler-table.js';
import { type KafkaNode, NODE_ID } from '../kafka-node.js';
import { describeLogDirs } from '../messages/cluster.js';
import { describeTopicPartitions, listPartitionReassignments } from '../messages/topics.js';
import { type PagePart, pageOf } from '../partition-pages.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { NO_UUID } from '../wire-type.js';
import { outcomeOf } from './topic-handlers.js';

type TopicPart = ResponseOf<typeof describeTopicPartitions>['topics'][number];
type LogDir = ResponseOf<typeof describeLogDirs>['results'][number];

const NO_OPERATIONS = -0x8000_0000;
const PAGE_PARTITIONS_MAX = 2_000;
/** What the folder is called: clients are not told of paths of this machine. */
const LOG_DIR = '/millrace';
const UNKNOWN_BYTES = -1;

export function addPartitionHandlers(handlers: Handlers, node: KafkaNode): void {
  const { topics } = node.engine;
  handlers.add(describeTopicPartitions, (request, { access }) => {
    const { cursor, responsePartitionLimit } = request;
    const isAll = request.topics.length === 0;
    const asked = isAll ? topics.list() : request.topics;
    const names = [...new Set(asked.map(({ name }) => name))];
    const shown = isAll ? names.filter((name) => access.may('topic', name)) : names;
    const paged = shown.map((name) => {
      const topic = access.may('topic', name) ? topics.find(name) : undefined;
      return { name, partitions: topic?.partitions ?? 0 };
    });
    const limit = Math.min(Math.max(responsePartitionLimit, 1), PAGE_PARTITIONS_MAX);
    const { parts, next } = pageOf(paged, cursor, limit);
    return {
      throttleTimeMs: 0,
      topics: parts.map((part) => partOf(node, part, access)),
      nextCursor: next ?? null,
    };
  });
  handlers.add(describeLogDirs, async ({ topics: asked }, { access }) => {
    const isAllowed = access.may('cluster');
    return {
      throttleTimeMs: 0,
      errorCode: isAllowed ? kafkaErrors.NONE : kafkaErrors.CLUSTER_AUTHORIZATION_FAILED,
      results: isAllowed ? [await logDir(node, asked)] : [],
    };
  });
  handlers.add(listPartitionReassignments, async (_, { access }) => ({
    throttleTimeMs: 0,
    ...(await outcomeOf(async () => access.check('cluster'))),
    topics: [],
  }));
}

function partOf(
  { engine }: KafkaNode,
  { name, first, end }: PagePart,
  access: RequestAccess,
): TopicPart {
  const isAllowed = access.may('topic', name);
  const topic = isAllowed ? engine.topics.find(name) : undefined;
  const { UNKNOWN_TOPIC_OR_PARTITION, NONE, TOPIC_AUTHORIZATION_FAILED } = kafkaErrors;
  const absentCode = isAllowed ? UNKNOWN_TOPIC_OR_PARTITION : TOPIC_AUTHORIZATION_FAILED;
  return {
    errorCode: topic === undefined ? absentCode : NONE,
    name,
    topicId: topic?.definition.topicId ?? NO_UUID,
    isInternal: false,
    partitions: Array.from({ length: end - first }, (_, index) => ({
      errorCode: kafkaErrors.NONE,
      partitionIndex: first + index,
      leaderId: NODE_ID,
      leaderEpoch: 0,
      replicaNodes: [NODE_ID],
      isrNodes: [NODE_ID],
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: [],
    })),
    topicAuthorizedOperations: NO_OPERATIONS,
  };
}

/** What is not there is left out. A partition that nobody has used has no log, and no bytes. */
async function logDir(
  { engine }: KafkaNode,
  asked: RequestOf<typeof describeLogDirs>['topics'],
): Promise<LogDir> {
  const wanted = new Map(asked?.map(({ topic, partitions }) => [topic, new Set(partitions)]));
  const topics: LogDir['topics'][number][] = [];
  let errorCode: number = kafkaErrors.NONE;
  try {
    for (const topic of engine.topics.list()) {
      const only = wanted.get(topic.name);
      if (asked !== null && only === undefined) continue;
      const used = await topic.usedPartitions();
      const partitions: LogDir['topics'][number]['partitions'][number][] = [];
      for (let partitionIndex = 0; partitionIndex < topic.partitions; partitionIndex += 1) {
        if (only?.has(partitionIndex) === false) continue;
        const isUsed = used.has(partitionIndex);
        const partitionSize = isUsed ? await topic.partitionBytes(partitionIndex) : 0;
        partitions.push({ partitionIndex, partitionSize, offsetLag: 0, isFutureKey: false });
      }
      topics.push({ name: topic.name, partitions });
    }
  } catch (error) {
    errorCode = kafkaErrorOf(error);
  }
  const logDir = LOG_DIR;
  return { errorCode, logDir, topics, totalBytes: UNKNOWN_BYTES, usableBytes: UNKNOWN_BYTES };
}
