/**
 * What looking after a queue needs of it and of its broker.
 */

import type { HostedQueue } from '../queue/hosted-queue.js';
import type { TransactionWork } from '../transaction/transaction.js';
import type { TriageSource } from './queue-triage.js';
import type { TriageTarget } from './queue-triage-move.js';

export interface TriageHome {
  /** What moves messages. */
  readonly transactions: { run<T>(work: TransactionWork<T>): Promise<T> };
  /** The queue or topic of this name. */
  target(name: string): TriageTarget | undefined;
}

export function triageSource(hosted: HostedQueue, home: TriageHome): TriageSource {
  const { name: queue, clock } = hosted;
  return {
    queue,
    clock,
    transactions: home.transactions,
    partitions: async () => (await hosted.messages()).group.partitions(),
    target: (name) => home.target(name),
    purgeAll: async () => {
      const { group } = await hosted.messages();
      await hosted.start();
      const delayed = (await hosted.delayed?.delays.purge()) ?? 0;
      const purged = await group.purge();
      hosted.limits?.look();
      return delayed + purged;
    },
  };
}
