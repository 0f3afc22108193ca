/**
 * Inspects a whole log, file by file, and says what is wrong with it: the common ground of verify
 * and repair.
 *
 * It reads only, and works beside a live writer: what lies beyond the watermark is judged by the
 * rule of recovery, with the watermark as it is by then, and segments that retention removes
 * meanwhile are no problem. Behind a torn tail nothing counts.
 */

import { join } from 'node:path';
import { createError, errnoOf, hasCode } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import { searchBatches } from './batch-scan.js';
import { segmentsBelow } from './log-cleanup.js';
import { fromSystem } from './log-folder.js';
import { judgeInvalidBytes } from './recovery-verdict.js';
import { Segment } from './segment.js';
import { segmentPath, sideFiles } from './segment-files.js';
import { segmentsSeen } from './verify-disturbance.js';
import { type LogFacts, readLogFacts, readWatermark } from './verify-facts.js';
import { type MissingOffsets, missingOffsets } from './verify-missing.js';
import { Findings, type VerifyProblem, type VerifyWarning } from './verify-report.js';
import { inspectSegment, type SegmentInspection } from './verify-segment.js';
import type { DamagedRange } from './verify-survey.js';
import type { Watermark } from './watermark.js';

export interface InspectionProgress {
  readonly bytes: number;
  readonly bytesTotal: number;
}

export interface InspectionOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: InspectionProgress) => void) | undefined;
}

export interface LogInspection {
  readonly facts: LogFacts;
  readonly segments: readonly SegmentInspection[];
  readonly missing: readonly MissingOffsets[];
  /** Where the torn tail of the last segment begins; its survey ends there. */
  readonly tornFrom: number | undefined;
  readonly problems: Findings<VerifyProblem>;
  readonly warnings: Findings<VerifyWarning>;
  readonly bytes: number;
  /** A log whose making was cut short, before anything was promised. */
  readonly isUnmade: boolean;
}

const TAIL_ATTEMPTS = 5;
const SWAP_ATTEMPTS = 5;

export async function inspectLog(
  fileSystem: FileSystem,
  directory: string,
  options: InspectionOptions = {},
): Promise<LogInspection> {
  try {
    return await inspectUndisturbed(fileSystem, directory, options);
  } catch (error) {
    const isOfSystem = errnoOf(error)?.startsWith('E') === true && isSystemError(error);
    throw isOfSystem ? fromSystem(error, directory) : error;
  }
}

/** A writer may replace segments meanwhile: what seems wrong then is looked at again. */
async function inspectUndisturbed(
  fileSystem: FileSystem,
  directory: string,
  options: InspectionOptions,
): Promise<LogInspection> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await segmentsSeen(fileSystem, directory);
    const isDisturbed = async (): Promise<boolean> =>
      attempt < SWAP_ATTEMPTS && (await segmentsSeen(fileSystem, directory)) !== before;
    try {
      const inspection = await new LogInspector(fileSystem, directory, options).run();
      if (inspection.problems.count === 0 || !(await isDisturbed())) return inspection;
    } catch (error) {
      const isGone = errnoOf(error) === 'ENOENT' || hasCode(error, 'IO_FAILED');
      if (!isGone || !(await isDisturbed())) throw error;
    }
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && error.name === 'Error';
}

class LogInspector {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #options: InspectionOptions;
  readonly #problems = new Findings<VerifyProblem>();
  readonly #warnings = new Findings<VerifyWarning>();
  #bytesTotal = 0;
  #bytesDone = 0;

