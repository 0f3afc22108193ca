/**
 * Surveys the batches of a segment to its end: what is valid, what is damaged, where it goes on.
 *
 * Recovery stops at the first invalid byte; verify and repair must know what lies behind it. Behind
 * damage the next valid batch is where the damaged one ends by its own length, if the offsets prove
 * that nothing lies in between, and otherwise wherever magic, checksum, offset and epoch say so.
 *
 * Base offset, length, epoch and magic lie outside a batch's checksum. When they alone are damaged,
 * the batches around say what they were: the range is then *healable*, and nothing in it is lost.
 * An epoch that was once in use is left alone, because such bytes may be stale ones.
 */

import { readUint32, writeInt8, writeInt32 } from '../base/bytes.js';
import { crc32c } from '../base/crc32c.js';
import type { ReadableFile } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { inspectBatch } from './batch-decoder.js';
import {
  CRC_POSITION,
  CRC_START,
  HEADER_BYTES,
  LENGTH_END,
  LENGTH_POSITION,
  MAGIC,
  MAGIC_POSITION,
} from './batch-format.js';
import {
  batchBaseOffset,
  batchBytes,
  batchEpoch,
  batchLastOffsetDelta,
  batchNextOffset,
  stampBaseOffset,
  stampEpoch,
} from './batch-header.js';
import { type BatchFault, continuityFault } from './batch-scan.js';
import type { Epochs } from './epochs.js';
import { FileWindow } from './verify-window.js';

export interface ValidRun {
  readonly kind: 'valid';
  readonly from: number;
  to: number;
  readonly baseOffset: number;
  nextOffset: number;
}

export interface DamagedRange extends BatchFault {
  readonly kind: 'damage';
  readonly from: number;
  readonly to: number;
  /** The offset that should have come next. */
  readonly offset: number;
  /** Base offset of the valid batch behind the range; undefined when none follows. */
  readonly resumeOffset: number | undefined;
  /** The range is one whole batch but for the header fields outside its checksum. */
  readonly heal: HealedHeader | undefined;
}

export interface HealedHeader {
  readonly baseOffset: number;
  readonly nextOffset: number;
  /** Undefined when the epoch is to stay as it is. */
  readonly epoch: number | undefined;
}

export interface Survey {
  readonly pieces: readonly (ValidRun | DamagedRange)[];
  /** Behind the last valid or healable batch. */
  readonly nextOffset: number;
}

export interface SurveyExpectation {
  readonly baseOffset: number;
  /** No batch of the segment may reach beyond: the next segment starts there. */
  readonly offsetEnd: number;
  readonly hasGaps: boolean;
  readonly epochs: Epochs | undefined;
}

/** Looks at each valid batch, in memory that is used again; a fault makes it count as damaged. */
export type SurveyVisit = (
  bytes: Buffer,
  start: number,
  count: number,
  position: number,
) => BatchFault | undefined;

type Place = 'valid' | 'load' | BatchFault;

/** Surveys the first `to` bytes. `onLoad` is told how far it is, and may throw to end it. */
export function surveyBatches(
  file: ReadableFile,
  to: number,
  expectation: SurveyExpectation,
  visit: SurveyVisit,
  onLoad?: (position: number) => void,
): Promise<Survey> {
  return new Surveyor(file, to, expectation, visit, onLoad).run();
}

class Surveyor {
  readonly #to: number;
  readonly #expectation: SurveyExpectation;
  readonly #visit: SurveyVisit;
  readonly #window: FileWindow;
  readonly #pieces: (ValidRun | DamagedRange)[] = [];
  #nextOffset: number;

  constructor(
    file: ReadableFile,
    to: number,
    expectation: SurveyExpectation,
    visit: SurveyVisit,
    onLoad: ((position: number) => void) | undefined,
  ) {
    this.#to = to;
    this.#expectation = expectation;
    this.#visit = visit;
    this.#window = new FileWindow(file, to, onLoad);
    this.#nextOffset = expectation.baseOffset;
  }

