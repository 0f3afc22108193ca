/**
 * The machine on which the numbers were taken, as one line.
 */

import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { quantile } from './statistics.js';

/** The numbers that statfs(2) gives file systems that are met often. */
const fileSystems: Readonly<Record<number, string>> = {
  [0xef53]: 'ext4',
  [0x5846_5342]: 'xfs',
  [0x9123_683e]: 'btrfs',
  [0x0102_1994]: 'tmpfs',
  [0x794c_7630]: 'overlay',
  [0x2fc1_2fc1]: 'zfs',
};

const SYNCS = 32;

export function machineFacts(directory: string): string {
  const type = statfsSync(directory).type;
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  return [
    `Node ${process.versions.node}`,
    `${process.platform} ${process.arch}`,
    `${availableParallelism()} cores (${model})`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${fileSystems[type] ?? `file system 0x${type.toString(16)}`} at ${directory}`,
    `fdatasync of 4 KiB ${syncMs(directory).toFixed(3)} ms`,
    `load ${(loadavg()[0] ?? 0).toFixed(1)}`,
  ].join(', ');
}

/** Median time of an append of one page and its fdatasync. */
function syncMs(directory: string): number {
  const path = join(directory, `millrace-bench-sync-${process.pid}`);
  const page = Buffer.alloc(4096, 1);
  const file = openSync(path, 'wx', 0o600);
  try {
    const times: number[] = [];
    for (let index = 0; index < SYNCS; index += 1) {
      const startedMs = performance.now();
      writeSync(file, page, 0, page.length, index * page.length);
      fdatasyncSync(file);
      times.push(performance.now() - startedMs);
    }
    return quantile(times, 0.5);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
