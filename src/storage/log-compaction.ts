/**
 * The compaction of one log: what it would do and why, and one pass of it.
 *
 * A pass maps the keys of the dirty range, then cleans and swaps group after group, oldest first;
 * only when the last one is in its place does the first dirty offset move. It changes nothing that
 * a reader could miss: records go only when a later one of their key is in the mapped range. So it
 * may end after any group, by a failure, a close or a crash, and the next one begins anew.
 *
 * The work is a cleaner's; this file decides on facts, asks, and edits the log between two tasks.
 */

import { logDiagnostics } from '../base/diagnostics.js';
import { errnoOf } from '../base/errors.js';
import type { Mutex } from '../base/mutex.js';
import { limitOf } from '../base/options.js';
import { randomSeed } from '../base/prng.js';
import { TrustedClock } from '../base/trusted-clock.js';
import { KeyOffsetMap } from '../index/key-offset-map.js';
import { OffsetSet } from '../index/offset-set.js';
import type {
  CleanerLog,
  CleanerRunOptions,
  FactsTask,
  GroupResult,
  GroupTask,
  MapResult,
  MapTask,
  TransactionCarry,
} from './cleaner-task.js';
import type { PassReport, PassUrgency } from './cleaning-loop.js';
import {
  type CompactionDecision,
  type CompactionFacts,
  decideCompaction,
} from './compaction-decision.js';
import { planGroups } from './compaction-plan.js';
import { isSyncFailure } from './compaction-swap.js';
import type { LogCleaner } from './log-cleaner.js';
import { isCompacting } from './log-config.js';
import type { WritableLogCore } from './log-core.js';

import type { LogReserve, ReserveLoan } from './log-reserve.js';
import type { LogSource } from './log-source.js';
import type { LogWriting } from './log-writing.js';
import type { MarkKeeper } from './mark-keeper.js';
import { PRODUCER_EXPIRY_MS } from './producer-states.js';
import type { Segment } from './segment.js';
import {
  type KnownSegment,
  knownSegments,
  newestAppendMs,
  readMoreFacts,
} from './segment-facts.js';
import { isHalfWay, replaceSegments } from './segment-replacement.js';
import { settleLiveSwaps } from './swap-settling.js';

export interface CompactionParts {
  readonly core: WritableLogCore;
  readonly source: LogSource;
  readonly writing: LogWriting;
  readonly marks: MarkKeeper;
  readonly cleaner: LogCleaner;
  /** Held by whoever edits the list of segments. */
  readonly mutex: Mutex;
  readonly reserve: Pick<LogReserve, 'loan'>;
}

const NOTHING: PassReport = Object.freeze({
  outcome: 'nothing',
  hasMore: false,
  bytesIn: 0,
  bytesOut: 0,
  recordsIn: 0,
  recordsOut: 0,
  keylessRecords: 0,
});

export interface CompactionLook {
  readonly decision: CompactionDecision;
  readonly facts: Omit<CompactionFacts, 'segments'> & {
    readonly segments: readonly KnownSegment[];
  };
}

/** How a pass runs: what its tasks are given, and its share of the reserve. */
interface PassRun extends CleanerRunOptions {
  readonly loan: ReserveLoan;
}

/** What a record may grow by in the map: the key, its entry and its slots, beside short values. */
const MAP_GROWTH = 4;

/** The memory of one pass for keys, and how it is read. */
type KeyMemory = Pick<MapTask, 'map' | 'superseded' | 'hashSeed' | 'firstDirtyOffset'>;

/** What a group knows of those before it. */
type GroupStart = Pick<GroupTask, 'carry' | 'followsUnreadable'>;

/** What the groups of one pass share. */
interface Pass {
  readonly log: CleanerLog;
  readonly memory: KeyMemory;
  readonly mapped: Pick<MapResult, 'mappedEnd' | 'producers' | 'producerOffsets'>;
  readonly run: PassRun;
}

export class LogCompaction {
  readonly #parts: CompactionParts;
  readonly #clock: TrustedClock;
  readonly #openedMs: number;
  /** The earliest delete horizon that the last whole pass left. */
  #horizonMs: number | undefined;
  /** Of the last replacement; an opening removes what earlier processes left. */
  #replacements = 0;

