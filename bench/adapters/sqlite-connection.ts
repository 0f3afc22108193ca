/** SQLite through better-sqlite3, as the adapters of a log and of a queue use it. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadPeer } from './peer-package.js';

export interface Statement {
  run(...values: readonly unknown[]): unknown;
  get(...values: readonly unknown[]): unknown;
  pluck(): Statement;
  iterate(): Iterable<unknown>;
}

export interface Connection {
  pragma(text: string): unknown;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  transaction<Arguments extends readonly unknown[]>(
    work: (...args: Arguments) => void,
  ): (...args: Arguments) => void;
  close(): void;
}

interface Package {
  readonly default: new (path: string) => Connection;
}

export async function openSqlite(folder: string): Promise<Connection> {
  mkdirSync(folder, { recursive: true });
  const { default: Database } = await loadPeer<Package>('better-sqlite3');
  return new Database(join(folder, 'data.db'));
}
