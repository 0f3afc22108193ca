/**
 * Cleaned segments for tests of what becomes of them: made from the segments on an imaginary disk
 * by keeping some of their batches, byte for byte.
 */

import { join } from 'node:path';
import { INDEX_EVERY_BATCH } from '../../src/index/index-format.js';
import { batchBaseOffset, batchBytes, batchNextOffset } from '../../src/storage/batch-header.js';
import type { SwapTask } from '../../src/storage/cleaner-task.js';
import { Epochs } from '../../src/storage/epochs.js';
import { emptyBatches } from '../../src/storage/repair-segment.js';
import type { Seal } from '../../src/storage/seal.js';
import { NO_PRODUCERS, Segment } from '../../src/storage/segment.js';
import { cleanedName, sideFiles } from '../../src/storage/segment-files.js';
import {
  encodeWatermark,
  judgeWatermark,
  WATERMARK_SLOT_DISTANCE,
} from '../../src/storage/watermark.js';
import { DIRECTORY, LOG_ID, type SimLog } from './log-fixture.js';

export interface CleanedGroup {
  readonly seal: Seal;
  readonly task: SwapTask;
}

/**
 * Puts the `.cleaned` files of a group on the disk, durable. `keeps` says which batches stay, by
 * their base offset; where the last one goes, an empty batch holds its offsets.
 */
export function putCleaned(
  sim: SimLog,
  replaced: readonly number[],
  number: number,
  keeps: (offset: number) => boolean,
): CleanedGroup {
  const baseOffset = replaced[0] ?? 0;
  const epochs = epochsOf(sim);
  const kept = replaced.flatMap((base, index) => {
    const isLast = index === replaced.length - 1;
    return keptBatches(Buffer.from(sim.disk.readAll(sim.path(base, 'log'))), isLast, epochs, keeps);
  });
  const segment = Segment.createActive(DIRECTORY, baseOffset, INDEX_EVERY_BATCH);
  segment.hasGaps = true;
  for (const batch of kept) segment.addBatch(batch, 0, batch.length);
  const files = segment.toSealedFiles(LOG_ID, epochs, -1, NO_PRODUCERS);
  const put = (suffix: Parameters<typeof cleanedName>[1], bytes: Uint8Array): void =>
    sim.disk.put(join(DIRECTORY, cleanedName(baseOffset, suffix)), bytes);
  put('log', Buffer.concat(kept));
  put('offsetIndex', files.offsetIndex);
  put('timeIndex', files.timeIndex);
  put('seal', files.seal);
  if (segment.seal === undefined) throw new RangeError('the segment has a seal');
  const task = { kind: 'swap', directory: DIRECTORY, baseOffset, replaced, number } as const;
  return { seal: segment.seal, task };
}

function keptBatches(
  bytes: Buffer,
  isLast: boolean,
  epochs: Epochs,
  keeps: (offset: number) => boolean,
): Buffer[] {
  const kept: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += batchBytes(bytes, start)) {
    const end = start + batchBytes(bytes, start);
    const baseOffset = batchBaseOffset(bytes, start);
    if (keeps(baseOffset)) kept.push(bytes.subarray(start, end));
    else if (isLast && end === bytes.length) {
      kept.push(Buffer.from(emptyBatches(baseOffset, batchNextOffset(bytes, start), epochs)));
    }
  }
  return kept;
}

function epochsOf(sim: SimLog): Epochs {
  const epochs = Epochs.decode(sim.disk.readAll(sim.path(sideFiles.epochs)));
  if (epochs === 'invalid') throw new RangeError('the epoch table is valid');
  return epochs;
}

/** The mark that a log sets before any segment of it is replaced; on a disk at rest. */
export function markCompacted(sim: SimLog): void {
  const path = sim.path(sideFiles.watermark);
  const bytes = Buffer.from(sim.disk.readAll(path));
  const verdict = judgeWatermark(bytes);
  if (verdict.kind !== 'present') throw new RangeError('the watermark is valid');
  const mark = { ...verdict.watermark, isEverCompacted: true };
  encodeWatermark(mark, bytes, 0);
  encodeWatermark({ ...mark, sequence: mark.sequence + 1 }, bytes, WATERMARK_SLOT_DISTANCE);
  sim.disk.put(path, bytes);
}
