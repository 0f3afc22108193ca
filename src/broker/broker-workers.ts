/**
 * What the workers of a broker need of it.
 */

import type { BrokerConsumers } from './broker-consumers.js';
import type { BrokerEnvironment } from './broker-environment.js';
import type { ProcessSurroundings } from './process/process-worker.js';
import { bytes } from './topic/codec.js';
import type { TopicRegistry } from './topic/topic-registry.js';
import type { TransactionCoordinator } from './transaction/transaction-coordinator.js';

export interface BrokerWorkerParts {
  readonly environment: BrokerEnvironment;
  readonly topics: TopicRegistry;
  readonly consumers: BrokerConsumers;
  readonly transactions: TransactionCoordinator;
}

export function workerSurroundings(parts: BrokerWorkerParts): ProcessSurroundings {
  const { environment, topics, consumers, transactions } = parts;
  return {
    clock: environment.clock,
    newSeed: environment.newSeed,
    consumers,
    deadLetterTopics: {
      find: (name) => topics.get(name),
      declare: (name, options) => topics.declare(name, options),
    },
    bury: (member, { target, letters, topic, partition, nextOffset }) =>
      transactions.run(async (transaction) => {
        await transaction.sendTo({ topic: target, codec: bytes }, letters);
        transaction.commitOffsets({ topic, partition, nextOffset, member });
      }),
  };
}
