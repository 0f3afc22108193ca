/**
 * What Millrace compacted, in the hands of Kafka: logs that Millrace wrote, and topics that Kafka
 * wrote and Millrace took over. What must be left follows from a model of the rule; Kafka's file
 * reader, its dump tool, its index checks, and Millrace's own reader must all show just that.
 *
 * The folders are then served by a real broker; see `kafka-serves-millrace.ts`.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import { type ExpectedSegment, judgeLogDump } from './dump-verdict.js';
import { type CorpusTopic, checkTools } from './kafka-corpus.js';
import type { KafkaTools, Scale } from './kafka-tools.js';
import { survivorsOf } from './keyed-records.js';
import {
  adoptAndCompact,
  type Codec,
  dumpedOffsets,
  hasZstd,
  readLog,
  refusalOf,
  SHORT_RETENTION_MS,
  verifyFolder,
  writeCompactedLog,
} from './millrace-log.js';
import { compareRecords, type StoredRecordLine } from './record-line.js';
import { copyFolder, flipByte, listFiles } from './segment-files.js';

/** A folder that Millrace compacted. */
export interface CompactedFolder {
  readonly name: string;
  readonly folder: string;
}

const recordsPerRound = { quick: 4_000, full: 40_000 } as const;
const codecs: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'none'];
const DAY_MS = 24 * 60 * 60 * 1000;

/** Topics of Kafka in which compaction finds something to remove, and how long tombstones stay. */
const adoptions = [
  { topic: 'codec-gzip', tombstoneRetentionMs: DAY_MS },
  { topic: 'transactions', tombstoneRetentionMs: DAY_MS },
  { topic: 'transactions', tombstoneRetentionMs: SHORT_RETENTION_MS },
  { topic: 'compacted', tombstoneRetentionMs: DAY_MS },
  { topic: 'compacted-tombstones', tombstoneRetentionMs: DAY_MS },
  { topic: 'compacted-transactions', tombstoneRetentionMs: DAY_MS },
  { topic: 'compacted-transactions', tombstoneRetentionMs: SHORT_RETENTION_MS },
] as const;
type Adoption = (typeof adoptions)[number];

export async function checkKafkaReadsCompacted(
  checks: Checks,
  tools: KafkaTools,
  topics: readonly CorpusTopic[],
  folder: string,
  scale: Scale,
): Promise<CompactedFolder[]> {
  const folders: CompactedFolder[] = [];
  for (const [name, tombstoneRetentionMs] of [
    ['tombstones', DAY_MS],
    ['no-tombstones', SHORT_RETENTION_MS],
  ] as const) {
    const logFolder = join(folder, name);
    await checks.check(`Kafka reads what Millrace compacted: ${name}`, async () => {
      const problems = await findWrittenProblems(tools, logFolder, tombstoneRetentionMs, scale);
      folders.push({ name, folder: logFolder });
      return problems;
    });
  }
  for (const adoption of adoptions) {
    const { topic, tombstoneRetentionMs } = adoption;
    const source = topics.find((each) => each.topic === topic);
    if (source === undefined) throw new Error(`Kafka did not write ${topic}`);
    const name = `kafka-${topic}${tombstoneRetentionMs === DAY_MS ? '' : '-expired'}`;
    const copy = await copyFolder(source.folder, join(folder, name));
    await checks.check(`Millrace compacts Kafka's topic: ${name}`, async () => {
      const problems = await findAdoptedProblems(tools, adoption, copy);
      folders.push({ name, folder: copy });
      return problems;
    });
  }
  const open = topics.find(({ topic }) => topic === 'transaction-open');
  if (open === undefined) throw new Error('Kafka did not write transaction-open');
  const copy = await copyFolder(open.folder, join(folder, 'kafka-transaction-open'));
  await checks.check('Millrace does not take over a topic with an open transaction', async () => {
    const refusal = await refusalOf(copy);
    return refusal === 'FORMAT_UNSUPPORTED' ? [] : [`the answer is ${refusal}`];
  });
  const segments: ExpectedSegment[] = [];
  for (const { name, folder: path } of folders) {
    await checks.check(`Millrace verifies what it compacted: ${name}`, () => verifyFolder(path));
    for (const file of listFiles(path, '.log')) {
      segments.push({ file, offsets: await dumpedOffsets(file) });
    }
  }
  const paths = folders.map((each) => each.folder);
  await checkTools(checks, tools, "Millrace's compaction", paths, segments);
  await checkCanaries(checks, tools, segments, folder);
  return folders;
}

