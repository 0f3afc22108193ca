/**
 * An imaginary disk that forgets, tears and fails, with both halves of the file system over it.
 *
 *     const disk = new SimDisk();
 *     ... run the product on disk.fileSystem and disk.blockingFileSystem, perhaps with
 *     disk.fail({ name: 'datasync', errno: 'EIO' }) or disk.stopAt(7) ...
 *     for (const choice of enumerateCrashes(disk, 200)) recover(disk.crash(choice));
 *
 * What is written is read at once and lost with the power until `datasync` (content and size) and
 * `syncDirectory` (names) said otherwise. Everything is deterministic: no timers, no real time, and
 * the reading half resolves by microtasks. `crash`, `kill` and `clone` make new disks and leave
 * this one as it is, so many ends of one history can be tried.
 *
 * It has no symbolic links, modes or users; the contract suite holds what it has in common.
 */

import { posix } from 'node:path';
import type { BlockingFileSystem, FileSystem } from '../../src/base/file-system.js';
import { type CrashChoice, createCrashState } from './sim-crash-state.js';
import { describeEffect, type Effect } from './sim-effects.js';
import type { SimFault } from './sim-faults.js';
import { readImage } from './sim-image.js';
import { type SimCall, type SimCallHook, SimMachine, type SimMadeHook } from './sim-machine.js';
import { contentPrint, diskPrint } from './sim-print.js';
import { createSimReader } from './sim-reader.js';
import { type FileNode, SimState } from './sim-state.js';
import { createSimWriter } from './sim-writer.js';

export type { CrashChoice } from './sim-crash-state.js';
export { SimStopped } from './sim-errors.js';
export type { SimCallName, SimFault } from './sim-faults.js';
export type { SimCall } from './sim-machine.js';

export interface SimDiskOptions {
  /** Bytes of all files together; a write beyond it is short, the next one fails. */
  readonly spaceBytes?: number;
  /** Stamps changed files; without it they were changed in 1970. */
  readonly nowMs?: () => number;
}

export class SimDisk {
  readonly fileSystem: FileSystem;
  readonly blockingFileSystem: BlockingFileSystem;
  /** Names the run of the machine: a power loss changes it, the death of a process does not. */
  readonly bootId: string;
  readonly #machine: SimMachine;
  readonly #boot: number;

  constructor(options: SimDiskOptions = {}, state = new SimState(), boot = 1) {
    const { spaceBytes = Number.POSITIVE_INFINITY, nowMs = () => 0 } = options;
    this.#machine = new SimMachine(state, spaceBytes, nowMs);
    this.#boot = boot;
    this.bootId = `00000000-0000-4000-8000-${String(boot).padStart(12, '0')}`;
    this.fileSystem = createSimReader(this.#machine);
    this.blockingFileSystem = createSimWriter(this.#machine);
  }

  // ---- Ends and copies.

  /** An independent disk in the same state, without descriptors, faults and hooks. */
  clone(): SimDisk {
    return this.#successor(this.#state.clone(), this.#boot);
  }

  /** The death of the process: the page cache survives, so nothing is lost, or durable. */
  kill(): SimDisk {
    return this.clone();
  }

  /** A power loss; see `sim-crash.ts` for where choices come from. */
  crash(choice: CrashChoice): SimDisk {
    this.#state.prune();
    return this.#successor(createCrashState(this.#state, choice), this.#boot + 1);
  }

  /** How many effects a power loss may undo. */
  pendingCount(): number {
    return this.effects().length;
  }

  /** One line per pending effect, oldest first; choices name them by these indexes. */
  pending(): readonly string[] {
    return this.effects().map(describeEffect);
  }

  effects(): readonly Effect[] {
    this.#state.prune();
    return this.#state.pending;
  }

  #successor(state: SimState, boot: number): SimDisk {
    const { spaceBytes, nowMs } = this.#machine;
    return new SimDisk({ spaceBytes, nowMs }, state, boot);
  }

  get #state(): SimState {
    return this.#machine.state;
  }

  /** Equal only for disks that read alike, now and after each power loss, in the same boot. */
  print(): string {
    this.#state.prune();
    return `${this.#boot}|${diskPrint(this.#state)}`;
  }

