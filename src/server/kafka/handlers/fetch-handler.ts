/**
 * Fetch: batches as they lie in the log, in the buffers that they were read into.
 *
 * A first look takes what is there. When that is less than the client wants, the request waits on
 * the logs until there is more or its time is over, and looks once more. A batch that the fetch
 * offset lies in goes out whole, and the first batch of an answer whatever its size, so that a
 * consumer always gets on.
 */

import { createError } from '../../../base/errors.js';
import type { PartitionLog } from '../../../broker/main.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { fetch } from '../messages/data.js';
import { partitionOf, topicOf } from '../partition-lookup.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';

type Request = RequestOf<typeof fetch>;
type Response = ResponseOf<typeof fetch>;
type TopicAnswer = Response['topics'][number];
type PartitionAnswer = TopicAnswer['partitions'][number];
type PartitionRequest = Request['topics'][number]['partitions'][number];

const COMMITTED = 1;
const READ_BYTES_MIN = 8 * 1024;
const READ_BYTES_MAX = 4 * 1024 * 1024;
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 };
const NO_PLACE = { epoch: -1, endOffset: -1 };

/** One partition of a request, with its log or why there is none. */
interface Wanted {
  readonly asked: PartitionRequest;
  readonly log: PartitionLog | undefined;
  readonly error: unknown;
}

interface WantedTopic {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: readonly Wanted[];
}

export function addFetchHandler(handlers: Handlers, node: KafkaNode): void {
  handlers.add(fetch, (request, context) => answerFetch(node, request, context));
}

async function answerFetch(
  node: KafkaNode,
  request: Request,
  context: RequestContext,
): Promise<Response> {
  const wanted = await Promise.all(request.topics.map((topic) => lookUp(node, topic)));
  let look = await lookAt(node, request, wanted);
  if (look.bytes < request.minBytes && !look.hasFailed && request.maxWaitMs > 0) {
    await waitForMore(node, request.maxWaitMs, wanted, look, context);
    look = await lookAt(node, request, wanted);
  }
  return {
    throttleTimeMs: 0,
    errorCode: kafkaErrors.NONE,
    // No session: each request says all that it wants, which is always allowed.
    sessionId: 0,
    topics: look.topics,
    nodeEndpoints: [],
  };
}

async function lookUp(
  node: KafkaNode,
  { topic: name, topicId, partitions }: Request['topics'][number],
): Promise<WantedTopic> {
  const looked = partitions.map(async (asked): Promise<Wanted> => {
    try {
      const log = await partitionOf(topicOf(node, { name, topicId }), asked.partition);
      return { asked, log, error: undefined };
    } catch (error) {
      return { asked, log: undefined, error };
    }
  });
  return { topic: name, topicId, partitions: await Promise.all(looked) };
}

interface Look {
  readonly topics: readonly TopicAnswer[];
  readonly bytes: number;
  readonly hasFailed: boolean;
}

/** What is there now, in the order of the request, within its bounds. */
async function lookAt(
  { config }: KafkaNode,
  request: Request,
  wanted: readonly WantedTopic[],
): Promise<Look> {
  let left = Math.min(request.maxBytes, config.fetchBytesMax);
  let bytes = 0;
  let hasFailed = false;
  const topics: TopicAnswer[] = [];
  for (const { topic, topicId, partitions } of wanted) {
    const answers: PartitionAnswer[] = [];
    for (const { asked, log, error } of partitions) {
      const room = Math.min(left, asked.partitionMaxBytes);
      const answer =
        log === undefined
          ? refused(asked, kafkaErrorOf(error))
          : await readFrom(log, asked, request.isolationLevel, room, bytes === 0);
      const taken = bytesOf(answer);
      left -= taken;
      bytes += taken;
      hasFailed ||= answer.errorCode !== kafkaErrors.NONE;
      answers.push(answer);
    }
    topics.push({ topic, topicId, partitions: answers });
  }
  return { topics, bytes, hasFailed };
}

