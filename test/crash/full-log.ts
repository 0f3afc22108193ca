/**
 * One log on a disk that gets full: its producers, its follower, and what it must hold.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../src/base/errors.js';
import type { Prng } from '../../src/base/prng.js';
import { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';

export interface FullTally {
  lost: number;
  wedged: number;
  restarts: number;
  acknowledged: number;
  refused: number;
  cleanedWhenFull: number;
  reopened: number;
  opensRefused: number;
  readonly details: string[];
}

interface Stored {
  readonly offset: number;
  readonly key: string;
  /** Each record has another number; its value begins with it. */
  readonly id: number;
}

const PRODUCERS = 4;
const KEYS = 200;
const RECORDS_MAX = 12;
const VALUE_BYTES_MAX = 2_000;
/** The longest pause between two attempts to build the reserve is ten seconds. */
const GOES_ON_MS_MAX = 15_000;
const DETAILS_MAX = 20;

export class FullLog {
  readonly directory: string;
  readonly #options: LogOptions;
  readonly #prng: Prng;
  readonly #tally: FullTally;
  readonly #stored = new Map<number, Stored>();
  readonly #last = new Map<string, Stored>();
  #log: Log | undefined;
  #isProducing = false;
  #producing: Promise<unknown> = Promise.resolve();
  #following: Promise<void> = Promise.resolve();
  #nextId = 0;

  constructor(directory: string, options: LogOptions, prng: Prng, tally: FullTally) {
    this.directory = directory;
    this.#options = options;
    this.#prng = prng;
    this.#tally = tally;
  }

  async open(): Promise<void> {
    const log = await Log.open(this.directory, this.#options);
    this.#log = log;
    this.#following = this.#follow(log);
    this.#produce();
  }

  async close(): Promise<void> {
    await this.#pause();
    await this.#opened().close();
    await this.#following;
    this.#log = undefined;
  }

  /** Asks for what the options allow; a full disk may refuse it. */
  async clean(isFull: boolean): Promise<void> {
    const log = this.#opened();
    try {
      if (this.#isCompacting) {
        const { outcome } = await log.compact();
        if (isFull && outcome === 'cleaned') this.#tally.cleanedWhenFull += 1;
      } else {
        await log.retain();
      }
    } catch (error) {
      if (!hasCode(error, 'DISK_FULL')) this.#find(`cleaning failed: ${String(error)}`);
    }
  }

  /** With space again, the log takes an append by itself. */
  async goesOn(): Promise<void> {
    const untilMs = performance.now() + GOES_ON_MS_MAX;
    while (!(await this.#append(1))) {
      if (performance.now() < untilMs) {
        await sleep(10);
        continue;
      }
      this.#tally.wedged += 1;
      this.#explain('no append is taken');
      return;
    }
  }

  /** Everything that is acknowledged is there; producers rest meanwhile. */
  async check(): Promise<void> {
    await this.#pause();
    const log = this.#opened();
    const found = await this.readAll();
    const { startOffset } = log;
    if (this.#isCompacting) {
      for (const [key, { id }] of this.#last) {
        if (found.keys.get(key) !== id) this.#find(`${key} has lost its value ${id}`);
      }
    } else {
      for (const offset of this.#stored.keys()) {
        if (offset < startOffset) this.#stored.delete(offset);
        else if (!found.offsets.has(offset)) this.#find(`offset ${offset} is lost`);
      }
    }
    await this.#reviveIfNeeded();
    this.#produce();
  }

  /** Reads it all; what it holds is held against what is known of it. */
  async readAll(): Promise<{ offsets: Set<number>; keys: Map<string, number> }> {
    const log = this.#opened();
    const offsets = new Set<number>();
    const keys = new Map<string, number>();
    let last = log.startOffset - 1;
    for (;;) {
      try {
        for await (const batch of log.read({ from: last + 1, durability: 'written' })) {
          for (const { offset, key, value } of batch) {
            const id = idOf(value);
            this.#compare(offset, id);
            offsets.add(offset);
            keys.set(key?.toString() ?? '', id);
          }
          last = batch.lastOffset;
        }
        return { offsets, keys };
      } catch (error) {
        const isOvertaken = hasCode(error, 'OFFSET_OUT_OF_RANGE') && last + 1 < log.startOffset;
        if (!isOvertaken) {
          this.#find(`a read failed: ${String(error)}`);
          return { offsets, keys };
        }
        last = log.startOffset - 1;
      }
    }
  }

  get #isCompacting(): boolean {
    return this.#options.cleanup === 'compact';
  }

  #produce(): void {
    this.#isProducing = true;
    this.#producing = Promise.all(Array.from({ length: PRODUCERS }, () => this.#produceOn()));
  }

