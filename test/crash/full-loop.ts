/**
 * The loop of a full disk: two logs, their producers and followers, and another file that takes all
 * the space and gives it back, at random moments.
 *
 * In each cycle the disk is filled while everybody works, stays full while compaction and retention
 * are asked for, everything is read and sometimes a log is opened anew, and is freed. Then each
 * log must take an append by itself. All that was acknowledged is looked for in every cycle.
 */

import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import { FullLog, type FullTally } from './full-log.js';

export interface FullOrder {
  /** An empty folder on a file system that may be filled. */
  readonly folder: string;
  readonly cycles: number;
  readonly seed: number;
}

export interface FullReport {
  readonly cycles: number;
  /** Acknowledged records that are not there, or are others; and reads that failed. */
  readonly lost: number;
  /** How often a log did not take an append in time though the disk was free. */
  readonly wedged: number;
  /** How often a log had to be opened anew to go on. */
  readonly restarts: number;
  readonly seed: number;
  readonly seconds: number;
  readonly acknowledged: number;
  readonly refused: number;
  /** Compactions that went through while the disk was full. */
  readonly cleanedWhenFull: number;
  readonly reopened: number;
  readonly opensRefused: number;
  /** One line per finding, the first ones. */
  readonly details: readonly string[];
}

const MIB = 1024 * 1024;
const segments = { segmentBytes: MIB, retentionCheckMs: 200 } as const;
const policies: Readonly<Record<string, LogOptions>> = {
  compact: { ...segments, cleanup: 'compact', minCleanableDirtyRatio: 0.3 },
  delete: { ...segments, retentionBytes: 6 * MIB },
};
const RESERVE_MS_MAX = 10_000;
const PIECES = [MIB, 64 * 1024, 4096] as const;

export async function runFullLoop({ folder, cycles, seed }: FullOrder): Promise<FullReport> {
  const startedMs = performance.now();
  const tally: FullTally = {
    lost: 0,
    wedged: 0,
    restarts: 0,
    acknowledged: 0,
    refused: 0,
    cleanedWhenFull: 0,
    reopened: 0,
    opensRefused: 0,
    details: [],
  };
  const loop = new FullLoop(folder, new Prng(seed), tally);
  await loop.run(cycles);
  const { lost, wedged, restarts, ...rest } = tally;
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  return { cycles, lost, wedged, restarts, seed, seconds, ...rest };
}

class FullLoop {
  readonly #prng: Prng;
  readonly #tally: FullTally;
  readonly #filler: string;
  readonly #logs: readonly FullLog[];

  constructor(folder: string, prng: Prng, tally: FullTally) {
    this.#prng = prng;
    this.#tally = tally;
    this.#filler = join(folder, 'filler');
    this.#logs = Object.entries(policies).map(
      ([name, options]) => new FullLog(join(folder, name), options, prng, tally),
    );
  }

  async run(cycles: number): Promise<void> {
    for (const log of this.#logs) await log.open();
    for (const log of this.#logs) await this.#awaitReserve(log);
    for (let cycle = 0; cycle < cycles; cycle += 1) await this.#cycle();
    for (const log of this.#logs) {
      await log.close();
      await log.open();
      await log.check();
      await log.close();
    }
  }

  async #cycle(): Promise<void> {
    await sleep(this.#prng.integer(60));
    const before = this.#prng.boolean(0.5) ? this.#cleanAll(false) : undefined;
    if (before !== undefined) await sleep(this.#prng.integer(8));
    this.#fill();
    await before;
    await sleep(this.#prng.integer(40));
    for (const log of this.#logs) await log.readAll();
    await this.#cleanAll(true);
    if (this.#prng.boolean(0.25)) await this.#reopen(this.#prng.pick(this.#logs));
    for (const log of this.#logs) await log.readAll();
    const after = this.#prng.boolean(0.5) ? this.#cleanAll(false) : undefined;
    await sleep(this.#prng.integer(5));
    this.#free();
    await Promise.all(this.#logs.map((log) => log.goesOn()));
    await after;
    for (const log of this.#logs) await log.check();
  }

  async #cleanAll(isFull: boolean): Promise<void> {
    await Promise.all(this.#logs.map((log) => log.clean(isFull)));
  }

  /** On a disk without any space the lock of a log has none either: it is freed then. */
  async #reopen(log: FullLog): Promise<void> {
    await log.close();
    this.#tally.reopened += 1;
    try {
      await log.open();
    } catch (error) {
      if (!hasCode(error, 'DISK_FULL')) throw error;
      this.#tally.opensRefused += 1;
      this.#free();
      await log.open();
      this.#fill();
    }
  }

  async #awaitReserve(log: FullLog): Promise<void> {
    const untilMs = performance.now() + RESERVE_MS_MAX;
    while (!existsSync(join(log.directory, 'reserve'))) {
      if (performance.now() > untilMs) throw new Error('the reserve was not made');
      await sleep(20);
    }
  }

  /** Another program takes every block there is, or leaves a few. */
  #fill(): void {
    const file = openSync(this.#filler, 'w');
    try {
      for (const bytes of this.#prng.boolean(0.7) ? PIECES : PIECES.slice(0, 2)) {
        const piece = Buffer.alloc(bytes, 1);
        while (this.#takes(file, piece));
      }
    } finally {
      closeSync(file);
    }
  }

  #takes(file: number, piece: Buffer): boolean {
    try {
      return writeSync(file, piece) === piece.length;
    } catch (error) {
      if (Reflect.get(Object(error), 'code') === 'ENOSPC') return false;
      throw error;
    }
  }

  #free(): void {
    rmSync(this.#filler, { force: true });
  }
}