async function findWrittenProblems(
  tools: KafkaTools,
  folder: string,
  tombstoneRetentionMs: number,
  scale: Scale,
): Promise<string[]> {
  const { appended, compactedEnd, segmentsWritten } = await writeCompactedLog(folder, {
    codecs: hasZstd ? [...codecs, 'zstd'] : codecs,
    recordsPerRound: recordsPerRound[scale],
    tombstoneRetentionMs,
  });
  const keepsTombstones = tombstoneRetentionMs === DAY_MS;
  const expected = survivorsOf(appended, compactedEnd, () => !keepsTombstones);
  const files = listFiles(folder, '.log');
  const stored = (await tools.readSegments(files)).flat();
  const problems = [
    ...compareRecords(expected, stored),
    ...compareRecords(expected, await readLog(folder, 'committed')),
  ];
  const expect = (isTrue: boolean, problem: string): void => {
    if (!isTrue) problems.push(problem);
  };
  const below = expected.filter(({ offset }) => offset < compactedEnd);
  expect(below.length < compactedEnd / 2, `${below.length} of ${compactedEnd} records are left`);
  expect(files.length < segmentsWritten, `${files.length} segments of ${segmentsWritten}`);
  expect(files.length > 1, 'there is only one segment');
  const hasHorizon = stored.some(({ deleteHorizon }) => deleteHorizon);
  expect(hasHorizon || !keepsTombstones, 'no batch has a delete horizon');
  const used = new Set(stored.map(({ codec }) => codec));
  for (const codec of new Set(codecs)) expect(used.has(codec), `nothing is left of ${codec}`);
  return [...problems, ...findTimeProblems(stored)];
}

/** The largest time of a batch is that of a record which is left. */
function findTimeProblems(stored: readonly StoredRecordLine[]): string[] {
  const found = new Map<number, { largest: number; claimed: number }>();
  for (const { batchLastOffset, batchTimestampMax: claimed, timestamp } of stored) {
    const largest = Math.max(found.get(batchLastOffset)?.largest ?? timestamp, timestamp);
    found.set(batchLastOffset, { largest, claimed });
  }
  return [...found].flatMap(([lastOffset, { largest, claimed }]) => {
    if (largest === claimed) return [];
    return [`the batch up to ${lastOffset} says ${claimed} is its largest time, not ${largest}`];
  });
}

/** `copy` is a copy of the topic's folder. */
async function findAdoptedProblems(
  tools: KafkaTools,
  { topic, tombstoneRetentionMs }: Adoption,
  copy: string,
): Promise<string[]> {
  const isExpiring = tombstoneRetentionMs === SHORT_RETENTION_MS;
  const before = (await tools.readSegments(listFiles(copy, '.log'))).flat();
  const { end, report } = await adoptAndCompact(copy, tombstoneRetentionMs);
  const live = tools.readConsumed(topic, 'read_committed');
  const committed = new Set(live.map(({ offset }) => offset));
  const expected = survivorsOf(
    before.filter(({ offset }) => committed.has(offset)),
    end,
    // Where Kafka has set a horizon it let no time pass, but for the topic that is about keeping.
    ({ deleteHorizon }) => isExpiring || (deleteHorizon && topic !== 'compacted-tombstones'),
  );
  const after = (await tools.readSegments(listFiles(copy, '.log'))).flat();
  const records = after.filter(({ control }) => !control);
  // Nothing of an aborted transaction is left, so both levels see the same.
  const problems = [
    ...compareRecords(expected, records),
    ...compareRecords(expected, await readLog(copy, 'uncommitted')),
    ...compareRecords(expected, await readLog(copy, 'committed')),
  ];
  if (report.outcome !== 'cleaned') problems.push(`the compaction did ${report.outcome}`);
  // Records of aborted transactions go whether they have a key or not.
  const keyless = live.filter(({ key }) => key === null).length;
  if (report.keylessRecords !== keyless) {
    problems.push(`${keyless} records have no key, ${report.keylessRecords} were dropped for it`);
  }
  const markersBefore = before.filter(({ control }) => control).length;
  const markers = after.filter(({ control }) => control).length;
  if (isExpiring && markers >= markersBefore) {
    problems.push(`${markers} of ${markersBefore} markers are left`);
  }
  return problems;
}

async function checkCanaries(
  checks: Checks,
  tools: KafkaTools,
  segments: readonly ExpectedSegment[],
  folder: string,
): Promise<void> {
  const [segment] = segments;
  if (segment === undefined) throw new Error('there is no compacted segment');
  const { file, offsets } = segment;
  const judge = async (changed: readonly number[]) =>
    judgeLogDump(await tools.dumpLogs([file]), [{ file, offsets: changed }]);
  await checks.checkComplains('canary: a gap that is not there', () =>
    judge(offsets.filter((_, i) => i !== offsets.length >> 1)),
  );
  const gap = offsets.find((offset, i) => i > 0 && offset !== (offsets[i - 1] ?? 0) + 1) ?? 1;
  await checks.checkComplains('canary: a gap less than there is', () =>
    judge([...offsets, gap - 1].sort((a, b) => a - b)),
  );
  await checks.checkComplains('canary: a topic that was not compacted', () => {
    const records = tools.readConsumed('transactions', 'read_uncommitted');
    return compareRecords(
      survivorsOf(records, Number.POSITIVE_INFINITY, () => false),
      records,
    );
  });
  const copy = await copyFolder(join(folder, 'tombstones'), join(folder, 'damaged'));
  const [damaged] = listFiles(copy, '.log');
  if (damaged === undefined) throw new Error('the copy has no segment');
  await flipByte(damaged, -10);
  await checks.checkComplains('canary: a damaged compacted segment', () => verifyFolder(copy));
}
