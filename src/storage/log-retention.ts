/**
 * Retention of one log, acted out: facts, decision, roll, deletion; never two at a time.
 *
 * It runs by a timer, at each roll, when the options change, when the disk is full, and when it is
 * asked for. A run that fails is published and changes nothing; the next one tries again. It does
 * not wait for appends: an old active segment is rolled though nobody writes, and a log whose
 * producers wait for space is given some.
 */

import type { Cancel } from '../base/clock.js';
import { crc32c } from '../base/crc32c.js';
import { logDiagnostics } from '../base/diagnostics.js';
import { createError, hasCode } from '../base/errors.js';
import { limits } from '../base/limits.js';
import { Mutex } from '../base/mutex.js';
import { isName, limitOf } from '../base/options.js';
import { TrustedClock } from '../base/trusted-clock.js';
import type { FactsResult, FactsTask } from './cleaner-task.js';
import type { WritableLogCore } from './log-core.js';
import type { LogDeletions } from './log-deletion.js';
import type { LogReserve, ReserveLoan } from './log-reserve.js';
import type { LogWriting } from './log-writing.js';
import {
  decideRetention,
  hasRetention,
  needsTotals,
  type RetentionDecision,
  type RetentionVerdict,
  retentionFloor,
} from './retention-decision.js';
import {
  type KnownSegments,
  knownSegments,
  newestAppendMs,
  readMoreFacts,
} from './segment-facts.js';

export interface RetentionParts {
  readonly core: WritableLogCore;
  readonly writing: LogWriting;
  readonly deletions: LogDeletions;
  readonly reserve: Pick<LogReserve, 'loan'>;
  /** Reads what is not in memory. */
  readonly readFacts: (task: FactsTask, signal: AbortSignal) => Promise<FactsResult>;
}

export interface RetainedSegment {
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly bytes: number;
  readonly why: string;
}

/** What one run of retention did. */
export interface RetentionReport {
  readonly startOffset: number;
  /** The segments that went, oldest first; a reader may hold their files for a while. */
  readonly deleted: readonly RetainedSegment[];
  readonly bytes: number;
  /** Whether the active segment was rolled for it. */
  readonly rolled: boolean;
  /** Why the oldest segment that stays does. */
  readonly kept: string;
}

/** Segments that are looked at first when only the oldest ones matter; then twice as many. */
const FIRST_LOOK_SEGMENTS = 256;
/** Longer than anybody waits. */
const HOLD_MS = 24 * 60 * 60 * 1000;

export class LogRetention {
  readonly #parts: RetentionParts;
  readonly #clock: TrustedClock;
  readonly #openedMs: number;
  readonly #mutex = new Mutex();
  /** What protected groups have reported since the open. */
  readonly #reports = new Map<string, number>();
  #waiting: Promise<RetentionReport> | undefined;
  #mayRoll = false;
  #isRolling = false;
  #cancelTimer: Cancel | undefined;
  readonly #stopping = new AbortController();

