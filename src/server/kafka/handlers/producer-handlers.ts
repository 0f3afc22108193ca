/**
 * Who producers are: InitProducerId, and what a partition knows of them.
 */

import { createError } from '../../../base/errors.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import { describeProducers } from '../messages/data.js';
import { initProducerId } from '../messages/transactions.js';
import { partitionOf, topicOf } from '../partition-lookup.js';
import { NO_UUID } from '../wire-type.js';
import { outcomeOf } from './topic-handlers.js';

export function addProducerHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(initProducerId, async ({ transactionalId }, { access }) => {
    try {
      access.checkSome('topic');
      if (transactionalId !== null) {
        const facts = { option: 'transactionalId', expected: 'none' };
        throw createError('OPTION_INVALID', { ...facts, kafka: 'INVALID_REQUEST' });
      }
      const { producerId, producerEpoch } = await node.engine.ids.allot();
      return { throttleTimeMs: 0, errorCode: kafkaErrors.NONE, producerId, producerEpoch };
    } catch (error) {
      const errorCode = kafkaErrorOf(error);
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

type ActiveProducer = {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  readonly currentTxnStartOffset: number;
};
