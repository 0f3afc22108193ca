/**
 * async-append-only-log: blocks of 64 KiB. Whoever appends hears of the disk through `onDrain`,
 * which resolves behind an fsync; there is no weaker promise.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LogPeer } from './peer.js';
import { loadPeer } from './peer-package.js';

type Answer<Value> = (error: Error | null, value: Value) => void;

interface Sink {
  paused: boolean;
  write(record: { readonly offset: number; readonly value: Uint8Array }): void;
  end(error?: Error | true): void;
}

interface Log {
  append(values: readonly Uint8Array[], answer: Answer<number>): void;
  onDrain(call: () => void): void;
  get(offset: number, answer: Answer<Uint8Array>): void;
  stream(options: Readonly<Record<string, unknown>>): { pipe(sink: Sink): void };
  close(answer: (error: Error | null) => void): void;
}

interface Package {
  readonly default: (path: string, options: Readonly<Record<string, unknown>>) => Log;
}

export const asyncAppendOnlyLog: LogPeer = {
  name: 'async-append-only-log',
  packages: ['async-append-only-log'],
  promises: {
    written: { strength: 'stronger', means: 'written and synced: it has no other promise' },
    durable: { strength: 'exact', means: 'drained: block written and fsynced' },
  },
  recordsMax: 100_000,
  async open(folder) {
    mkdirSync(folder, { recursive: true });
    const { default: openLog } = await loadPeer<Package>('async-append-only-log');
    // It waits before it writes, 250 ms unless told otherwise; a value of 0 would mean those.
    const log = openLog(join(folder, 'log'), { writeTimeout: 1 });
    const offsets: number[] = [];
    const readAll = (take: (value: Uint8Array, offset: number) => void): Promise<void> =>
      new Promise((resolve, reject) => {
        log.stream({ offsets: true, values: true }).pipe({
          paused: false,
          write: ({ offset, value }) => take(value, offset),
          end: (error) => (error instanceof Error ? reject(error) : resolve()),
        });
      });
    return {
      append: (values) =>
        new Promise<void>((resolve, reject) => {
          log.append(values, (error) => {
            if (error === null) log.onDrain(resolve);
            else reject(error);
          });
        }),
      readAll: (take) => readAll((value) => take(value, 0, value.length)),
      async readOne(index) {
        if (offsets.length === 0) await readAll((_, offset) => offsets.push(offset));
        return await new Promise<Uint8Array>((resolve, reject) => {
          log.get(offsets[index] ?? -1, (error, value) => {
            if (error === null) resolve(value);
            else reject(error);
          });
        });
      },
      close: () =>
        new Promise<void>((resolve, reject) => {
          log.close((error) => (error ? reject(error) : resolve()));
        }),
    };
  },
};
