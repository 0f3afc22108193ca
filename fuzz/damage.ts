/**
 * Damage to the files of a folder on the simulated disk, of the kinds that disks, copies and people
 * make. Each answers what it did, in words.
 */

import { posix } from 'node:path';
import type { Prng } from '../src/base/prng.js';
import { parseFileName } from '../src/storage/segment-files.js';
import { DIRECTORY } from '../test/support/log-fixture.js';
import type { SimDisk } from '../test/support/sim-file-system.js';
import { mutate } from './mutate.js';

type Damage = (prng: Prng, disk: SimDisk, path: string) => string;

const kinds: readonly Damage[] = [
  flip,
  flip,
  cut,
  cut,
  grow,
  fillWithZeros,
  fillWithZeros,
  change,
  swap,
  copyOver,
  duplicate,
  moveWithin,
  remove,
];

/** Damages one file; which one, and how, is drawn. */
export function damageOne(prng: Prng, disk: SimDisk): string {
  const paths = disk.list(DIRECTORY);
  // The segments are most of the files, and most of what is in them are records.
  const logs = paths.filter((path) => path.endsWith('.log'));
  const path = prng.pick(prng.boolean(0.4) && logs.length > 0 ? logs : paths);
  return prng.pick(kinds)(prng, disk, path);
}

function flip(prng: Prng, disk: SimDisk, path: string): string {
  const { length } = disk.readAll(path);
  if (length === 0) return grow(prng, disk, path);
  const bit = prng.integer(8 * length);
  disk.flipBit(path, bit);
  return `bit ${bit} of ${nameOf(path)}`;
}

function cut(prng: Prng, disk: SimDisk, path: string): string {
  const bytes = prng.integer(disk.readAll(path).length + 1);
  disk.truncateTo(path, bytes);
  return `${nameOf(path)} cut to ${bytes}`;
}

function grow(prng: Prng, disk: SimDisk, path: string): string {
  const { length } = disk.readAll(path);
  const count = 1 + prng.integer(300);
  disk.corrupt(path, length, prng.boolean() ? new Uint8Array(count) : prng.bytes(count));
  return `${nameOf(path)} grown by ${count}`;
}

function fillWithZeros(prng: Prng, disk: SimDisk, path: string): string {
  const { length } = disk.readAll(path);
  const start = prng.boolean()
    ? prng.integer(length + 1)
    : 512 * prng.integer(Math.floor(length / 512) + 1);
  const count = Math.min(length - start, prng.pick([1, 8, 128, 512, 4096]));
  disk.corrupt(path, start, new Uint8Array(count));
  return `${nameOf(path)} zero from ${start}, ${count} bytes`;
}

function change(prng: Prng, disk: SimDisk, path: string): string {
  disk.put(path, mutate(prng, disk.readAll(path)));
  return `${nameOf(path)} changed`;
}

function swap(prng: Prng, disk: SimDisk, path: string): string {
  const other = drawLike(prng, disk, path);
  disk.swap(path, other);
  return `${nameOf(path)} and ${nameOf(other)} exchanged`;
}

function copyOver(prng: Prng, disk: SimDisk, path: string): string {
  const other = drawLike(prng, disk, path);
  disk.put(other, disk.readAll(path));
  return `${nameOf(path)} copied over ${nameOf(other)}`;
}

/** Under a name of its own: a segment that nobody made, a leftover, a stranger. */
function duplicate(prng: Prng, disk: SimDisk, path: string): string {
  const extension = posix.extname(path);
  const digits = String(prng.integer(200)).padStart(20, '0');
  const name = prng.pick([`${digits}${extension}`, `${nameOf(path)}.tmp`, `${nameOf(path)}.copy`]);
  disk.put(posix.join(DIRECTORY, name), disk.readAll(path));
  return `${nameOf(path)} copied to ${name}`;
}

/** A block of the file written where another one was. */
function moveWithin(prng: Prng, disk: SimDisk, path: string): string {
  const bytes = disk.readAll(path);
  const count = Math.min(bytes.length, prng.pick([61, 128, 512]));
  const from = prng.integer(bytes.length - count + 1);
  const to = prng.integer(bytes.length - count + 1);
  disk.corrupt(path, to, bytes.slice(from, from + count));
  return `${nameOf(path)}: ${count} bytes at ${from} written to ${to}`;
}

function remove(_prng: Prng, disk: SimDisk, path: string): string {
  disk.remove(path);
  return `${nameOf(path)} removed`;
}

/** Mostly a file of the same kind: others are told apart at once. */
function drawLike(prng: Prng, disk: SimDisk, path: string): string {
  const paths = disk.list(DIRECTORY);
  const kin = paths.filter((other) => other !== path && kindOf(other) === kindOf(path));
  return prng.pick(kin.length > 0 && prng.boolean(0.8) ? kin : paths);
}

function kindOf(path: string): string {
  const parsed = parseFileName(nameOf(path));
  return parsed.kind === 'segment' ? parsed.suffix : nameOf(path);
}

function nameOf(path: string): string {
  return posix.basename(path);
}
