/** hypercore: a signed log in RocksDB. It does not sync what it appends, so it has one promise. */

import type { LogPeer } from './peer.js';
import { loadPeer } from './peer-package.js';

interface Core {
  ready(): Promise<void>;
  append(values: readonly Uint8Array[]): Promise<unknown>;
  get(index: number): Promise<Uint8Array | null>;
  createReadStream(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

interface Package {
  readonly default: new (folder: string) => Core;
}

export const hypercore: LogPeer = {
  name: 'hypercore',
  packages: ['hypercore'],
  promises: {
    written: { strength: 'exact', means: 'written to the log of RocksDB, hashed and signed' },
  },
  recordsMax: 20_000,
  async open(folder) {
    const { default: Hypercore } = await loadPeer<Package>('hypercore');
    const core = new Hypercore(folder);
    await core.ready();
    return {
      append: (values) => core.append(values),
      async readAll(take) {
        for await (const value of core.createReadStream()) take(value, 0, value.length);
      },
      async readOne(index) {
        const value = await core.get(index);
        if (value === null) throw new Error(`there is no record ${index}`);
        return value;
      },
      close: () => core.close(),
    };
  },
};
