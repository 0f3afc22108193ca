/** Everything that can be compared, in the order of the tables. */

import { asyncAppendOnlyLog } from './async-append-only-log.js';
import { betterSqlite3 } from './better-sqlite3.js';
import { bullmq } from './bullmq.js';
import { classicLevel } from './classic-level.js';
import { eventStorage } from './event-storage.js';
import { hypercore } from './hypercore.js';
import { jobQueue } from './job-queue.js';
import { lmdb } from './lmdb.js';
import { millraceLog } from './millrace-log.js';
import { millraceQueue } from './millrace-queue.js';
import { natsJetstream } from './nats-jetstream.js';
import type { LogPeer, QueuePeer } from './peer.js';
import { plainjob } from './plainjob.js';
import { rabbitmqClassic, rabbitmqQuorum, rabbitmqStream } from './rabbitmq.js';
import { redisStream } from './redis.js';

export const logPeers: readonly LogPeer[] = [
  lmdb,
  classicLevel,
  betterSqlite3,
  asyncAppendOnlyLog,
  eventStorage,
  hypercore,
  redisStream,
  natsJetstream,
  rabbitmqClassic,
  rabbitmqQuorum,
  rabbitmqStream,
];

export const queuePeers: readonly QueuePeer[] = [plainjob, jobQueue, bullmq];

/** Ours or a peer's; throws when there is none of that name. */
export function logNamed(name: string): LogPeer {
  const found = [millraceLog, ...logPeers].find((peer) => peer.name === name);
  if (found === undefined) throw new Error(`there is no log of the name ${name}`);
  return found;
}

export function queueNamed(name: string): QueuePeer {
  const found = [millraceQueue, ...queuePeers].find((peer) => peer.name === name);
  if (found === undefined) throw new Error(`there is no queue of the name ${name}`);
  return found;
}
