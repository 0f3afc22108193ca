/**
 * A reporter for node:test, in the process of the tests: each event that counts becomes a line of
 * JSON. The last line says that all tests have come to their ends.
 */

import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';

/** Its own test, which loads the files, is none of theirs. */
const loader = fileURLToPath(new URL('./test-files.js', import.meta.url));

/** What the runner is told of a test, or of what it has said. */
export interface EventLine {
  readonly type: 'pass' | 'fail' | 'said' | 'end';
  /** Where the call of `test` stands. */
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly name?: string | undefined;
  /** A reason, or true without one. */
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly isSuite?: boolean;
  /** It failed only because one of its subtests did. */
  readonly isOfSubtest?: boolean;
  /** The error as people read it, or the diagnostic. */
  readonly text?: string | undefined;
}

interface TestError extends Error {
  readonly failureType?: string;
}

/** The part of node:test's events that is used here. */
interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string;
    readonly line?: number;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: TestError };
  };
}

// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a reporter.
export default async function* eventLines(
  events: AsyncIterable<TestEvent>,
): AsyncGenerator<string, void, undefined> {
  for await (const event of events) {
    const line = lineOf(event);
    if (line !== undefined) yield `${JSON.stringify(line)}\n`;
  }
  const end: EventLine = { type: 'end' };
  yield `${JSON.stringify(end)}\n`;
}

function lineOf({ type, data }: TestEvent): EventLine | undefined {
  const { file, line, name, skip, todo, details } = data;
  if (file === loader) return undefined;
  const isSuite = details?.type === 'suite';
  if (type === 'test:pass') return { type: 'pass', file, line, name, skip, todo, isSuite };
  if (type === 'test:fail') {
    const error = details?.error;
    const isOfSubtest = error?.failureType === 'subtestsFailed';
    const text = inspect(error?.cause ?? error);
    return { type: 'fail', file, line, name, todo, isSuite, isOfSubtest, text };
  }
  if (type !== 'test:diagnostic' || file === undefined) return undefined;
  return { type: 'said', file, text: data.message };
}
