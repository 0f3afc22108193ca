/**
 * Redis on loopback: a stream, and the server that BullMQ needs. Its append-only file is synced
 * before each answer (`appendfsync always`), or every second, which is the usual setting.
 */

import { mkdirSync } from 'node:fs';
import type { LogPeer, PeerAcks } from './peer.js';
import { loadPeer } from './peer-package.js';
import { freePort, ServerProcess } from './server-process.js';

type Entry = readonly [id: Uint8Array, fields: readonly Uint8Array[]];

export interface RedisClient {
  pipeline(): Pipeline;
  xrangeBuffer(
    key: string,
    from: string,
    to: string,
    count: 'COUNT',
    limit: number,
  ): Promise<readonly Entry[]>;
  quit(): Promise<unknown>;
}

interface Pipeline {
  xadd(key: string, id: string, field: string, value: Uint8Array): Pipeline;
  exec(): Promise<readonly (readonly [Error | null, unknown])[] | null>;
}

export interface RedisPackage {
  readonly Redis: new (options: Readonly<Record<string, unknown>>) => RedisClient;
}

const KEY = 'log';
const READ_AT_ONCE = 1000;

export async function startRedis(
  folder: string,
  acks: PeerAcks,
): Promise<{ readonly server: ServerProcess; readonly port: number }> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const fsync = acks === 'durable' ? 'always' : 'everysec';
  const args = [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    ...['--appendonly', 'yes', '--appendfsync', fsync],
  ];
  return { server: await ServerProcess.start({ program: 'redis-server', args, port }), port };
}

export const redisStream: LogPeer = {
  name: 'redis stream (server)',
  packages: ['ioredis'],
  program: 'redis-server',
  promises: {
    written: { strength: 'exact', means: 'in the file of the server (appendfsync everysec)' },
    durable: { strength: 'exact', means: 'file of the server synced (appendfsync always)' },
  },
  async open(folder, acks) {
    const { Redis } = await loadPeer<RedisPackage>('ioredis');
    const { server, port } = await startRedis(folder, acks);
    const client = new Redis({ host: '127.0.0.1', port });
    return {
      async append(values) {
        const pipeline = client.pipeline();
        for (const value of values) pipeline.xadd(KEY, '*', 'v', value);
        for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
      },
      async readAll(take) {
        for (let from = '-'; ; ) {
          const entries = await client.xrangeBuffer(KEY, from, '+', 'COUNT', READ_AT_ONCE);
          for (const [, [, value]] of entries)
            if (value !== undefined) take(value, 0, value.length);
          const last = entries.at(-1);
          if (last === undefined) return;
          from = `(${Buffer.from(last[0]).toString()}`;
        }
      },
      async close() {
        await client.quit();
        await server.stop();
      },
    };
  },
};
