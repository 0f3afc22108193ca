/**
 * The reserve of one open log, acted out: built in the background, lent to cleanings, built again.
 *
 * A cleaning takes out a loan before it begins. Only when it finds no space is the reserve given
 * up: appends are refused first, and what was accepted before is written or refused, so that the
 * space is there for the cleaning. When no loan is left, the reserve is built again, for as long as
 * it takes; appends go on once it is whole. See `disk-reserve.ts` for the states.
 */

import { join } from 'node:path';
import type { Cancel } from '../base/clock.js';
import { logDiagnostics } from '../base/diagnostics.js';
import { createError, errnoOf, hasCode, type MillraceError } from '../base/errors.js';
import { limitOf } from '../base/options.js';
import type { Cleaner } from './cleaner-task.js';
import {
  moveReserve,
  RESERVE_FIRST_MS,
  type ReserveEvent,
  type ReserveState,
  refusesAppends,
  reserveBytes,
  reserveDelayMs,
} from './disk-reserve.js';
import type { WritableLogCore } from './log-core.js';
import type { LogWriting } from './log-writing.js';
import { sideFiles, TEMPORARY_SUFFIX } from './segment-files.js';
import { isNoSpace, type WriterStep } from './writer.js';

export interface ReserveParts {
  readonly core: WritableLogCore;
  readonly writing: Pick<LogWriting, 'refuseAppends' | 'allowAppends' | 'appendsSettled'>;
  readonly cleaner: Cleaner;
}

/** What a cleaning has of the reserve, from its begin to its end. */
export interface ReserveLoan {
  /**
   * Runs `work`, and once more with the reserve given up when there was no space for it. Rejects
   * like `work`; with DISK_FULL when there is no space all the same.
   */
  spend<Value>(work: () => Promise<Value>): Promise<Value>;
  /** Gives the reserve up if `error` means no space; whether trying again may help. */
  take(error: unknown): Promise<boolean>;
  /** The cleaning is over. Idempotent. */
  end(): void;
}

export class LogReserve {
  readonly #parts: ReserveParts;
  readonly #path: string;
  #state: ReserveState = 'off';
  #bytes = 0;
  /** Attempts in a row that did not build it. */
  #attempts = 0;
  /** Cleanings that it is lent to. */
  #loans = 0;
  #isStopped = false;
  #cancelTimer: Cancel | undefined;
  #attempt: { readonly ended: Promise<void>; readonly abort: AbortController } | undefined;

  constructor(parts: ReserveParts) {
    this.#parts = parts;
    this.#path = join(parts.core.directory, sideFiles.reserve);
  }

  /** Begins to see to the reserve, as the options say; `isSpent`: the opening has given it up. */
  start(isSpent: boolean): void {
    this.#bytes = reserveBytes(this.#parts.core.config);
    if (this.#bytes === 0) {
      this.#removeLeftover();
      return;
    }
    this.#move(isSpent ? 'spent' : 'sized');
    // What an earlier process left can be lent at once; writing it can wait.
    this.#begin('look');
  }

