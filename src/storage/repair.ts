/**
 * Repairs a log, alone in its folder: what needs no loss at once, the rest when the loss is
 * accepted.
 *
 * Without `acceptLoss` a repair that would lose something does the part that does not, changes no
 * damaged segment, and throws REPAIR_REFUSED with the exact extent. Afterwards the log is closed
 * cleanly: sealed, and its watermark at its end. A crash in between leaves what another repair, or
 * opening, finishes: each file is replaced as a whole, and the watermark comes last.
 */

import { join } from 'node:path';
import { createError, type MillraceError } from '../base/errors.js';
import { ENTRY_VALUE_MAX } from '../index/index-format.js';
import { Epochs, epochsCrc } from './epochs.js';
import { rememberedOf, resolveLogOptions } from './log-config.js';
import { epochsStep, identitySteps } from './log-creation.js';
import { type LogEnvironment, systemEnvironment } from './log-environment.js';
import { fromSystem, readFolder, withOurErrors } from './log-folder.js';
import {
  type PlannedSegment,
  planRepair,
  type RepairLoss,
  type RepairPlan,
} from './repair-plan.js';
import { type RepairContext, rewriteSegment, sealSegment } from './repair-segment.js';
import { segmentFileName, segmentSuffixes, sideFiles } from './segment-files.js';
import { settleSwaps } from './swap-settling.js';
import { type InspectionOptions, inspectLog, type LogInspection } from './verify-inspection.js';
import type { VerifyProblem } from './verify-report.js';
import { encodeWatermark, WATERMARK_FILE_BYTES, WATERMARK_SLOT_DISTANCE } from './watermark.js';
import { type Writer, WriterFailure } from './writer.js';

export interface RepairOptions extends InspectionOptions {
  /** Whether what cannot be saved may be given up. */
  readonly acceptLoss: boolean;
  readonly environment?: LogEnvironment | undefined;
}

export interface RepairReport {
  readonly directory: string;
  /** What was wrong before, as verify says it. */
  readonly problems: readonly VerifyProblem[];
  readonly problemCount: number;
  /** What was done, and what was left because it would lose something; one line each. */
  readonly done: readonly string[];
  readonly left: readonly string[];
  readonly losses: readonly RepairLoss[];
  /** `.broken` files that were made. */
  readonly brokenFiles: readonly string[];
  /** The next offset afterwards. */
  readonly endOffset: number;
}

const refusals = new WeakMap<Error, RepairReport>();

/** The report of a repair that was refused. */
export function refusedRepair(error: unknown): RepairReport | undefined {
  return error instanceof Error ? refusals.get(error) : undefined;
}

/**
 * Throws LOG_LOCKED, REPAIR_REFUSED (see {@link refusedRepair}), and what verify and opening throw.
 * `signal` ends it while it still looks; changes, once begun, are finished.
 */
