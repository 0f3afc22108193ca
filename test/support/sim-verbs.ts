/** What tests of the simulated disk do over and over, with text for content. */

import { enumerateCrashes } from './sim-crash.js';
import type { SimDisk } from './sim-file-system.js';

export function write(disk: SimDisk, file: number, text: string, position: number): number {
  const bytes = Buffer.from(text);
  return disk.blockingFileSystem.write(file, bytes, 0, bytes.length, position);
}

/** Makes a file with nothing synced; returns its descriptor. */
export function writeFile(disk: SimDisk, path: string, text: string): number {
  const file = disk.blockingFileSystem.open(path, 'create');
  write(disk, file, text, 0);
  return file;
}

/** Makes a durable file in the top directory; returns its descriptor. */
export function diskWithFile(disk: SimDisk, path: string, text: string): number {
  const file = writeFile(disk, path, text);
  disk.blockingFileSystem.datasync(file);
  disk.blockingFileSystem.syncDirectory('/');
  return file;
}

/** Syncs a file through a descriptor of its own. */
export function syncFile(disk: SimDisk, path: string): void {
  const file = disk.blockingFileSystem.open(path, 'existing');
  disk.blockingFileSystem.datasync(file);
  disk.blockingFileSystem.close(file);
}

/** All ends of a disk with few pending effects. */
export function crashesOf(disk: SimDisk): SimDisk[] {
  return [...enumerateCrashes(disk, 1000)].map((choice) => disk.crash(choice));
}

export function textOf(disk: SimDisk, path: string): string {
  return Buffer.from(disk.readAll(path)).toString('latin1');
}
