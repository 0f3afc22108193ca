/** Ours, through the same interface as the peers. */

import { Log } from '../../src/storage/main.js';
import type { LogPeer } from './peer.js';

export const millraceLog: LogPeer = {
  name: 'millrace',
  packages: [],
  promises: {
    written: { strength: 'exact', means: 'written to the segment' },
    durable: { strength: 'exact', means: 'fdatasync of the segment has returned' },
  },
  async open(folder, acks) {
    const log = await Log.open(folder);
    return {
      append: (values) =>
        log.append(
          values.map((value) => ({ value })),
          { acks },
        ),
      async readAll(take) {
        for await (const batch of log.read({ durability: 'written' })) {
          const cursor = batch.cursor();
          while (cursor.next()) take(cursor.bytes, cursor.valueStart, cursor.valueEnd);
        }
      },
      async readOne(index) {
        const reader = log.read({ from: index, durability: 'written' });
        const step = await reader.next();
        if (step.done === true) throw new Error(`there is no record ${index}`);
        const cursor = step.value.cursor();
        cursor.next();
        const value = Uint8Array.prototype.slice.call(
          cursor.bytes,
          cursor.valueStart,
          cursor.valueEnd,
        );
        await reader.return?.();
        return value;
      },
      close: () => log.close(),
    };
  },
};
