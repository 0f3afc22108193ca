/**
 * Fills the key map from the dirty part of a log; see `cleaner-task.ts`.
 *
 * What is going to be dropped anyway supersedes nothing: aborted transactions are passed over, and
 * so are control batches. The map may be full before the end: the mapped range then ends with the
 * record before the one that did not fit, wherever in its batch that lies, and the next pass goes
 * on from there.
 */

import { createError } from '../base/errors.js';
import type { BlockingFileSystem } from '../base/file-system.js';
import { KeyOffsetMap } from '../index/key-offset-map.js';
import { OffsetSet } from '../index/offset-set.js';
import { openBody } from './batch-body.js';
import { RecordWalker } from './batch-cursor.js';
import {
  batchBaseOffset,
  batchCount,
  batchNextOffset,
  batchProducerIdExact,
  isControlBatch,
} from './batch-header.js';
import type { CleanerControl, MapResult, MapTask } from './cleaner-task.js';
import { isBatchReadable } from './compaction-batch.js';
import { RecordBlock } from './compaction-block.js';
import { sourceFiles } from './compaction-files.js';
import { BatchSource } from './compaction-source.js';
import { Epochs } from './epochs.js';
import { AbortedTransactions } from './transactions.js';

/** What {@link MapFilling.add} answers when all keys of the batch are in the map. */
const ALL = -1;

/**
 * Carries out the task; what the memory held before is forgotten. Throws `LOG_CORRUPT` for bytes
 * that do not verify, `RECORD_TOO_LARGE` for a key that does not fit in an empty map, errno errors
 * of the file system, and what `control` throws.
 */
export function runMap(
  fileSystem: BlockingFileSystem,
  task: MapTask,
  control: CleanerControl,
): MapResult {
  const files = sourceFiles(fileSystem, task);
  const source = new BatchSource(fileSystem, files, new Epochs(task.epochs), control);
  const filling = new MapFilling(task);
  const endOffset = files.at(-1)?.endOffset ?? task.firstDirtyOffset;
  let mappedEnd = Math.min(task.upperOffset, endOffset);
  try {
    while (source.next()) {
      const { memory, start } = source;
      if (batchBaseOffset(memory.bytes, start) >= task.upperOffset) break;
      if (batchNextOffset(memory.bytes, start) <= task.firstDirtyOffset) continue;
      const end = filling.add(source);
      if (end === ALL) continue;
      mappedEnd = end;
      break;
    }
  } finally {
    source.close();
  }
  return filling.result(mappedEnd, source.bytesRead);
}

class MapFilling {
  readonly #task: MapTask;
  readonly #map: KeyOffsetMap;
  readonly #superseded: OffsetSet;
  readonly #aborted: AbortedTransactions;
  /** The base offset of the last batch of each producer. */
  readonly #producers = new Map<bigint, number>();
  readonly #block = new RecordBlock();
  #records = 0;

  constructor(task: MapTask) {
    this.#task = task;
    this.#map = new KeyOffsetMap(task.map, task.hashSeed);
    this.#map.clear();
    this.#superseded = new OffsetSet(task.superseded, task.firstDirtyOffset);
    this.#superseded.clear();
    this.#aborted = new AbortedTransactions(task.aborted);
  }

  /** Takes the batch that is shown; answers the offset that did not fit any more, or `ALL`. */
  add({ memory, start }: BatchSource): number {
    const { bytes } = memory;
    const producerId = batchProducerIdExact(bytes, start);
    if (producerId >= 0n) this.#producers.set(producerId, batchBaseOffset(bytes, start));
    if (batchCount(bytes, start) === 0 || isControlBatch(bytes, start)) return ALL;
    if (this.#aborted.has(bytes, start) || !isBatchReadable(bytes, start)) return ALL;
    const { firstDirtyOffset, upperOffset } = this.#task;
    const body = openBody(memory, start);
    const walker = new RecordWalker(memory, start, body, firstDirtyOffset);
    const block = this.#block;
    const map = this.#map;
    const superseded = this.#superseded;
    while (block.fill(walker)) {
      const { count, offsets, keyStarts, keyEnds } = block;
      map.look(body.bytes, keyStarts, keyEnds, count);
      for (let record = 0; record < count; record += 1) {
        const offset = offsets[record] ?? 0;
        if (offset >= upperOffset) return ALL;
        if ((keyEnds[record] ?? -1) >= 0) {
          if (!map.putAt(record, offset)) return this.#fullAt(memory.file, record);
          if (map.superseded >= 0) superseded.add(map.superseded);
        }
        this.#records += 1;
      }
    }
    return ALL;
  }

  /** The offset of the record that did not fit; an empty map would not take it either: an error. */
  #fullAt(file: string, record: number): number {
    const { offsets, keyStarts, keyEnds } = this.#block;
    const offset = offsets[record] ?? 0;
    if (this.#map.count > 0) return offset;
    throw createError('RECORD_TOO_LARGE', {
      file,
      offset,
      keyBytes: (keyEnds[record] ?? 0) - (keyStarts[record] ?? 0),
      limit: this.#task.map.byteLength,
      message: 'the key does not fit in the memory of the cleaner',
    });
  }

  result(mappedEnd: number, bytes: number): MapResult {
    return {
      kind: 'map',
      mappedEnd,
      keys: this.#map.count,
      records: this.#records,
      bytes,
      producers: [...this.#producers.keys()],
      producerOffsets: [...this.#producers.values()],
    };
  }
}
