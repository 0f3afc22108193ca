/**
 * A log whose disk is filled and freed at random calls, held against what it acknowledged.
 *
 * Another program fills the disk at some call of the log, whatever that is just doing: an append, a
 * roll, retention, a group or a swap of compaction, a close, an open, the making of the reserve. It
 * may also take what the log gives up. Later it frees the disk, and the log has to go on by itself.
 */

import assert from 'node:assert/strict';
import { hasCode, type MillraceError } from '../../src/base/errors.js';
import type { Prng } from '../../src/base/prng.js';
import type { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import { settled } from '../support/fixtures.js';
import { DIRECTORY, type PlainLogRecord, readRecords, SimLog } from '../support/log-fixture.js';

const DISK_BYTES = 64 * 1024 * 1024;
const SEGMENT_BYTES = 6_000;
const KEPT_BYTES = 20_000;
const KEYS = 12;
/** A timer of the log may be this far ahead when space returns. */
const MOVES_MAX = 4;
const MOVE_MS = 10_000;

const base = { segmentBytes: SEGMENT_BYTES, retentionCheckMs: 5_000 } as const;
export const fullDiskPolicies = {
  compact: { ...base, cleanup: 'compact', minCleanableDirtyRatio: 0.3 },
  delete: { ...base, retentionBytes: KEPT_BYTES },
  'compact,delete': { ...base, cleanup: 'compact,delete', retentionBytes: KEPT_BYTES },
} as const satisfies Readonly<Record<string, LogOptions>>;

interface Sent {
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

/** What was met: a run in which something never happened has shown nothing about it. */
export interface FullDiskCounts {
  cycles: number;
  acknowledged: number;
  refused: number;
  cleanings: number;
  cleaningsRefused: number;
  /** Of them, cleanings that went through while no byte was free. */
  cleaningsWhenFull: number;
  reopened: number;
  killed: number;
  opensRefused: number;
}

export class FullDiskRun {
  readonly counts: FullDiskCounts = {
    cycles: 0,
    acknowledged: 0,
    refused: 0,
    cleanings: 0,
    cleaningsRefused: 0,
    cleaningsWhenFull: 0,
    reopened: 0,
    killed: 0,
    opensRefused: 0,
  };
  readonly #prng: Prng;
  readonly #options: LogOptions;
  #sim = new SimLog();
  readonly #sent = new Map<number, Sent>();
  readonly #last = new Map<string, Sent>();
  /** Values that were under way when their process was killed, and may be there. */
  readonly #unknown = new Set<string>();
  #log: Log | undefined;
  #number = 0;
  #isFull = false;
  #sentBytes = 0;
  /** Of one log: the follower ends with it. */
  #following: Promise<void> | undefined;
  readonly #killed = new Set<Log>();

  constructor(prng: Prng, options: LogOptions) {
    this.#prng = prng;
    this.#options = options;
    this.#sim.disk.spaceBytes = DISK_BYTES;
  }

  async run(cycles: number): Promise<void> {
    await this.#open();
    while (this.counts.cycles < cycles) {
      await this.#cycle();
      this.counts.cycles += 1;
    }
    await this.#close();
    this.#free();
    await this.#open();
    await this.#check();
    await this.#close();
  }

  async #cycle(): Promise<void> {
    this.#fillAtCall(1 + this.#prng.integer(80));
    await this.#work(4 + this.#prng.integer(10));
    this.#sim.disk.onCall = undefined;
    if (!this.#isFull) this.#fill();
    await this.#check();
    await this.#work(2 + this.#prng.integer(8));
    await this.#check();
    // Sometimes it is freed in the middle of something.
    const isMidway = this.#prng.boolean(0.5);
    const work = isMidway ? this.#act() : undefined;
    for (let turn = this.#prng.integer(20); turn > 0; turn -= 1) await Promise.resolve();
    this.#free();
    await work;
    await this.#goesOn();
    await this.#check();
  }

  async #work(steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) await this.#act();
  }

  async #act(): Promise<void> {
    switch (this.#prng.integer(12)) {
      case 0:
        return await this.#clean((log) => (this.#isCompacting ? log.compact() : log.retain()));
      case 1:
        return await this.#clean((log) => log.retain());
      case 2:
        return await this.#move(this.#prng.integer(3_000));
      case 3:
        return await this.#move(this.#prng.integer(20_000));
      case 4:
        return await (this.#prng.boolean(0.6) ? this.#reopen() : this.#kill());
      case 5: {
        const cleaning = this.#clean((log) => (this.#isCompacting ? log.compact() : log.retain()));
        await this.#burst();
        return await cleaning;
      }
      default:
        return await this.#burst();
    }
  }

  get #isCompacting(): boolean {
    return this.#options.cleanup?.includes('compact') ?? false;
  }

  async #burst(): Promise<void> {
    const log = this.#opened();
    const acks = this.#prng.boolean(0.8) ? 'durable' : 'written';
    const appends = Array.from({ length: 1 + this.#prng.integer(6) }, () =>
      this.#append(log, acks),
    );
    await Promise.all(appends);
    if (this.#prng.boolean(0.2)) await log.flush().catch((error) => this.#refused(error));
  }

  async #append(log: Log, acks: 'durable' | 'written'): Promise<boolean> {
    this.#number += 1;
    const key = `k${this.#prng.integer(KEYS)}`;
    const value = `${this.#number}`.padEnd(50 + this.#prng.integer(900), '.');
    try {
      const { baseOffset: offset } = await log.append([{ key, value }], { acks });
      assert.ok(!this.#sent.has(offset), `offset ${offset} was given twice`);
      this.#stored(offset, key, value);
      this.counts.acknowledged += 1;
      return true;
    } catch (error) {
      this.#refused(error);
      this.counts.refused += 1;
      return false;
    }
  }

  #stored(offset: number, key: string, value: string): void {
    const sent = { offset, key, value };
    this.#sent.set(offset, sent);
    this.#sentBytes += value.length;
    const before = this.#last.get(key);
    if (before === undefined || before.offset < offset) this.#last.set(key, sent);
  }

  async #clean(clean: (log: Log) => Promise<unknown>): Promise<void> {
    const wasFull = this.#isFull;
    try {
      const report = await clean(this.#opened());
      this.counts.cleanings += 1;
      const hasCleaned = Reflect.get(Object(report), 'outcome') === 'cleaned';
      if (wasFull && this.#isFull && hasCleaned) this.counts.cleaningsWhenFull += 1;
    } catch (error) {
      this.#refused(error);
      this.counts.cleaningsRefused += 1;
    }
  }

  /** The only error that a full disk may give to whoever changes something. */
  #refused(error: unknown): asserts error is MillraceError {
    if (!hasCode(error, 'DISK_FULL')) throw error;
  }

  async #move(ms: number): Promise<void> {
    this.#sim.clock.advance(ms);
    for (let turn = 0; turn < 6; turn += 1) await settled();
  }

  /** With space again, an append is stored within a few moves of the clock. */
  async #goesOn(): Promise<void> {
    for (let moves = 0; moves < MOVES_MAX; moves += 1) {
      if (await this.#append(this.#opened(), 'durable')) return;
      await this.#move(MOVE_MS);
    }
    assert.ok(await this.#append(this.#opened(), 'durable'), 'the log goes on by itself');
  }

  async #check(): Promise<void> {
    const log = this.#opened();
    const { state } = log.describe();
    assert.equal(state, 'open');
    const found = new Map<string, string | null>();
    const offsets = new Set<number>();
    let bytes = 0;
    for (const { offset, key, value } of await this.#readAll(log)) {
      if (this.#unknown.delete(value ?? '')) this.#stored(offset, key ?? '', value ?? '');
      assert.deepEqual({ offset, key, value }, this.#sent.get(offset), `offset ${offset}`);
      found.set(key ?? '', value);
      offsets.add(offset);
      bytes += value?.length ?? 0;
    }
    // Retention goes on meanwhile.
    const first = log.startOffset;
    if (!this.#isCompacting) {
      for (const offset of this.#sent.keys()) {
        if (offset >= first) assert.ok(offsets.has(offset), `offset ${offset} is there`);
      }
      // What is kept is counted with headers: a little less in values.
      assert.ok(bytes >= Math.min(this.#sentBytes, KEPT_BYTES / 2), `${bytes} bytes are kept`);
    } else {
      for (const [key, { offset, value }] of this.#last) {
        if (offset >= first) assert.equal(found.get(key), value, `the last value of ${key}`);
      }
    }
  }

  /** Everything; retention may overtake a read, and nothing else may end one. */
  async #readAll(log: Log): Promise<PlainLogRecord[]> {
    for (;;) {
      const before = log.startOffset;
      try {
        return await readRecords(log, { durability: 'written' });
      } catch (error) {
        if (!hasCode(error, 'OFFSET_OUT_OF_RANGE') || log.startOffset === before) throw error;
      }
    }
  }

  #opened(): Log {
    assert.ok(this.#log !== undefined, 'the log is open');
    return this.#log;
  }

  async #open(): Promise<void> {
    for (;;) {
      try {
        this.#log = await this.#sim.open(this.#options);
        break;
      } catch (error) {
        this.#refused(error);
        assert.ok(this.#isFull, 'an open log finds space');
        this.counts.opensRefused += 1;
        this.#free();
      }
    }
    const log = this.#log;
    this.#following = this.#follow(log).catch((error: unknown) => {
      if (!this.#killed.has(log)) throw error;
    });
  }

  async #close(): Promise<void> {
    await this.#opened().close();
    await this.#following;
  }

  async #reopen(): Promise<void> {
    await this.#close();
    await this.#open();
    this.counts.reopened += 1;
  }

  /** The process dies in the middle of appends and of a cleaning, and the next one takes over. */
  async #kill(): Promise<void> {
    const log = this.#opened();
    for (let count = this.#prng.integer(5); count > 0; count -= 1) {
      this.#number += 1;
      const value = `${this.#number}`.padEnd(50 + this.#prng.integer(900), '.');
      this.#unknown.add(value);
      log.append([{ key: `k${this.#prng.integer(KEYS)}`, value }]).catch(() => undefined);
    }
    const cleaning = this.#isCompacting ? log.compact() : log.retain();
    cleaning.catch(() => undefined);
    for (let turn = this.#prng.integer(60); turn > 0; turn -= 1) await Promise.resolve();
    const { disk } = this.#sim;
    this.#sim = this.#sim.kill();
    this.#sim.disk.onCall = disk.onCall;
    this.#killed.add(log);
    disk.stopAt(0);
    await this.#open();
    this.counts.killed += 1;
  }

  /** Reads beside it all; an error of it fails the run. */
  async #follow(log: Log): Promise<void> {
    let last = -1;
    for await (const batch of log.read({ from: 'latest', follow: true })) {
      assert.ok(batch.lastOffset > last);
      last = batch.lastOffset;
      for (const { offset, value } of batch) {
        const sent = this.#sent.get(offset);
        if (sent !== undefined) assert.equal(value?.toString(), sent.value);
      }
    }
    assert.ok(last < log.endOffset);
  }

  #fillAtCall(count: number): void {
    let left = count;
    const eats = this.#prng.boolean(0.4) ? this.#prng.integer(80_000) : 0;
    this.#sim.disk.onCall = (_number, name, path) => {
      left -= 1;
      if (left === 0) this.#fill();
      if (eats === 0 || !this.#isFull) return;
      if (name !== 'unlink' || path !== `${DIRECTORY}/reserve`) return;
      this.#sim.disk.spaceBytes -= eats;
    };
  }

  #fill(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    const leaving = this.#prng.boolean(0.5) ? 0 : this.#prng.integer(3_000);
    this.#sim.disk.spaceBytes -= Math.max(0, this.#sim.disk.freeBytes - leaving);
  }

  #free(): void {
    this.#sim.disk.spaceBytes = DISK_BYTES;
    this.#isFull = false;
  }
}
