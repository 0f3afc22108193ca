/**
 * The reading half of the simulated disk. Each call acts one microtask after it was made, as calls
 * that wait in a pool do: what happens to the disk or to the target in between is seen.
 */

import type { FileFacts, FileSystem, ReadableFile } from '../../src/base/file-system.js';
import { createSimErrno } from './sim-errors.js';
import { rangeOf, readImage } from './sim-image.js';
import type { SimMachine } from './sim-machine.js';

export function createSimReader(machine: SimMachine): FileSystem {
  return {
    async list(directory) {
      await undefined;
      machine.enterReading('list', directory);
      return [...machine.state.directory(directory, 'list').now.keys()];
    },
    async facts(path) {
      await undefined;
      machine.enterReading('facts', path);
      return facts(machine, path);
    },
    async open(path) {
      await undefined;
      machine.enterReading('readerOpen', path);
      const file = machine.state.file(path, 'open');
      return openReadable(machine, machine.openHandle({ half: 'reading', path, file }));
    },
    async freeBytes(path) {
      await undefined;
      machine.enterReading('freeBytes', path);
      if (machine.state.find(path, 'statfs') === undefined) {
        throw createSimErrno('ENOENT', 'statfs', path);
      }
      return machine.freeBytes();
    },
  };
}

function facts(machine: SimMachine, path: string): FileFacts | undefined {
  const node = machine.state.find(path, 'lstat');
  if (node === undefined) return undefined;
  const { kind, modifiedMs } = node;
  if (kind === 'directory') return { kind, bytes: 0, mode: 0o700, modifiedMs };
  return { kind, bytes: node.now.bytes, mode: 0o600, modifiedMs };
}

function openReadable(machine: SimMachine, descriptor: number): ReadableFile {
  const { path, file } = machine.handle(descriptor, 'reading', 'open');
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    // Calls made before this one act in an earlier microtask, so none is in flight after this.
    await undefined;
    if (!machine.isStopped) machine.handles.delete(descriptor);
    machine.enterReading('readerClose', path);
  };
  return {
    async read(target, start, count, position) {
      if (closing !== undefined) throw createSimErrno('EBADF', 'read', path);
      await undefined;
      machine.enterReading('readerRead', path);
      return readImage(file.now, rangeOf(target, start, count, position), position);
    },
    async size() {
      if (closing !== undefined) throw createSimErrno('EBADF', 'fstat', path);
      await undefined;
      machine.enterReading('readerSize', path);
      return file.now.bytes;
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