  async run(): Promise<Survey> {
    let position = 0;
    while (position < this.#to) {
      let place = this.#placeAt(position);
      // Once for the header, once more for a batch that is larger than a chunk.
      for (let loads = 0; place === 'load' && loads < 2; loads += 1) {
        await this.#window.load(position, this.#bytesAt(position));
        place = this.#placeAt(position);
      }
      if (place === 'load') place = { reason: 'the file ends early' };
      position = place === 'valid' ? this.#accept(position) : await this.#pass(position, place);
    }
    return { pieces: this.#pieces, nextOffset: this.#nextOffset };
  }

  /** What lies at `position`, as far as the window shows it. */
  #placeAt(position: number): Place {
    const available = this.#window.available(position);
    const left = this.#to - position;
    if (available < Math.min(HEADER_BYTES, left)) return 'load';
    const { bytes } = this.#window;
    const start = this.#window.startOf(position);
    const outcome = inspectBatch(bytes, start, available);
    if (outcome === 'need-more-bytes') {
      if (left < HEADER_BYTES) return { reason: 'the file ends within a header', actual: left };
      const expected = batchBytes(bytes, start);
      if (expected > left)
        return { reason: 'the file ends within a batch', expected, actual: left };
      return 'load';
    }
    if (outcome !== 'batch') return { reason: outcome };
    const { hasGaps, epochs, offsetEnd } = this.#expectation;
    const next = batchNextOffset(bytes, start);
    const nextOffset = this.#nextOffset;
    const fault = continuityFault(bytes, start, { nextOffset, hasGaps, epochs });
    if (fault !== undefined) return fault;
    if (next <= offsetEnd) return 'valid';
    return { reason: 'the batch reaches beyond its segment', expected: offsetEnd, actual: next };
  }

  /** Bytes that the window needs to show what starts at `position`. */
  #bytesAt(position: number): number {
    if (this.#window.available(position) < HEADER_BYTES) return HEADER_BYTES;
    const bytes = batchBytes(this.#window.bytes, this.#window.startOf(position));
    return Math.max(HEADER_BYTES, Math.min(bytes, limits.batchBytesMax));
  }

  #accept(position: number): number {
    const { bytes } = this.#window;
    const start = this.#window.startOf(position);
    const count = batchBytes(bytes, start);
    const baseOffset = batchBaseOffset(bytes, start);
    const nextOffset = batchNextOffset(bytes, start);
    const to = position + count;
    const fault = this.#visit(bytes, start, count, position);
    if (fault !== undefined) {
      const offset = this.#nextOffset;
      const damage = { kind: 'damage', from: position, to, offset } as const;
      this.#pieces.push({ ...damage, resumeOffset: nextOffset, heal: undefined, ...fault });
    } else {
      const last = this.#pieces.at(-1);
      if (last?.kind === 'valid' && last.to === position) {
        last.to = to;
        last.nextOffset = nextOffset;
      } else {
        this.#pieces.push({ kind: 'valid', from: position, to, baseOffset, nextOffset });
      }
    }
    this.#nextOffset = nextOffset;
    return to;
  }

  /** Notes the damage at `from` and finds where the log goes on. */
  async #pass(from: number, fault: BatchFault): Promise<number> {
    const offset = this.#nextOffset;
    const to = (await this.#behindLength(from)) ?? (await this.#search(from + 1)) ?? this.#to;
    const resumeOffset = to < this.#to ? await this.#baseOffsetAt(to) : undefined;
    const heal = await this.#heal(from, to, resumeOffset);
    this.#pieces.push({ kind: 'damage', from, to, offset, resumeOffset, heal, ...fault });
    this.#nextOffset = resumeOffset ?? heal?.nextOffset ?? offset;
    return to;
  }

  async #baseOffsetAt(position: number): Promise<number> {
    if (this.#window.available(position) < HEADER_BYTES) {
      await this.#window.load(position, HEADER_BYTES);
    }
    return batchBaseOffset(this.#window.bytes, this.#window.startOf(position));
  }

