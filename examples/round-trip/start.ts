/**
 * Millrace's main job on a real file: each line becomes a durable record; then all are read back by
 * offset, and a sample by time, and compared byte for byte with the file.
 *
 *     npm start [-- file]
 */

import { mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Log, MillraceError, type RecordInput } from '../../src/main.js';
import { inputFiles } from './input.js';
import { LineTooLong, readLines } from './lines.js';

const LINES_MAX_WITHOUT_FILE = 200_000;
const LINE_BYTES_MAX = 1024 * 1024 - 64;
const RECORDS_PER_APPEND = 500;
const BYTES_PER_APPEND = 512 * 1024;
const APPENDS_IN_FLIGHT = 16;
const TIME_SAMPLES = 200;
/** Rates come from at least this much work, repeated if need be. */
const MEASURE_MS = 1000;

/** The lines of the input, in groups; the same every time. */
async function* inputLines(files: readonly string[], linesMax: number): AsyncGenerator<Buffer[]> {
  let left = linesMax;
  for (const file of files) {
    for await (const lines of readLines(file, LINE_BYTES_MAX)) {
      if (lines.length >= left) {
        yield lines.slice(0, left);
        return;
      }
      left -= lines.length;
      yield lines;
    }
  }
}

interface Input {
  readonly files: readonly string[];
  readonly linesMax: number;
}

interface Appended {
  readonly records: number;
  readonly bytes: number;
}

/** Appends every line as a durable record whose time is `baseMs` plus its line number. */
async function appendLines(log: Log, input: Input, baseMs: number): Promise<Appended> {
  let records = 0;
  let bytes = 0;
  let group: RecordInput[] = [];
  let groupBytes = 0;
  const inFlight = new Set<Promise<unknown>>();
  const send = async (): Promise<void> => {
    if (group.length === 0) return;
    const append = log.append(group);
    group = [];
    groupBytes = 0;
    inFlight.add(append);
    append.finally(() => inFlight.delete(append)).catch(() => undefined);
    if (inFlight.size >= APPENDS_IN_FLIGHT) await Promise.race(inFlight);
  };
  for await (const lines of inputLines(input.files, input.linesMax)) {
    for (const value of lines) {
      if (groupBytes + value.length > BYTES_PER_APPEND) await send();
      group.push({ value, timestamp: baseMs + records });
      records += 1;
      bytes += value.length;
      groupBytes += value.length + 16;
      if (group.length === RECORDS_PER_APPEND) await send();
    }
  }
  await send();
  await Promise.all(inFlight);
  return { records, bytes };
}

/** Reads everything back and compares it with the input; the number of batches. */
async function compareAll(log: Log, input: Input, baseMs: number): Promise<number> {
  const lines = inputLines(input.files, input.linesMax);
  let group: Buffer[] = [];
  let inGroup = 0;
  let offset = 0;
  let batches = 0;
  for await (const batch of log.read()) {
    batches += 1;
    for (const record of batch) {
      while (inGroup === group.length) {
        const next = await lines.next();
        if (next.done === true) throw new Error(`offset ${offset} is not in the input`);
        group = next.value;
        inGroup = 0;
      }
      const line = group[inGroup];
      if (record.offset !== offset || record.timestamp !== baseMs + offset) {
        throw new Error(`expected offset ${offset}, found ${record.offset}`);
      }
      if (line === undefined || record.value === null || !record.value.equals(line)) {
        throw new Error(`the record at offset ${offset} differs from line ${offset + 1}`);
      }
      inGroup += 1;
      offset += 1;
    }
  }
  const rest = await lines.next();
  if (rest.done !== true || inGroup < group.length) throw new Error(`records end at ${offset}`);
  return batches;
}

/** Looks records up by their time, spread over the log. */
async function compareByTime(log: Log, records: number, baseMs: number): Promise<number> {
  const samples = Math.min(TIME_SAMPLES, records);
  for (let sample = 0; sample < samples; sample++) {
    const wanted = Math.floor((sample * records) / samples);
    let found = -1;
    for await (const batch of log.read({ from: { timestamp: baseMs + wanted } })) {
      for (const record of batch) {
        found = record.offset;
        break;
      }
      break;
    }
    if (found !== wanted) throw new Error(`time of record ${wanted} leads to offset ${found}`);
  }
  return samples;
}

/** Repeats `work` until it took long enough; records per second. */
async function rate(records: number, work: (round: number) => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  let rounds = 0;
  do {
    await work(rounds);
    rounds += 1;
  } while (performance.now() - startedMs < MEASURE_MS);
  return (records * rounds * 1000) / (performance.now() - startedMs);
}

async function measureAppend(folder: string, input: Input, records: number): Promise<number> {
  const log = await Log.open(join(folder, 'rate'));
  try {
    // The input is read once more in each round: the rate is that of the whole path.
    return await rate(records, async () => {
      await appendLines(log, input, 0);
      await log.deleteRecordsBefore(log.durableOffset);
    });
  } finally {
    await log.close();
  }
}

async function measureRead(log: Log, records: number): Promise<number> {
  return await rate(records, async () => {
    let bytes = 0;
    for await (const batch of log.read()) {
      const cursor = batch.cursor();
      while (cursor.next()) bytes += cursor.valueEnd - cursor.valueStart;
    }
    if (bytes < 0) throw new Error('values have bytes');
  });
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
  process.stdout.write('\nlook at it with\n');
  for (const rest of [`read ${folder} --limit 3`, `verify ${folder}`, `dump ${folder}`]) {
    process.stdout.write(`  node ${shown} ${rest}\n`);
  }
  process.stdout.write('\n');
}

async function main(): Promise<void> {
  const argument = process.argv[2];
  const linesMax = argument === undefined ? LINES_MAX_WITHOUT_FILE : Number.POSITIVE_INFINITY;
  const input = { files: inputFiles(argument), linesMax };
  const parent = mkdtempSync(join(tmpdir(), 'millrace-'));
  const folder = join(parent, 'log');
  const baseMs = Date.now();
  const log = await Log.open(folder);
  try {
    const { records, bytes } = await appendLines(log, input, baseMs);
    const batches = await compareAll(log, input, baseMs);
    const samples = await compareByTime(log, records, baseMs);
    const { segments } = log.describe();
    const readRate = await measureRead(log, records);
    const appendRate = await measureAppend(parent, input, records);
    await log.close();
    const index = sizeOf(folder, '.index').bytes + sizeOf(folder, '.timeindex').bytes;
    print('input', argument ?? `text files of the dependencies (${input.files.length} files)`);
    print('records', `${number(records)}, compared byte for byte`);
    print('by time', `${number(samples)} records looked up by their time`);
    print('bytes', `${number(bytes)} of values, ${number(sizeOf(folder, '.log').bytes)} on disk`);
    print('batches', `${number(batches)} in ${number(segments)} segments`);
    print('index', `${number(index)} bytes`);
    print(
      'append rate',
      `${number(appendRate)} durable records/s, the reading of the file included`,
    );
    print('read rate', `${number(readRate)} records/s with a cursor, checksums verified`);
    print('data', folder);
    printCommands(folder);
    process.stdout.write(`verified ${number(records)} records\n`);
  } finally {
    await log.close();
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
