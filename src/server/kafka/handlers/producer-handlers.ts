/**
 * Who producers are: InitProducerId, and what a partition knows of them.
 */

import type { RequestAccess } from '../authorization.js';
import { fencedCode, kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { describeProducers } from '../messages/data.js';
import { initProducerId } from '../messages/transactions.js';
import { partitionOf, topicOf } from '../partition-lookup.js';
import type { RequestOf } from '../wire-api.js';
import { NO_UUID } from '../wire-type.js';
import { outcomeOf } from './topic-handlers.js';

export function addProducerHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(initProducerId, async (request, { version, access }) => {
    try {
      checkInit(access, request.transactionalId);
      const { producerId, producerEpoch } = await identify(node, request);
      return { throttleTimeMs: 0, errorCode: kafkaErrors.NONE, producerId, producerEpoch };
    } catch (error) {
      const errorCode = fencedCode(kafkaErrorOf(error), version >= INIT_FENCED_FROM);
      return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 };
    }
  });
  handlers.add(describeProducers, async ({ topics }, { access }) => ({
    throttleTimeMs: 0,
    topics: await Promise.all(
      topics.map(async ({ name, partitionIndexes }) => ({
        name,
        partitions: await Promise.all(
          partitionIndexes.map(async (partitionIndex) => {
            const active: ActiveProducer[] = [];
            const outcome = await outcomeOf(async () => {
              const topic = topicOf(node, { name, topicId: NO_UUID }, access);
              const log = await partitionOf(topic, partitionIndex);
              for (const producer of log.producers()) {
                active.push({
                  producerId: Number(producer.producerId),
                  producerEpoch: producer.producerEpoch,
                  lastSequence: producer.lastSequence,
                  lastTimestamp: producer.lastTimestamp,
                  coordinatorEpoch: producer.coordinatorEpoch,
                  currentTxnStartOffset: producer.transactionOffset ?? -1,
                });
              }
            });
            return { partitionIndex, ...outcome, activeProducers: active };
          }),
        ),
      })),
    ),
  }));
}

/** Throws ACCESS_DENIED. */
function checkInit(access: RequestAccess, transactionalId: string | null): void {
  if (transactionalId === null) access.checkSome('topic');
  else access.check('transaction', transactionalId);
}

/** Older ones know the fenced producer by its epoch alone. */
const INIT_FENCED_FROM = 4;

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

function identify({ engine }: KafkaNode, request: RequestOf<typeof initProducerId>) {
  const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request;
  const identity: Promise<Identity> =
    transactionalId === null
      ? engine.ids.allot()
      : engine.transactions.clients.init(
          transactionalId,
          transactionTimeoutMs,
          producerId < 0 ? undefined : { producerId, producerEpoch },
        );
  return identity;
}

type ActiveProducer = {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  readonly currentTxnStartOffset: number;
};
