/**
 * What the crash states are states of: a part of the product in use, and what it promises.
 *
 * A world names its workloads by texts, and a name says all: the same name does the same calls on
 * the disk, in the same order, so that a state is found again by the names of its workload and of
 * the crashes that lead to it.
 */

import type { SimDisk } from '../../support/sim-file-system.js';

/** What was promised to those who use it, up to some moment. */
export interface Promised<View> {
  clone(): Promised<View>;
  losePower(): void;
  /** Throws an `OracleViolation` unless a crash may leave this; promises it from then on. */
  settle(view: View): void;
  /** Equal for those that judge alike. */
  key(): string;
}

/** One process that uses a disk. */
export interface Life<View> {
  readonly disk: SimDisk;
  readonly promised: Promised<View>;
  /** Opens what lies there, and looks at all of it. Nothing is promised by it yet. */
  recover(): Promise<View>;
  /** From now on it is in use, and what was seen is promised. */
  begin(): void;
  /** Notes what is shown now, before a copy of the promises is taken. */
  note(): void;
  run(step: number): Promise<void>;
  /** What a recovered one goes on with. */
  goOn(): Promise<void>;
  close(): Promise<void>;
}

export interface World<View> {
  readonly name: string;
  /** What a disk confirmed, it keeps: a second recovery shows the same, byte for byte. */
  readonly isHonest: boolean;
  /** The disk on which a workload starts, and what is promised of it. Throws for a strange name. */
  start(workload: string): { readonly disk: SimDisk; readonly promised: Promised<View> };
  /** How many steps a workload has. */
  steps(workload: string): number;
  live(workload: string, disk: SimDisk, promised: Promised<View>): Life<View>;
  /** Text that differs for views that differ. */
  textOf(view: View): string;
  /** Disks with equal keys and equal prints are recovered alike. */
  keyOf(workload: string, promised: Promised<View>): string;
  /** Files that a second recovery must leave as they are. */
  isKept(path: string): boolean;
}

/** Where a life was cut short, and what the disk was left with. */
export interface Cut {
  /** The number of the call before which it was, in that life; one more than all is the end. */
  readonly call: number;
  readonly loss: 'kill' | CutChoice;
}

export type CutChoice = Parameters<SimDisk['crash']>[0];

/** What leads to one state. */
export interface StateLine {
  readonly world: string;
  readonly workload: string;
  readonly way: readonly Cut[];
}