  async #pause(): Promise<void> {
    this.#isProducing = false;
    await this.#producing;
  }

  async #produceOn(): Promise<void> {
    while (this.#isProducing) {
      const isTaken = await this.#append(1 + this.#prng.integer(RECORDS_MAX));
      await sleep(isTaken ? 1 + this.#prng.integer(3) : 5);
    }
  }

  /** Appends so many records; false when the disk is full. */
  async #append(count: number): Promise<boolean> {
    const records = Array.from({ length: count }, () => {
      this.#nextId += 1;
      const value = `${this.#nextId} `.padEnd(20 + this.#prng.integer(VALUE_BYTES_MAX), '.');
      return { id: this.#nextId, key: `k${this.#prng.integer(KEYS)}`, value };
    });
    try {
      const { baseOffset } = await this.#opened().append(
        records.map(({ key, value }) => ({ key, value })),
      );
      for (const [index, { key, id }] of records.entries()) {
        this.#store({ offset: baseOffset + index, key, id });
      }
      this.#tally.acknowledged += count;
      return true;
    } catch (error) {
      this.#tally.refused += count;
      if (!hasCode(error, 'DISK_FULL')) this.#explain(`an append failed: ${String(error)}`);
      return false;
    }
  }

  #store(stored: Stored): void {
    const { offset, key, id } = stored;
    this.#compare(offset, id);
    this.#stored.set(offset, stored);
    const before = this.#last.get(key);
    if (before === undefined || before.offset < offset) this.#last.set(key, stored);
  }

  /** A record that was seen, by whomever, must be the one that is known at its offset. */
  #compare(offset: number, id: number): void {
    const known = this.#stored.get(offset);
    if (known !== undefined && known.id !== id) {
      this.#find(`offset ${offset} was ${known.id} and is ${id}`);
    }
  }

  /** Follows the log until it is closed; retention may overtake it. */
  async #follow(log: Log): Promise<void> {
    let from: number | 'latest' = 'latest';
    for (;;) {
      try {
        for await (const batch of log.read({ from, follow: true })) {
          for (const { offset, value } of batch) this.#compare(offset, idOf(value));
          from = batch.lastOffset + 1;
        }
        return;
      } catch (error) {
        if (!hasCode(error, 'OFFSET_OUT_OF_RANGE')) {
          this.#find(`the follower failed: ${String(error)}`);
          return;
        }
        from = log.startOffset;
      }
    }
  }

  /** A log that would not go on without it is opened anew, and that is counted. */
  async #reviveIfNeeded(): Promise<void> {
    const { state } = this.#opened().describe();
    if (state === 'open') return;
    this.#tally.restarts += 1;
    this.#explain(`the log is ${state}`);
    await this.close();
    await this.open();
    await this.#pause();
  }

  #opened(): Log {
    if (this.#log === undefined) throw new Error('the log is not open');
    return this.#log;
  }

  #find(text: string): void {
    this.#tally.lost += 1;
    this.#explain(text);
  }

  #explain(text: string): void {
    if (this.#tally.details.length < DETAILS_MAX) {
      this.#tally.details.push(`${this.directory}: ${text}`);
    }
  }
}

function idOf(value: Uint8Array | null): number {
  return Number.parseInt(Buffer.from(value ?? []).toString('latin1', 0, 12), 10);
}