  /** The options have changed: another size may be wanted. */
  async altered(): Promise<void> {
    // Another one may begin while this one is waited for.
    while (this.#attempt !== undefined) await this.#endAttempt();
    const bytes = reserveBytes(this.#parts.core.config);
    if (this.#isStopped || bytes === this.#bytes) return;
    this.#bytes = bytes;
    this.#attempts = 0;
    this.#move(bytes === 0 ? 'unsized' : 'sized');
    if (bytes === 0) {
      this.#disarm();
      await this.#remove().catch(() => undefined);
    } else if (this.#state === 'absent' || this.#state === 'owed') this.#arm(0);
  }

  loan(): ReserveLoan {
    let isTaken = false;
    let isEnded = false;
    const take = async (error: unknown): Promise<boolean> => {
      if (isEnded || !isSpaceError(error)) return false;
      const outcome = await this.#lend(isTaken ? 0 : 1);
      isTaken ||= outcome === 'lent';
      return outcome !== 'none';
    };
    return {
      take,
      spend: async (work) => {
        try {
          return await work();
        } catch (error) {
          if (!(await take(error))) throw this.#asDiskFull(error);
        }
        try {
          return await work();
        } catch (error) {
          throw this.#asDiskFull(error);
        }
      },
      end: () => {
        if (isTaken && !isEnded) this.#giveBack();
        isEnded = true;
      },
    };
  }

  /** Ends what runs; the file stays for the next open. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#disarm();
    await this.#endAttempt();
  }

  /** 'freed': there was no reserve to lend, but an attempt to build it held the space. */
  async #lend(count: 0 | 1): Promise<'lent' | 'freed' | 'none'> {
    const hadAttempt = this.#attempt !== undefined;
    while (this.#attempt !== undefined) await this.#endAttempt();
    if (this.#isStopped) return 'none';
    this.#move('borrowed');
    if (this.#state !== 'lent') return hadAttempt ? 'freed' : 'none';
    this.#disarm();
    this.#loans += count;
    await this.#parts.writing.appendsSettled();
    // When this fails the cleaning finds no space again, and says so.
    await this.#remove().catch(() => undefined);
    return 'lent';
  }

  #giveBack(): void {
    this.#loans -= 1;
    if (this.#loans > 0 || this.#state !== 'lent') return;
    this.#move('returned');
    this.#attempts = 0;
    if (!this.#isStopped) this.#begin('write');
  }

  #begin(effort: 'look' | 'write'): void {
    const abort = new AbortController();
    this.#move('due');
    this.#attempt = { abort, ended: this.#run(effort, abort.signal) };
  }

  async #run(effort: 'look' | 'write', signal: AbortSignal): Promise<void> {
    let event: 'built' | 'unbuilt' | 'failed';
    let cause: unknown;
    try {
      event = (await this.#isWhole()) ? 'built' : 'unbuilt';
      if (event === 'unbuilt' && effort === 'write') event = await this.#build(signal);
    } catch (error) {
      cause = error;
      event = signal.aborted || isSpaceError(error) ? 'unbuilt' : 'failed';
    }
    this.#attempt = undefined;
    if (effort === 'write') this.#attempts = event === 'built' ? 0 : this.#attempts + 1;
    if (this.#isStopped) return;
    this.#move(event, cause);
    if (event === 'built') return;
    this.#arm(effort === 'look' ? RESERVE_FIRST_MS : reserveDelayMs(this.#attempts));
  }

  async #isWhole(): Promise<boolean> {
    const facts = await this.#parts.core.fileSystem.facts(this.#path);
    return facts?.kind === 'file' && facts.bytes === this.#bytes;
  }

  async #build(signal: AbortSignal): Promise<'built' | 'unbuilt'> {
    const { core, cleaner } = this.#parts;
    const { directory, fileSystem } = core;
    const bytes = this.#bytes;
    // The writer works in order: files that were given back before are gone after this.
    await this.#remove();
    if (signal.aborted || (await fileSystem.freeBytes(directory)) < bytes) return 'unbuilt';
    const bytesPerSecond = limitOf(core.config.cleanerBytesPerSecond);
    await cleaner.run({ kind: 'reserve', directory, bytes }, { signal, bytesPerSecond });
    return 'built';
  }

  /** Ends a running attempt to build the file. */
  async #endAttempt(): Promise<void> {
    const attempt = this.#attempt;
    attempt?.abort.abort(createError('CLEANER_FAILED', { path: this.#path }));
    await attempt?.ended;
  }

  async #remove(): Promise<void> {
    const { core } = this.#parts;
    const steps: readonly WriterStep[] = [
      { kind: 'unlink', path: this.#path },
      { kind: 'unlink', path: this.#path + TEMPORARY_SUFFIX },
      { kind: 'syncDirectory', path: core.directory },
    ];
    await core.writer.run(steps);
  }

  /** A log that had a reserve and needs none any more gives it back. */
  #removeLeftover(): void {
    const { fileSystem } = this.#parts.core;
    const look = async (): Promise<void> => {
      if ((await fileSystem.facts(this.#path)) === undefined || this.#isStopped) return;
      await this.#remove();
    };
    // Harmless where it stays: the next open tries again.
    look().catch(() => undefined);
  }

  #move(event: ReserveEvent, cause?: unknown): void {
    const { core, writing } = this.#parts;
    const before = this.#state;
    const state = moveReserve(before, event);
    this.#state = state;
    if (state === before) return;
    const bytes = this.#bytes;
    logDiagnostics.reserve.publish({ path: core.directory, state, bytes, cause });
    if (refusesAppends(state)) writing.refuseAppends(() => this.#refusal());
    else if (refusesAppends(before)) writing.allowAppends();
  }

  #refusal(): MillraceError {
    return createError('DISK_FULL', {
      path: this.#parts.core.directory,
      reason:
        this.#state === 'lent'
          ? 'what is left of the disk is lent to the cleaning of the log'
          : 'the reserve of the log is built again first',
      reserve: this.#state,
      reserveBytes: this.#bytes,
    });
  }

  #asDiskFull(error: unknown): unknown {
    if (!isSpaceError(error) || hasCode(error, 'DISK_FULL')) return error;
    return createError('DISK_FULL', { path: this.#path, errno: errnoOf(error) }, error);
  }

  #arm(delayMs: number): void {
    this.#disarm();
    this.#cancelTimer = this.#parts.core.clock.schedule(delayMs, () => {
      this.#cancelTimer = undefined;
      this.#begin('write');
    });
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

function isSpaceError(error: unknown): boolean {
  return hasCode(error, 'DISK_FULL') || isNoSpace(errnoOf(error));
}