  /** Equal only for disks whose files that are wanted read alike now. */
  contentPrint(isWanted: (path: string) => boolean): string {
    return contentPrint(this.#state, isWanted);
  }

  // ---- Faults and observation.

  fail(fault: SimFault): void {
    this.#machine.faults.add(fault);
  }

  /** Takes all faults back; what they did stays done. */
  heal(): void {
    this.#machine.faults.clear();
  }

  /** Lets the process die just before a call: it and all later calls throw `SimStopped`. */
  stopAt(call: number): void {
    this.#machine.stopAt(call);
  }

  get isStopped(): boolean {
    return this.#machine.isStopped;
  }

  /** Runs before each numbered call acts; may clone or crash the disk, add faults, or throw. */
  get onCall(): SimCallHook | undefined {
    return this.#machine.onCall;
  }

  set onCall(hook: SimCallHook | undefined) {
    this.#machine.onCall = hook;
  }

  /** Runs within each call of both halves, while those who make it are on the stack. */
  set onMade(hook: SimMadeHook | undefined) {
    this.#machine.onMade = hook;
  }

  /** The numbered calls so far; call `n` is `calls[n - 1]`. */
  get calls(): readonly SimCall[] {
    return this.#machine.calls;
  }

  get callCount(): number {
    return this.#machine.calls.length;
  }

  /** How many bytes find room now. */
  get freeBytes(): number {
    return this.#machine.freeBytes();
  }

  get spaceBytes(): number {
    return this.#machine.spaceBytes;
  }

  set spaceBytes(bytes: number) {
    this.#machine.spaceBytes = bytes;
  }

  openHandles(): readonly { readonly half: 'reading' | 'writing'; readonly path: string }[] {
    return [...this.#machine.handles.values()].map(({ half, path }) => ({ half, path }));
  }

  // ---- Verbs of tests, on a disk at rest: not numbered, not failing; the file they touch becomes
  // durable as it is read now, then is changed in both states.

  readAll(path: string): Uint8Array {
    const { now } = this.#state.file(path, 'readAll');
    const bytes = new Uint8Array(now.bytes);
    readImage(now, bytes, 0);
    return bytes;
  }

  /** Sets the content of a file, making it and its directories durably where they are missing. */
  put(path: string, bytes: Uint8Array): void {
    const isThere = this.#state.find(path, 'put') !== undefined;
    if (!isThere) {
      this.#state.makeDirectories(posix.dirname(posix.resolve('/', path)), this.#machine.nowMs());
      this.#state.make(path, 'file', 'put', this.#machine.nowMs());
      this.#syncNames(path);
    }
    this.#change(path, (file) => {
      this.#state.truncate(file, 0, this.#machine.nowMs());
      this.#state.write(file, bytes, 0, this.#machine.nowMs());
    });
  }

  remove(path: string): void {
    this.#state.unlink(path, this.#machine.nowMs());
    this.#syncNames(path);
  }

  /** Turns one bit; bit 0 is the lowest of the first byte. */
  flipBit(path: string, bit: number): void {
    const bytes = this.readAll(path);
    const position = Math.floor(bit / 8);
    const byte = bytes[position];
    if (byte === undefined) throw new RangeError(`${path} has no bit ${bit}`);
    this.corrupt(path, position, Uint8Array.of(byte ^ (1 << (bit % 8))));
  }

  /** Puts other bytes at a position; the file grows when they reach beyond its end. */
  corrupt(path: string, position: number, bytes: Uint8Array): void {
    this.#change(path, (file) => {
      this.#state.write(file, bytes, position, this.#machine.nowMs());
    });
  }

  /** Cuts a file, or grows it with zeros. */
  truncateTo(path: string, bytes: number): void {
    this.#change(path, (file) => {
      this.#state.truncate(file, bytes, this.#machine.nowMs());
    });
  }

  /** Exchanges the contents of two files. */
  swap(one: string, other: string): void {
    const [oneBytes, otherBytes] = [this.readAll(one), this.readAll(other)];
    this.put(one, otherBytes);
    this.put(other, oneBytes);
  }

  /** The paths of all files below a directory, sorted. */
  list(directory = '/'): readonly string[] {
    return this.#state.pathsBelow(directory);
  }

  exists(path: string): boolean {
    return this.#state.find(path, 'exists') !== undefined;
  }

  #change(path: string, act: (file: FileNode) => void): void {
    const file = this.#state.file(path, 'change');
    act(file);
    this.#state.makeContentDurable(file);
  }

  #syncNames(path: string): void {
    let directory = posix.resolve('/', path);
    while (directory !== '/') {
      directory = posix.dirname(directory);
      this.#state.syncDirectory(this.#state.directory(directory, 'sync'));
    }
  }
}
