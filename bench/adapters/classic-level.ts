/** LevelDB through classic-level: a log-structured tree, keys are numbers of eight bytes. */

import type { LogPeer } from './peer.js';
import { loadPeer } from './peer-package.js';

interface Operation {
  readonly type: 'put';
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

interface Values {
  nextv(count: number): Promise<readonly Uint8Array[]>;
  close(): Promise<void>;
}

interface Level {
  open(): Promise<void>;
  batch(operations: readonly Operation[], options: { readonly sync: boolean }): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  values(): Values;
  keys(options: { readonly reverse: true; readonly limit: 1 }): {
    all(): Promise<readonly Uint8Array[]>;
  };
  close(): Promise<void>;
}

interface Package {
  readonly ClassicLevel: new (path: string, options: Readonly<Record<string, unknown>>) => Level;
}

const READ_AT_ONCE = 1000;

export const classicLevel: LogPeer = {
  name: 'classic-level',
  packages: ['classic-level'],
  promises: {
    written: { strength: 'exact', means: 'written to its log (sync: false)' },
    durable: { strength: 'exact', means: 'its log synced (sync: true)' },
  },
  recordsMax: 100_000,
  async open(folder, acks) {
    const { ClassicLevel } = await loadPeer<Package>('classic-level');
    const level = new ClassicLevel(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    await level.open();
    const [last] = await level.keys({ reverse: true, limit: 1 }).all();
    let next = last === undefined ? 0 : Buffer.from(last).readUIntBE(2, 6) + 1;
    const sync = acks === 'durable';
    return {
      append: (values) =>
        level.batch(
          values.map((value) => ({ type: 'put', key: keyOf(next++), value })),
          { sync },
        ),
      async readAll(take) {
        const values = level.values();
        for (;;) {
          const some = await values.nextv(READ_AT_ONCE);
          if (some.length === 0) break;
          for (const value of some) take(value, 0, value.length);
        }
        await values.close();
      },
      async readOne(index) {
        const value = await level.get(keyOf(index));
        if (value === undefined) throw new Error(`there is no record ${index}`);
        return value;
      },
      close: () => level.close(),
    };
  },
};

/** Sorts as the number does. */
function keyOf(index: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeUIntBE(index, 2, 6);
  return key;
}
