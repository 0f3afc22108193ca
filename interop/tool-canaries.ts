/**
 * Proof that the comparison can fail: Kafka's good files with one byte changed go through the same
 * judges, and each of them must complain. Part of every run, since a Kafka release may change what
 * its tools print.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import {
  type ExpectedSegment,
  judgeLogDump,
  judgeQuietDump,
  judgeSanityCheck,
} from './dump-verdict.js';
import type { CorpusTopic } from './kafka-corpus.js';
import type { KafkaTools } from './kafka-tools.js';
import { compareRecords } from './record-line.js';
import { copyFolder, cutBytes, flipByte, listFiles } from './segment-files.js';

/** `topic` must have index entries; damaged copies go below `folder`. */
export async function checkCanaries(
  checks: Checks,
  tools: KafkaTools,
  topic: CorpusTopic,
  folder: string,
): Promise<void> {
  const damagedCopy = async (name: string, suffix: '.log' | '.index' | '.timeindex') => {
    const copy = await copyFolder(topic.folder, join(folder, name));
    const [file] = listFiles(copy, suffix);
    if (file === undefined) throw new Error(`${topic.topic} has no ${suffix} file`);
    return file;
  };

  const log = await damagedCopy('value', '.log');
  await flipByte(log, -10);
  const [records] = await tools.readSegments(listFiles(topic.folder, '.log').slice(0, 1));
  const offsets = (records ?? []).map(({ offset }) => offset);
  await checks.checkComplains('canary: dump tool on a changed value', async () =>
    judgeLogDump(await tools.dumpLogs([log]), [{ file: log, offsets }]),
  );
  await checks.checkComplains('canary: file reader on a changed value', async () =>
    (await tools.acceptsSegment(log)) ? [] : ['refused'],
  );

  const cutLog = await damagedCopy('cut-log', '.log');
  await cutBytes(cutLog, 1);
  const expected: ExpectedSegment[] = [{ file: cutLog, offsets }];
  await checks.checkComplains('canary: dump tool on a cut segment', async () =>
    judgeLogDump(await tools.dumpLogs([cutLog]), expected),
  );

  const index = await damagedCopy('index', '.index');
  await flipByte(index, 15);
  await checks.checkComplains('canary: changed position in an offset index', async () =>
    judgeQuietDump(await tools.verifyIndexes([index]), [index]),
  );
  const timeIndex = await damagedCopy('time-index', '.timeindex');
  await flipByte(timeIndex, 19);
  await checks.checkComplains('canary: changed time in a time index', async () =>
    judgeQuietDump(await tools.verifyIndexes([timeIndex]), [timeIndex]),
  );
  const cutIndex = await damagedCopy('cut-index', '.index');
  await cutBytes(cutIndex, 3);
  await checks.checkComplains('canary: cut offset index', async () =>
    judgeSanityCheck(await tools.checkIndexSanity([cutIndex]), [cutIndex]),
  );

  await checks.checkComplains('canary: one record differs in a header', () => {
    const good = (records ?? []).slice(0, 10);
    const changed = good.map((record, i) =>
      i === 9 ? { ...record, headers: [['trace', null] as const] } : record,
    );
    return compareRecords(good, changed);
  });
}
