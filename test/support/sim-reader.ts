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
      const made = machine.onMade?.('list', directory);
      await undefined;
      machine.enterLater('list', directory, made);
      return [...machine.state.directory(directory, 'list').now.keys()];
    },
    async facts(path) {
      const made = machine.onMade?.('facts', path);
      await undefined;
      machine.enterLater('facts', path, made);
      return facts(machine, path);
    },
    async open(path) {
      const made = machine.onMade?.('readerOpen', path);
      await undefined;
      machine.enterLater('readerOpen', path, made);
      const file = machine.state.file(path, 'open');
      return openReadable(machine, machine.openHandle({ half: 'reading', path, file }));
    },
    async freeBytes(path) {
      const made = machine.onMade?.('freeBytes', path);
      await undefined;
      machine.enterLater('freeBytes', path, made);
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
    const made = machine.onMade?.('readerClose', path);
    // Calls made before this one act in an earlier microtask, so none is in flight after this.
    await undefined;
    if (!machine.isStopped) machine.handles.delete(descriptor);
    machine.enterLater('readerClose', path, made);
  };
  return {
    async read(target, start, count, position) {
      if (closing !== undefined) throw createSimErrno('EBADF', 'read', path);
      const made = machine.onMade?.('readerRead', path);
      await undefined;
      machine.enterLater('readerRead', path, made);
      return readImage(file.now, rangeOf(target, start, count, position), position);
    },
    async size() {
      if (closing !== undefined) throw createSimErrno('EBADF', 'fstat', path);
      const made = machine.onMade?.('readerSize', path);
      await undefined;
      machine.enterLater('readerSize', path, made);
      return file.now.bytes;
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
