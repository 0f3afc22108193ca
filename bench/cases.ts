/**
 * The cases, in the order in which they run when none is named.
 */

import { appendCallers } from './append-callers.js';
import { appendDurable, appendWritten } from './append-load.js';
import { appendLone, appendLoneBusy, poolEnvironment } from './append-lone.js';
import type { CaseContext } from './case-context.js';
import { compaction } from './compaction.js';
import { compactionInterference } from './compaction-interference.js';
import { compression } from './compression.js';
import { exchangeRoute } from './exchange-route.js';
import { groupFanout } from './group-fanout.js';
import { growthBytes, growthStored, growthTopics } from './growth.js';
import { kafkaFetch, kafkaLatency, kafkaProduce, kafkaStart } from './kafka.js';
import { manyLogs } from './many-logs.js';
import { manyPartitions } from './many-partitions.js';
import { openClean } from './open-clean.js';
import { openCrashed } from './open-crashed.js';
import { openSegments } from './open-segments.js';
import {
  peersAppend,
  peersLone,
  peersQueue,
  peersRandom,
  peersRead,
  serversAppend,
  serversLone,
  serversQueue,
  serversRead,
} from './peers.js';
import { produceConsume } from './produce-consume.js';
import { queueCycle } from './queue-cycle.js';
import { queueDelayed } from './queue-delayed.js';
import { queueFifo } from './queue-fifo.js';
import { queueInflight } from './queue-inflight.js';
import { queueReach } from './queue-reach.js';
import { readRandom } from './read-random.js';
import { readCursor, readRecords } from './read-sequential.js';
import { slowConsumer } from './slow-consumer.js';
import { tailLatency } from './tail-latency.js';
import { transactionRate } from './transaction-rate.js';

export interface Case {
  readonly name: string;
  readonly run: (context: CaseContext) => Promise<void>;
  /** Environment variables of its process. */
  readonly environment?: () => Readonly<Record<string, string>>;
  /** Runs in a smoke only when it is named: it needs what a clone does not have, or takes time. */
  readonly isOnRequest?: boolean;
}

export const cases: readonly Case[] = [
  { name: 'append-written', run: appendWritten },
  { name: 'append-durable', run: appendDurable },
  { name: 'append-lone', run: appendLone },
  { name: 'append-lone-busy', run: appendLoneBusy, environment: poolEnvironment },
  { name: 'append-callers', run: appendCallers },
  { name: 'read-cursor', run: readCursor },
  { name: 'read-records', run: readRecords },
  { name: 'read-random', run: readRandom },
  { name: 'open-clean', run: openClean },
  { name: 'open-crashed', run: openCrashed },
  { name: 'open-segments', run: openSegments },
  { name: 'many-logs', run: manyLogs },
  { name: 'compaction', run: compaction },
  { name: 'compaction-interference', run: compactionInterference },
  { name: 'produce-consume', run: produceConsume },
  { name: 'group-fanout', run: groupFanout },
  { name: 'transaction-rate', run: transactionRate },
  { name: 'slow-consumer', run: slowConsumer },
  { name: 'many-partitions', run: manyPartitions },
  { name: 'queue-cycle', run: queueCycle },
  { name: 'queue-inflight', run: queueInflight },
  { name: 'queue-fifo', run: queueFifo },
  { name: 'queue-reach', run: queueReach },
  { name: 'queue-delayed', run: queueDelayed },
  { name: 'exchange-route', run: exchangeRoute },
  { name: 'tail-latency', run: tailLatency, isOnRequest: true },
  { name: 'compression', run: compression, isOnRequest: true },
  { name: 'growth-stored', run: growthStored, isOnRequest: true },
  { name: 'growth-bytes', run: growthBytes, isOnRequest: true },
  { name: 'growth-topics', run: growthTopics, isOnRequest: true },
  { name: 'peers-append', run: peersAppend, isOnRequest: true },
  { name: 'peers-lone', run: peersLone, isOnRequest: true },
  { name: 'peers-read', run: peersRead, isOnRequest: true },
  { name: 'peers-random', run: peersRandom, isOnRequest: true },
  { name: 'peers-queue', run: peersQueue, isOnRequest: true },
  { name: 'servers-append', run: serversAppend, isOnRequest: true },
  { name: 'servers-lone', run: serversLone, isOnRequest: true },
  { name: 'servers-read', run: serversRead, isOnRequest: true },
  { name: 'servers-queue', run: serversQueue, isOnRequest: true },
  { name: 'kafka-produce', run: kafkaProduce, isOnRequest: true },
  { name: 'kafka-fetch', run: kafkaFetch, isOnRequest: true },
  { name: 'kafka-latency', run: kafkaLatency, isOnRequest: true },
  { name: 'kafka-start', run: kafkaStart, isOnRequest: true },
];

/** The cases of these names; a name also means those that it begins, such as `append-lone-busy`. */
export function casesNamed(names: readonly string[], isSmoke: boolean): readonly Case[] {
  for (const name of names) {
    if (!cases.some((known) => isMeant(known, name))) {
      throw new Error(
        `there is no case '${name}'; there are ${cases.map((c) => c.name).join(' ')}`,
      );
    }
  }
  return names.length === 0
    ? cases.filter(({ isOnRequest = false }) => !(isSmoke && isOnRequest))
    : cases.filter((known) => names.some((name) => isMeant(known, name)));
}

function isMeant(known: Case, name: string): boolean {
  return known.name === name || known.name.startsWith(`${name}-`);
}
