/**
 * Produce: a batch is checked, and stored as it came.
 *
 * All partitions of a request are written side by side. The batches of a connection reach each log
 * in the order of its requests, because nothing is awaited before a log that is open has them.
 */

import { createError, MillraceError } from '../../../base/errors.js';
import type { ClientBatch, PartitionLog, TransactionIdentity } from '../../../broker/main.js';
import type { Acks, AppendResult } from '../../../storage/main.js';
import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { produce } from '../messages/data.js';
import { type NamedTopic, partitionOf, topicOf } from '../partition-lookup.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import type { RecordPieces } from '../wire-type.js';

type Request = RequestOf<typeof produce>;
type Response = ResponseOf<typeof produce>;
type PartitionAnswer = Response['topics'][number]['partitions'][number];

const ALL = -1;
const ONE = 1;
const NOBODY = 0;
const BATCH_LENGTH_POSITION = 8;
const BATCH_LENGTH_END = 12;
const ATTRIBUTES_POSITION = 21;
const TRANSACTIONAL = 0x10;
const PRODUCER_ID_POSITION = 43;
const PRODUCER_EPOCH_POSITION = 51;

export function addProduceHandler(handlers: Handlers, node: KafkaNode): void {
  handlers.add(produce, (request, context) => answerProduce(node, request, context), {
    mayOverlap: true,
  });
}

async function answerProduce(
  node: KafkaNode,
  request: Request,
  { access }: RequestContext,
): Promise<Response | undefined> {
  const acks = acksOf(node, request.acks);
  const topics = request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ index, records }) =>
      append(node, access, { name, topicId, index, records, acks }),
    ),
  }));
  const answered = await Promise.all(
    topics.map(async (topic) => ({ ...topic, partitions: await Promise.all(topic.partitions) })),
  );
  if (request.acks === NOBODY) return undefined;
  return { topics: answered, throttleTimeMs: 0, nodeEndpoints: [] };
}

/** Undefined: the client asked for something that there is not. */
function acksOf({ config }: KafkaNode, acks: number): Acks | undefined {
  if (acks === ALL) return 'durable';
  if (acks === ONE) return config.acksOne;
  return acks === NOBODY ? 'none' : undefined;
}

interface Share extends NamedTopic {
  readonly index: number;
  readonly records: RecordPieces | null;
  readonly acks: Acks | undefined;
}

function append(
  node: KafkaNode,
  access: RequestAccess,
  { name, topicId, index, records, acks }: Share,
): Promise<PartitionAnswer> | PartitionAnswer {
  try {
    if (acks === undefined) return refused(index, kafkaErrors.INVALID_REQUIRED_ACKS, null);
    const bytes = oneBatch(records);
    const hosted = topicOf(node, { name, topicId }, access);
    const log = partitionOf(hosted, index);
    const write = (opened: PartitionLog): Promise<PartitionAnswer> =>
      store(node, { topic: hosted, partition: index, log: opened, bytes, acks }).then((result) =>
        stored(index, opened, result),
      );
    const appended = log instanceof Promise ? log.then(write) : write(log);
    return appended.catch((error: unknown) => failed(index, error));
  } catch (error) {
    return failed(index, error);
  }
}

/** A batch of a transaction goes by way of that: it is refused where none is open. */
function store({ engine }: KafkaNode, batch: ClientBatch): Promise<AppendResult> {
  const { log, bytes, acks } = batch;
  const writer = writerOf(bytes);
  if (writer === undefined) return log.appendBatch(bytes, { acks, unreadable: 'store' });
  return engine.transactions.clients.append(writer, batch);
}

/** Whose transaction the batch says that it is part of. */
function writerOf(bytes: Uint8Array): TransactionIdentity | undefined {
  if (bytes.length < PRODUCER_EPOCH_POSITION + 2) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if ((view.readInt16BE(ATTRIBUTES_POSITION) & TRANSACTIONAL) === 0) return undefined;
  const producerId = Number(view.readBigInt64BE(PRODUCER_ID_POSITION));
  return { producerId, producerEpoch: view.readInt16BE(PRODUCER_EPOCH_POSITION) };
}

/** Kafka's producers send one batch for each partition, and so does its protocol want it. */
function oneBatch(records: RecordPieces | null): Uint8Array {
  const [bytes] = records ?? [];
  if (bytes === undefined || bytes.length < BATCH_LENGTH_END) {
    const facts = { expected: 'a batch', actual: `${bytes?.length ?? 0} bytes` };
    throw createError('BATCH_INVALID', { ...facts, kafka: 'CORRUPT_MESSAGE' });
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = BATCH_LENGTH_END + view.readInt32BE(BATCH_LENGTH_POSITION);
  if (length < bytes.length) {
    const facts = { expected: 'one batch', actual: `${bytes.length - length} bytes behind it` };
    throw createError('BATCH_INVALID', { ...facts, kafka: 'INVALID_RECORD' });
  }
  return bytes;
}

function stored(index: number, log: PartitionLog, { baseOffset }: AppendResult): PartitionAnswer {
  return {
    ...refused(index, kafkaErrors.NONE, null),
    baseOffset,
    logStartOffset: log.startOffset,
  };
}

function failed(index: number, error: unknown): PartitionAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const recordErrors = recordErrorsOf(error, message);
  return { ...refused(index, kafkaErrorOf(error), message), recordErrors };
}

/** Clients tell who sent it which record of a batch is at fault. */
function recordErrorsOf(error: unknown, message: string): PartitionAnswer['recordErrors'] {
  if (!(error instanceof MillraceError) || error.code !== 'KEY_REQUIRED') return [];
  const { index: batchIndex } = error.facts;
  if (typeof batchIndex !== 'number') return [];
  return [{ batchIndex, batchIndexErrorMessage: message }];
}

function refused(index: number, errorCode: number, errorMessage: string | null): PartitionAnswer {
  return {
    index,
    errorCode,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
  };
}
