/**
 * Which calls on the simulated disk fail, and how. Faults are tried in the order in which they were
 * added; the first that matches a call decides it.
 */

import type { SimErrno } from './sim-errors.js';

/** Calls that are numbered: all of the writing half but `read`. */
export type SimCallName =
  | 'open'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'close'
  | 'rename'
  | 'unlink'
  | 'makeDirectory'
  | 'removeDirectory'
  | 'syncDirectory';

/** Calls without a number; a fault may name them. `read` and `size` are of the writing half. */
export type SimReadingCallName =
  | 'read'
  | 'size'
  | 'readerOpen'
  | 'readerRead'
  | 'readerSize'
  | 'readerClose'
  | 'list'
  | 'facts'
  | 'freeBytes';

export type SimLie = 'unsynced' | 'dropped' | 'misdirected';

export interface SimFault {
  /** The number of the call, from 1; with `repeat: 'forever'` this one and all later ones. */
  readonly call?: number;
  readonly name?: SimCallName | SimReadingCallName;
  /** Text that the path contains, or a pattern; of a rename, either path. */
  readonly path?: string | RegExp;
  /** How many matching calls go through first. */
  readonly skip?: number;
  /** Default `once`. */
  readonly repeat?: 'once' | 'forever';
  /** The error to report. Without one, {@link SimFault.short} shortens a write. */
  readonly errno?: SimErrno;
  /**
   * The call reports that all went well, and it did not: a sync that leaves everything pending, a
   * write that never gets to the disk or gets to the next page of the file in place of its own. The
   * page cache reads as if it had. Matches syncs or writes only.
   */
  readonly lie?: SimLie;
  /** How many bytes of a write are taken; matches writes only. */
  readonly short?: 'less-one' | 'half' | 'one' | 'zero';
  /**
   * What a failed datasync leaves: pages marked clean though they (or every second one) are not on
   * the disk, as Linux does, or pages still dirty. Default `lost`.
   */
  readonly pages?: 'lost' | 'every-other-lost' | 'kept-dirty';
  /** Whether the call acts all the same before it reports the error. */
  readonly carriedOut?: boolean;
}

export class SimFaultPlan {
  #rules: { readonly fault: SimFault; skip: number }[] = [];

  add(fault: SimFault): void {
    const ways = [fault.short, fault.errno, fault.lie].filter((way) => way !== undefined);
    if (ways.length !== 1) throw new Error('a fault has an errno, is short, or lies');
    this.#rules.push({ fault, skip: fault.skip ?? 0 });
  }

  clear(): void {
    this.#rules = [];
  }

  /** The fault that decides this call; one that strikes once is used up. */
  take(name: string, path: string, call: number | undefined): SimFault | undefined {
    for (const rule of this.#rules) {
      if (!matches(rule.fault, name, path, call)) continue;
      if (rule.skip > 0) {
        rule.skip -= 1;
        continue;
      }
      if (rule.fault.repeat !== 'forever') {
        this.#rules = this.#rules.filter((other) => other !== rule);
      }
      return rule.fault;
    }
    return undefined;
  }
}

function matches(fault: SimFault, name: string, path: string, call: number | undefined): boolean {
  if (fault.short !== undefined && name !== 'write') return false;
  if (fault.lie !== undefined && !isLiedBy(fault.lie, name)) return false;
  if (fault.name !== undefined && fault.name !== name) return false;
  if (fault.call !== undefined) {
    if (call === undefined) return false;
    if (fault.repeat === 'forever' ? call < fault.call : call !== fault.call) return false;
  }
  if (fault.path === undefined) return true;
  return typeof fault.path === 'string' ? path.includes(fault.path) : fault.path.test(path);
}

function isLiedBy(lie: SimLie, name: string): boolean {
  return lie === 'unsynced' ? name === 'datasync' || name === 'syncDirectory' : name === 'write';
}

/** How many of `count` bytes a short write takes. */
export function shortenedCount(count: number, short: NonNullable<SimFault['short']>): number {
  switch (short) {
    case 'less-one':
      return Math.max(0, count - 1);
    case 'half':
      return Math.floor(count / 2);
    case 'one':
      return Math.min(1, count);
    case 'zero':
      return 0;
  }
}
