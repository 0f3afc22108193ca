/**
 * plainjob: jobs in a table of SQLite. It sets synchronous=NORMAL, which syncs no commit; FULL is
 * set behind it, so that it promises what ours does. Its calls are synchronous: nothing joins.
 */

import { byCallers } from '../stream-load.js';
import type { QueuePeer } from './peer.js';
import { loadPeer } from './peer-package.js';
import { type Connection, openSqlite } from './sqlite-connection.js';

interface Jobs {
  add(type: string, data: string): { readonly id: number };
  close(): void;
}

interface Worker {
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Package {
  better(connection: Connection): unknown;
  defineQueue(options: Readonly<Record<string, unknown>>): Jobs;
  defineWorker(
    type: string,
    work: (job: { readonly data: string }) => Promise<void>,
    options: Readonly<Record<string, unknown>>,
  ): Worker;
}

const TYPE = 'job';
const silent = { error: ignore, warn: ignore, info: ignore, debug: ignore };

export const plainjob: QueuePeer = {
  name: 'plainjob',
  packages: ['plainjob', 'better-sqlite3'],
  promise: { strength: 'exact', means: 'each send and each step committed and synced, WAL, FULL' },
  messagesMax: 1000,
  async open(folder) {
    const { better, defineQueue, defineWorker } = await loadPeer<Package>('plainjob');
    const connection = await openSqlite(folder);
    const jobs = defineQueue({
      connection: better(connection),
      logger: silent,
      serializer: (data: unknown) => String(data),
    });
    connection.pragma('synchronous = FULL');
    return {
      async cycle(values, callers, take) {
        let left = values.length;
        let tell: () => void = () => undefined;
        const complete = new Promise<void>((resolve) => {
          tell = resolve;
        });
        const options = {
          queue: jobs,
          logger: silent,
          pollIntervall: 1,
          onCompleted: () => {
            left -= 1;
            if (left === 0) tell();
          },
        };
        const work = async ({ data }: { readonly data: string }): Promise<void> => {
          const value = Buffer.from(data, 'base64');
          take(value, 0, value.length);
        };
        const worker = defineWorker(TYPE, work, options);
        const running = worker.start();
        await byCallers(callers, values, async (value) => {
          jobs.add(TYPE, Buffer.from(value).toString('base64'));
        });
        await complete;
        await worker.stop();
        await running;
      },
      close: async () => jobs.close(),
    };
  },
};

function ignore(): void {}
