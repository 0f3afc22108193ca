/**
 * Real power cuts, as near as a machine comes without losing its power: a log on a file system in
 * an image, which is shut down in the middle of its work and mounted again.
 *
 * The shutdown call of ext4 and xfs drops what was not written to the device: the journal that is
 * not committed, and every page that no sync wrote. What is left is what the kernel would find
 * after a power cut; its own recovery runs when the image is mounted again. So this tests the order
 * of our syncs on the file systems themselves, not on our picture of them.
 *
 * It needs root, loop devices and the tools of the file system; where one is missing the run says
 * so. Everything happens in a mount namespace of its own, which ends with its process.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Findings } from './kill-model.js';

export const cutFileSystems = ['ext4', 'xfs'] as const;
export type CutFileSystem = (typeof cutFileSystems)[number];

export interface CutOrder {
  readonly fileSystem: CutFileSystem;
  readonly cycles: number;
  readonly seed: number;
  /** Where the image and its mount point are made. */
  readonly folder: string;
}

export interface CutReport extends Findings {
  readonly fileSystem: CutFileSystem;
  readonly seed: number;
  cycles: number;
  acknowledged: number;
  failures: number;
  seconds: number;
  readonly details: string[];
}

const CHILD = fileURLToPath(new URL('./power-cuts-child.js', import.meta.url));
const NAMESPACE = ['--mount', '--propagation', 'private'];

/** The request of `_IOR('X', 125, __u32)` with flag 2: the journal is not flushed either. */
export const SHUTDOWN =
  'use strict; my $line = <STDIN>; open(my $folder, "<", $ARGV[0]) or die "open: $!\\n";' +
  ' my $flags = pack("L", 2); ioctl($folder, 0x8004587d, $flags) or die "ioctl: $!\\n";';

/** Why this machine cannot do it on this file system; undefined when it can. */
export function powerCutObstacle(fileSystem: CutFileSystem): string | undefined {
  if (process.platform !== 'linux') return 'it needs file systems of Linux';
  if (process.getuid?.() !== 0) return 'shutting a file system down needs root';
  for (const tool of ['unshare', 'mount', 'perl', `mkfs.${fileSystem}`]) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `${tool} is missing`;
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    const script = `${makeScript(fileSystem)} && echo | perl -e '${SHUTDOWN}' "$0/mount"`;
    const { status, stderr } = spawnSync('unshare', [...NAMESPACE, 'sh', '-c', script, folder], {
      encoding: 'utf8',
    });
    return status === 0 ? undefined : `${fileSystem}: ${stderr.trim()}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes the image in folder `$0`, and mounts it. xfs wants 300 MiB; most of them are a hole. */
export function makeScript(fileSystem: CutFileSystem): string {
  const force = fileSystem === 'xfs' ? '-f' : '-F';
  return (
    `truncate -s 320M "$0/image" && mkfs.${fileSystem} -q ${force} "$0/image" 1>&2` +
    ` && mkdir -p "$0/mount" && ${MOUNT}`
  );
}

export const MOUNT = 'mount -o loop "$0/image" "$0/mount"';

/** Rejects when the process with the file system ends without a report. */
export async function runPowerCuts(order: Omit<CutOrder, 'folder'>): Promise<CutReport> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    const text = JSON.stringify({ ...order, folder } satisfies CutOrder);
    // Its standard input ends when this process does: then it ends too.
    const child = spawn('unshare', [...NAMESPACE, process.execPath, CHILD, text], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`the process of the power cuts ended with ${String(code)}`);
    return JSON.parse(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
