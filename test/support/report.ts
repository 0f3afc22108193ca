/**
 * Turns what the processes of tests have told into counts, and prints failures in full.
 *
 * What counts: every test and subtest that is not a suite; a test that failed only because a
 * subtest did is not counted again. A process that ends badly, or a file that has no test, is a
 * failure.
 */

import { relative } from 'node:path';
import type { EventLine } from './event-lines.js';

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** One line for each skip: file, test, reason. */
  readonly skips: string[];
}

/** How a process ended, and what it has told. */
export interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** It was ended because it took too long. */
  readonly isLate: boolean;
  /** What was printed, both streams. */
  readonly output: string;
  readonly events: readonly EventLine[];
}

export function emptyTally(): Tally {
  return { passed: 0, failed: 0, skipped: 0, skips: [] };
}

export function addTally(to: Tally, more: Tally): void {
  to.passed += more.passed;
  to.failed += more.failed;
  to.skipped += more.skipped;
  to.skips.push(...more.skips);
}

export function formatTally({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * Why a process did not come to its end; undefined when it did. A failed test makes the exit code
 * 1, and nothing else may.
 */
export function badEnd({ exitCode, signal, isLate, events }: Ended): string | undefined {
  if (isLate) return 'it took too long';
  const hasFailure = events.some(({ type }) => type === 'fail');
  const isExpected = exitCode === 0 || (exitCode === 1 && hasFailure);
  if (!isExpected) return `exit code ${exitCode ?? signal}`;
  return events.at(-1)?.type === 'end' ? undefined : 'before its tests had ended';
}

/**
 * Counts what was told of these files, and prints the failures, with the commands that repeat them.
 * Paths are relative to `folder`.
 */
export function report(ended: Ended, files: readonly string[], folder: string): Tally {
  const tally = emptyTally();
  const said: string[] = [];
  for (const event of ended.events) {
    const file = relative(folder, event.file ?? '');
    if (event.type === 'said') said.push(`${event.text}\n`);
    if (event.type === 'pass') countPass(event, file, tally);
    if (event.type === 'fail') countFailure(event, file, tally);
  }
  const names = files.map((file) => relative(folder, file));
  const without = ended.exitCode === 0 ? filesWithoutTests(ended.events, files) : [];
  for (const file of without) {
    tally.failed += 1;
    console.log(`FAILED  ${relative(folder, file)}: the file has no tests`);
  }
  const why = badEnd(ended);
  if (why !== undefined && without.length === 0) {
    tally.failed += 1;
    console.log(`FAILED  ${names.join(', ')}: the process ended badly (${why})`);
  }
  if (tally.failed === 0) return tally;
  const output = ended.output + said.join('');
  if (output !== '') console.log(`output of ${names.join(', ')}:\n${output}`);
  const seed = process.env['MILLRACE_SEED'];
  for (const name of files.filter((file) => isToRepeat(file, files, ended.events))) {
    const only = relative(folder, name).replace(/\.js$/, '');
    console.log(`to repeat: MILLRACE_SEED=${seed} npm run test:one -- ${only}`);
  }
  return tally;
}

/** Whether it failed; all of them are when it is not known which. */
function isToRepeat(file: string, files: readonly string[], events: readonly EventLine[]): boolean {
  const failed = events.filter(({ type }) => type === 'fail').map((event) => event.file ?? '');
  return failed.includes(file) || !failed.some((one) => files.includes(one));
}

function countPass({ name, skip, todo, isSuite }: EventLine, file: string, tally: Tally): void {
  const reason = skip ?? todo;
  if (reason !== undefined && reason !== false) {
    tally.skipped += 1;
    tally.skips.push(`${file}: ${name}: ${reason === true ? 'no reason given' : reason}`);
  } else if (isSuite !== true) {
    tally.passed += 1;
  }
}

function countFailure(event: EventLine, file: string, tally: Tally): void {
  const { name, line, todo, isOfSubtest, text = '' } = event;
  if (todo !== undefined && todo !== false) {
    tally.skipped += 1;
    tally.skips.push(`${file}: ${name}: fails, marked as not ready: ${todo}`);
    return;
  }
  if (isOfSubtest === true) return;
  tally.failed += 1;
  console.log(`FAILED  ${file}:${line}: ${name}\n${indented(text)}`);
}

/** A file that is alone may have its tests from a contract, which is another file. */
function filesWithoutTests(events: readonly EventLine[], files: readonly string[]): string[] {
  const withTests = new Set(events.map(({ file }) => file));
  const isNone = ({ type }: EventLine): boolean => type === 'said' || type === 'end';
  if (files.length === 1) return events.every(isNone) ? [...files] : [];
  return files.filter((file) => !withTests.has(file));
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ');
}
