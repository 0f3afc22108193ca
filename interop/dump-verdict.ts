/**
 * Judges what Kafka's DumpLogSegments printed. Its exit code says nothing about the files, so the
 * text decides: every batch line says `isvalid`, and whatever stands on standard error is a
 * finding, with one exception. For each file it counts offsets from -1, so it reports the first
 * record of a later segment, and every gap of a compacted one, as non-consecutive; those pairs must
 * be exactly the ones that follow from the offsets which the caller knows to be there.
 */

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type ChildExit, readOutput } from './child-processes.js';

/** What a dumped segment must hold. */
export interface ExpectedSegment {
  readonly file: string;
  /** Offsets of all records in the file, control records included, rising. */
  readonly offsets: readonly number[];
}

const batchLine = /^baseOffset: \d+ lastOffset: \d+ count: (\d+) .* isvalid: (true|false)$/;

/** Problems in the output of a dump of the `.log` files of `segments`; empty when it is good. */
export async function judgeLogDump(
  exit: ChildExit,
  segments: readonly ExpectedSegment[],
): Promise<string[]> {
  const problems = judgeExit(exit);
  const counts = new Map<string, number>();
  let file = '';
  for await (const line of linesOf(exit.stdoutFile)) {
    if (line.startsWith('Dumping ')) {
      file = line.slice('Dumping '.length);
      counts.set(file, 0);
    } else if (/^Found \d+ invalid bytes at the end/.test(line)) {
      problems.push(`${file}: ${line}`);
    } else if (line.startsWith('baseOffset: ')) {
      const [, count, isValid] = batchLine.exec(line) ?? [];
      if (isValid !== 'true') problems.push(`${file}: ${line}`);
      counts.set(file, (counts.get(file) ?? 0) + Number(count));
    }
  }
  for (const segment of segments) {
    const count = counts.get(segment.file);
    if (count === segment.offsets.length) continue;
    problems.push(`${segment.file}: ${segment.offsets.length} records expected, found ${count}`);
  }
  problems.push(...judgeGaps(readOutput(exit.stderrFile), segments));
  return problems;
}

/** How many batches of a dump hold no record; compaction leaves them for their producer's sake. */
export async function countEmptyBatches(exit: ChildExit): Promise<number> {
  let count = 0;
  for await (const line of linesOf(exit.stdoutFile)) {
    if (batchLine.exec(line)?.[1] === '0') count += 1;
  }
  return count;
}

/** Problems in the output of a check of other files: anything on standard error is one. */
export function judgeQuietDump(exit: ChildExit, files: readonly string[]): string[] {
  const problems = [...judgeExit(exit), ...linesIn(readOutput(exit.stderrFile))];
  const dumped = new Set(readOutput(exit.stdoutFile).split('\n'));
  for (const file of files) {
    if (!dumped.has(`Dumping ${file}`)) problems.push(`${file} was not looked at`);
  }
  return problems;
}

/** The same with one more condition: each file with entries is named as sane. */
export function judgeSanityCheck(exit: ChildExit, files: readonly string[]): string[] {
  const problems = judgeQuietDump(exit, files);
  const lines = new Set(readOutput(exit.stdoutFile).split('\n'));
  for (const file of files) {
    if (lines.has(`${file} passed sanity check.`) || lines.has(`${file} is empty.`)) continue;
    problems.push(`${file} did not pass the sanity check`);
  }
  return problems;
}

function judgeExit(exit: ChildExit): string[] {
  if (exit.outcome === 'exited' && exit.exitCode === 0) return [];
  return [`the dump ended with ${exit.outcome}, exit code ${exit.exitCode}`];
}

function judgeGaps(stderr: string, segments: readonly ExpectedSegment[]): string[] {
  const problems: string[] = [];
  const reported = new Map<string, string[]>();
  let gaps: string[] | undefined;
  for (const line of linesIn(stderr)) {
    const file = /^Non-consecutive offsets in (.*)$/.exec(line)?.[1];
    if (file !== undefined) {
      gaps = [];
      reported.set(file, gaps);
    } else if (gaps !== undefined && /^ {2}-?\d+ is followed by \d+$/.test(line)) {
      gaps.push(line.trim());
    } else {
      gaps = undefined;
      problems.push(line);
    }
  }
  for (const { file, offsets } of segments) {
    const expected = gapsOf(offsets).join('; ');
    const actual = (reported.get(file) ?? []).join('; ');
    if (expected !== actual) {
      problems.push(`${file}: gaps expected [${expected}], found [${actual}]`);
    }
  }
  return problems;
}

function gapsOf(offsets: readonly number[]): string[] {
  const gaps: string[] = [];
  let previous = -1;
  for (const offset of offsets) {
    if (offset !== previous + 1) gaps.push(`${previous} is followed by ${offset}`);
    previous = offset;
  }
  return gaps;
}

function linesIn(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** Printed values may hold any byte, so lines are read as they come, never as one string. */
function linesOf(file: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(file, 'latin1'), crlfDelay: Infinity });
}
