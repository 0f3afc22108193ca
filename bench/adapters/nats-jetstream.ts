/**
 * NATS JetStream on loopback, a stream in files. The server of Debian syncs by time alone (two
 * minutes unless told otherwise), so nothing of it is durable when it answers.
 */

import { mkdirSync } from 'node:fs';
import type { LogPeer } from './peer.js';
import { loadPeer } from './peer-package.js';
import { freePort, ServerProcess } from './server-process.js';

interface Messages extends AsyncIterable<{ readonly data: Uint8Array; ack(): void }> {
  stop(): void;
}

interface JetStream {
  publish(subject: string, value: Uint8Array): Promise<unknown>;
  readonly consumers: {
    get(
      stream: string,
      options: Readonly<Record<string, unknown>>,
    ): Promise<{ consume(options: Readonly<Record<string, unknown>>): Promise<Messages> }>;
  };
}

interface Connection {
  jetstream(): JetStream;
  jetstreamManager(): Promise<{
    readonly streams: {
      add(options: Readonly<Record<string, unknown>>): Promise<unknown>;
      info(name: string): Promise<{ readonly state: { readonly messages: number } }>;
    };
  }>;
  drain(): Promise<void>;
}

interface Package {
  connect(options: Readonly<Record<string, unknown>>): Promise<Connection>;
}

const STREAM = 'log';
const SUBJECT = 'log.values';

export const natsJetstream: LogPeer = {
  name: 'nats jetstream (server)',
  packages: ['nats'],
  program: 'nats-server',
  promises: {
    written: { strength: 'exact', means: 'in the file of the server, which syncs by time' },
  },
  batchesAtOnceMax: 4,
  async open(folder) {
    mkdirSync(folder, { recursive: true });
    const { connect } = await loadPeer<Package>('nats');
    const port = await freePort();
    const args = ['-js', '-sd', folder, '-a', '127.0.0.1', '-p', String(port)];
    const server = await ServerProcess.start({ program: 'nats-server', args, port });
    const connection = await connect({ servers: `127.0.0.1:${port}` });
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: STREAM, subjects: ['log.*'], storage: 'file' });
    const jetStream = connection.jetstream();
    return {
      append: (values) => Promise.all(values.map((value) => jetStream.publish(SUBJECT, value))),
      async readAll(take) {
        const { state } = await manager.streams.info(STREAM);
        const consumer = await jetStream.consumers.get(STREAM, {});
        const messages = await consumer.consume({ max_messages: 10_000 });
        let left = state.messages;
        for await (const { data } of messages) {
          take(data, 0, data.length);
          left -= 1;
          if (left === 0) break;
        }
        messages.stop();
      },
      async close() {
        await connection.drain();
        await server.stop();
      },
    };
  },
};
