/**
 * A real disk that is filled and freed while logs live on it: the loop of `full-loop.ts`, on a
 * file system of 64 MiB in memory that is made for it.
 *
 * The loop runs in a process with a mount namespace of its own, so whatever ends that process, even
 * SIGKILL, takes the mount with it. That needs root; without it the run is skipped, and says why.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FullOrder, FullReport } from './full-loop.js';

const CHILD = fileURLToPath(new URL('./full-child.js', import.meta.url));
/** `$0` is the folder, the rest the program. */
const MOUNT = 'mount -t tmpfs -o size=64m,mode=0700 tmpfs "$0"';
const NAMESPACE = ['--mount', '--propagation', 'private', 'sh', '-c'];

/** Why this machine cannot run it; undefined when it can. */
export function fullDiskObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'it needs mount namespaces of Linux';
  if (process.getuid?.() !== 0) return 'mounting a file system needs root';
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    const { status, stderr, error } = spawnSync('unshare', [...NAMESPACE, MOUNT, folder], {
      encoding: 'utf8',
    });
    return status === 0 ? undefined : `mounting failed: ${error?.message ?? stderr.trim()}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs so many cycles; rejects when the process ends without a report. */
export async function runFullDisk(order: Omit<FullOrder, 'folder'>): Promise<FullReport> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    const text = JSON.stringify({ ...order, folder } satisfies FullOrder);
    const program = [process.execPath, CHILD, text];
    const script = `${MOUNT} && exec "$@"`;
    // Its standard input ends when this process does: then it ends too.
    const child = spawn('unshare', [...NAMESPACE, script, folder, ...program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`the process with the full disk ended with ${String(code)}`);
    return JSON.parse(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
