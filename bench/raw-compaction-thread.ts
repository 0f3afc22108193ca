/**
 * The thread of the raw compaction; answers with the bytes that it read.
 */

import { closeSync, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32c } from '../src/base/crc32c.js';
import type { RawCompactionData } from './raw-compaction.js';

const BLOCK_BYTES = 4 * 1024 * 1024;

const { sources, targets, targetFolder, share }: RawCompactionData = workerData;
const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
let bytesRead = 0;
for (const [index, path] of sources.entries()) bytesRead += copyPart(path, targets[index] ?? '');
const folder = openSync(targetFolder, 'r');
fsyncSync(folder);
closeSync(folder);
parentPort?.postMessage(bytesRead);

function copyPart(path: string, target: string): number {
  const from = openSync(path, 'r');
  const to = openSync(target, 'w', 0o600);
  let position = 0;
  for (;;) {
    const got = readSync(from, block, 0, BLOCK_BYTES, position);
    if (got === 0) break;
    crc32c(block, 0, got);
    const kept = Math.round(got * share);
    crc32c(block, 0, kept);
    for (let done = 0; done < kept; ) done += writeSync(to, block, done, kept - done);
    position += got;
  }
  fdatasyncSync(to);
  closeSync(to);
  closeSync(from);
  return position;
}
