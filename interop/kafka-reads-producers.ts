/**
 * Millrace to Kafka: a log with producers, transactions and ready-made batches must pass Kafka's
 * tools, and what they say of its `.snapshot` and `.txnindex` files must be what the log says.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import { type ChildExit, readOutput } from './child-processes.js';
import type { ExpectedSegment } from './dump-verdict.js';
import { checkTools } from './kafka-corpus.js';
import type { KafkaTools } from './kafka-tools.js';
import { verifyFolder, writeProducedLog } from './millrace-log.js';
import { baseOffsetOf, copyFolder, flipByte, listFiles } from './segment-files.js';

export async function checkKafkaReadsProducers(
  checks: Checks,
  tools: KafkaTools,
  folder: string,
): Promise<void> {
  const logFolder = join(folder, 'produced');
  const written = await writeProducedLog(logFolder);
  const logs = listFiles(logFolder, '.log');
  const segments = logs.map((file, index): ExpectedSegment => {
    const next = logs[index + 1];
    const end = next === undefined ? written.endOffset : baseOffsetOf(next);
    const from = baseOffsetOf(file);
    return { file, offsets: Array.from({ length: end - from }, (_, offset) => from + offset) };
  });
  await checkTools(checks, tools, 'a producer log', [logFolder], segments);
  await checks.check('Millrace verifies its log of producers', () => verifyFolder(logFolder));

  const snapshots = listFiles(logFolder, '.snapshot');
  const atEnd = snapshots.filter((file) => baseOffsetOf(file) === written.endOffset);
  await checks.check('Kafka reads from the snapshot what the log knows of producers', async () =>
    differences(linesOf(await tools.dumpStateFiles(atEnd), 'producerId: '), written.producers),
  );
  const aborted = listFiles(logFolder, '.txnindex');
  await checks.check('Kafka reads which transactions were aborted', async () =>
    differences(linesOf(await tools.dumpStateFiles(aborted), 'version: '), written.aborted),
  );
  await checks.checkComplains('canary: Kafka reads a damaged snapshot', async () => {
    const copy = await copyFolder(logFolder, join(folder, 'damaged'));
    const damaged = listFiles(copy, '.snapshot').slice(-1);
    for (const file of damaged) await flipByte(file, -1);
    return differences(
      linesOf(await tools.dumpStateFiles(damaged), 'producerId: '),
      written.producers,
    );
  });
}

/** The fields of the lines that begin like this, by name. */
function linesOf(exit: ChildExit, start: string): Map<string, string>[] {
  return readOutput(exit.stdoutFile)
    .split('\n')
    .filter((line) => line.startsWith(start))
    .map((line) => new Map(pairsOf(line)));
}

function* pairsOf(line: string): Generator<[string, string]> {
  for (const [, name, value] of line.matchAll(/(\w+): (\S+)/g)) {
    if (name !== undefined && value !== undefined) yield [name, value];
  }
}

/** Lines that are missing, or differ in a field that is expected. */
function differences(
  lines: readonly ReadonlyMap<string, string>[],
  expected: readonly Readonly<Record<string, string>>[],
): string[] {
  const problems: string[] = [];
  if (lines.length !== expected.length) {
    problems.push(`${expected.length} entries expected, found ${lines.length}`);
  }
  for (const [index, fields] of expected.entries()) {
    for (const [name, value] of Object.entries(fields)) {
      const found = lines[index]?.get(name);
      if (found !== value) problems.push(`entry ${index}: ${name} is ${found}, not ${value}`);
    }
  }
  return problems;
}
