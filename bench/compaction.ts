/**
 * `compaction`: one pass over a log of which half is superseded, by the one thread of the cleaner;
 * bytes that went in per second, from the call of `compact` to its answer.
 *
 * Each round compacts a fresh copy, and starts the thread: so does raw.
 */

import { mkdirSync } from 'node:fs';
import { Log, type PassReport } from '../src/storage/main.js';
import { type CaseContext, timed } from './case-context.js';
import { BATCH, copyDurably, fillCompactable, VALUE_BYTES } from './compactable-log.js';
import { verifyLog } from './finished-bytes.js';
import { rawCompaction } from './raw-compaction.js';
import { hex } from './records.js';
import { compare, interleave } from './statistics.js';

const MIB = 1024 * 1024;
/** About 126 bytes each: 256 MB. */
export const RECORDS = 2_040_000;
export const SEGMENT_BYTES = 32 * MIB;

export async function compaction(context: CaseContext): Promise<void> {
  const records = context.size(RECORDS, 6_000);
  const segmentBytes = context.size(SEGMENT_BYTES, 128 * 1024);
  const log = await fillCompactable(context.path('compactable'), records, segmentBytes);
  const copy = context.path('compactable-copy');
  const target = context.path('raw-compaction');

  copyDurably(log.folder, copy);
  const { report } = await compactOnce(copy);
  await verifyLog(copy, { records: records / 2, checksum: log.checksum });
  const { bytesIn, bytesOut } = report;
  const pairs = await interleave(
    context.rounds(11),
    context.warmUps,
    async () => {
      copyDurably(log.folder, copy);
      const run = await compactOnce(copy);
      return run.report.bytesIn / (run.ms / 1000);
    },
    async () => {
      context.remove(target);
      mkdirSync(target);
      let bytes = 0;
      const ms = await timed(async () => {
        bytes = await rawCompaction(log.folder, target, bytesOut / bytesIn);
      });
      return bytes / (ms / 1000);
    },
  );
  for (const folder of [log.folder, copy, target]) context.remove(folder);
  context.report(
    {
      case: 'compaction',
      valueBytes: VALUE_BYTES,
      batch: BATCH,
      callers: 1,
      acks: '-',
      unit: 'bytes/s',
    },
    compare(pairs),
    { checksum: hex(log.checksum), bytesIn, bytesOut },
  );
}

async function compactOnce(
  folder: string,
): Promise<{ readonly ms: number; readonly report: PassReport }> {
  const log = await Log.open(folder);
  try {
    const startedMs = performance.now();
    const report = await log.compact();
    const ms = performance.now() - startedMs;
    if (report.recordsOut * 2 !== report.recordsIn) {
      throw new Error(`half of the records stay, not ${report.recordsOut} of ${report.recordsIn}`);
    }
    return { ms, report };
  } finally {
    await log.close();
  }
}
