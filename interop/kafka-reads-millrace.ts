/**
 * Millrace to Kafka: logs that Millrace wrote, one for each codec, must pass Kafka's dump tool and
 * index checks, and Kafka's file reader must return exactly what was appended.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import type { ExpectedSegment } from './dump-verdict.js';
import { checkTools } from './kafka-corpus.js';
import type { KafkaTools, Scale } from './kafka-tools.js';
import { type Codec, hasZstd, verifyFolder, writeLog } from './millrace-log.js';
import { compareRecords, type RecordLine, type StoredRecordLine } from './record-line.js';
import { baseOffsetOf, copyFolder, flipByte, listFiles } from './segment-files.js';

const codecs: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const recordCounts = { quick: 4_000, full: 60_000 } as const;

export async function checkKafkaReadsMillrace(
  checks: Checks,
  tools: KafkaTools,
  folder: string,
  scale: Scale,
): Promise<void> {
  const folders: string[] = [];
  const segments: ExpectedSegment[] = [];
  for (const codec of codecs) {
    if (codec === 'zstd' && !hasZstd) {
      console.log('skipped: writing zstd, which this Node does not have');
      continue;
    }
    const logFolder = join(folder, codec);
    await checks.check(`Kafka reads Millrace's ${codec} segments`, async () => {
      const appended = await writeLog(logFolder, codec, recordCounts[scale]);
      folders.push(logFolder);
      const files = listFiles(logFolder, '.log');
      segments.push(...expectSegments(files, appended));
      const stored = (await tools.readSegments(files)).flat();
      return [
        ...compareRecords(appended, stored),
        ...findBatchProblems(stored),
        ...findCodecProblems(stored, codec, files.length),
      ];
    });
    await checks.check(`Millrace verifies its own ${codec} segments`, () =>
      verifyFolder(logFolder),
    );
    await checks.checkComplains(`canary: Kafka reads a damaged ${codec} segment`, async () => {
      const [file] = listFiles(
        await copyFolder(logFolder, join(folder, `${codec}-damaged`)),
        '.log',
      );
      if (file === undefined) return [];
      await flipByte(file, -10);
      return (await tools.acceptsSegment(file)) ? [] : ['refused'];
    });
  }
  await checkTools(checks, tools, 'Millrace', folders, segments);
}

/** Which of the appended offsets each file must hold: from its base offset to the next file's. */
function expectSegments(
  files: readonly string[],
  appended: readonly RecordLine[],
): ExpectedSegment[] {
  return files.map((file, i) => {
    const next = files[i + 1];
    const start = baseOffsetOf(file);
    const end = next === undefined ? Number.POSITIVE_INFINITY : baseOffsetOf(next);
    const offsets = appended.map(({ offset }) => offset);
    return { file, offsets: offsets.filter((offset) => offset >= start && offset < end) };
  });
}

/**
 * Kafka's reader takes a batch's own last offset and largest time on trust, though its broker and
 * its consumers rely on both. In a log that was never compacted its records must bear them out.
 */
function findBatchProblems(stored: readonly StoredRecordLine[]): string[] {
  const found = new Map<number, { offset: number; timestamp: number; claimed: number }>();
  for (const { batchLastOffset, batchTimestampMax, offset, timestamp } of stored) {
    const largest = Math.max(found.get(batchLastOffset)?.timestamp ?? timestamp, timestamp);
    found.set(batchLastOffset, { offset, timestamp: largest, claimed: batchTimestampMax });
  }
  return [...found].flatMap(([lastOffset, { offset, timestamp, claimed }]) => {
    if (lastOffset === offset && claimed === timestamp) return [];
    const claims = `last offset ${lastOffset}, largest time ${claimed}`;
    return [`a batch says ${claims}; its records say ${offset}, ${timestamp}`];
  });
}

/** A batch that does not shrink may be stored as it is; the others must use the codec. */
function findCodecProblems(
  stored: readonly StoredRecordLine[],
  codec: Codec,
  segmentCount: number,
): string[] {
  const used = new Set(stored.map((record) => record.codec));
  const problems: string[] = [];
  if (!used.has(codec)) problems.push(`no batch is compressed by ${codec}`);
  used.delete(codec);
  used.delete('none');
  if (used.size > 0) problems.push(`batches are compressed by ${[...used].join(', ')}`);
  if (segmentCount < 2) problems.push('there is only one segment');
  return problems;
}
