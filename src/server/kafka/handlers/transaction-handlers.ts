/**
 * Transactions of clients: what they name, commit and end; and transactions from outside.
 */

import type { NamedPartition, TransactionIdentity } from '../../../broker/main.js';
import type { RequestAccess } from '../authorization.js';
import { fencedCode, kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  describeTransactions,
  endTxn,
  listTransactions,
  txnOffsetCommit,
} from '../messages/transactions.js';
import { topicOf } from '../partition-lookup.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { NO_UUID } from '../wire-type.js';
import { codeOf, identityOf } from './group-handlers.js';

type Clients = KafkaNode['engine']['transactions']['clients'];
type Description = ReturnType<Clients['list']>[number];
type TopicOfPartitions = { readonly name: string; readonly partitions: readonly number[] };
type DescribedTransaction = ResponseOf<typeof describeTransactions>['transactionStates'][number];

/** Older versions know a fenced producer by its epoch alone. */
const FENCED_FROM = 2;
/** What a transaction can be, as Kafka has it. */
const stateNames: readonly string[] = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
];

export function addTransactionHandlers(handlers: Handlers, node: KafkaNode): void {
  const { clients } = node.engine.transactions;
  handlers.add(addPartitionsToTxn, async (request, { version, access }) => ({
    throttleTimeMs: 0,
    resultsByTopic: await addPartitions(node, request, version, access),
  }));
  handlers.add(addOffsetsToTxn, async (request, { version, access }) => {
    const { transactionalId, groupId } = request;
    const errorCode = await codeOf(async () => {
      access.check('transaction', transactionalId);
      access.check('group', groupId);
      await clients.get(transactionalId).addOffsets(request);
    });
    return { throttleTimeMs: 0, errorCode: fencedCode(errorCode, version >= FENCED_FROM) };
  });
  handlers.add(txnOffsetCommit, async (request, { access }) => {
    const errorCode = heldCode(await codeOf(() => commitOffsets(node, request, access)));
    return {
      throttleTimeMs: 0,
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    };
  });
  handlers.add(endTxn, async (request, { version, access }) => {
    const { transactionalId, committed } = request;
    const kind = committed ? 'commit' : 'abort';
    const errorCode = await codeOf(async () => {
      access.check('transaction', transactionalId);
      await clients.get(transactionalId).end(request, kind);
    });
    return { throttleTimeMs: 0, errorCode: fencedCode(errorCode, version >= FENCED_FROM) };
  });
  handlers.add(describeTransactions, ({ transactionalIds }, { access }) => ({
    throttleTimeMs: 0,
    transactionStates: transactionalIds.map((id) => {
      if (access.may('transaction', id)) return describe(id, clients.find(id)?.describe());
      const errorCode = kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
      return { ...describe(id, undefined), errorCode };
    }),
  }));
  handlers.add(listTransactions, (request, { access }) => ({
    throttleTimeMs: 0,
    errorCode: kafkaErrors.NONE,
    unknownStateFilters: request.stateFilters.filter((name) => !stateNames.includes(name)),
    transactionStates: listed(node, request).filter(({ transactionalId }) =>
      access.may('transaction', transactionalId),
    ),
  }));
}

/** All of the partitions, or none. */
async function addPartitions(
  node: KafkaNode,
  request: RequestOf<typeof addPartitionsToTxn>,
  version: number,
  access: RequestAccess,
): Promise<ResponseOf<typeof addPartitionsToTxn>['resultsByTopic']> {
  const named: NamedPartition[] = [];
  const found = request.topics.map(({ name, partitions }) => ({
    name,
    results: partitions.map((partitionIndex) => {
      try {
        access.check('transaction', request.transactionalId);
        const topic: NamedPartition['topic'] = topicOf(node, { name, topicId: NO_UUID }, access);
        topic.checkPartition(partitionIndex);
        named.push({ topic, partition: partitionIndex });
        return { partitionIndex, errorCode: kafkaErrors.NONE };
      } catch (error) {
        return { partitionIndex, errorCode: kafkaErrorOf(error) };
      }
    }),
  }));
  const isWhole = found.every(({ results }) => results.every(isFine));
  const added = isWhole
    ? await codeOf(() => clientOf(node, request).addPartitions(request, named))
    : kafkaErrors.OPERATION_NOT_ATTEMPTED;
  const code = fencedCode(added, version >= FENCED_FROM);
  return found.map(({ name, results }) => ({
    name,
    results: results.map((one) => (isFine(one) ? { ...one, errorCode: code } : one)),
  }));
}

