/** LMDB through lmdb-js: a memory-mapped tree, keys are numbers that rise. */

import type { LogPeer } from './peer.js';
import { loadPeer } from './peer-package.js';

interface Store {
  put(key: number, value: Uint8Array): Promise<boolean>;
  transaction(work: () => void): Promise<unknown>;
  getBinaryFast(key: number): Uint8Array | undefined;
  getRange(): Iterable<{ readonly key: number; readonly value: Uint8Array }>;
  getKeysCount(): number;
  readonly flushed: Promise<boolean>;
  close(): Promise<void>;
}

interface Package {
  open(options: Readonly<Record<string, unknown>>): Store;
}

export const lmdb: LogPeer = {
  name: 'lmdb',
  packages: ['lmdb'],
  promises: {
    written: { strength: 'exact', means: 'committed to the mapped file (noSync)' },
    durable: { strength: 'exact', means: 'transaction committed, and its flush awaited' },
  },
  recordsMax: 200_000,
  async open(folder, acks) {
    const { open } = await loadPeer<Package>('lmdb');
    const store = open({
      path: folder,
      encoding: 'binary',
      keyEncoding: 'uint32',
      noSync: acks === 'written',
    });
    let next = store.getKeysCount();
    return {
      async append(values) {
        await store.transaction(() => {
          for (const value of values) void store.put(next++, value);
        });
        if (acks === 'durable') await store.flushed;
      },
      async readAll(take) {
        for (const { value } of store.getRange()) take(value, 0, value.length);
      },
      async readOne(index) {
        const value = store.getBinaryFast(index);
        if (value === undefined) throw new Error(`there is no record ${index}`);
        return value;
      },
      close: () => store.close(),
    };
  },
};
