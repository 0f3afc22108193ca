/**
 * Inspects one segment: its batches down to the records, its seal and its indexes.
 *
 * It says what is there and judges it against itself; what an invalid byte means for the log is
 * decided by whoever sees all segments.
 */

import { crc32c } from '../base/crc32c.js';
import type { FileSystem } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { ENTRY_VALUE_MAX, OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES } from '../index/index-format.js';
import { verifyRecords } from './batch-decoder.js';
import { HEADER_BYTES } from './batch-format.js';
import {
  batchBaseOffset,
  batchCount,
  batchEpoch,
  batchLastOffset,
  batchMaxTimestamp,
} from './batch-header.js';
import type { BatchFault } from './batch-scan.js';
import type { EpochStart } from './epochs.js';
import { readSmallFile } from './log-folder.js';
import { decodeSeal, SEAL_BYTES_MAX, type Seal } from './seal.js';
import { Segment } from './segment.js';
import type { SegmentSuffix } from './segment-files.js';
import type { LogFacts } from './verify-facts.js';
import {
  type IndexFault,
  OffsetIndexCheck,
  TimeIndexCheck,
  withoutZeroEntries,
} from './verify-index.js';
import {
  Findings,
  type ProblemCode,
  type VerifyProblem,
  type VerifyWarning,
} from './verify-report.js';
import { type Survey, surveyBatches } from './verify-survey.js';

/** What the seal says of each index. */
const sealedChecksums = {
  offsetIndex: (seal: Seal): number => seal.indexCrc,
  timeIndex: (seal: Seal): number => seal.timeIndexCrc,
  txnIndex: (seal: Seal): number => seal.txnIndexCrc,
};

export interface SegmentInspection {
  readonly baseOffset: number;
  readonly logPath: string;
  readonly fileBytes: number;
  readonly hasGaps: boolean;
  readonly survey: Survey;
  /** Undefined when it is absent, damaged, of another log, or not to be believed yet. */
  readonly seal: Seal | undefined;
  readonly batches: number;
  readonly records: number;
  readonly maxTimestamp: number;
  readonly epochStarts: readonly EpochStart[];
  /** Problems of the seal and the indexes: writing them anew is the cure. */
  readonly sealProblems: Findings<VerifyProblem>;
  readonly warnings: Findings<VerifyWarning>;
}

export interface SegmentTask {
  readonly facts: LogFacts;
  readonly baseOffset: number;
  /** Base offset of the next segment; undefined for the last one. */
  readonly nextBase: number | undefined;
  /** Whether the seal must be there and fit: not for a segment that is being written. */
  readonly isSealed: boolean;
  /** Told how many bytes of the file are behind; may throw to end the inspection. */
  readonly onProgress: (position: number) => void;
}

export async function inspectSegment(
  fileSystem: FileSystem,
  task: SegmentTask,
): Promise<SegmentInspection> {
  const inspector = new SegmentInspector(fileSystem, task);
  return await inspector.run();
}

class SegmentInspector {
  readonly #fileSystem: FileSystem;
  readonly #task: SegmentTask;
  /** Under which names the files lie. */
  readonly #files: Segment;
  readonly #logPath: string;
  readonly #problems = new Findings<VerifyProblem>();
  readonly #warnings = new Findings<VerifyWarning>();
  readonly #epochStarts: EpochStart[] = [];
  #offsets: OffsetIndexCheck | undefined;
  #times: TimeIndexCheck | undefined;
  #batches = 0;
  #records = 0;
  #maxTimestamp = -1;
  #headersCrc = 0;
  #position = 0;

  constructor(fileSystem: FileSystem, task: SegmentTask) {
    this.#fileSystem = fileSystem;
    this.#task = task;
    const { folder } = task.facts;
    const names = folder.segments.find(({ baseOffset }) => baseOffset === task.baseOffset);
    this.#files = Segment.listed(folder.directory, names ?? task);
    this.#logPath = this.#path('log');
  }

