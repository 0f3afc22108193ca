/** BullMQ on a Redis of its own, which syncs its file before each answer. */

import { byCallers } from '../stream-load.js';
import type { QueuePeer } from './peer.js';
import { loadPeer } from './peer-package.js';
import { startRedis } from './redis.js';

interface Jobs {
  add(name: string, data: string, options: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): Promise<void>;
}

interface Worker {
  on(event: 'completed', listener: () => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface Package {
  readonly Queue: new (name: string, options: Readonly<Record<string, unknown>>) => Jobs;
  readonly Worker: new (
    name: string,
    handler: (job: { readonly data: string }) => Promise<void>,
    options: Readonly<Record<string, unknown>>,
  ) => Worker;
}

const NAME = 'jobs';
const CONCURRENCY = 256;

export const bullmq: QueuePeer = {
  name: 'bullmq on redis (server)',
  packages: ['bullmq', 'ioredis'],
  program: 'redis-server',
  promise: { strength: 'exact', means: 'file of the server synced (appendfsync always)' },
  messagesMax: 5000,
  async open(folder) {
    const { Queue, Worker } = await loadPeer<Package>('bullmq');
    const { server, port } = await startRedis(folder, 'durable');
    const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
    const jobs = new Queue(NAME, { connection });
    return {
      async cycle(values, callers, take) {
        let left = values.length;
        let tell: () => void = () => undefined;
        const complete = new Promise<void>((resolve) => {
          tell = resolve;
        });
        const work = async ({ data }: { readonly data: string }): Promise<void> => {
          const value = Buffer.from(data, 'base64');
          take(value, 0, value.length);
        };
        const worker = new Worker(NAME, work, { connection, concurrency: CONCURRENCY });
        worker.on('completed', () => {
          left -= 1;
          if (left === 0) tell();
        });
        await worker.waitUntilReady();
        const options = { removeOnComplete: true };
        await byCallers(callers, values, (value) =>
          jobs.add(NAME, Buffer.from(value).toString('base64'), options),
        );
        await complete;
        await worker.close();
      },
      async close() {
        await jobs.close();
        await server.stop();
      },
    };
  },
};