async function readFrom(
  log: PartitionLog,
  asked: PartitionRequest,
  isolationLevel: number,
  room: number,
  isFirst: boolean,
): Promise<PartitionAnswer> {
  const { partition: partitionIndex, fetchOffset } = asked;
  const isCommitted = isolationLevel === COMMITTED;
  const { durableOffset: highWatermark, stableOffset, startOffset } = log;
  const base = {
    ...refused(asked, kafkaErrors.NONE),
    highWatermark,
    lastStableOffset: Math.min(stableOffset, highWatermark),
    logStartOffset: startOffset,
  };
  if (fetchOffset < startOffset || fetchOffset > highWatermark) {
    return { ...base, errorCode: kafkaErrors.OFFSET_OUT_OF_RANGE };
  }
  const end = isCommitted ? base.lastStableOffset : highWatermark;
  try {
    const { records, nextOffset } = await take(log, fetchOffset, end, room, isFirst);
    return {
      ...base,
      partitionIndex,
      records,
      abortedTransactions: isCommitted ? abortedIn(log, fetchOffset, nextOffset) : null,
    };
  } catch (error) {
    return { ...base, errorCode: kafkaErrorOf(error) };
  }
}

/** Whole batches from the one that holds `from` on, those before `end`. */
async function take(
  log: PartitionLog,
  from: number,
  end: number,
  room: number,
  isFirst: boolean,
): Promise<{ readonly records: readonly Uint8Array[]; readonly nextOffset: number }> {
  const records: Uint8Array[] = [];
  let nextOffset = from;
  if (from >= end || (room <= 0 && !isFirst)) return { records, nextOffset };
  const readBytesMax = Math.min(READ_BYTES_MAX, Math.max(READ_BYTES_MIN, room));
  let left = room;
  const read = log.read({ from, isolation: 'uncommitted', control: true, readBytesMax });
  for await (const batch of read) {
    const isNeeded = isFirst && records.length === 0;
    if (batch.baseOffset >= end || (batch.bytes > left && !isNeeded)) break;
    records.push(batch.raw());
    nextOffset = batch.nextOffset;
    left -= batch.bytes;
    if (left <= 0) break;
  }
  return { records, nextOffset };
}

function abortedIn(
  log: PartitionLog,
  from: number,
  to: number,
): { readonly producerId: number; readonly firstOffset: number }[] {
  return log.abortedIn(from, to).map(({ producerId, firstOffset }) => {
    const id = Number(producerId);
    if (Number.isSafeInteger(id)) return { producerId: id, firstOffset };
    throw createError('LOG_CORRUPT', { expected: 'a producer id within 2^53' });
  });
}

/** Until one of the logs has more than was there at the look, or the time is over. */
async function waitForMore(
  { polls }: KafkaNode,
  maxWaitMs: number,
  wanted: readonly WantedTopic[],
  look: Look,
  { signal }: RequestContext,
): Promise<void> {
  if (signal.aborted) return;
  const poll = polls.begin(maxWaitMs);
  signal.addEventListener('abort', poll.wake, { once: true });
  for (const [index, { partitions }] of wanted.entries()) {
    for (const [place, { log }] of partitions.entries()) {
      const seen = look.topics[index]?.partitions[place]?.highWatermark ?? 0;
      log?.waitBeyond(seen, { signal: poll.signal }).then(poll.wake, poll.wake);
    }
  }
  await poll.over;
  signal.removeEventListener('abort', poll.wake);
}

function bytesOf({ records }: PartitionAnswer): number {
  let bytes = 0;
  for (const batch of records ?? []) bytes += batch.length;
  return bytes;
}

function refused({ partition }: PartitionRequest, errorCode: number): PartitionAnswer {
  return {
    partitionIndex: partition,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: [],
    divergingEpoch: NO_PLACE,
    currentLeader: NO_LEADER,
    snapshotId: NO_PLACE,
  };
}
