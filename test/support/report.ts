/**
 * Turns the events of node:test into counts, and prints failures in full.
 *
 * What counts: every test and subtest that is not a suite; a test that failed only because a
 * subtest did is not counted again. A file that ends badly, or that has no test, is a failure.
 */

import { relative } from 'node:path';
import { inspect } from 'node:util';

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** One line for each skip: file, test, reason. */
  readonly skips: string[];
}

interface TestError extends Error {
  readonly failureType?: string;
  readonly exitCode?: number;
}

/** The part of node:test's events that is used here. */
interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string;
    readonly line?: number;
    readonly nesting?: number;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: TestError };
  };
}

/** What one test file printed and how its tests went. */
interface FileLog {
  output: string;
  hasFailed: boolean;
}

const FILE_OUTPUT_CHARACTERS_MAX = 1_000_000;

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

/** Reads the events to their end; paths are shown relative to `folder`. */
export async function report(
  events: AsyncIterable<TestEvent>,
  folder: string,
  limitMs: number,
): Promise<Tally> {
  const tally = emptyTally();
  const logs = new Map<string, FileLog>();
  for await (const event of events) {
    const file = event.data.file ?? '';
    const log = logs.get(file) ?? { output: '', hasFailed: false };
    logs.set(file, log);
    const message = event.data.message ?? '';
    if (event.type === 'test:stdout' || event.type === 'test:stderr') keep(log, message);
    if (event.type === 'test:diagnostic' && file !== '') keep(log, `${message}\n`);
    if (event.type === 'test:pass') countPass(event, relative(folder, file), tally, log);
    if (event.type === 'test:fail')
      countFailure(event, relative(folder, file), tally, log, limitMs);
  }
  for (const [file, { output, hasFailed }] of logs) {
    if (hasFailed && output !== '') console.log(`output of ${relative(folder, file)}:\n${output}`);
  }
  return tally;
}

function keep(log: FileLog, text: string): void {
  if (log.output.length < FILE_OUTPUT_CHARACTERS_MAX) log.output += text;
}

function countPass({ data }: TestEvent, file: string, tally: Tally, log: FileLog): void {
  const skip = data.skip ?? data.todo;
  if (skip !== undefined && skip !== false) {
    tally.skipped += 1;
    tally.skips.push(`${file}: ${data.name}: ${skip === true ? 'no reason given' : skip}`);
  } else if (isFileItself(data)) {
    tally.failed += 1;
    log.hasFailed = true;
    console.log(`FAILED  ${file}: the file has no tests`);
  } else if (data.details?.type !== 'suite') {
    tally.passed += 1;
  }
}

function countFailure(
  { data }: TestEvent,
  file: string,
  tally: Tally,
  log: FileLog,
  limitMs: number,
): void {
  const error = data.details?.error;
  if (data.todo !== undefined && data.todo !== false) {
    tally.skipped += 1;
    tally.skips.push(`${file}: ${data.name}: fails, marked as not ready: ${data.todo}`);
    return;
  }
  log.hasFailed = true;
  if (error?.failureType === 'subtestsFailed') return;
  tally.failed += 1;
  const place = data.line === undefined || isFileItself(data) ? file : `${file}:${data.line}`;
  if (!isFileItself(data)) {
    console.log(`FAILED  ${place}: ${data.name}\n${indented(inspect(error?.cause ?? error))}`);
  } else if (error?.failureType === 'testAborted') {
    console.log(`FAILED  ${place}: did not end while its group ran (${limitMs / 1000} s)`);
  } else {
    console.log(`FAILED  ${place}: the process ended badly (exit code ${error?.exitCode})`);
  }
}

/** node:test reports a file as a test of its own when it fails, or holds no tests. */
function isFileItself(data: TestEvent['data']): boolean {
  return data.nesting === 0 && data.name === data.file;
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ');
}
