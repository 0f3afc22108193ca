/**
 * Topics written by a real Kafka broker and its folders after a clean shutdown, with what Kafka's
 * own consumer read from them.
 *
 * Before anything is compared with Millrace, Kafka is compared with itself: its file reader must
 * agree with its consumer, each topic must be what it is there for (compacted, aborted, of several
 * segments, ...), and every tool that later judges Millrace's files must accept these. So a later
 * difference is Millrace's.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import type { ChildProcesses } from './child-processes.js';
import {
  countEmptyBatches,
  type ExpectedSegment,
  judgeLogDump,
  judgeQuietDump,
  judgeSanityCheck,
} from './dump-verdict.js';
import type { Toolchain } from './java-toolchain.js';
import { KafkaBroker } from './kafka-broker.js';
import type { Isolation, KafkaTools, Scale, WrittenTopic } from './kafka-tools.js';
import { compareRecords, type StoredRecordLine } from './record-line.js';
import { listFiles } from './segment-files.js';

export interface CorpusTopic extends WrittenTopic {
  /** The folder of its only partition. */
  readonly folder: string;
  /** Whether some batch needs a codec that not every Node has. */
  readonly hasZstd: boolean;
}

/** Topics whose readers of committed records must see fewer records than the others. */
const abortedTopics: ReadonlySet<string> = new Set(['transactions', 'transaction-open']);

/** Returns when the broker is stopped. */
export async function writeCorpus(
  children: ChildProcesses,
  toolchain: Toolchain,
  tools: KafkaTools,
  folder: string,
  scale: Scale,
): Promise<CorpusTopic[]> {
  const broker = await KafkaBroker.start(children, toolchain, folder);
  const topics = await tools.writeTopics(broker, scale);
  await tools.consumeTopics(
    broker,
    topics.map(({ topic }) => topic),
  );
  await broker.stop();
  return topics.map((topic) => ({
    ...topic,
    folder: join(broker.logFolder, `${topic.topic}-0`),
    hasZstd: topic.codec === 'zstd',
  }));
}

export async function checkCorpus(
  checks: Checks,
  tools: KafkaTools,
  topics: readonly CorpusTopic[],
): Promise<void> {
  const segments: ExpectedSegment[] = [];
  for (const topic of topics) {
    await checks.check(`Kafka agrees with itself: ${topic.topic}`, async () => {
      const files = listFiles(topic.folder, '.log');
      const stored = await tools.readSegments(files);
      for (const [i, file] of files.entries()) {
        segments.push({ file, offsets: (stored[i] ?? []).map(({ offset }) => offset) });
      }
      return findCorpusProblems(tools, topic, files.length, stored.flat());
    });
  }
  const compacted = topics.filter(({ topic }) => topic === 'compacted');
  const logs = compacted.flatMap(({ folder }) => listFiles(folder, '.log'));
  await checks.check('Kafka kept a batch without records: compacted', async () =>
    (await countEmptyBatches(await tools.dumpLogs(logs))) > 0 ? [] : ['there is none'],
  );
  const folders = topics.map(({ folder }) => folder);
  await checkTools(checks, tools, 'Kafka', folders, segments);
}

/** Runs each mode of Kafka's dump tool over all files of `folders`; `whose` names the writer. */
export async function checkTools(
  checks: Checks,
  tools: KafkaTools,
  whose: string,
  folders: readonly string[],
  segments: readonly ExpectedSegment[],
): Promise<void> {
  const logs = segments.map(({ file }) => file);
  const indexes = folders.flatMap((folder) => listFiles(folder, '.index', '.timeindex'));
  const states = folders.flatMap((folder) => listFiles(folder, '.txnindex', '.snapshot'));
  await checks.check(`dump tool on ${whose}'s segments (${logs.length})`, async () =>
    judgeLogDump(await tools.dumpLogs(logs), segments),
  );
  await checks.check(`index sanity check on ${whose}'s indexes (${indexes.length})`, async () =>
    judgeSanityCheck(await tools.checkIndexSanity(indexes), indexes),
  );
  await checks.check(`index entries of ${whose}'s indexes (${indexes.length})`, async () =>
    judgeQuietDump(await tools.verifyIndexes(indexes), indexes),
  );
  if (states.length === 0) return;
  await checks.check(`dump tool on ${whose}'s producer states (${states.length})`, async () =>
    judgeQuietDump(await tools.dumpStateFiles(states), states),
  );
}

function findCorpusProblems(
  tools: KafkaTools,
  topic: CorpusTopic,
  segmentCount: number,
  stored: readonly StoredRecordLine[],
): string[] {
  const consumed = (isolation: Isolation) => tools.readConsumed(topic.topic, isolation);
  const uncommitted = consumed('read_uncommitted');
  const problems = compareRecords(
    uncommitted,
    stored.filter(({ control }) => !control),
  );
  const expect = (isTrue: boolean, problem: string): void => {
    if (!isTrue) problems.push(problem);
  };
  expect(segmentCount >= topic.segmentsMin, `only ${segmentCount} segments`);
  expect(
    stored.some(({ codec }) => codec === topic.codec),
    `no batch is compressed by ${topic.codec}`,
  );
  if (topic.isCompacted) {
    expect(uncommitted.length < topic.written / 2, `${uncommitted.length} records survived`);
    expect(
      stored.some(({ deleteHorizon }) => deleteHorizon),
      'no batch has a delete horizon',
    );
  } else {
    expect(uncommitted.length === topic.written, `${topic.written} records were written`);
  }
  const committedCount = consumed('read_committed').length;
  const isShorter = committedCount < uncommitted.length;
  expect(isShorter === abortedTopics.has(topic.topic), `${committedCount} records are committed`);
  return problems;
}
