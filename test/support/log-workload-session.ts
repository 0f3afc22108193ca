/**
 * One life of a process that has a log open on a simulated disk; an oracle hears what it is told.
 *
 * Nothing waits for real time: a turn of the event loop lets every microtask run, then the next
 * timer of the simulated clock falls due. What is still open after a bounded number of turns hangs.
 */

import { setImmediate } from 'node:timers/promises';
import { MillraceError } from '../../src/base/errors.js';
import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import type { Log } from '../../src/storage/log.js';
import { Log as LogFace } from '../../src/storage/log.js';
import { hexOfUuid, type LogEnvironment } from '../../src/storage/log-environment.js';
import {
  type Attempt,
  attemptRecord,
  type LogOracle,
  OracleViolation,
  recordText,
  type SeenLog,
} from './log-oracle.js';
import type { LogOperation, PlannedAppend, Workload } from './log-workload.js';
import { LateWriter } from './log-workload-writer.js';
import { createMemoryLockManager } from './memory-lock.js';
import { SimClock } from './sim-clock.js';
import type { SimDisk } from './sim-file-system.js';

export const LOG_DIRECTORY = '/data/log';

const TURNS_MAX = 200;
let logIds = 0;

function nextLogId(): string {
  logIds += 1;
  return String(logIds).padStart(32, '0');
}

export type Settled<Value> =
  | { readonly kind: 'resolved'; readonly value: Value }
  | { readonly kind: 'rejected'; readonly error: unknown };

/** Lets time pass until the promise is settled; a violation when it never is. */
export async function settled<Value>(
  clock: SimClock,
  name: string,
  promise: Promise<Value>,
): Promise<Settled<Value>> {
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
    if (result !== undefined) return result;
    const delayMs = clock.nextDelayMs;
    if (delayMs === undefined) break;
    clock.advance(delayMs);
  }
  throw new OracleViolation(`${name} hangs`);
}

/** Throws unless the error is one that callers can switch on. */
export function requireTyped(name: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  throw new OracleViolation(`${name} failed with ${String(error)}`, { cause: error });
}

export class LogSession {
  readonly disk: SimDisk;
  readonly clock: SimClock;
  readonly oracle: LogOracle;
  readonly #workload: Pick<Workload, 'options' | 'lateness'>;
  readonly #environment: LogEnvironment;
  readonly #open = new Set<Promise<void>>();
  #log: Log | undefined;

