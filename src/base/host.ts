/**
 * Who and where this process is: the facts that tell a live process from a dead one.
 *
 * A process number alone is reused. Together with the boot id, the pid namespace and the start time
 * in ticks since the boot it names one process for ever. All of them come from `/proc`, so they are
 * undefined on other systems, and then nothing is ever proved: callers treat `unknown` as such.
 */

import { hostname } from 'node:os';
import { errnoOf } from './errors.js';
import { nodeLockFileSystem } from './node-file-system.js';

export interface HostFacts {
  /** Changes with every boot of the kernel. */
  readonly bootId: string | undefined;
  /** Names the space in which process numbers count, e.g. `pid:[4026531836]`. */
  readonly pidNamespace: string | undefined;
  /** When this process started, in clock ticks since the boot. */
  readonly processStart: number | undefined;
  /** For people: never compared. */
  readonly hostName: string;
}

/** Files below `/proc` that are read here are far smaller. */
const FACT_BYTES_MAX = 4_096;
/** Fields of `/proc/<pid>/stat` behind the command name, counted from the state (field 3). */
const STAT_STATE = 0;
const STAT_START_TIME = 19;

export function hostFacts(): HostFacts {
  return {
    bootId: readFact('/proc/sys/kernel/random/boot_id')?.trim(),
    pidNamespace: readNamespace(),
    processStart: readProcess(process.pid)?.start,
    hostName: hostname(),
  };
}

/**
 * Whether the process of this number and start time still runs, asked within its boot and its pid
 * namespace. One that has ended but was not yet waited for is dead: its descriptors are closed.
 */
export function processState(pid: number, processStart: number): 'alive' | 'dead' | 'unknown' {
  // Where our own entry cannot be read, the absence of another one says nothing.
  if (readProcess(process.pid) === undefined) return 'unknown';
  const found = readProcess(pid);
  if (found === undefined || found.hasEnded) return 'dead';
  return found.start === processStart ? 'alive' : 'dead';
}

function readProcess(pid: number): { start: number; hasEnded: boolean } | undefined {
  const text = readFact(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The command name stands in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const start = Number(fields[STAT_START_TIME]);
  const state = fields[STAT_STATE];
  if (!Number.isSafeInteger(start)) return undefined;
  return { start, hasEnded: state === 'Z' || state === 'X' };
}

function readNamespace(): string | undefined {
  try {
    return nodeLockFileSystem.readLink('/proc/self/ns/pid');
  } catch (error) {
    return undefinedUnlessBug(error);
  }
}

function readFact(path: string): string | undefined {
  try {
    return nodeLockFileSystem.readText(path, FACT_BYTES_MAX);
  } catch (error) {
    return undefinedUnlessBug(error);
  }
}

/** A fact that the system refuses (a hidden `/proc`, a process that just ended) is absent. */
function undefinedUnlessBug(error: unknown): undefined {
  if (errnoOf(error) === undefined) throw error;
  return undefined;
}