export async function repairLog(directory: string, options: RepairOptions): Promise<RepairReport> {
  const environment = options.environment ?? systemEnvironment;
  const folder = await readFolder(environment.fileSystem, directory);
  if (folder.kind === 'absent') throw createError('LOG_NOT_FOUND', { path: directory });
  const writer = environment.acquireWriter();
  try {
    const lock = await environment.lockManager.acquire(directory);
    try {
      const { fileSystem } = environment;
      // A swap that was cut short is ended as by an opening; one that is damaged ends the repair.
      await settleSwaps({ fileSystem, writer }, await readFolder(fileSystem, directory));
      const inspection = await inspectLog(fileSystem, directory, options);
      const repair = new Repair(inspection, options, environment, writer, lock.nonce);
      return await withOurErrors(repair.run(), directory);
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw error instanceof WriterFailure ? fromSystem(error, directory) : error;
  } finally {
    await writer.release();
  }
}

class Repair {
  readonly #inspection: LogInspection;
  readonly #options: RepairOptions;
  readonly #environment: LogEnvironment;
  readonly #writer: Writer;
  readonly #nonce: bigint;
  readonly #directory: string;
  readonly #done: string[] = [];
  readonly #left: string[] = [];
  readonly #brokenFiles: string[] = [];

  constructor(
    inspection: LogInspection,
    options: RepairOptions,
    environment: LogEnvironment,
    writer: Writer,
    nonce: bigint,
  ) {
    this.#inspection = inspection;
    this.#options = options;
    this.#environment = environment;
    this.#writer = writer;
    this.#nonce = nonce;
    this.#directory = inspection.facts.folder.directory;
  }

  async run(): Promise<RepairReport> {
    const plan = planRepair(this.#inspection);
    const endOffset = plan.segments.at(-1)?.nextOffset ?? 0;
    // Nothing is wrong: a torn tail, or a making that was cut short, is the next open's to finish.
    if (this.#inspection.problems.count === 0) return this.#report(plan, endOffset);
    checkReach(plan, this.#directory);
    const isRefused = plan.losses.length > 0 && !this.#options.acceptLoss;
    const context = this.#context();
    await this.#writeIdentity(context);
    const sealed = await this.#repairSegments(context, plan, isRefused);
    if (!isRefused) {
      await this.#writeEpochs(context);
      await this.#writeWatermark(context, plan, sealed);
      return this.#report(plan, endOffset);
    }
    this.#left.push(`${sideFiles.watermark}: write anew`);
    throw this.#refusal(this.#report(plan, endOffset));
  }

  #context(): RepairContext {
    const { facts } = this.#inspection;
    const config = resolveLogOptions(facts.identity?.options ?? {}, this.#directory);
    return {
      environment: this.#environment,
      writer: this.#writer,
      directory: this.#directory,
      logId: facts.logId ?? this.#environment.newLogId(),
      indexIntervalBytes: config.indexIntervalBytes,
      epochs: facts.epochs ?? this.#rebuiltEpochs(),
      hasSnapshots: facts.folder.names.some((name) => name.endsWith(segmentSuffixes.snapshot)),
      brokenFiles: [...facts.folder.brokenFiles],
    };
  }

  /** Epochs as seals, batches and the watermark say. */
  #rebuiltEpochs(): Epochs {
    const epochs = new Epochs();
    const { segments, facts } = this.#inspection;
    for (const { seal, epochStarts } of segments) {
      for (const { epoch, startOffset } of seal?.epochs ?? epochStarts) {
        if (epoch > epochs.current) epochs.start(epoch, startOffset);
      }
    }
    const endOffset = segments.at(-1)?.survey.nextOffset ?? 0;
    if (facts.epochMax > epochs.current) epochs.start(facts.epochMax, endOffset);
    return epochs;
  }

  async #writeIdentity(context: RepairContext): Promise<void> {
    const { facts, problems } = this.#inspection;
    const isWrong = problems.kept.some(
      ({ code }) => code === 'OPTIONS_INVALID' || code === 'METADATA_INVALID',
    );
    // A folder of another engine becomes ours with the last step, not the first.
    if (!isWrong || facts.isForeign) return;
    const identity = facts.identity ?? {
      logId: context.logId,
      createdMs: this.#environment.clock.nowMs(),
      options: rememberedOf(resolveLogOptions({}, this.#directory)),
    };
    await this.#writer.run(identitySteps(this.#directory, identity));
    this.#done.push(`${sideFiles.metadata}, ${sideFiles.options}: written anew`);
  }

  async #repairSegments(
    context: RepairContext,
    plan: RepairPlan,
    isRefused: boolean,
  ): Promise<number> {
    let runningMaxTimestamp = -1;
    let bytes = 0;
    for (const planned of plan.segments) {
      const isActive = planned === plan.segments.at(-1);
      const name = segmentFileName(planned.baseOffset, 'log');
      const text = describe(planned);
      const { seal, maxTimestamp } = planned.inspection ?? { seal: undefined, maxTimestamp: -1 };
      const isLeft = isRefused && (planned.losesRecords || isActive);
      if (isLeft && planned.work !== 'keep') {
        this.#left.push(`${name}: ${text}`);
      }
      if (isLeft || planned.work === 'keep') {
        runningMaxTimestamp = Math.max(
          runningMaxTimestamp,
          seal?.runningMaxTimestamp ?? maxTimestamp,
        );
        bytes = planned.inspection?.fileBytes ?? 0;
        continue;
      }
      if (planned.work !== 'seal') {
        const broken = await rewriteSegment(context, planned);
        if (broken !== undefined) this.#brokenFiles.push(broken);
      }
      const segment = await sealSegment(context, planned, runningMaxTimestamp);
      runningMaxTimestamp = segment.seal?.runningMaxTimestamp ?? runningMaxTimestamp;
      bytes = segment.active().totals.bytes;
      this.#done.push(`${name}: ${text}`);
    }
    return bytes;
  }

  async #writeEpochs(context: RepairContext): Promise<void> {
    if (this.#inspection.facts.epochs !== undefined) return;
    await this.#writer.run([
      epochsStep(this.#directory, context.epochs),
      { kind: 'syncDirectory', path: this.#directory },
    ]);
    this.#done.push(`${sideFiles.epochs}: written anew`);
  }

  /** Both slots, as after a clean close; for a folder of another engine `log.json` follows. */
  async #writeWatermark(
    context: RepairContext,
    plan: RepairPlan,
    activeBytes: number,
  ): Promise<void> {
    const { facts, segments } = this.#inspection;
    const { mark } = facts;
    const active = plan.segments.at(-1);
    if (active === undefined) return;
    const startOffset = mark?.startOffset ?? plan.segments[0]?.baseOffset ?? 0;
    const sequence = mark?.sequence ?? 0;
    const content = {
      bootId: this.#environment.bootId(),
      nonce: this.#nonce,
      epoch: Math.max(0, context.epochs.current),
      isClean: true,
      isEverCompacted: mark?.isEverCompacted ?? segments.some(({ hasGaps }) => hasGaps),
      isPoisoned: false,
      hasProducers: context.hasSnapshots,
      segmentBase: active.baseOffset,
      position: activeBytes,
      durableOffset: Math.max(active.nextOffset, startOffset),
      unsyncedBytesMax: 0,
      startOffset,
      firstDirtyOffset: mark?.firstDirtyOffset ?? startOffset,
      epochsCrc: epochsCrc(context.epochs.encode()),
    };
    const bytes = new Uint8Array(WATERMARK_FILE_BYTES);
    encodeWatermark({ ...content, sequence: sequence + 1 }, bytes, 0);
    encodeWatermark({ ...content, sequence: sequence + 2 }, bytes, WATERMARK_SLOT_DISTANCE);
    const path = join(this.#directory, sideFiles.watermark);
    await this.#writer.run([
      { kind: 'replace', path, bytes },
      { kind: 'syncDirectory', path: this.#directory },
    ]);
    this.#done.push(`${sideFiles.watermark}: written anew`);
    if (!facts.isForeign) return;
    const options = rememberedOf(resolveLogOptions({}, this.#directory));
    const createdMs = this.#environment.clock.nowMs();
    const identity = { logId: context.logId, createdMs, options };
    await this.#writer.run(identitySteps(this.#directory, identity));
    this.#done.push(`${sideFiles.options}: written, the folder is a log of Millrace now`);
  }

  #report(plan: RepairPlan, endOffset: number): RepairReport {
    const { problems } = this.#inspection;
    return {
      directory: this.#directory,
      problems: problems.kept,
      problemCount: problems.count,
      done: this.#done,
      left: this.#left,
      losses: plan.losses,
      brokenFiles: this.#brokenFiles,
      endOffset,
    };
  }

  #refusal(report: RepairReport): MillraceError {
    const { losses } = report;
    const sum = (read: (loss: RepairLoss) => number): number =>
      losses.reduce((total, loss) => total + read(loss), 0);
    const error = createError('REPAIR_REFUSED', {
      path: this.#directory,
      ranges: rangesText(losses),
      lostOffsets: sum(({ fromOffset, toOffset }) => toOffset - fromOffset),
      lostBytes: sum(({ bytes }) => bytes),
      files: new Set(losses.map(({ file }) => file)).size,
      remedy: 'repair with acceptLoss gives up exactly these',
    });
    refusals.set(error, report);
    return error;
  }
}

const RANGES_SHOWN = 8;

/** The lost ranges in one line. */
function rangesText(losses: readonly RepairLoss[]): string {
  const shown = losses.slice(0, RANGES_SHOWN).map(({ fromOffset, toOffset }) => {
    return toOffset > fromOffset ? `${fromOffset}..${toOffset - 1}` : `from ${fromOffset} on`;
  });
  const more = losses.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

function describe(planned: PlannedSegment): string {
  switch (planned.work) {
    case 'keep':
      return 'keep';
    case 'seal':
      return 'indexes and seal anew';
    case 'create':
      return 'make, with an empty batch for what is missing';
    case 'rewrite': {
      const of = (kind: string): number => planned.pieces.filter((p) => p.kind === kind).length;
      const bytes = planned.dropped.reduce((sum, { from, to }) => sum + to - from, 0);
      const parts = [`heal ${of('heal')} headers`, `put ${of('empty')} empty batches`];
      return `write anew: ${parts.join(', ')}, set aside ${bytes} bytes`;
    }
  }
}

/** One segment numbers 2^31 offsets: a gap that is larger is no damage of a log. */
function checkReach(plan: RepairPlan, directory: string): void {
  for (const { baseOffset, nextOffset } of plan.segments) {
    if (nextOffset - baseOffset <= ENTRY_VALUE_MAX + 1) continue;
    throw createError('LOG_CORRUPT', {
      path: directory,
      reason: 'more offsets are missing than a segment can number',
      offset: baseOffset,
      expected: `at most ${ENTRY_VALUE_MAX + 1}`,
      actual: nextOffset - baseOffset,
    });
  }
}
