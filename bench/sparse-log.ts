/**
 * A log of many gigabytes that takes few megabytes of the disk: its sealed segments hold values of
 * zeros, which are holes in the files. All of it is what the log itself would have written:
 * headers, checksums, seals and indexes.
 */

import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeInt64 } from '../src/base/bytes.js';
import { HEADER_BYTES } from '../src/storage/batch-format.js';
import { Epochs } from '../src/storage/epochs.js';
import { Log } from '../src/storage/main.js';
import { NO_PRODUCERS, Segment } from '../src/storage/segment.js';
import { segmentPath } from '../src/storage/segment-files.js';

/** Of an index: as the log has it by default. */
const INTERVAL_BYTES = 4096;

export interface SparseShape {
  /** Sealed ones; an empty one lies behind them. */
  readonly segments: number;
  readonly segmentBytes: number;
  /** Of every record; each is a batch. */
  readonly valueBytes: number;
}

/** Makes the log; the next open finds it as after a crash. */
export async function makeSparseLog(
  folder: string,
  { segments, segmentBytes, valueBytes }: SparseShape,
): Promise<void> {
  const log = await Log.open(folder, { segmentBytes });
  await log.append([{ value: Buffer.alloc(valueBytes) }]);
  const { logId } = log.describe();
  await log.close();
  const batch = readFileSync(segmentPath(folder, 0, 'log'));
  const epochs = Epochs.decode(readFileSync(join(folder, 'leader-epoch-checkpoint')));
  if (epochs === 'invalid') throw new Error('the log has epochs');
  for (const name of readdirSync(folder)) {
    if (name.startsWith('0')) unlinkSync(join(folder, name));
  }
  const batches = Math.max(1, Math.floor(segmentBytes / batch.length));
  for (let index = 0; index < segments; index += 1) {
    const segment = writeSparse(folder, index * batches, batch, batches);
    const files = segment.toSealedFiles(logId, epochs, -1, NO_PRODUCERS);
    const { baseOffset } = segment;
    writeFileSync(segmentPath(folder, baseOffset, 'offsetIndex'), files.offsetIndex);
    writeFileSync(segmentPath(folder, baseOffset, 'timeIndex'), files.timeIndex);
    writeFileSync(segmentPath(folder, baseOffset, 'seal'), files.seal);
  }
  writeFileSync(segmentPath(folder, segments * batches, 'log'), '');
}

/** Writes the segment's batches, which differ in their offsets alone, without their zeros. */
function writeSparse(folder: string, baseOffset: number, batch: Buffer, batches: number): Segment {
  const segment = Segment.createActive(folder, baseOffset, INTERVAL_BYTES);
  const file = openSync(segment.logPath, 'w', 0o600);
  try {
    for (let index = 0; index < batches; index += 1) {
      // The offset of a batch comes before what its checksum covers.
      writeInt64(batch, 0, baseOffset + index);
      // The header of the batch and the lengths of its one record; zeros follow.
      writeSync(file, batch, 0, HEADER_BYTES + 16, index * batch.length);
      segment.addBatch(batch, 0, batch.length);
    }
    ftruncateSync(file, batches * batch.length);
  } finally {
    closeSync(file);
  }
  return segment;
}
