/**
 * What the holder of a broker does for other processes that ask over its socket.
 */

import { createError } from '../base/errors.js';
import {
  type BrokerRequest,
  type HolderReply,
  type HolderRequest,
  type HolderValue,
  isBrokerRequest,
  isExchangeRequest,
  isQueueRequest,
  type RecordInput,
} from '../storage/main.js';
import type { BrokerQueues } from './broker-queues.js';
import { type HeldExchanges, serveExchanges } from './exchange/exchange-service.js';
import { type HeldGroups, serveGroups } from './group/group-service.js';
import type { SentRecords } from './producer/producer-send.js';
import { Queue } from './queue/queue.js';
import { type HeldQueues, serveQueues } from './queue/queue-service.js';
import { bytes } from './topic/codec.js';
import type { TopicDescription, TopicSummary } from './topic/topic-description.js';
import { type TopicOptions, topicOptionsOf } from './topic/topic-options.js';

/** The part of a broker that others may use. */
export interface HeldBroker extends HeldGroups, HeldExchanges, HeldQueues {
  listTopics(): readonly TopicSummary[];
  describeTopic(name: string): Promise<TopicDescription>;
  createTopic(name: string, options: TopicOptions): Promise<unknown>;
  alterTopic(name: string, changes: TopicOptions): Promise<void>;
  growTopic(name: string, partitions: number): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  send(topic: string, records: readonly RecordInput[]): Promise<SentRecords>;
}

/** Topics in one reply: with some fifty values each, far from what a frame may hold. */
const PAGE_TOPICS = 1_000;

/** Answers one request; errors are turned into error replies by the server. */
export async function serveBroker(
  broker: HeldBroker,
  request: HolderRequest,
): Promise<HolderReply> {
  if (isBrokerRequest(request)) return { ok: true, values: await carryOut(broker, request) };
  throw createError('NOT_A_LOG', { request: request.kind, actual: 'a broker' });
}

/** The same for whoever has the broker itself. */
export async function carryOut(
  broker: HeldBroker,
  request: BrokerRequest,
): Promise<Readonly<Record<string, HolderValue>>> {
  switch (request.kind) {
    case 'listTopics':
      return topicsPage(broker.listTopics(), request.after);
    case 'describeTopic': {
      const { partitions, ...summary } = await broker.describeTopic(request.topic);
      const rows = partitions.map(({ startOffset, endOffset }) => [startOffset, endOffset]);
      return { ...summaryValues(summary), partitions: rows };
    }
    case 'createTopic':
      await broker.createTopic(request.topic, topicOptionsOf(request.options));
      return {};
    case 'alterTopic':
      await broker.alterTopic(request.topic, topicOptionsOf(request.options));
      return {};
    case 'growTopic':
      await broker.growTopic(request.topic, request.partitions);
      return {};
    case 'deleteTopic':
      await broker.deleteTopic(request.topic);
      return {};
    case 'send': {
      const { count } = await broker.send(request.topic, request.records);
      return { count };
    }
    default:
      if (isExchangeRequest(request)) return await serveExchanges(broker, request);
      if (isQueueRequest(request)) return await serveQueues(broker, request);
      return await serveGroups(broker, request);
  }
}

function topicsPage(
  topics: readonly TopicSummary[],
  after: string,
): Readonly<Record<string, HolderValue>> {
  const rest = topics.filter(({ name }) => name > after);
  const page = rest.slice(0, PAGE_TOPICS).map(summaryValues);
  return { topics: page, hasMore: rest.length > PAGE_TOPICS };
}

function summaryValues(summary: TopicSummary): Readonly<Record<string, HolderValue>> {
  const { name, topicId, partitionCount, createdMs, options } = summary;
  return { name, topicId, partitionCount, createdMs, options: { ...options } };
}

/** The queues of a broker as others may use them; `open` throws when the broker is closed. */
export function heldQueues(open: () => BrokerQueues): HeldQueues['queues'] {
  return {
    names: () =>
      open()
        .registry.list()
        .map(({ name }) => name),
    get: async (name) => {
      const queues = open();
      return new Queue(await queues.host(name), bytes, queues);
    },
    create: (name, options) => open().create(name, bytes, options),
  };
}