  /** The end of the damaged batch by its own length, when its successor's offset confirms it. */
  async #behindLength(from: number): Promise<number | undefined> {
    if (this.#expectation.hasGaps || this.#to - from < HEADER_BYTES) return undefined;
    if (this.#window.available(from) < HEADER_BYTES) await this.#window.load(from, HEADER_BYTES);
    if (this.#window.available(from) < HEADER_BYTES) return undefined;
    const start = this.#window.startOf(from);
    const count = batchBytes(this.#window.bytes, start);
    const delta = batchLastOffsetDelta(this.#window.bytes, start);
    const position = from + count;
    if (count < HEADER_BYTES || position + HEADER_BYTES > this.#to) return undefined;
    if (!(await this.#isBatch(position))) return undefined;
    const next = await this.#baseOffsetAt(position);
    return next === this.#nextOffset + delta + 1 ? position : undefined;
  }

  /** The next position from `from` on where a batch starts that may belong here. */
  async #search(from: number): Promise<number | undefined> {
    let position = from;
    while (position + HEADER_BYTES <= this.#to) {
      const available = this.#window.available(position);
      if (available < HEADER_BYTES) {
        await this.#window.load(position, HEADER_BYTES);
        if (this.#window.available(position) < HEADER_BYTES) return undefined;
        continue;
      }
      const { bytes } = this.#window;
      const start = this.#window.startOf(position);
      const last = start + available - HEADER_BYTES;
      let at = start;
      // Most bytes are told apart by the magic alone.
      while (at <= last && bytes[at + MAGIC_POSITION] !== MAGIC) at += 1;
      position += at - start;
      if (at > last) continue;
      if (await this.#isBatch(position)) return position;
      position += 1;
    }
    return undefined;
  }

  /** Whether a valid batch that may belong behind the damage starts at `position`. */
  async #isBatch(position: number): Promise<boolean> {
    let candidate = this.#candidateAt(position);
    for (let loads = 0; candidate === 'load' && loads < 2; loads += 1) {
      await this.#window.load(position, this.#bytesAt(position));
      candidate = this.#candidateAt(position);
    }
    return candidate === 'yes';
  }

  #candidateAt(position: number): 'yes' | 'no' | 'load' {
    const available = this.#window.available(position);
    if (available < HEADER_BYTES) return 'load';
    const { bytes } = this.#window;
    const start = this.#window.startOf(position);
    const outcome = inspectBatch(bytes, start, available);
    if (outcome !== 'batch' && outcome !== 'need-more-bytes') return 'no';
    const { epochs, offsetEnd } = this.#expectation;
    const baseOffset = batchBaseOffset(bytes, start);
    if (baseOffset < this.#nextOffset || batchNextOffset(bytes, start) > offsetEnd) return 'no';
    const epoch = epochs?.at(baseOffset) ?? -1;
    if (epoch !== -1 && epoch !== batchEpoch(bytes, start)) return 'no';
    if (outcome === 'batch') return 'yes';
    return position + batchBytes(bytes, start) <= this.#to ? 'load' : 'no';
  }

  /** The header that makes [from, to) a valid batch, when its checksum agrees. */
  async #heal(
    from: number,
    to: number,
    resumeOffset: number | undefined,
  ): Promise<HealedHeader | undefined> {
    const count = to - from;
    const { hasGaps, epochs, offsetEnd } = this.#expectation;
    if (hasGaps || count < HEADER_BYTES || count > limits.batchBytesMax) return undefined;
    if (this.#window.available(from) < count) await this.#window.load(from, count);
    if (this.#window.available(from) < count) return undefined;
    const start = this.#window.startOf(from);
    const { bytes } = this.#window;
    const baseOffset = this.#nextOffset;
    const nextOffset = baseOffset + batchLastOffsetDelta(bytes, start) + 1;
    if (nextOffset <= baseOffset || nextOffset > (resumeOffset ?? offsetEnd)) return undefined;
    if (resumeOffset !== undefined && nextOffset !== resumeOffset) return undefined;
    const crc = crc32c(bytes, start + CRC_START, start + count);
    if (readUint32(bytes, start + CRC_POSITION) !== crc) {
      return undefined;
    }
    const epoch = epochs?.at(baseOffset) ?? -1;
    const actual = batchEpoch(bytes, start);
    if (epoch === -1 || epoch === actual) return { baseOffset, nextOffset, epoch: undefined };
    const isStale = actual >= 0 && actual <= (epochs?.current ?? -1);
    return isStale ? undefined : { baseOffset, nextOffset, epoch };
  }
}

/** Gives the whole batch in `bytes` the header fields that its checksum does not cover. */
export function healHeader(bytes: Uint8Array, header: HealedHeader): void {
  stampBaseOffset(bytes, 0, header.baseOffset);
  writeInt32(bytes, LENGTH_POSITION, bytes.length - LENGTH_END);
  writeInt8(bytes, MAGIC_POSITION, MAGIC);
  if (header.epoch !== undefined) stampEpoch(bytes, 0, header.epoch);
}