  async run(): Promise<SegmentInspection> {
    const { facts, baseOffset, nextBase, onProgress } = this.#task;
    const seal = await this.#readSeal();
    await this.#openIndexes(seal);
    const hasGaps = seal?.hasGaps ?? (facts.isForeign || (facts.mark?.isEverCompacted ?? false));
    const reach = baseOffset + ENTRY_VALUE_MAX + 1;
    const offsetEnd = Math.min(nextBase ?? Number.POSITIVE_INFINITY, reach);
    const file = await this.#fileSystem.open(this.#logPath);
    try {
      const fileBytes = await file.size();
      const survey = await surveyBatches(
        file,
        fileBytes,
        { baseOffset, offsetEnd, hasGaps, epochs: facts.epochs },
        (bytes, start, count, position) => this.#visit(bytes, start, count, position),
        onProgress,
      );
      const isWhole = survey.pieces.every(({ kind }) => kind === 'valid');
      if (seal !== undefined) this.#compareSeal(seal, fileBytes, isWhole, survey);
      this.#closeIndexes(survey);
      return {
        baseOffset,
        logPath: this.#logPath,
        fileBytes,
        hasGaps,
        survey,
        seal,
        batches: this.#batches,
        records: this.#records,
        maxTimestamp: this.#maxTimestamp,
        epochStarts: this.#epochStarts,
        sealProblems: this.#problems,
        warnings: this.#warnings,
      };
    } finally {
      await file.close();
    }
  }

