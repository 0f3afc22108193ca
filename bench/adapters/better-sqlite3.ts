/**
 * A table of SQLite with its write-ahead log, through better-sqlite3: one commit for each append.
 */

import type { LogPeer } from './peer.js';
import { openSqlite } from './sqlite-connection.js';

export const betterSqlite3: LogPeer = {
  name: 'better-sqlite3',
  packages: ['better-sqlite3'],
  promises: {
    written: { strength: 'exact', means: 'committed, WAL, synchronous=NORMAL: no sync at commit' },
    durable: { strength: 'exact', means: 'committed, WAL, synchronous=FULL: synced at commit' },
  },
  recordsMax: 200_000,
  async open(folder, acks) {
    const connection = await openSqlite(folder);
    connection.pragma('journal_mode = WAL');
    connection.pragma(`synchronous = ${acks === 'durable' ? 'FULL' : 'NORMAL'}`);
    connection.exec('CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, value BLOB NOT NULL)');
    const insert = connection.prepare('INSERT INTO log (value) VALUES (?)');
    const insertAll = connection.transaction((values: readonly Uint8Array[]) => {
      for (const value of values) insert.run(value);
    });
    const select = connection.prepare('SELECT value FROM log WHERE id = ?').pluck();
    return {
      append: async (values) => insertAll(values),
      async readAll(take) {
        const all = connection.prepare('SELECT value FROM log ORDER BY id').pluck();
        for (const value of all.iterate()) {
          if (value instanceof Uint8Array) take(value, 0, value.length);
        }
      },
      async readOne(index) {
        const value = select.get(index + 1);
        if (value instanceof Uint8Array) return value;
        throw new Error(`there is no record ${index}`);
      },
      close: async () => connection.close(),
    };
  },
};