function isFine({ errorCode }: { readonly errorCode: number }): boolean {
  return errorCode === kafkaErrors.NONE;
}

function clientOf(
  { engine }: KafkaNode,
  { transactionalId }: { readonly transactionalId: string },
): ReturnType<Clients['get']> {
  return engine.transactions.clients.get(transactionalId);
}

async function commitOffsets(
  node: KafkaNode,
  request: RequestOf<typeof txnOffsetCommit>,
  access: RequestAccess,
): Promise<void> {
  const { groupId, memberId, groupInstanceId, generationId, topics } = request;
  const writer: TransactionIdentity = request;
  access.check('transaction', request.transactionalId);
  access.check('group', groupId);
  const client = clientOf(node, request);
  const member = { groupId, generation: generationId, ...identityOf(memberId, groupInstanceId) };
  for (const { name } of topics) topicOf(node, { name, topicId: NO_UUID }, access);
  // Offsets are held there from the call on.
  await node.engine.groups.coordinator();
  const offsets = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, committedOffset, committedMetadata }) => ({
      topic: name,
      partition: partitionIndex,
      nextOffset: committedOffset,
      metadata: committedMetadata ?? '',
      member,
      isOfClient: true,
    })),
  );
  await client.commitOffsets(writer, offsets);
}

/** Kafka's clients give up for good at any other number than those that they expect here. */
function heldCode(code: number): number {
  switch (code) {
    // Another transaction has the offset: it ends, at the latest when its time is over.
    case kafkaErrors.UNSTABLE_OFFSET_COMMIT:
      return kafkaErrors.COORDINATOR_LOAD_IN_PROGRESS;
    // To them it is the member's generation that is another one.
    case kafkaErrors.STALE_MEMBER_EPOCH:
      return kafkaErrors.ILLEGAL_GENERATION;
    // Undone by a restart: as with a member that is gone, the client aborts and goes on.
    case kafkaErrors.UNKNOWN_PRODUCER_ID:
      return kafkaErrors.ILLEGAL_GENERATION;
    case kafkaErrors.PRODUCER_FENCED:
      return kafkaErrors.INVALID_PRODUCER_EPOCH;
    default:
      return code;
  }
}

function describe(
  transactionalId: string,
  description: Description | undefined,
): DescribedTransaction {
  const known = description ?? { state: 'Dead', timeoutMs: -1, startedAtMs: -1, partitions: [] };
  return {
    errorCode:
      description === undefined ? kafkaErrors.TRANSACTIONAL_ID_NOT_FOUND : kafkaErrors.NONE,
    transactionalId,
    transactionState: known.state,
    transactionTimeoutMs: known.timeoutMs,
    transactionStartTimeMs: known.startedAtMs,
    producerId: description?.producerId ?? -1,
    producerEpoch: description?.producerEpoch ?? -1,
    topics: byTopic(known.partitions).map(({ name, partitions }) => ({
      topic: name,
      partitions: [...partitions],
    })),
  };
}

function byTopic(named: readonly NamedPartition[]): TopicOfPartitions[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of named) {
    const known = topics.get(topic.name) ?? [];
    topics.set(topic.name, known);
    known.push(partition);
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}

function listed(
  { engine }: KafkaNode,
  { stateFilters, producerIdFilters, durationFilter }: RequestOf<typeof listTransactions>,
): ResponseOf<typeof listTransactions>['transactionStates'] {
  const states = new Set(stateFilters);
  const producers = new Set(producerIdFilters);
  const nowMs = engine.clock.nowMs();
  return engine.transactions.clients
    .list()
    .filter(({ state }) => states.size === 0 || states.has(state))
    .filter(({ producerId }) => producers.size === 0 || producers.has(producerId))
    .filter(({ startedAtMs }) => {
      if (durationFilter < 0) return true;
      return startedAtMs >= 0 && nowMs - startedAtMs > durationFilter;
    })
    .map(({ transactionalId, producerId, state }) => ({
      transactionalId,
      producerId,
      transactionState: state,
    }));
}
