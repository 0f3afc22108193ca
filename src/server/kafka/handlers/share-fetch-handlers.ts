/**
 * ShareFetch and ShareAcknowledge: messages are given out one by one, and ended by who got them.
 *
 * A fetch takes from the topics of its session in turn, and when there is nothing waits on all of
 * them. Over several topics a wait may end with more than was asked for: the rest goes back.
 */

import { createError } from '../../../base/errors.js';
import { type Delivery, type HostedTopic, isGroupOfQueue } from '../../../broker/main.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import { addressFor, type KafkaNode, NODE_ID } from '../kafka-node.js';
import { shareAcknowledge, shareFetch } from '../messages/shares.js';
import { topicOf } from '../partition-lookup.js';
import { acquiredRuns, recordsOf } from '../share-records.js';
import type { AcknowledgementBatches, SharedTopic, ShareSession } from '../share-session.js';
import { ShareGroupSettings } from '../share-settings.js';
import { ShareTake } from '../share-take.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';

type FetchRequest = RequestOf<typeof shareFetch>;
type FetchResponse = ResponseOf<typeof shareFetch>;
type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];
type AcknowledgeRequest = RequestOf<typeof shareAcknowledge>;
type AcknowledgeResponse = ResponseOf<typeof shareAcknowledge>;
type NamedTopics = readonly {
  readonly topicId: string;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    readonly acknowledgementBatches: AcknowledgementBatches;
  }[];
}[];

const FIRST_EPOCH = 0;
const LEADER = { leaderId: NODE_ID, leaderEpoch: 0 };

export function addShareFetchHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(shareFetch, (request, context) => answerFetch(node, request, context));
  handlers.add(shareAcknowledge, (request, context) => answerAcknowledge(node, request, context));
}

async function answerFetch(
  node: KafkaNode,
  request: FetchRequest,
  context: RequestContext,
): Promise<FetchResponse> {
  const { groupId, memberId, shareSessionEpoch: epoch, topics } = request;
  const refused = (errorCode: number): FetchResponse => answerOf(node, context, { errorCode });
  if (groupId === null || memberId === null || !isFineFetch(request)) {
    return refused(kafkaErrors.INVALID_REQUEST);
  }
  try {
    context.access.check('group', groupId);
    const { signal } = context;
    const plan = await node.shareSessions.begin({ groupId, memberId, epoch, signal });
    if (plan.kind === 'refused') return refused(plan.errorCode);
    const { session } = plan;
    const answers = new FetchAnswers();
    const failed = await update(node, session, request, context, answers);
    if (failed !== undefined) return refused(failed);
    await endNamed(session, topics, request.isRenewAck, (topicId, partition, errorCode) => {
      answers.at(topicId, partition).acknowledgeErrorCode = errorCode;
    });
    if (plan.kind === 'last') await node.shareSessions.end(session);
    else if (!request.isRenewAck) await take(node, session, request, context, answers);
    const settings = new ShareGroupSettings(node.engine.groupSettings, groupId);
    const leaseMs = session.topics.find((topic) => topic.leaseMs !== undefined)?.leaseMs;
    const acquisitionLockTimeoutMs = leaseMs ?? settings.leaseMs;
    const responses = answers.all();
    return answerOf(node, context, { responses, acquisitionLockTimeoutMs });
  } catch (error) {
    return refused(kafkaErrorOf(error));
  }
}

/** What is new is fetched from now on, and what is not wanted any more is not. */
async function update(
  node: KafkaNode,
  session: ShareSession,
  { topics, forgottenTopics }: FetchRequest,
  { access }: RequestContext,
  answers: FetchAnswers,
): Promise<number | undefined> {
  const count = topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
  if (!node.shareSessions.hasRoomFor(count)) {
    await node.shareSessions.end(session);
    return kafkaErrors.SHARE_SESSION_LIMIT_REACHED;
  }
  for (const { topicId, partitions } of topics) {
    for (const { partitionIndex } of partitions) {
      try {
        const hosted: HostedTopic = topicOf(node, { name: '', topicId }, access);
        hosted.checkPartition(partitionIndex);
        session.add(topicId, partitionIndex);
      } catch (error) {
        answers.at(topicId, partitionIndex).errorCode = kafkaErrorOf(error);
      }
    }
  }
  for (const { topicId, partitions } of forgottenTopics) {
    for (const partition of partitions) session.forget(topicId, partition);
  }
  return undefined;
}

