/**
 * The writing half of the simulated disk: synchronous, every call but `read` numbered.
 */

import { assert } from '../../src/base/assert.js';
import type { BlockingFileSystem, FileDescriptor, OpenMode } from '../../src/base/file-system.js';
import { createSimErrno } from './sim-errors.js';
import { shortenedCount } from './sim-faults.js';
import { rangeOf, readImage } from './sim-image.js';
import type { SimMachine } from './sim-machine.js';
import type { FileNode } from './sim-state.js';

export function createSimWriter(machine: SimMachine): BlockingFileSystem {
  return {
    open: (path, mode) => open(machine, path, mode),
    write: (file, source, start, count, position) =>
      write(machine, file, rangeOf(source, start, count, position), position),
    read: (file, target, start, count, position) => {
      const handle = machine.handle(file, 'writing', 'read');
      machine.enterReading('read', handle.path);
      return readImage(handle.file.now, rangeOf(target, start, count, position), position);
    },
    size: (file) => {
      const handle = machine.handle(file, 'writing', 'size');
      machine.enterReading('size', handle.path);
      return handle.file.now.bytes;
    },
    datasync: (file) => datasync(machine, file),
    truncate: (file, bytes) => {
      const handle = machine.handle(file, 'writing', 'truncate');
      if (handle.isReadOnly === true) throw createSimErrno('EINVAL', 'truncate', handle.path);
      assert(Number.isSafeInteger(bytes) && bytes >= 0, 'a file has a whole size of 0 or more');
      run(machine, 'truncate', handle.path, { bytes }, () =>
        machine.state.truncate(handle.file, bytes, machine.nowMs()),
      );
    },
    close: (file) => {
      const handle = machine.handle(file, 'writing', 'close');
      const fault = machine.enter('close', handle.path);
      // The descriptor is gone whatever close reports.
      machine.handles.delete(file);
      machine.report(fault, 'close', handle.path);
    },
    rename: (from, to) =>
      run(machine, 'rename', `${from} -> ${to}`, {}, () =>
        machine.state.rename(from, to, machine.nowMs()),
      ),
    unlink: (path) =>
      run(machine, 'unlink', path, {}, () => machine.state.unlink(path, machine.nowMs())),
    makeDirectory: (path) =>
      run(machine, 'makeDirectory', path, {}, () =>
        machine.state.makeDirectories(path, machine.nowMs()),
      ),
    removeDirectory: (path) =>
      run(machine, 'removeDirectory', path, {}, () =>
        machine.state.removeDirectory(path, machine.nowMs()),
      ),
    syncDirectory: (path) =>
      run(machine, 'syncDirectory', path, {}, () =>
        machine.state.syncDirectory(machine.state.directory(path, 'syncDirectory')),
      ),
  };
}

/** Runs a call that either acts or fails. */
function run(
  machine: SimMachine,
  name: 'truncate' | 'rename' | 'unlink' | 'makeDirectory' | 'removeDirectory' | 'syncDirectory',
  path: string,
  detail: { readonly bytes?: number },
  act: () => void,
): void {
  const fault = machine.enter(name, path, detail);
  if (fault?.lie !== undefined) return;
  if (fault?.carriedOut === true) act();
  machine.report(fault, name, path);
  act();
}

function open(machine: SimMachine, path: string, mode: OpenMode): FileDescriptor {
  const fault = machine.enter('open', path);
  if (fault?.carriedOut === true) openFile(machine, path, mode);
  machine.report(fault, 'open', path);
  const file = openFile(machine, path, mode);
  const isReadOnly = mode === 'reading';
  return machine.openHandle({ half: 'writing', path, file, isReadOnly });
}

function openFile(machine: SimMachine, path: string, mode: OpenMode): FileNode {
  const isThere = machine.state.find(path, 'open') !== undefined;
  const isMade = mode === 'exclusive' || (mode === 'create' && !isThere);
  if (isMade) machine.state.make(path, 'file', 'open', machine.nowMs());
  return machine.state.file(path, 'open');
}

function write(
  machine: SimMachine,
  file: FileDescriptor,
  source: Uint8Array,
  position: number,
): number {
  const handle = machine.handle(file, 'writing', 'write');
  if (handle.isReadOnly === true) throw createSimErrno('EBADF', 'write', handle.path);
  const fault = machine.enter('write', handle.path, { position, bytes: source.length });
  if (fault?.errno !== undefined && fault.carriedOut !== true) {
    throw createSimErrno(fault.errno, 'write', handle.path);
  }
  const wanted =
    fault?.short === undefined ? source.length : shortenedCount(source.length, fault.short);
  const taken = machine.roomFor(handle.file.now, position, wanted);
  if (taken === 0 && wanted > 0) throw createSimErrno('ENOSPC', 'write', handle.path);
  const lie = fault?.lie === 'unsynced' ? undefined : fault?.lie;
  machine.state.write(handle.file, source.subarray(0, taken), position, machine.nowMs(), lie);
  machine.report(fault, 'write', handle.path);
  return taken;
}

function datasync(machine: SimMachine, file: FileDescriptor): void {
  const handle = machine.handle(file, 'writing', 'datasync');
  const fault = machine.enter('datasync', handle.path);
  if (fault?.lie !== undefined) return;
  if (fault === undefined || fault.carriedOut === true) machine.state.datasync(handle.file);
  else if (fault.pages === 'every-other-lost') machine.state.losePages(handle.file, 'every-other');
  else if (fault.pages !== 'kept-dirty') machine.state.losePages(handle.file, 'all');
  machine.report(fault, 'datasync', handle.path);
}
