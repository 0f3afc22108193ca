/**
 * The baseline of compaction: a thread that reads the segments, verifies their bytes, and writes as
 * large a part of them as compaction keeps, all in large blocks through `node:fs` alone, one new
 * file per segment, each synced.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

export interface RawCompactionData {
  readonly sources: readonly string[];
  readonly targets: readonly string[];
  readonly targetFolder: string;
  /** Bytes written of bytes read, 0 to 1. */
  readonly share: number;
}

/** Resolves to the bytes that were read; the thread is started and ended by each run. */
export async function rawCompaction(
  folder: string,
  targetFolder: string,
  share: number,
): Promise<number> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.log'));
  const workerData: RawCompactionData = {
    sources: names.map((name) => join(folder, name)),
    targets: names.map((name) => join(targetFolder, name)),
    targetFolder,
    share,
  };
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const thread = new Worker(new URL(`./raw-compaction-thread.${extension}`, import.meta.url), {
    name: 'raw-compaction',
    workerData,
    execArgv: [],
  });
  return await new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('the thread ended without an answer')));
  });
}
