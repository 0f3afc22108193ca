/**
 * One life of a process that has a compacted log open on a simulated disk: its clock, lock, writer
 * and cleaner, and everything that is asked of the log, until it is closed or the disk stops.
 *
 * Nothing waits for real time. Whoever waits lets all microtasks run, then the next timer fall due;
 * an answer that never comes is a violation, unless the disk has stopped: then nothing is to come.
 */

import { setImmediate } from 'node:timers/promises';
import type { Batch } from '../../src/storage/batch.js';
import type { GroupTask } from '../../src/storage/cleaner-task.js';
import { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import { hexOfUuid, type LogEnvironment } from '../../src/storage/log-environment.js';
import type { ReadOptions } from '../../src/storage/read-options.js';
import { OracleViolation, recordText } from '../support/log-oracle.js';
import { LOG_DIRECTORY, requireTyped, type Settled } from '../support/log-workload-session.js';
import { LateWriter } from '../support/log-workload-writer.js';
import { createMemoryLockManager } from '../support/memory-lock.js';
import { SimClock } from '../support/sim-clock.js';
import type { SimDisk } from '../support/sim-file-system.js';
import { type CleanerCounts, HistoryCleaner } from './history-cleaner.js';
import type { SeenKeyed } from './history-oracle.js';
import type { LifePlan } from './history-plan.js';

const TURNS_MAX = 300;
let logIds = 0;

export interface LifeEvents {
  readonly counts: CleanerCounts;
  readonly onGroup: (task: GroupTask) => void;
}

export class HistoryLife {
  readonly disk: SimDisk;
  readonly clock: SimClock;
  readonly plan: LifePlan;
  readonly #environment: LogEnvironment;
  readonly #pending = new Set<string>();
  #violation: unknown;
  #log: Log | undefined;

  constructor(disk: SimDisk, nowMs: number, plan: LifePlan, events: LifeEvents) {
    this.disk = disk;
    this.clock = new SimClock(nowMs);
    this.plan = plan;
    this.#environment = {
      fileSystem: disk.fileSystem,
      clock: this.clock,
      lockManager: createMemoryLockManager(),
      acquireWriter: () => new LateWriter(disk.blockingFileSystem, plan.writerLateness),
      acquireCleaner: () =>
        new HistoryCleaner(disk, { ...events, ...plan, lateness: plan.cleanerLateness }),
      bootId: () => hexOfUuid(disk.bootId),
      newLogId: () => {
        logIds += 1;
        return String(logIds).padStart(32, '0');
      },
    };
  }

  /** The open log; asked for when there is one. */
  get log(): Log {
    if (this.#log === undefined) throw new RangeError('no log is open');
    return this.#log;
  }

  get isOpen(): boolean {
    return this.#log !== undefined;
  }

  /** What was begun and has not been answered. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  get isStopped(): boolean {
    return this.disk.isStopped;
  }

  /** Opens the log; false when the disk stopped before that ended. */
  async open(options: LogOptions): Promise<boolean> {
    const { compression, flushMs, reserveBytes } = this.plan;
    const given = { ...options, compression, flushMs, reserveBytes };
    const opening = Log.open(LOG_DIRECTORY, given, this.#environment);
    const opened = await this.settled('open', opening);
    if (opened === 'stopped') return false;
    if (opened.kind === 'rejected') {
      throw new OracleViolation(`open failed: ${errorText(opened.error)}`, { cause: opened.error });
    }
    this.#log = opened.value;
    const { state, damage } = this.log.describe();
    if (state === 'open') return true;
    throw new OracleViolation(`the log opened as ${state}: ${JSON.stringify(damage)}`);
  }

  /** Closes it and checks that nothing is left; false when the disk stopped before that ended. */
  async close(): Promise<boolean> {
    const closed = await this.settled('close', this.log.close());
    if (closed === 'stopped') return false;
    if (closed.kind === 'rejected') {
      throw new OracleViolation(`close failed: ${errorText(closed.error)}`);
    }
    await setImmediate();
    this.throwViolation();
    const [pending] = this.#pending;
    if (pending !== undefined) throw new OracleViolation(`the close leaves ${pending} open`);
    const [handle] = this.disk.openHandles();
    if (handle !== undefined) throw new OracleViolation(`${handle.path} was left open`);
    if (this.clock.pendingCount > 0) throw new OracleViolation('a timer was left running');
    this.#log = undefined;
    return true;
  }

  /**
   * Begins something; `wait`: until it is answered. An error is a violation unless its code is
   * among those that may come.
   */
  async ask<Value>(
    name: string,
    answer: Promise<Value>,
    options: {
      readonly wait: boolean;
      readonly codes?: readonly string[];
      readonly onAnswer?: (value: Value) => void;
    },
  ): Promise<void> {
    const label = `${name} ${this.#pending.size}`;
    this.#pending.add(label);
    const noted = answer
      .then((value) => {
        // What a process says that has lost its disk, nobody hears.
        if (!this.disk.isStopped) options.onAnswer?.(value);
      })
      .catch((error: unknown) => this.#noteFailure(name, error, options.codes ?? []))
      .finally(() => this.#pending.delete(label));
    if (options.wait) await this.settled(name, noted);
    this.throwViolation();
  }

  /** Lets time pass until the promise is settled, or the disk has stopped. */
  async settled<Value>(name: string, promise: Promise<Value>): Promise<Settled<Value> | 'stopped'> {
    let result: Settled<Value> | undefined;
    promise.then(
      (value) => {
        result = { kind: 'resolved', value };
      },
      (error: unknown) => {
        result = { kind: 'rejected', error };
      },
    );
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      await setImmediate();
      if (this.disk.isStopped) return 'stopped';
      if (result !== undefined) return result;
      const delayMs = this.clock.nextDelayMs;
      if (delayMs === undefined) break;
      this.clock.advance(delayMs);
    }
    throw new OracleViolation(`${name} hangs`);
  }

  /** What a read gives; undefined when the disk stopped, or records were deleted under it. */
  async read(options: ReadOptions): Promise<SeenKeyed[] | undefined> {
    const start = this.log.startOffset;
    const read = await this.settled('read', readAll(this.log, options));
    if (read === 'stopped' || this.log.startOffset !== start) return undefined;
    if (read.kind === 'resolved') return read.value;
    throw new OracleViolation(`read failed: ${errorText(read.error)}`, { cause: read.error });
  }

  /** Throws what an answer that nobody waited for brought to light. */
  throwViolation(): void {
    const violation = this.#violation;
    if (violation !== undefined && !this.disk.isStopped) throw violation;
  }

  #noteFailure(name: string, error: unknown, codes: readonly string[]): void {
    // On a disk that has stopped everything fails, and nobody is left to hear of it.
    if (this.disk.isStopped) return;
    try {
      if (error instanceof OracleViolation) throw error;
      if (codes.includes(requireTyped(name, error).code)) return;
      throw new OracleViolation(`${name} failed: ${errorText(error)}`, { cause: error });
    } catch (violation) {
      this.#violation ??= violation;
    }
  }
}

export function seenIn(batch: Batch): SeenKeyed[] {
  return [...batch].map((record) => ({
    offset: record.offset,
    timestamp: record.timestamp,
    text: batch.isControl ? '' : recordText(record),
  }));
}

export function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function readAll(log: Log, options: ReadOptions): Promise<SeenKeyed[]> {
  const seen: SeenKeyed[] = [];
  for await (const batch of log.read(options)) for (const one of seenIn(batch)) seen.push(one);
  return seen;
}
