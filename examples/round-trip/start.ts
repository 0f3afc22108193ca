/**
 * Millrace's main job on a real file: each line becomes a durable record of a topic, keyed by what
 * stands before its first space, which in an access log is the client address. Two groups read it
 * meanwhile: one of three members, one of a single member. Then everything is compared with the
 * file.
 *
 *     npm start [-- file]
 */

import { mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Broker, MillraceError } from '../../src/main.js';
import { compareAll } from './compare.js';
import { inputFiles } from './input.js';
import { LineTooLong } from './lines.js';
import { type LinesTopic, type Sent, sendLines } from './produce.js';
import { Progress } from './progress.js';
import { ReadingGroup } from './reading-group.js';
import type { Input } from './topic-input.js';

const LINES_MAX_WITHOUT_FILE = 200_000;
const PARTITIONS = 3;
/** Rates come from at least this much work, repeated if need be. */
const MEASURE_MS = 1000;

interface Passed {
  readonly sent: Sent;
  /** The first one has read all of the topic, and knows where everything is. */
  readonly groups: readonly [ReadingGroup, ReadingGroup];
}

/** Sends the input while two groups read it; all of it has arrived when this resolves. */
async function pass(
  broker: Broker,
  topic: LinesTopic,
  input: Input,
  baseMs: number,
): Promise<Passed> {
  const groups = [
    new ReadingGroup(topic, 'visits', 3, baseMs),
    new ReadingGroup(topic, 'audit', 1, baseMs),
  ] as const;
  const sent = { records: 0, bytes: 0 };
  const progress = new Progress(broker, sent, groups);
  try {
    await Promise.all(groups.map((group) => group.ready()));
    progress.start();
    await sendLines(topic, input, baseMs, sent);
    await Promise.all(groups.map((group) => group.finish(sent.records)));
    await progress.end();
    for (const { name } of groups) {
      const { lag } = await broker.groups.describe(name);
      if (lag !== 0) throw new Error(`group ${name} has committed all but ${lag} records`);
    }
    return { sent, groups };
  } finally {
    progress.stop();
    await Promise.all(groups.map((group) => group.close()));
  }
}

/** Records per second into a topic of its own, and through a group that reads it meanwhile. */
async function measure(broker: Broker, input: Input): Promise<number> {
  const topic = await broker.topic('rates', { partitions: PARTITIONS });
  const consumer = topic.consumer({ group: 'rates' });
  let got = 0;
  let wanted = Number.POSITIVE_INFINITY;
  const consuming = (async (): Promise<void> => {
    for await (const batch of consumer) {
      const cursor = batch.cursor();
      while (cursor.next()) got += 1;
      if (got >= wanted) break;
    }
  })();
  const sent = { records: 0, bytes: 0 };
  const startedMs = performance.now();
  do await sendLines(topic, input, 0, sent);
  while (performance.now() - startedMs < MEASURE_MS);
  wanted = sent.records;
  if (got < wanted) await consuming;
  const elapsedMs = performance.now() - startedMs;
  await consumer.close();
  await broker.deleteTopic('rates');
  return (sent.records * 1000) / elapsedMs;
}

function sizeOf(
  folder: string,
  suffix: string,
): { readonly count: number; readonly bytes: number } {
  const names = readdirSync(folder).filter((name) => name.endsWith(suffix));
  const bytes = names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return { count: names.length, bytes };
}

function print(name: string, value: string): void {
  process.stdout.write(`${`${name}:`.padEnd(14)}${value}\n`);
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function printCommands(folder: string): void {
  const command = join(dirname(fileURLToPath(import.meta.url)), '../../src/cli/millrace.js');
  const shown = relative(process.cwd(), command);
  const commands = [
    `topic describe ${folder} lines`,
    `group describe ${folder} visits`,
    `consume ${folder} lines --max 3`,
    `verify ${folder}/lines-0`,
  ];
  process.stdout.write('\nlook at it with\n');
  for (const rest of commands) process.stdout.write(`  node ${shown} ${rest}\n`);
  process.stdout.write('\n');
}

async function main(): Promise<void> {
  const argument = process.argv[2];
  const linesMax = argument === undefined ? LINES_MAX_WITHOUT_FILE : Number.POSITIVE_INFINITY;
  const input = { files: inputFiles(argument), linesMax };
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  const baseMs = Date.now();
  const broker = await Broker.open(folder);
  try {
    // The times of the lines are made up, and not to be judged by a retention time.
    const topic = await broker.topic('lines', {
      partitions: PARTITIONS,
      retentionMs: 'unlimited',
    });
    const { sent, groups } = await pass(broker, topic, input, baseMs);
    const { batches, samples } = await compareAll(topic, groups[0], input, baseMs);
    const rate = await measure(broker, input);
    await broker.close();
    const folders = Array.from({ length: PARTITIONS }, (_, index) =>
      join(folder, `lines-${index}`),
    );
    const stored = folders.reduce((sum, path) => sum + sizeOf(path, '.log').bytes, 0);
    print('input', argument ?? `text files of the dependencies (${input.files.length} files)`);
    print('records', `${number(sent.records)}, compared byte for byte`);
    for (const group of groups) {
      const members = group.members === 1 ? 'one member' : `${group.members} members`;
      const order = `each once, ${number(group.addressCount)} keys in order`;
      print('group', `${group.name}, ${members}: ${number(group.records)} records, ${order}`);
    }
    print('by time', `${number(samples)} records looked up by their time`);
    print('bytes', `${number(sent.bytes)} of values, ${number(stored)} on disk`);
    print('batches', `${number(batches)} in ${PARTITIONS} partitions`);
    print(
      'rate',
      `${number(rate)} durable records/s through a group, the reading of the file included`,
    );
    print('data', folder);
    printCommands(folder);
    process.stdout.write(`verified ${number(sent.records)} records\n`);
  } finally {
    await broker.close();
  }
}

try {
  await main();
} catch (error) {
  const isExpected =
    error instanceof LineTooLong || error instanceof MillraceError || isSystemError(error);
  process.stderr.write(`${isExpected ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error;
}