  constructor(parts: CompactionParts) {
    this.#parts = parts;
    this.#openedMs = parts.core.clock.nowMs();
    this.#clock = new TrustedClock(parts.core.clock, (jump) => {
      const { config, directory } = parts.core;
      // Where records go by age too, retention tells of it: it looks more often.
      if (config.cleanup === 'compact')
        logDiagnostics.clockJump.publish({ path: directory, ...jump });
    });
  }

  /** What a pass would do now, with the facts it rests on; reads the facts that are not known. */
  async look(run: CleanerRunOptions): Promise<CompactionLook> {
    const { core, cleaner } = this.#parts;
    const read = (task: FactsTask) => cleaner.run(task, run);
    let known = knownSegments(core);
    while (!known.isComplete && (await readMoreFacts(core, read))) known = knownSegments(core);
    const { config, offsets } = core;
    const facts = {
      segments: known.segments,
      firstDirtyOffset: Math.max(core.firstDirtyOffset, offsets.start),
      lastStableOffset: core.producers.transactions.stableOffset(offsets.durable),
      durableEnd: offsets.durable,
      isEverCompacted: core.isEverCompacted,
      openedMs: this.#openedMs,
      horizonMs: this.#horizonMs,
      newestMs: newestAppendMs(core, this.#openedMs),
      nowMs: this.#nowMs(),
    };
    return { decision: decideCompaction(config, facts), facts };
  }

  /**
   * One pass, if it is due or asked for. Rejects with the signal's reason, DISK_FULL, LOG_CORRUPT
   * (which names what does not verify), CLEANER_FAILED, and what poisons the log.
   */
  readonly pass = async (signal: AbortSignal, urgency: PassUrgency): Promise<PassReport> => {
    const { core, writing, reserve } = this.#parts;
    if (!isCompacting(core.config) || writing.state !== 'open') return NOTHING;
    const loan = reserve.loan();
    try {
      return await this.#pass(signal, urgency, loan);
    } catch (error) {
      // What the folder holds after a crash is not known any more: nothing is built on it.
      if (isSyncFailure(error) || isHalfWay(error)) writing.poison(error);
      throw error;
    } finally {
      loan.end();
    }
  };

  async #pass(signal: AbortSignal, urgency: PassUrgency, loan: ReserveLoan): Promise<PassReport> {
    const { core, writing } = this.#parts;
    // Somebody who waits keeps the process alive; what runs by itself does not.
    const run: PassRun = {
      loan,
      signal,
      bytesPerSecond: limitOf(core.config.cleanerBytesPerSecond),
      ...(urgency === 'asked' ? { hold: 'keep-alive' } : {}),
    };
    let look = await this.look(run);
    const isRollWanted = urgency === 'asked' || look.decision.rollActive;
    if (isRollWanted && (await loan.spend(() => writing.rollNow()))) {
      await writing.flush(core.segments.active.baseOffset);
      look = await this.look(run);
    }
    const { decision, facts } = look;
    const hasWork = decision.cleanBytes + decision.dirtyBytes > 0;
    if (!hasWork || !(decision.isEligible || urgency === 'asked')) return NOTHING;
    return await this.#clean(decision, facts, run).catch((error: unknown) => {
      const isDeletedUnder = errnoOf(error) === 'ENOENT' && isStartBehind(core, facts);
      if (!isDeletedUnder) throw error;
      // Segments that the pass had looked at were deleted: the next one sees what is left.
      return { ...NOTHING, outcome: 'cleaned', hasMore: true } as const;
    });
  }

  async #clean(
    { upperOffset }: CompactionDecision,
    facts: CompactionLook['facts'],
    run: PassRun,
  ): Promise<PassReport> {
    const { core } = this.#parts;
    const { config } = core;
    const sealed = facts.segments.filter(({ baseOffset }) => baseOffset < upperOffset);
    const pass = await this.#map(facts.firstDirtyOffset, upperOffset, sealed, run);
    const { mappedEnd } = pass.mapped;
    const total = { ...NOTHING };
    let carry: readonly TransactionCarry[] = [];
    let followsUnreadable = false;
    let horizonMs = Number.POSITIVE_INFINITY;
    for (const group of planGroups(sealed, mappedEnd, config.segmentBytes)) {
      const before: GroupStart = { carry, followsUnreadable };
      const result = await run.loan.spend(() => this.#group(pass, group, sealed, before));
      // What this group was is not in the log any more: the next pass sees it as it is.
      if (result === 'outdated') {
        // Its tasks have answered: the memory is free, as after a whole pass.
        this.#parts.cleaner.giveMemory(pass.memory.map);
        return { ...total, outcome: 'cleaned', hasMore: true };
      }
      carry = result.carry;
      followsUnreadable = result.hasUnreadable;
      horizonMs = Math.min(horizonMs, result.earliestHorizonMs ?? horizonMs);
      total.bytesIn += result.bytesIn;
      total.bytesOut += result.outcome === 'cleaned' ? result.bytesOut : result.bytesIn;
      total.recordsIn += result.recordsIn;
      total.recordsOut += result.recordsOut;
      total.keylessRecords += result.keylessRecords;
      if (result.outcome === 'cleaned') total.outcome = 'cleaned';
    }
    if (mappedEnd > core.firstDirtyOffset) await this.#note({ firstDirtyOffset: mappedEnd });
    this.#parts.cleaner.giveMemory(pass.memory.map);
    const hasMore = mappedEnd < upperOffset;
    if (!hasMore) this.#horizonMs = horizonMs;
    return { ...total, hasMore, outcome: hasMore ? 'cleaned' : total.outcome };
  }

  /** The map of the dirty range; an empty one when a pass is about tombstones alone. */
  async #map(
    firstDirtyOffset: number,
    upperOffset: number,
    sealed: readonly KnownSegment[],
    run: PassRun,
  ): Promise<Pass> {
    const { core, cleaner } = this.#parts;
    const { directory, logId, epochs, producers } = core;
    const { aborted } = producers.transactions;
    const log = { directory, logId, epochs: epochs.entries, aborted: aborted.all.slice() };
    const dirty = sealed.filter(({ endOffset }) => endOffset > firstDirtyOffset);
    const memory = this.#keyMemory(dirty, firstDirtyOffset, upperOffset);
    if (dirty.length === 0) {
      const mapped = { mappedEnd: upperOffset, producers: [], producerOffsets: [] };
      return { log, memory, mapped, run };
    }
    const mapped = await cleaner.run(
      { kind: 'map', ...log, ...memory, segments: dirty, upperOffset },
      run,
    );
    return { log, memory, mapped, run };
  }

  /**
   * Memory for the keys of the dirty segments, within what the log allows: no more than they need.
   * At least one key fits, so every pass gets on; what does not fit goes on in the next.
   */
  #keyMemory(
    dirty: readonly KnownSegment[],
    firstDirtyOffset: number,
    upperOffset: number,
  ): KeyMemory {
    const { core, cleaner } = this.#parts;
    const { cleanerMapBytes, batchBytesMax } = core.config;
    const oneKey = KeyOffsetMap.bytesMin(dirty.length === 0 ? 0 : batchBytesMax);
    const dirtyBytes = dirty.reduce((sum, { logBytes }) => sum + logBytes, 0);
    const range = OffsetSet.bytesOf(firstDirtyOffset, Math.max(upperOffset, firstDirtyOffset));
    const setBytesMax = Math.floor(cleanerMapBytes / 8);
    const setBytes = dirty.length === 0 ? 0 : Math.min(range, setBytesMax);
    // The same for every pass, so that what one pass leaves suits the next.
    const bytesMax = Math.max(oneKey, cleanerMapBytes - setBytesMax);
    const map = cleaner.takeMemory(Math.min(bytesMax, MAP_GROWTH * dirtyBytes + oneKey), bytesMax);
    KeyOffsetMap.forget(map);
    const superseded = new SharedArrayBuffer(setBytes);
    return { firstDirtyOffset, map, superseded, hashSeed: randomSeed() | 0 };
  }

  async #group(
    pass: Pass,
    group: readonly KnownSegment[],
    sealed: readonly KnownSegment[],
    before: GroupStart,
  ): Promise<GroupResult | 'outdated'> {
    const { core, cleaner, mutex, source } = this.#parts;
    const { log, memory, mapped, run } = pass;
    const old = group.map(({ baseOffset }) => core.segments.floor(baseOffset));
    if (!isInList(core, old, group)) return 'outdated';
    const result = await cleaner.run(
      {
        kind: 'group',
        ...log,
        mappedEnd: mapped.mappedEnd,
        producers: mapped.producers,
        producerOffsets: mapped.producerOffsets,
        ...before,
        segments: group,
        runningMaxTimestamp: runningMaxBefore(core, sealed, group),
        ...memory,
        // Of this group: a tombstone's time begins when the values before it have gone, and the
        // groups before may have taken long.
        nowMs: this.#nowMs(),
        tombstoneRetentionMs: core.config.tombstoneRetentionMs,
        producerExpiryMs: PRODUCER_EXPIRY_MS,
      },
      run,
    );
    const { seal } = result;
    if (seal === undefined) return result;
    // Offsets in any segment may skip from now on: the log says so before the first one does.
    if (!core.isEverCompacted) await this.#note({ isEverCompacted: true });
    return await mutex.run(async () => {
      if (!isInList(core, old, group) || run.signal?.aborted === true) {
        await settleLiveSwaps(core, core.directory, core.logId);
        run.signal?.throwIfAborted();
        return 'outdated';
      }
      this.#replacements += 1;
      const number = this.#replacements;
      const { directory } = core;
      const replaced = group.map(({ baseOffset }) => baseOffset);
      const { baseOffset } = seal;
      await replaceSegments(source, core, {
        old,
        seal,
        number,
        // A swap that began is ended: it takes a few renames, and half of one serves nobody. It
        // holds the process: who waits for the list or at a gate waits for nothing else.
        run: async () => {
          const task = { kind: 'swap', directory, baseOffset, replaced, number } as const;
          try {
            await cleaner.run(task, { hold: 'keep-alive' });
          } catch (error) {
            // Finishing it, or undoing it, needs room for names too.
            await run.loan.take(error);
            throw error;
          }
        },
      });
      return result;
    });
  }

  /** Writes what has changed to the watermark, and syncs it. */
  async #note(changes: { firstDirtyOffset?: number; isEverCompacted?: true }): Promise<void> {
    const { core, marks, writing } = this.#parts;
    await writing.exclusively(async () => {
      core.firstDirtyOffset = changes.firstDirtyOffset ?? core.firstDirtyOffset;
      core.isEverCompacted ||= changes.isEverCompacted ?? false;
      await marks.settle(writing.appender.markContent());
    });
  }

  #nowMs(): number {
    const { tombstoneRetentionMs, minCompactionLagMs } = this.#parts.core.config;
    // Both may be 0, and the clock doubts a jump for as long as the longer of them allows.
    return this.#clock.nowMs(Math.max(1, tombstoneRetentionMs, minCompactionLagMs));
  }
}

/** Whether the first segments of `facts` have been deleted since. */
function isStartBehind(core: WritableLogCore, { segments }: CompactionFacts): boolean {
  return core.segments.first.baseOffset > (segments[0]?.baseOffset ?? 0);
}

/** Whether the segments are what they were when the pass looked at them. */
function isInList(
  core: WritableLogCore,
  old: readonly Segment[],
  group: readonly KnownSegment[],
): boolean {
  return group.every(({ baseOffset }, index) => {
    const segment = core.segments.floor(baseOffset);
    return segment === old[index] && segment.baseOffset === baseOffset;
  });
}

/** No record before the group is newer; a segment that is not known may hold any time. */
function runningMaxBefore(
  core: WritableLogCore,
  sealed: readonly KnownSegment[],
  group: readonly KnownSegment[],
): number {
  const baseOffset = group[0]?.baseOffset ?? 0;
  let running = -1;
  for (const segment of sealed) {
    if (segment.baseOffset >= baseOffset) break;
    if (segment.records < 0) return core.runningMaxBefore;
    running = Math.max(running, segment.maxTimestamp);
  }
  return running;
}
