/**
 * Kafka to Millrace: copies of a Kafka broker's partition folders, opened by Millrace, must give
 * the records that Kafka's consumer gave at the same isolation level, and must verify as clean.
 * A damaged copy must not pass. Where this Node has no zstd, reading must be refused by code.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import type { CorpusTopic } from './kafka-corpus.js';
import type { KafkaTools } from './kafka-tools.js';
import { hasZstd, readLog, verifyFolder } from './millrace-log.js';
import { compareRecords } from './record-line.js';
import { copyFolder, flipByte, listFiles } from './segment-files.js';

const levels = [
  ['uncommitted', 'read_uncommitted'],
  ['committed', 'read_committed'],
] as const;
/** Bytes before the end of the first segment: within the last batch's records. */
const DAMAGE_FROM_END = -10;

export async function checkMillraceReadsKafka(
  checks: Checks,
  tools: KafkaTools,
  topics: readonly CorpusTopic[],
  folder: string,
): Promise<void> {
  for (const topic of topics) {
    const copy = await copyFolder(topic.folder, join(folder, `${topic.topic}-0`));
    if (topic.hasZstd && !hasZstd) {
      await checks.check(`Millrace refuses Kafka's ${topic.topic}`, () => findRefusal(copy));
      continue;
    }
    for (const [isolation, level] of levels) {
      await checks.check(`Millrace reads Kafka's ${topic.topic}, ${isolation}`, async () =>
        compareRecords(tools.readConsumed(topic.topic, level), await readLog(copy, isolation)),
      );
    }
    await checks.check(`Millrace verifies Kafka's ${topic.topic}`, () => verifyFolder(copy));
  }
  for (const topic of topics.filter(({ topic }) => /^(segments|codec-gzip)$/.test(topic))) {
    await checkDamageIsNoticed(checks, tools, topic, join(folder, `damaged-${topic.topic}-0`));
  }
}

async function findRefusal(folder: string): Promise<string[]> {
  try {
    const records = await readLog(folder, 'uncommitted');
    return [`${records.length} records were read without the codec`];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'CODEC_UNAVAILABLE' ? [] : [`the error is ${error}`];
  }
}

async function checkDamageIsNoticed(
  checks: Checks,
  tools: KafkaTools,
  topic: CorpusTopic,
  target: string,
): Promise<void> {
  const copy = await copyFolder(topic.folder, target);
  const [file] = listFiles(copy, '.log');
  if (file === undefined) throw new Error(`${topic.topic} has no segment`);
  await flipByte(file, DAMAGE_FROM_END);
  await checks.checkComplains(`canary: Millrace verifies a damaged ${topic.topic}`, () =>
    verifyFolder(copy),
  );
  await checks.checkComplains(`canary: Millrace reads a damaged ${topic.topic}`, async () => {
    const expected = tools.readConsumed(topic.topic, 'read_uncommitted');
    try {
      return compareRecords(expected, await readLog(copy, 'uncommitted'));
    } catch (error) {
      return [String(error)];
    }
  });
}
