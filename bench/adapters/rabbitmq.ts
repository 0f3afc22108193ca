/**
 * RabbitMQ on loopback: a classic queue, a quorum queue and a stream, through publisher confirms.
 * Classic queues and quorum queues confirm behind a sync of their files; a stream confirms what is
 * written.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LogPeer, PeerAcks } from './peer.js';
import { loadPeer } from './peer-package.js';
import { freePort, ServerProcess } from './server-process.js';

interface Channel {
  assertQueue(name: string, options: Readonly<Record<string, unknown>>): Promise<unknown>;
  sendToQueue(
    name: string,
    value: Uint8Array,
    options: Readonly<Record<string, unknown>>,
    confirmed: (error: Error | null) => void,
  ): boolean;
  prefetch(count: number): Promise<unknown>;
  consume(
    name: string,
    take: (message: Delivered | null) => void,
    options: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly consumerTag: string }>;
  checkQueue(name: string): Promise<{ readonly messageCount: number }>;
  ack(message: Delivered, allUpTo?: boolean): void;
  nackAll(requeue: boolean): void;
  cancel(consumerTag: string): Promise<unknown>;
}

interface Delivered {
  readonly content: Uint8Array;
}

interface Connection {
  createConfirmChannel(): Promise<Channel>;
  close(): Promise<void>;
}

interface Package {
  readonly default: { connect(address: string): Promise<Connection> };
}

const QUEUE = 'log';
const PREFETCH = 10_000;

interface Kind {
  readonly type: 'classic' | 'quorum' | 'stream';
  readonly acks: PeerAcks;
  readonly means: string;
}

export const rabbitmqClassic = rabbitmq({
  type: 'classic',
  acks: 'durable',
  means: 'confirmed: persistent message, file of the server synced',
});

export const rabbitmqQuorum = rabbitmq({
  type: 'quorum',
  acks: 'durable',
  means: 'confirmed: log of the one member synced',
});

export const rabbitmqStream = rabbitmq({
  type: 'stream',
  acks: 'written',
  means: 'confirmed: in the file of the server, which does not sync',
});

function rabbitmq({ type, acks, means }: Kind): LogPeer {
  return {
    name: `rabbitmq ${type} (server)`,
    packages: ['amqplib'],
    program: 'rabbitmq-server',
    promises: { [acks]: { strength: 'exact', means } },
    batchesAtOnceMax: 4,
    async open(folder) {
      const { default: client } = await loadPeer<Package>('amqplib');
      const { port, stop } = await startRabbitmq(folder);
      const connection = await client.connect(`amqp://guest:guest@127.0.0.1:${port}`);
      const channel = await connection.createConfirmChannel();
      const options = { durable: true, arguments: { 'x-queue-type': type } };
      await channel.assertQueue(QUEUE, options);
      let stored = 0;
      const send = (value: Uint8Array): Promise<void> =>
        new Promise((resolve, reject) => {
          channel.sendToQueue(QUEUE, value, { persistent: true }, (error) => {
            if (error === null || error === undefined) resolve();
            else reject(error);
          });
        });
      return {
        async append(values) {
          await Promise.all(values.map(send));
          stored += values.length;
        },
        async readAll(take) {
          await channel.prefetch(type === 'stream' ? PREFETCH : 0);
          await receive(channel, type, stored, take);
          // What was given out goes back, for the next one who reads.
          if (type !== 'stream') channel.nackAll(true);
        },
        async close() {
          await connection.close();
          await stop();
        },
      };
    },
  };
}

/** A stream gives more for what is acknowledged; of a queue everything is held until the end. */
async function receive(
  channel: Channel,
  type: Kind['type'],
  count: number,
  take: (bytes: Uint8Array, start: number, end: number) => void,
): Promise<void> {
  let left = count;
  let tell: () => void = () => undefined;
  const complete = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const options = type === 'stream' ? { arguments: { 'x-stream-offset': 'first' } } : {};
  const taken = (message: Delivered | null): void => {
    if (message === null) return;
    take(message.content, 0, message.content.length);
    left -= 1;
    if (type === 'stream' && left % 1000 === 0) channel.ack(message, true);
    if (left === 0) tell();
  };
  const { consumerTag } = await channel.consume(QUEUE, taken, options);
  await complete;
  await channel.cancel(consumerTag);
}

/** With an Erlang port mapper of its own, which would otherwise be left running. */
async function startRabbitmq(
  folder: string,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  const [port, mapperPort, distributionPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const environment = {
    HOME: folder,
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `bench-${process.pid}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
  };
  const mapper = await ServerProcess.start({
    program: 'epmd',
    args: ['-port', String(mapperPort), '-address', '127.0.0.1'],
    environment,
    port: mapperPort,
  });
  const program = { program: 'rabbitmq-server', args: [], environment, port };
  const server = await ServerProcess.start(program).catch(async (error) => {
    await mapper.stop();
    throw error;
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await mapper.stop();
  };
  return { port, stop };
}