  #path(suffix: SegmentSuffix): string {
    return this.#files.path(suffix);
  }

  async #readSeal(): Promise<Seal | undefined> {
    const { facts, isSealed, baseOffset } = this.#task;
    if (!isSealed || facts.isForeign) return undefined;
    const file = this.#path('seal');
    const bytes = await readSmallFile(this.#fileSystem, file, SEAL_BYTES_MAX).catch(() => 'large');
    if (bytes === undefined) {
      this.#problem('SEAL_ABSENT', file, { position: 0, reason: 'the file is missing' });
      return undefined;
    }
    const seal = bytes instanceof Uint8Array ? decodeSeal(bytes) : 'invalid';
    if (seal === 'invalid') {
      this.#problem('SEAL_INVALID', file, { position: 0, reason: 'it is damaged' });
      return undefined;
    }
    if (seal.logId === facts.logId && seal.baseOffset === baseOffset) return seal;
    this.#problem('SEAL_INVALID', file, { position: 0, reason: 'it belongs to another segment' });
    return undefined;
  }

  async #openIndexes(seal: Seal | undefined): Promise<void> {
    const { facts, isSealed, baseOffset } = this.#task;
    if (!isSealed && !facts.isForeign) return;
    const offsets = await this.#readIndex('offsetIndex', limits.indexBytesMax, seal);
    const times = await this.#readIndex('timeIndex', limits.indexBytesMax * 2, seal);
    if (seal !== undefined && seal.txnIndexBytes > 0) {
      await this.#readIndex('txnIndex', limits.sideFileBytesMax, seal);
    }
    const { isForeign } = facts;
    if (offsets !== undefined) {
      const bytes = isForeign ? withoutZeroEntries(offsets, OFFSET_ENTRY_BYTES) : offsets;
      this.#offsets = new OffsetIndexCheck(bytes, baseOffset, !isForeign);
    }
    if (times !== undefined) {
      const bytes = isForeign ? withoutZeroEntries(times, TIME_ENTRY_BYTES) : times;
      this.#times = new TimeIndexCheck(bytes, baseOffset);
    }
  }

  async #readIndex(
    suffix: keyof typeof sealedChecksums,
    bytesMax: number,
    seal: Seal | undefined,
  ): Promise<Uint8Array | undefined> {
    const file = this.#path(suffix);
    const bytes = await readSmallFile(this.#fileSystem, file, bytesMax).catch(() => 'large');
    if (bytes === undefined) {
      if (this.#task.facts.isForeign) return undefined;
      this.#problem('INDEX_ABSENT', file, { position: 0, reason: 'the file is missing' });
      return undefined;
    }
    if (!(bytes instanceof Uint8Array)) {
      this.#problem('INDEX_INVALID', file, { position: 0, reason: 'the file is too large' });
      return undefined;
    }
    if (seal !== undefined) {
      const expected = sealedChecksums[suffix](seal);
      const actual = crc32c(bytes, 0, bytes.length);
      const reason = 'its checksum is not the one in the seal';
      if (actual !== expected) {
        this.#problem('INDEX_DIFFERS', file, { position: 0, reason, expected, actual });
      }
    }
    return bytes;
  }

  #visit(bytes: Buffer, start: number, count: number, position: number): BatchFault | undefined {
    const fault = this.#recordsFault(bytes, start, position) ?? this.#epochFault(bytes, start);
    if (fault !== undefined) return fault;
    const baseOffset = batchBaseOffset(bytes, start);
    const lastOffset = batchLastOffset(bytes, start);
    const records = batchCount(bytes, start);
    const maxTimestamp = batchMaxTimestamp(bytes, start);
    const isEmpty = records === 0;
    const seen = { position, baseOffset, lastOffset, maxTimestamp, isEmpty };
    if (position !== this.#position) {
      this.#offsets?.skip(this.#position, position);
      this.#times?.skip();
    }
    this.#offsets?.batch(seen);
    this.#times?.batch(seen);
    this.#position = position + count;
    this.#batches += 1;
    this.#records += records;
    if (!isEmpty) this.#maxTimestamp = Math.max(this.#maxTimestamp, maxTimestamp);
    this.#headersCrc = crc32c(bytes, start, start + HEADER_BYTES, this.#headersCrc);
    return undefined;
  }

  /** Records that the checksum vouches for and that are none are damage; unknown codecs are not. */
  #recordsFault(bytes: Buffer, start: number, position: number): BatchFault | undefined {
    const verdict = verifyRecords(bytes, start, this.#logPath, position - start);
    if (verdict.outcome === 'valid') return undefined;
    const { code, facts } = verdict.error;
    if (code === 'LOG_CORRUPT' || code === 'DECOMPRESSION_FAILED') {
      return { reason: `records: ${String(facts['reason'] ?? code)}` };
    }
    this.#warnings.add({
      code: code === 'CODEC_UNAVAILABLE' ? 'CODEC_UNAVAILABLE' : 'RECORDS_UNCHECKED',
      file: this.#logPath,
      position,
      offset: batchBaseOffset(bytes, start),
      reason: verdict.error.message,
    });
    return undefined;
  }

  /** Without a table epochs must rise at least. */
  #epochFault(bytes: Buffer, start: number): BatchFault | undefined {
    const epoch = batchEpoch(bytes, start);
    const last = this.#epochStarts.at(-1)?.epoch ?? -1;
    if (epoch > last) {
      this.#epochStarts.push({ epoch, startOffset: batchBaseOffset(bytes, start) });
    }
    const { epochs, isForeign } = this.#task.facts;
    if (epochs !== undefined || isForeign || epoch >= last) return undefined;
    return { reason: 'the epoch falls', expected: last, actual: epoch };
  }

  #compareSeal(seal: Seal, fileBytes: number, isWhole: boolean, survey: Survey): void {
    const file = this.#path('seal');
    const compare = (what: string, expected: number, actual: number): void => {
      if (expected === actual) return;
      const reason = `${what} differ`;
      this.#problem('SEAL_DIFFERS', file, { position: 0, reason, expected, actual });
    };
    compare('the bytes of the log', seal.logBytes, fileBytes);
    // Damage is named once: what follows from it is not.
    if (!isWhole || seal.logBytes !== fileBytes) return;
    compare('the batches', seal.batches, this.#batches);
    compare('the records', seal.records, this.#records);
    compare('the end offsets', seal.nextOffset, survey.nextOffset);
    compare('the largest timestamps', seal.maxTimestamp, this.#maxTimestamp);
    compare('the checksums of the headers', seal.headersCrc, this.#headersCrc);
  }

  #closeIndexes(survey: Survey): void {
    const end = survey.pieces.at(-1)?.to ?? 0;
    if (this.#position < end) {
      this.#offsets?.skip(this.#position, end);
      this.#times?.skip();
    }
    const note = (file: string, faults: readonly IndexFault[]): void => {
      for (const fault of faults) this.#problem('INDEX_INVALID', file, fault);
    };
    note(this.#path('offsetIndex'), this.#offsets?.end() ?? []);
    note(this.#path('timeIndex'), this.#times?.end() ?? []);
  }

  #problem(code: ProblemCode, file: string, fault: IndexFault): void {
    this.#problems.add({ code, file, offset: this.#task.baseOffset, ...fault });
  }
}