async function take(
  node: KafkaNode,
  session: ShareSession,
  request: FetchRequest,
  { access, signal }: RequestContext,
  answers: FetchAnswers,
): Promise<void> {
  const { groupId } = session;
  const sources: { readonly topic: SharedTopic; readonly hosted: HostedTopic }[] = [];
  for (const topic of session.topics) {
    if (topic.partitions.size === 0) continue;
    try {
      const hosted = topicOf(node, { name: '', topicId: topic.topicId }, access);
      // The queue gives its messages out itself.
      if (isGroupOfQueue(hosted, groupId)) throw createError('GROUP_INVALID', { group: groupId });
      const settings = new ShareGroupSettings(node.engine.groupSettings, groupId);
      const config = settings.configFor(groupId, hosted.name);
      await topic.join(() => node.engine.shares.open(hosted, groupId, config));
      sources.push({ topic, hosted });
    } catch (error) {
      for (const partition of topic.partitions) {
        answers.at(topic.topicId, partition).errorCode = kafkaErrorOf(error);
      }
    }
  }
  const bytesMax = Math.min(request.maxBytes, node.config.fetchBytesMax);
  const taking = new ShareTake(node.engine.clock, { ...request, maxBytes: bytesMax }, sources);
  for (const { topic, deliveries, error } of await taking.run(signal)) {
    if (error !== undefined) {
      for (const partition of topic.partitions) {
        answers.at(topic.topicId, partition).errorCode = kafkaErrorOf(error);
      }
    }
    if (deliveries.length === 0) continue;
    // The client has gone, or has begun anew on another connection.
    if (session.isClosed) topic.withdraw(deliveries);
    else {
      topic.given(deliveries);
      session.toEnd(topic);
      answers.give(topic.topicId, deliveries, request.batchSize);
    }
  }
}

async function answerAcknowledge(
  node: KafkaNode,
  request: AcknowledgeRequest,
  context: RequestContext,
): Promise<AcknowledgeResponse> {
  const { groupId, memberId, shareSessionEpoch: epoch, topics } = request;
  const answer = (told: Partial<AcknowledgeResponse>): AcknowledgeResponse => ({
    throttleTimeMs: 0,
    errorCode: kafkaErrors.NONE,
    errorMessage: null,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
    ...told,
  });
  if (groupId === null || memberId === null) {
    return answer({ errorCode: kafkaErrors.INVALID_REQUEST });
  }
  try {
    context.access.check('group', groupId);
    if (epoch === FIRST_EPOCH) {
      return answer({ errorCode: kafkaErrors.INVALID_SHARE_SESSION_EPOCH });
    }
    const { signal } = context;
    const plan = await node.shareSessions.begin({ groupId, memberId, epoch, signal });
    if (plan.kind === 'refused') return answer({ errorCode: plan.errorCode });
    const { session } = plan;
    const settings = new ShareGroupSettings(node.engine.groupSettings, groupId);
    const responses = new Map<string, AcknowledgedPartition[]>();
    for (const { topicId } of topics) responses.set(topicId, []);
    await endNamed(session, topics, request.isRenewAck, (topicId, partitionIndex, errorCode) => {
      const told = { partitionIndex, errorCode, errorMessage: null, currentLeader: LEADER };
      responses.get(topicId)?.push(told);
    });
    const leaseMs = session.topics.find((topic) => topic.leaseMs !== undefined)?.leaseMs;
    if (plan.kind === 'last') await node.shareSessions.end(session);
    return answer({
      acquisitionLockTimeoutMs: leaseMs ?? settings.leaseMs,
      responses: [...responses].map(([topicId, partitions]) => ({ topicId, partitions })),
    });
  } catch (error) {
    return answer({ errorCode: kafkaErrorOf(error) });
  }
}

