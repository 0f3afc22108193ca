/**
 * What the parts of one open log share: identity, state and the doors to the outside.
 *
 * Data and small accessors only. The appender moves the ends, the log moves the start and edits the
 * segment list; readers look.
 */

import type { Clock } from '../base/clock.js';
import type { FileSystem } from '../base/file-system.js';
import type { Epochs } from './epochs.js';
import type { LogConfig } from './log-config.js';
import type { LogOffsets } from './log-offsets.js';
import type { ProducerStates } from './producer-states.js';
import type { Segment } from './segment.js';
import type { SegmentList } from './segment-list.js';
import type { Writer } from './writer.js';

/** A place in the files: everything before it belongs to the end that it marks. */
export interface LogPosition {
  readonly segmentBase: number;
  readonly position: number;
}

export interface LogCore {
  readonly directory: string;
  readonly logId: string;
  readonly clock: Clock;
  readonly fileSystem: FileSystem;
  readonly segments: SegmentList;
  readonly offsets: LogOffsets;
  config: LogConfig;
  epochs: Epochs;
  /** No record before the active segment is newer; -1 when none of them has a time. */
  runningMaxBefore: number;
  isEverCompacted: boolean;
  /** Everything below was compacted by earlier passes; at or above the log start, or below it. */
  firstDirtyOffset: number;
  /** Producers and their transactions, as the batches say that were placed so far. */
  producers: ProducerStates;
  /** Where the durable and the written end lie in the files. */
  durableAt: LogPosition;
  writtenAt: LogPosition;
}

export interface WritableLogCore extends LogCore {
  readonly writer: Writer;
  readonly nonce: bigint;
  /** When the log was made, milliseconds since 1970. */
  readonly createdMs: number;
  /** 32 hexadecimal digits. */
  readonly bootId: string;
  /** CRC-32C of `leader-epoch-checkpoint` as it lies on the disk. */
  epochsCrc: number;
}

/** How many bytes of `segment` lie before `place`; undefined means the whole file. */
export function visibleBytes(segment: Segment, place: LogPosition): number | undefined {
  if (segment.baseOffset < place.segmentBase)
    return segment.totals?.bytes ?? segment.seal?.logBytes;
  return segment.baseOffset === place.segmentBase ? place.position : 0;
}