  constructor(
    disk: SimDisk,
    oracle: LogOracle,
    workload: Pick<Workload, 'options' | 'lateness'>,
    newLogId: () => string = nextLogId,
  ) {
    this.disk = disk;
    this.oracle = oracle;
    this.clock = new SimClock();
    this.#workload = workload;
    this.#environment = {
      fileSystem: disk.fileSystem,
      clock: this.clock,
      lockManager: createMemoryLockManager(),
      acquireWriter: () => new LateWriter(disk.blockingFileSystem, workload.lateness),
      acquireCleaner: () => new InlineCleaner(disk.blockingFileSystem),
      bootId: () => hexOfUuid(disk.bootId),
      newLogId,
    };
  }

  /** The open log, whose ends count as shown. */
  get log(): Log | undefined {
    return this.#log;
  }

  /** Notes the ends that readers see now; before a copy of the oracle is taken. */
  noteEnds(): void {
    if (this.#log === undefined) return;
    const { durableOffset, writtenOffset, damage } = this.#log.describe();
    if (damage === undefined) this.oracle.noteEnds(durableOffset, writtenOffset);
  }

  /** Opens the log; nothing is told to the oracle yet. */
  async open(): Promise<Settled<Log>> {
    const { options } = this.#workload;
    const create = this.oracle.logId === undefined;
    const opening = LogFace.open(LOG_DIRECTORY, { ...options, create }, this.#environment);
    return await settled(this.clock, 'open', opening);
  }

  /** From now on the log is in use; one that only serves reads promises nothing. */
  begin(log: Log): void {
    if (log.describe().damage !== undefined) {
      this.#log = log;
      return;
    }
    this.oracle.session += 1;
    this.oracle.logId = log.describe().logId;
    this.#log = log;
  }

  /** Runs one operation; answers that come later are noted when they come. */
  async run(operation: LogOperation): Promise<void> {
    const log = this.#log;
    if (log === undefined) return;
    switch (operation.kind) {
      case 'append': {
        const answers = operation.appends.map((append) => this.append(append));
        if (operation.wait) await this.#wait('append', Promise.all(answers));
        return;
      }
      case 'tryAppend':
        return this.#tryAppend(log, operation.bytes);
      case 'flush': {
        const flushed = this.#track('flush', log.flush());
        if (operation.wait) await this.#wait('flush', flushed);
        return;
      }
      case 'delete': {
        const deleted = this.#track('delete', this.#delete(log, operation.share));
        if (operation.wait) await this.#wait('delete', deleted);
        return;
      }
      case 'advance':
        this.clock.advance(operation.ms);
        return;
      case 'turns':
        for (let turn = 0; turn < operation.count; turn += 1) await Promise.resolve();
        return;
      case 'read':
        return await this.checkShown();
      case 'alter': {
        const altered = log.alter({ segmentMs: operation.segmentMs });
        await this.#wait('alter', this.#track('alter', altered));
        return;
      }
      case 'reopen':
        await this.close();
        return await this.#reopen();
    }
  }

  /** Waits for every answer. */
  async finish(): Promise<void> {
    await this.#wait('an operation', Promise.all([...this.#open]));
  }

  async close(): Promise<void> {
    const log = this.#log;
    if (log === undefined) return;
    await this.#wait('close', this.#track('close', log.close()));
    await this.finish();
    this.noteEnds();
    this.#log = undefined;
    this.checkNothingOpen();
  }

  /** A log that is closed, or did not open, holds no descriptor and no timer. */
  checkNothingOpen(): void {
    const [handle] = this.disk.openHandles();
    if (handle !== undefined) throw new OracleViolation(`${handle.path} was left open`);
    if (this.clock.pendingCount > 0) throw new OracleViolation('a timer was left running');
  }

  append(planned: PlannedAppend): Promise<void> {
    const log = this.#log;
    if (log === undefined) return Promise.resolve();
    const { sizes, acks } = planned;
    const attempt = this.oracle.newAttempt(sizes, acks);
    const records = sizes.map((_, index) => attemptRecord(attempt, index));
    const answer = log.append(records, { acks }).then(
      ({ baseOffset }) => this.#acknowledge(attempt, baseOffset),
      (error: unknown) => this.#refuse(attempt, error),
    );
    return this.#track('append', answer);
  }

  /** Everything that the log shows, read to its end. */
  async see(log: Log): Promise<SeenLog> {
    const read = await settled(this.clock, 'read', readAll(log));
    if (read.kind === 'rejected') {
      throw new OracleViolation(`read failed with ${String(read.error)}`, { cause: read.error });
    }
    return read.value;
  }

  /** What readers are shown in the middle of a session follows the rules, too. */
  async checkShown(): Promise<void> {
    const log = this.#log;
    if (log === undefined) return;
    const { startOffset } = log.describe();
    const read = await settled(this.clock, 'read', readAll(log));
    // Records may be deleted under a reader; it is told so.
    if (log.startOffset !== startOffset) return;
    if (read.kind === 'rejected') {
      const { code } = requireTyped('read', read.error);
      // A file may not be readable now; a log that could not be recovered says where it ends.
      if (code !== 'LOG_CORRUPT' || log.describe().damage !== undefined) return;
      throw new OracleViolation(`read failed with ${String(read.error)}`, { cause: read.error });
    }
    this.oracle.checkShown(read.value);
  }

  async #reopen(): Promise<void> {
    const opened = await this.open();
    if (opened.kind === 'rejected') {
      const { code } = requireTyped('open', opened.error);
      if (code === 'LOG_LOCKED') throw new OracleViolation('a closed log holds its lock');
      return;
    }
    this.begin(opened.value);
  }

  #tryAppend(log: Log, bytes: number): void {
    const attempt = this.oracle.newAttempt([bytes], 'none');
    try {
      const offset = log.tryAppend(attemptRecord(attempt, 0));
      if (offset === undefined) attempt.outcome = 'absent';
      // Accepted is not promised: nobody is told when it becomes durable.
      else attempt.outcome = 'unknown';
    } catch (error) {
      this.#refuse(attempt, error);
    }
  }

  async #delete(log: Log, share: number): Promise<void> {
    const { startOffset, durableOffset } = log;
    const offset = startOffset + Math.floor((durableOffset - startOffset) * share);
    this.oracle.wantedStart = Math.max(this.oracle.wantedStart, offset);
    const start = await log.deleteRecordsBefore(offset);
    this.oracle.confirmedStart = Math.max(this.oracle.confirmedStart, start);
  }

  #acknowledge(attempt: Attempt, baseOffset: number): void {
    if (attempt.acks !== 'none') attempt.outcome = 'acknowledged';
    // An accepted record may be given back, and its offset used again, when the disk is full.
    if (attempt.acks !== 'none') attempt.baseOffset = baseOffset;
    else attempt.outcome = 'unknown';
  }

  #refuse(attempt: Attempt, error: unknown): void {
    const { code } = requireTyped('append', error);
    if (code === 'DISK_FULL') this.oracle.wasDiskFull = true;
    attempt.outcome = code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'absent';
  }

  /** A typed failure is an answer; any other error stays one. */
  #track(name: string, answer: Promise<unknown>): Promise<void> {
    const noted = answer.then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof OracleViolation) throw error;
        requireTyped(name, error);
      },
    );
    this.#open.add(noted);
    const done = (): void => {
      this.#open.delete(noted);
    };
    // A violation is thrown by who waits for the answer, now or at the end.
    noted.then(done, () => undefined);
    return noted;
  }

  async #wait(name: string, answer: Promise<unknown>): Promise<void> {
    const result = await settled(this.clock, name, answer);
    if (result.kind === 'rejected') throw result.error;
  }
}

async function readAll(log: Log): Promise<SeenLog> {
  const { logId, startOffset, durableOffset } = log.describe();
  const records: { offset: number; text: string }[] = [];
  for await (const batch of log.read({ from: 'earliest' })) {
    for (const record of batch) {
      records.push({ offset: record.offset, text: recordText(record) });
    }
  }
  return { logId, startOffset, endOffset: durableOffset, records };
}
