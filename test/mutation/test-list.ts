/**
 * Stands in for `node:test` where the same tests run thousands of times in one process.
 *
 * A file of tests that is imported adds its tests to {@link listed}; nothing runs by itself. It
 * knows what tests of pure functions use: tests, suites, and a test that skips itself.
 */

/** What a test may say while it runs. */
export interface TestContext {
  skip(reason?: string): void;
  diagnostic(text: string): void;
}

export interface ListedTest {
  /** Unique in the process. */
  readonly name: string;
  readonly run: (context: TestContext) => unknown;
}

export const listed: ListedTest[] = [];

const suites: string[] = [];

export function test(name: string, run: (context: TestContext) => unknown): void {
  const full = [...suites, name].join(' > ');
  const same = listed.filter((other) => other.name === full || other.name.startsWith(`${full} #`));
  listed.push({ name: same.length === 0 ? full : `${full} #${same.length + 1}`, run });
}

export function describe(name: string, list: () => void): void {
  suites.push(name);
  list();
  suites.pop();
}