  constructor(parts: RetentionParts) {
    const { clock, directory } = parts.core;
    this.#parts = parts;
    this.#openedMs = clock.nowMs();
    this.#clock = new TrustedClock(clock, (jump) => {
      logDiagnostics.clockJump.publish({ path: directory, ...jump });
    });
  }

  /** Begins to look by itself, if there is anything to look for. */
  start(): void {
    if (this.#isStopped || this.#cancelTimer !== undefined || !this.#isWanted()) return;
    const { config, logId } = this.#parts.core;
    // Logs that were opened together do not all look at the same moment.
    const id = new TextEncoder().encode(logId);
    const share = crc32c(id, 0, id.length) / 2 ** 32;
    this.#schedule(Math.ceil(config.retentionCheckMs * share));
  }

  /** Something changed that may let segments go: a roll, the options, a full disk. */
  wake(cause: 'roll' | 'alter' | 'disk-full'): void {
    if (this.#isStopped || !this.#isWanted()) return;
    // A roll that finds no space is told as well: it must not bring the next one about.
    if (cause === 'disk-full' && this.#isRolling) return;
    if (cause === 'alter') this.start();
    // A roll that rolls again would make a segment of every append when the limit is short.
    this.#runInBackground(cause !== 'roll');
  }

  /** Runs once, for somebody who waits for it. */
  ask(): Promise<RetentionReport> {
    return this.#hold(this.#run(true));
  }

  /** Runs once; who asks while one waits for its turn shares it. */
  #run(mayRoll: boolean): Promise<RetentionReport> {
    this.#mayRoll ||= mayRoll;
    this.#waiting ??= this.#mutex.run(() => {
      const isRollAllowed = this.#mayRoll;
      this.#waiting = undefined;
      this.#mayRoll = false;
      return this.#withLoan((loan) => this.#carryOut(isRollAllowed, loan));
    });
    return this.#waiting;
  }

  /** What would go and what stays, with the reasons, up to the first segment that stays. */
  async explain(): Promise<readonly RetentionVerdict[]> {
    return (await this.#decide(false)).verdicts;
  }

  /** A group has done everything below `offset`; undefined: it is not known any more. */
  report(group: string, offset: number | undefined): void {
    const refuse = (option: string, expected: string, actual: string | number): never => {
      throw createError('OPTION_INVALID', { option, expected, actual });
    };
    const nameMax = limits.groupNameBytesMax;
    if (!isName(group, nameMax)) refuse('group', `a name of 1 to ${nameMax} bytes`, typeof group);
    if (offset === undefined) {
      this.#reports.delete(group);
      return;
    }
    if (!Number.isSafeInteger(offset) || offset < 0) refuse('offset', 'an offset', offset);
    const groupsMax = limits.reportingGroupsMax;
    if (!this.#reports.has(group) && this.#reports.size >= groupsMax) {
      refuse('group', `at most ${groupsMax} groups that report`, group);
    }
    this.#reports.set(group, offset);
  }

  /** Ends the timer, and resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    await this.#hold(this.#mutex.run(() => undefined));
  }

  /** A cleaner's thread does not keep the process alive: who waits for one does. */
  async #hold<Value>(work: Promise<Value>): Promise<Value> {
    const release = this.#parts.core.clock.schedule(HOLD_MS, () => undefined, 'keep-alive');
    try {
      return await work;
    } finally {
      release();
    }
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #assertGoingOn(): void {
    if (this.#isStopped) throw createError('LOG_CLOSED', { path: this.#parts.core.directory });
  }

  readonly #readFacts = async (task: FactsTask): Promise<FactsResult> => {
    try {
      return await this.#parts.readFacts(task, this.#stopping.signal);
    } catch (error) {
      this.#assertGoingOn();
      throw error;
    }
  };

  #isWanted(): boolean {
    const { core, writing } = this.#parts;
    return hasRetention(core.config) && (writing.state === 'open' || writing.state === 'failing');
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer = this.#parts.core.clock.schedule(delayMs, () => {
      this.#cancelTimer = undefined;
      if (!this.#isWanted()) return;
      this.#runInBackground(true);
      this.#schedule(this.#parts.core.config.retentionCheckMs);
    });
  }

  #runInBackground(mayRoll: boolean): void {
    this.#run(mayRoll).catch((cause: unknown) => this.#publishFailure(cause));
  }

  async #withLoan<Value>(work: (loan: ReserveLoan) => Promise<Value>): Promise<Value> {
    const loan = this.#parts.reserve.loan();
    try {
      return await work(loan);
    } finally {
      loan.end();
    }
  }

  async #carryOut(mayRoll: boolean, loan: ReserveLoan): Promise<RetentionReport> {
    const { core, deletions } = this.#parts;
    const startedMs = core.clock.monotonicMs();
    this.#assertGoingOn();
    let decision = await this.#decide(mayRoll);
    const rolled = decision.rollActive && (await this.#roll(loan));
    if (rolled) decision = await this.#decide(false);
    const isMoved = decision.startOffset > core.offsets.start;
    if (isMoved || this.#parts.writing.state === 'poisoned') {
      await deletions.before(decision.startOffset);
    }
    const report = reportOf(decision, core.offsets.start, rolled);
    const { startOffset, deleted, bytes } = report;
    if (deleted.length > 0) {
      logDiagnostics.retain.publish({
        path: core.directory,
        startOffset,
        segments: deleted.length,
        bytes,
        durationMs: core.clock.monotonicMs() - startedMs,
      });
    }
    return report;
  }

  /** Decides on what is known, and asks for more as long as that matters. */
  async #decide(mayRoll: boolean): Promise<RetentionDecision> {
    const { core } = this.#parts;
    const { config } = core;
    if (!hasRetention(config)) return this.#decideOn({ segments: [], isComplete: true }, false);
    let countMax = needsTotals(config) ? Number.POSITIVE_INFINITY : FIRST_LOOK_SEGMENTS;
    for (;;) {
      const known = knownSegments(core, countMax);
      const isEnough = known.isComplete || !needsTotals(config);
      const decision = this.#decideOn(known, mayRoll);
      if (isEnough && !decision.wantsMore) return decision;
      // The facts that were read are in memory: the next look sees as far as they go.
      if (known.segments.length >= countMax) countMax *= 2;
      else if (!(await readMoreFacts(core, this.#readFacts))) return decision;
      this.#assertGoingOn();
    }
  }

  #decideOn({ segments, isComplete }: KnownSegments, mayRoll: boolean): RetentionDecision {
    const { core } = this.#parts;
    const { config, offsets } = core;
    const mayCount = isComplete && needsTotals(config);
    return decideRetention(config, {
      segments,
      isComplete,
      totalBytes: mayCount ? segments.reduce((sum, { logBytes }) => sum + logBytes, 0) : 0,
      totalRecords: mayCount ? segments.reduce((sum, { records }) => sum + atLeast(records), 0) : 0,
      startOffset: offsets.start,
      durableEnd: offsets.durable,
      floor: retentionFloor(config.protectedGroups, this.#reports),
      mayRoll,
      newestMs: newestAppendMs(core, this.#openedMs),
      nowMs: this.#clock.nowMs(limitOf(config.retentionMs)),
    });
  }

  /** Rolls the active segment; without space for a new one, what is sealed can still go. */
  async #roll(loan: ReserveLoan): Promise<boolean> {
    const { writing, core } = this.#parts;
    this.#isRolling = true;
    try {
      const rolled = await loan.spend(() => writing.rollNow());
      if (rolled) await writing.flush(core.segments.active.baseOffset);
      return rolled;
    } catch (error) {
      if (!hasCode(error, 'DISK_FULL')) throw error;
      this.#publishFailure(error);
      return false;
    } finally {
      this.#isRolling = false;
    }
  }

  #publishFailure(cause: unknown): void {
    // The log says itself that it was closed or poisoned.
    if (this.#isStopped || hasCode(cause, 'LOG_POISONED')) return;
    logDiagnostics.retainFailed.publish({ path: this.#parts.core.directory, cause });
  }
}

/** A count that is not known is none. */
function atLeast(records: number): number {
  return Math.max(0, records);
}

function reportOf(
  { verdicts }: RetentionDecision,
  startOffset: number,
  rolled: boolean,
): RetentionReport {
  const deleted = verdicts
    .filter(({ goes }) => goes)
    .map(({ segment, why }) => {
      const { baseOffset, endOffset, logBytes } = segment;
      return { baseOffset, endOffset, bytes: logBytes, why };
    });
  const bytes = deleted.reduce((sum, segment) => sum + segment.bytes, 0);
  const kept = verdicts.find(({ goes }) => !goes)?.why ?? 'no limit lets anything go';
  return { startOffset, deleted, bytes, rolled, kept };
}
