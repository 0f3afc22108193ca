/**
 * Fetch: batches as they lie in the log, in the buffers that they were read into.
 *
 * A first look takes what is there. When that is less than the client wants, the request waits on
 * the logs, and takes what comes until it is enough or the time is over.
 */

import { kafkaErrors } from '../error-codes.js';
import {
  type AnsweredPlace,
  type FetchPlace,
  type FetchRequest,
  type FetchResponse,
  NO_SESSION,
} from '../fetch-session.js';
import { PartitionTake } from '../fetch-take.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import type { Poll } from '../long-polls.js';
import { fetch } from '../messages/data.js';
import { partitionOf, topicOf } from '../partition-lookup.js';

const COMMITTED = 1;
/** From here on topics have their ids in the request. */
const TOPIC_IDS_FROM = 13;

export function addFetchHandler(handlers: Handlers, node: KafkaNode): void {
  handlers.add(fetch, (request, context) => answerFetch(node, request, context));
}

async function answerFetch(
  node: KafkaNode,
  request: FetchRequest,
  context: RequestContext,
): Promise<FetchResponse> {
  const nowMs = node.engine.clock.monotonicMs();
  const plan = node.fetchSessions.begin(request, context.version >= TOPIC_IDS_FROM, nowMs);
  if (plan.kind === 'refused') return answerOf(plan.errorCode, NO_SESSION, []);
  const isCommitted = request.isolationLevel === COMMITTED;
  const takes = await Promise.all(
    plan.places.map((place) => lookUp(node, place, isCommitted, context)),
  );
  const answer = new FetchAnswer(node, request, takes);
  await answer.collect(context.signal);
  const { session } = plan;
  const answered = takes.map((take) => ({ ...take.place, answer: take.answer() }));
  // What is told first is told whole; a session that is new remembers it all the same.
  const news = session?.news(answered);
  const told = plan.kind === 'news' ? (news ?? answered) : answered;
  return answerOf(kafkaErrors.NONE, session?.id ?? NO_SESSION, told);
}

async function lookUp(
  node: KafkaNode,
  place: FetchPlace,
  isCommitted: boolean,
  { access }: RequestContext,
): Promise<PartitionTake> {
  const { topic: name, topicId, asked } = place;
  try {
    const log = await partitionOf(topicOf(node, { name, topicId }, access), asked.partition);
    return new PartitionTake(place, log, isCommitted);
  } catch (error) {
    return new PartitionTake(place, { error });
  }
}

/** What is taken for one request, over all its partitions, within its bounds. */
class FetchAnswer {
  readonly #node: KafkaNode;
  readonly #takes: readonly PartitionTake[];
  readonly #maxWaitMs: number;
  readonly #bytesMax: number;
  readonly #bytesMin: number;
  #bytes = 0;

  constructor(node: KafkaNode, request: FetchRequest, takes: readonly PartitionTake[]) {
    this.#node = node;
    this.#takes = takes;
    this.#maxWaitMs = request.maxWaitMs;
    this.#bytesMax = Math.min(request.maxBytes, node.config.fetchBytesMax);
    this.#bytesMin = Math.min(request.minBytes, this.#bytesMax);
  }

  async collect(signal: AbortSignal): Promise<void> {
    for (const take of this.#takes) await this.#takeMore(take);
    if (this.#isDone() || signal.aborted) return;
    if (this.#maxWaitMs <= 0) {
      for (const take of this.#takes) take.hurry();
      return;
    }
    const poll = this.#node.polls.begin(this.#maxWaitMs);
    signal.addEventListener('abort', poll.wake, { once: true });
    await this.#wait(poll);
    signal.removeEventListener('abort', poll.wake);
    poll.wake();
  }

  /** Until there is enough, or the poll is over; each partition that grows is taken from. */
  async #wait(poll: Poll): Promise<void> {
    let grown: PartitionTake[] = [];
    let hasEnded = false;
    let wake = ignore;
    const watch = (take: PartitionTake): void => {
      void take.grown(poll.signal).then((hasGrown) => {
        // Woken with nothing new: its log has ended, and waiting on it is over.
        if (hasGrown) grown.push(take);
        else hasEnded = true;
        wake();
      });
    };
    void poll.over.then(() => wake());
    for (const take of this.#takes) if (take.mayGrow) watch(take);
    for (;;) {
      if (poll.signal.aborted || this.#isDone()) return;
      if (grown.length === 0) {
        if (hasEnded) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const ready = grown;
      grown = [];
      for (const take of ready) await this.#takeMore(take);
      for (const take of ready) if (take.mayGrow) watch(take);
    }
  }

  async #takeMore(take: PartitionTake): Promise<void> {
    const before = take.bytes;
    await take.more(this.#bytesMax - this.#bytes, this.#bytes === 0);
    this.#bytes += take.bytes - before;
  }

  /** There is enough; or an error is to be told; or nothing more fits. */
  #isDone(): boolean {
    if (this.#bytes >= this.#bytesMin) return true;
    return this.#takes.some((take) => take.hasFailed) || !this.#takes.some((take) => take.mayGrow);
  }
}

/** Neighbours of one topic are told together. */
function answerOf(
  errorCode: number,
  sessionId: number,
  told: readonly AnsweredPlace[],
): FetchResponse {
  const topics: {
    topic: string;
    topicId: string;
    partitions: AnsweredPlace['answer'][];
  }[] = [];
  for (const { topic, topicId, answer } of told) {
    const last = topics.at(-1);
    if (last?.topic === topic && last.topicId === topicId) last.partitions.push(answer);
    else topics.push({ topic, topicId, partitions: [answer] });
  }
  return { throttleTimeMs: 0, errorCode, sessionId, topics, nodeEndpoints: [] };
}

function ignore(): void {}
