/**
 * event-storage: files of documents and an index of positions, written by synchronous calls. Its
 * documents are text, so values are stored as base64.
 */

import type { LogPeer } from './peer.js';
import { loadPeer } from './peer-package.js';

interface Storage {
  open(): boolean;
  write(document: Uint8Array, answer?: () => void): number;
  flush(): void;
  read(number: number): Uint8Array | false;
  readRange(from: number, until?: number): Iterable<Uint8Array>;
  close(): void;
}

interface Package {
  readonly Storage: new (name: string, options: Readonly<Record<string, unknown>>) => Storage;
}

export const eventStorage: LogPeer = {
  name: 'event-storage',
  packages: ['event-storage'],
  promises: {
    written: { strength: 'exact', means: 'its buffer written' },
    durable: {
      strength: 'exact',
      means: 'its buffers written and synced (syncOnFlush), 16 KiB each',
    },
  },
  recordsMax: 50_000,
  async open(folder, acks) {
    const { Storage } = await loadPeer<Package>('event-storage');
    const storage = new Storage('log', {
      dataDirectory: folder,
      syncOnFlush: acks === 'durable',
      serializer: {
        serialize: (value: Buffer) => value.toString('base64'),
        deserialize: (text: string) => Buffer.from(text, 'base64'),
      },
    });
    storage.open();
    return {
      append: (values) =>
        new Promise<void>((resolve) => {
          for (const value of values.slice(0, -1)) storage.write(value);
          storage.write(values.at(-1) ?? Buffer.alloc(0), resolve);
          storage.flush();
        }),
      async readAll(take) {
        for (const value of storage.readRange(1)) take(value, 0, value.length);
      },
      async readOne(index) {
        const value = storage.read(index + 1);
        if (value === false) throw new Error(`there is no record ${index}`);
        return value;
      },
      close: async () => storage.close(),
    };
  },
};