type AcknowledgedPartition = AcknowledgeResponse['responses'][number]['partitions'][number];

/** Ends what is named, and tells how it went with each partition. */
async function endNamed(
  session: ShareSession,
  topics: NamedTopics,
  mayRenew: boolean,
  tell: (topicId: string, partition: number, errorCode: number) => void,
): Promise<void> {
  const ending = topics.flatMap(({ topicId, partitions }) =>
    partitions.map(async ({ partitionIndex, acknowledgementBatches: batches }) => {
      if (batches.length === 0) return;
      const topic = session.find(topicId);
      if (topic === undefined) {
        tell(topicId, partitionIndex, kafkaErrors.INVALID_RECORD_STATE);
        return;
      }
      try {
        tell(topicId, partitionIndex, await topic.end(partitionIndex, batches, mayRenew));
      } catch (error) {
        tell(topicId, partitionIndex, kafkaErrorOf(error));
      }
    }),
  );
  await Promise.all(ending);
}

/** A first request has nothing to end; one that renews takes nothing. */
function isFineFetch(request: FetchRequest): boolean {
  const { shareSessionEpoch, topics, isRenewAck, maxBytes, maxRecords, minBytes } = request;
  const hasEndings = topics.some(({ partitions }) =>
    partitions.some(({ acknowledgementBatches }) => acknowledgementBatches.length > 0),
  );
  if (shareSessionEpoch === FIRST_EPOCH && hasEndings) return false;
  if (!isRenewAck) return true;
  return maxBytes === 0 && maxRecords === 0 && minBytes === 0 && request.maxWaitMs === 0;
}

interface PartitionAnswer {
  errorCode: number;
  acknowledgeErrorCode: number;
  deliveries: Delivery[];
  runsMax: number;
}

/** What is told of each partition; of those with nothing to tell there is nothing. */
class FetchAnswers {
  readonly #topics = new Map<string, Map<number, PartitionAnswer>>();

  at(topicId: string, partition: number): PartitionAnswer {
    const topic = this.#topics.get(topicId) ?? new Map<number, PartitionAnswer>();
    this.#topics.set(topicId, topic);
    const known = topic.get(partition);
    if (known !== undefined) return known;
    const { NONE } = kafkaErrors;
    const made = { errorCode: NONE, acknowledgeErrorCode: NONE, deliveries: [], runsMax: 0 };
    topic.set(partition, made);
    return made;
  }

  give(topicId: string, deliveries: readonly Delivery[], runsMax: number): void {
    for (const delivery of deliveries) {
      const answer = this.at(topicId, delivery.partition.partition);
      answer.deliveries.push(delivery);
      answer.runsMax = runsMax;
    }
  }

  all(): FetchResponse['responses'] {
    return [...this.#topics].map(([topicId, partitions]) => ({
      topicId,
      partitions: [...partitions].map(([partition, answer]) => toldOf(partition, answer)),
    }));
  }
}

function toldOf(partitionIndex: number, answer: PartitionAnswer): FetchedPartition {
  const { errorCode, acknowledgeErrorCode, deliveries, runsMax } = answer;
  return {
    partitionIndex,
    errorCode,
    errorMessage: null,
    acknowledgeErrorCode,
    acknowledgeErrorMessage: null,
    currentLeader: LEADER,
    records: recordsOf(deliveries),
    acquiredRecords: acquiredRuns(deliveries, runsMax),
  };
}

function answerOf(
  node: KafkaNode,
  context: RequestContext,
  told: Partial<FetchResponse>,
): FetchResponse {
  const { host, port } = addressFor(node, context);
  return {
    throttleTimeMs: 0,
    errorCode: kafkaErrors.NONE,
    errorMessage: null,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [{ nodeId: NODE_ID, host, port, rack: null }],
    ...told,
  };
}
