/**
 * The process around the simulated disk: numbered calls, faults, death, descriptors and free space.
 * The two halves (`sim-reader.ts`, `sim-writer.ts`) and the face (`sim-file-system.ts`) share one.
 */

import { createSimErrno, SimStopped } from './sim-errors.js';
import {
  type SimCallName,
  type SimFault,
  SimFaultPlan,
  type SimReadingCallName,
} from './sim-faults.js';
import { type Image, pageBytes } from './sim-image.js';
import type { FileNode, SimState } from './sim-state.js';

/** One numbered call, for the log; a rename is logged as `from -> to`. */
export interface SimCall {
  readonly number: number;
  readonly name: SimCallName;
  readonly path: string;
  readonly position?: number;
  readonly bytes?: number;
}

export type SimCallHook = (number: number, name: SimCallName, path: string) => void;

/** Hears of each call of both halves from within the call itself; what it returns decides it. */
export type SimMadeHook = (
  name: SimCallName | SimReadingCallName,
  path: string,
) => SimFault | undefined;

export interface SimHandle {
  readonly half: 'reading' | 'writing';
  readonly path: string;
  readonly file: FileNode;
  /** Opened by the writing half for reading only. */
  readonly isReadOnly?: boolean;
}

/** What `freeBytes` says where no limit is set. */
const freeBytesUnlimited = 2 ** 40;

export class SimMachine {
  readonly state: SimState;
  readonly faults = new SimFaultPlan();
  readonly handles = new Map<number, SimHandle>();
  readonly calls: SimCall[] = [];
  readonly nowMs: () => number;
  spaceBytes: number;
  onCall: SimCallHook | undefined;
  onMade: SimMadeHook | undefined;
  #stopAtCall = Number.POSITIVE_INFINITY;
  #isStopped = false;
  #nextDescriptor = 3;

  constructor(state: SimState, spaceBytes: number, nowMs: () => number) {
    this.state = state;
    this.spaceBytes = spaceBytes;
    this.nowMs = nowMs;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  stopAt(call: number): void {
    this.#stopAtCall = call;
  }

  /** Numbers and logs one call; returns the fault that decides it. */
  enter(
    name: SimCallName,
    path: string,
    detail: { readonly position?: number; readonly bytes?: number } = {},
  ): SimFault | undefined {
    const number = this.calls.length + 1;
    if (number >= this.#stopAtCall) this.#isStopped = true;
    if (this.#isStopped) throw new SimStopped(name, path);
    this.calls.push({ number, name, path, ...detail });
    this.onCall?.(number, name, path);
    return this.onMade?.(name, path) ?? this.faults.take(name, path, number);
  }

  /** A call without a number; reports the fault that strikes it. */
  enterReading(name: SimReadingCallName, path: string): void {
    this.enterLater(name, path, this.onMade?.(name, path));
  }

  /** The same for one that was made before, and decided then perhaps. */
  enterLater(name: SimReadingCallName, path: string, made: SimFault | undefined): void {
    if (this.#isStopped) throw new SimStopped(name, path);
    this.report(made ?? this.faults.take(name, path, undefined), name, path);
  }

  /** Throws the error of a fault, if it has one. */
  report(fault: SimFault | undefined, name: string, path: string): void {
    if (fault?.errno !== undefined) throw createSimErrno(fault.errno, name, path);
  }

  /** Numbers are never given twice, so a descriptor kept too long is found out. */
  openHandle(handle: SimHandle): number {
    const descriptor = this.#nextDescriptor;
    this.#nextDescriptor += 1;
    this.handles.set(descriptor, handle);
    return descriptor;
  }

  handle(descriptor: number, half: SimHandle['half'], name: string): SimHandle {
    const handle = this.handles.get(descriptor);
    if (handle?.half !== half) throw createSimErrno('EBADF', name, `descriptor ${descriptor}`);
    return handle;
  }

  freeBytes(): number {
    if (this.spaceBytes === Number.POSITIVE_INFINITY) return freeBytesUnlimited;
    const files = new Set<FileNode>();
    const reachable = this.state.filesNow();
    for (const file of reachable) files.add(file);
    for (const handle of this.handles.values()) files.add(handle.file);
    let used = 0;
    for (const file of files) used += usedBytes(file.now);
    return Math.max(0, this.spaceBytes - used);
  }

  /** How many of `count` bytes written at `position` find room. */
  roomFor(image: Image, position: number, count: number): number {
    if (this.spaceBytes === Number.POSITIVE_INFINITY) return count;
    let free = this.freeBytes();
    let at = position;
    const end = position + count;
    while (at < end) {
      const page = Math.floor(at / pageBytes);
      const pageStart = page * pageBytes;
      const partEnd = Math.min(pageStart + pageBytes, end);
      const isHole = image.pages[page] === undefined;
      // A page is charged up to the end of the file; a hole inside the file is charged whole.
      const paidEnd = isHole ? pageStart : Math.max(pageStart, image.bytes);
      const isInside = isHole && pageStart + pageBytes <= image.bytes;
      const cost = isInside ? pageBytes : Math.max(0, partEnd - paidEnd);
      if (cost > free) return Math.max(at, isInside ? at : paidEnd + free) - position;
      free -= cost;
      at = partEnd;
    }
    return count;
  }
}

function usedBytes(image: Image): number {
  let used = 0;
  for (const [index, page] of image.pages.entries()) {
    if (page !== undefined) used += Math.min(pageBytes, image.bytes - index * pageBytes);
  }
  return used;
}