  constructor(fileSystem: FileSystem, directory: string, options: InspectionOptions) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#options = options;
  }

  async run(): Promise<LogInspection> {
    this.#options.signal?.throwIfAborted();
    const found = { problems: new Findings<VerifyProblem>(), warnings: this.#warnings };
    const read = await readLogFacts(this.#fileSystem, this.#directory, found);
    if (read.folder.kind === 'absent')
      throw createError('LOG_NOT_FOUND', { path: this.#directory });
    const isUnmade = await this.#isUnmade(read);
    if (isUnmade) return this.#unmade(read);
    if (read.folder.kind === 'empty') throw createError('LOG_NOT_FOUND', { path: this.#directory });
    this.#problems.addAll(found.problems);
    const bases = await this.#plan(read);
    const segments: SegmentInspection[] = [];
    let facts = read;
    let tornFrom: number | undefined;
    for (const [index, baseOffset] of bases.entries()) {
      const nextBase = bases[index + 1];
      if (nextBase === undefined) {
        const last = await this.#inspectLast(facts, baseOffset);
        facts = last.facts;
        tornFrom = last.tornFrom;
        segments.push(last.inspection);
      } else {
        const inspection = await this.#inspect(facts, baseOffset, nextBase, true);
        if (inspection !== 'deleted') segments.push(inspection);
      }
    }
    for (const segment of segments) this.#noteSegment(segment);
    const missing = missingOffsets(await this.#latestStart(facts, segments), segments);
    for (const range of missing) this.#noteMissing(range);
    this.#compareWatermark(facts, segments.at(-1));
    return this.#result(facts, segments, missing, tornFrom);
  }

  #result(
    facts: LogFacts,
    segments: readonly SegmentInspection[],
    missing: readonly MissingOffsets[],
    tornFrom: number | undefined,
  ): LogInspection {
    const bytes = this.#bytesDone;
    const problems = this.#problems;
    const warnings = this.#warnings;
    return { facts, segments, missing, tornFrom, problems, warnings, bytes, isUnmade: false };
  }

  /** `log.json` comes last when a log is made: before that it holds nothing. */
  async #isUnmade(facts: LogFacts): Promise<boolean> {
    const { folder, watermark } = facts;
    const [only, ...others] = folder.segments;
    if (folder.hasOptions || others.length > 0) return false;
    if (only === undefined) return watermark.kind !== 'absent';
    if (only.baseOffset !== 0) return false;
    const path = segmentPath(this.#directory, 0, 'log');
    return (await this.#fileSystem.facts(path))?.bytes === 0;
  }

  #unmade(facts: LogFacts): LogInspection {
    const reason = 'making this log was cut short; the next open makes it again';
    const file = this.#directory;
    this.#warnings.add({ code: 'CREATION_UNFINISHED', file, position: 0, reason });
    return { ...this.#result(facts, [], [], undefined), isUnmade: true };
  }

  /** Bases to look at, in order; what lies below the log start is about to go. */
  async #plan(facts: LogFacts): Promise<readonly number[]> {
    const bases = facts.folder.segments.map(({ baseOffset }) => baseOffset);
    const below = new Set(segmentsBelow(bases, facts.mark?.startOffset ?? 0));
    const kept = bases.filter((base) => !below.has(base));
    for (const base of below) {
      const file = segmentPath(this.#directory, base, 'log');
      const reason = 'it lies below the log start; the next open removes it';
      this.#warnings.add({ code: 'LEFTOVER', file, position: 0, offset: base, reason });
    }
    for (const base of kept) {
      const names = facts.folder.segments.find(({ baseOffset }) => baseOffset === base);
      const path = Segment.listed(this.#directory, names ?? { baseOffset: base }).logPath;
      this.#bytesTotal += (await this.#fileSystem.facts(path))?.bytes ?? 0;
    }
    return kept;
  }

  async #inspect(
    facts: LogFacts,
    baseOffset: number,
    nextBase: number | undefined,
    isSealed: boolean,
  ): Promise<SegmentInspection | 'deleted'> {
    const { signal, onProgress } = this.#options;
    const before = this.#bytesDone;
    const tell = (position: number): void => {
      signal?.throwIfAborted();
      onProgress?.({ bytes: before + position, bytesTotal: this.#bytesTotal });
    };
    try {
      const task = { facts, baseOffset, nextBase, isSealed, onProgress: tell };
      const inspection = await inspectSegment(this.#fileSystem, task);
      this.#bytesDone = before + inspection.fileBytes;
      this.#bytesTotal = Math.max(this.#bytesTotal, this.#bytesDone);
      onProgress?.({ bytes: this.#bytesDone, bytesTotal: this.#bytesTotal });
      return inspection;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || nextBase === undefined) throw error;
      const start = (await this.#readMark())?.startOffset ?? 0;
      if (start >= nextBase) return 'deleted';
      throw error;
    }
  }

  /** The last segment, whose end a live writer may move while this looks. */
  async #inspectLast(
    read: LogFacts,
    baseOffset: number,
  ): Promise<{
    readonly facts: LogFacts;
    readonly inspection: SegmentInspection;
    readonly tornFrom: number | undefined;
  }> {
    let facts = read;
    const before = this.#bytesDone;
    for (let attempt = 1; ; attempt += 1) {
      this.#bytesDone = before;
      const { mark } = facts;
      const isSealed = mark?.isClean === true && mark.segmentBase === baseOffset;
      const inspection = await this.#inspect(facts, baseOffset, undefined, isSealed);
      if (inspection === 'deleted') throw createError('LOG_NOT_FOUND', { path: this.#directory });
      const tornFrom = await this.#tornFrom(mark, inspection);
      const isFine = inspection.survey.pieces.every(({ kind }) => kind === 'valid');
      const latest = await this.#readMark();
      const hasMoved = latest !== undefined && latest.sequence !== mark?.sequence;
      if (!isFine && hasMoved && attempt < TAIL_ATTEMPTS) {
        facts = { ...facts, mark: latest, watermark: await this.#watermark() };
        continue;
      }
      if (tornFrom === undefined) return { facts, inspection, tornFrom };
      this.#noteTorn(inspection, tornFrom);
      return { facts, inspection: cutTail(inspection, tornFrom), tornFrom };
    }
  }

  async #watermark(): Promise<LogFacts['watermark']> {
    return await readWatermark(this.#fileSystem, this.#directory);
  }

  async #readMark(): Promise<Watermark | undefined> {
    const verdict = await this.#watermark();
    return verdict.kind === 'present' ? verdict.watermark : undefined;
  }

  /** Where a torn tail begins, by the rule of recovery; undefined when there is none. */
  async #tornFrom(
    mark: Watermark | undefined,
    inspection: SegmentInspection,
  ): Promise<number | undefined> {
    const damage = inspection.survey.pieces.find(({ kind }) => kind === 'damage');
    if (mark === undefined || damage === undefined || damage.kind !== 'damage') return undefined;
    const isOwn = mark.segmentBase === inspection.baseOffset;
    const markAt = isOwn ? mark.position : mark.segmentBase < inspection.baseOffset ? 0 : Infinity;
    if (damage.from < markAt) return undefined;
    const file = await this.#fileSystem.open(inspection.logPath);
    try {
      const range = { from: damage.from, to: inspection.fileBytes };
      const found = await searchBatches(file, range, damage.offset);
      const flightEnd = damage.from + mark.unsyncedBytesMax;
      const verdict = judgeInvalidBytes({
        isClean: mark.isClean,
        isActive: true,
        watermark: 'present',
        isBelowWatermark: damage.from < markAt,
        isBeyondFlight: found.some((batch) => batch.position + batch.bytes > flightEnd),
      });
      return verdict === 'torn' ? damage.from : undefined;
    } finally {
      await file.close();
    }
  }

  #noteTorn(inspection: SegmentInspection, position: number): void {
    const damage = inspection.survey.pieces.find(({ from }) => from === position);
    this.#warnings.add({
      code: 'TORN_TAIL',
      file: inspection.logPath,
      position,
      offset: damage?.kind === 'damage' ? damage.offset : undefined,
      reason: 'bytes behind the watermark that are no batch: in flight, or torn by a crash',
      actual: inspection.fileBytes - position,
    });
  }

  #noteSegment(segment: SegmentInspection): void {
    for (const piece of segment.survey.pieces) {
      if (piece.kind === 'damage') this.#problems.add(problemOf(segment.logPath, piece));
    }
    this.#problems.addAll(segment.sealProblems);
    this.#warnings.addAll(segment.warnings);
  }

  /** The start may have moved since, and the files below it gone. */
  async #latestStart(facts: LogFacts, segments: readonly SegmentInspection[]): Promise<LogFacts> {
    const { mark } = facts;
    if (mark === undefined || (segments[0]?.baseOffset ?? 0) <= mark.startOffset) return facts;
    const latest = await this.#readMark();
    if (latest === undefined) return facts;
    return { ...facts, mark: { ...mark, startOffset: latest.startOffset } };
  }

  #noteMissing({ from, to, segment }: MissingOffsets): void {
    const file = segment?.logPath ?? segmentPath(this.#directory, from, 'log');
    const position = segment?.fileBytes ?? 0;
    const place = { file, position, offset: from, expected: to, actual: from };
    if (to === from)
      this.#problems.add({ code: 'FILE_MISSING', ...place, reason: 'it is missing' });
    else {
      const reason = `offsets ${from} to ${to - 1} are missing`;
      this.#problems.add({ code: 'OFFSETS_MISSING', ...place, reason });
    }
  }

  /** A watermark behind which nothing is wrong must agree with the log. */
  #compareWatermark(facts: LogFacts, last: SegmentInspection | undefined): void {
    const { mark } = facts;
    if (mark === undefined || last === undefined || mark.segmentBase !== last.baseOffset) return;
    if (last.survey.pieces.some(({ kind }) => kind === 'damage')) return;
    const file = join(this.#directory, sideFiles.watermark);
    const problem = { code: 'WATERMARK_DIFFERS', file, position: 0 } as const;
    const bytes = last.survey.pieces.at(-1)?.to ?? 0;
    if (mark.position > bytes || (mark.isClean && mark.position !== bytes)) {
      const reason = 'the log ends at another position';
      this.#problems.add({ ...problem, reason, expected: mark.position, actual: bytes });
    }
    const { nextOffset } = last.survey;
    if (mark.isClean && mark.durableOffset < nextOffset) {
      const reason = 'the log ends at another offset';
      this.#problems.add({ ...problem, reason, expected: mark.durableOffset, actual: nextOffset });
    }
  }
}

function problemOf(file: string, damage: DamagedRange): VerifyProblem {
  const { from: position, offset, reason, expected, actual } = damage;
  const code = reason.startsWith('records: ') ? 'RECORDS_INVALID' : 'BATCH_INVALID';
  return { code, file, position, offset, reason, expected, actual };
}

/** The inspection as far as the torn tail. */
function cutTail(inspection: SegmentInspection, tornFrom: number): SegmentInspection {
  const pieces = inspection.survey.pieces.filter(({ from }) => from < tornFrom);
  const last = pieces.at(-1);
  const nextOffset = last?.kind === 'valid' ? last.nextOffset : inspection.baseOffset;
  return { ...inspection, survey: { pieces, nextOffset } };
}
