/**
 * The system's environment with a file system that counts the reads that go through it.
 */

import type { FileSystem, ReadableFile } from '../src/base/file-system.js';
import { type LogEnvironment, systemEnvironment } from '../src/storage/log-environment.js';

export class ReadCounter {
  reads = 0;
  bytes = 0;
  opens = 0;
  /** Those of the opened files that are indexes of segments. */
  indexes = 0;

  reset(): void {
    this.reads = 0;
    this.bytes = 0;
    this.opens = 0;
    this.indexes = 0;
  }
}

export function countingEnvironment(counter: ReadCounter): LogEnvironment {
  const { fileSystem } = systemEnvironment;
  const counting: FileSystem = {
    list: (directory) => fileSystem.list(directory),
    facts: (path) => fileSystem.facts(path),
    freeBytes: (path) => fileSystem.freeBytes(path),
    async open(path) {
      counter.opens += 1;
      if (/\.(?:time)?index$/.test(path)) counter.indexes += 1;
      return countingFile(await fileSystem.open(path), counter);
    },
  };
  return { ...systemEnvironment, fileSystem: counting };
}

function countingFile(file: ReadableFile, counter: ReadCounter): ReadableFile {
  return {
    async read(target, start, count, position) {
      counter.reads += 1;
      const got = await file.read(target, start, count, position);
      counter.bytes += got;
      return got;
    },
    size: () => file.size(),
    close: () => file.close(),
  };
}
