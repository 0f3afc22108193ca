/**
 * A test runner for Stryker that keeps the tests loaded and runs them where they are.
 *
 * Stryker's own way for `node:test` is a process for each mutant, which takes a hundred times as
 * long as the tests of a pure function. Here the files of tests are imported once, and the mutant
 * is switched on and off around the tests that reach it. What is carried out while a file loads (a
 * table) needs a new process: Stryker starts one when a runner cannot load again.
 *
 * A killed mutant may leave something behind in memory that lives as long as the process. So the
 * test that killed it runs once more without the mutant, and when it still fails, the process ends
 * before the next mutant; Stryker starts another.
 *
 * The shapes below are those of Stryker's plugins, as far as they are used.
 */

import { inspect } from 'node:util';
import { type ListedTest, listed } from './test-list.js';

/** Where instrumented code looks: which mutant is on, and what was reached. */
interface StrykerSpace {
  activeMutant?: string | undefined;
  currentTestId?: string | undefined;
  hitCount?: number | undefined;
  hitLimit?: number | undefined;
  mutantCoverage?: unknown;
}

interface MutantRun {
  readonly activeMutant: { readonly id: string };
  readonly testFilter?: readonly string[];
  readonly hitLimit?: number;
  readonly mutantActivation: 'runtime' | 'static';
}

/** `node:test` is replaced in the files that this variable lists, as URLs in JSON. */
export const TESTS_VARIABLE = 'MILLRACE_MUTATION_TESTS';

class InProcessRunner {
  readonly #space = strykerSpace();
  #isLoaded = false;
  #isLitterLeft = false;

  capabilities() {
    return { reloadEnvironment: false };
  }

  async dryRun() {
    await this.#load();
    const tests = [];
    for (const test of listed) {
      this.#space.currentTestId = test.name;
      const startedMs = performance.now();
      const failure = await failureOf(test);
      const timeSpentMs = performance.now() - startedMs;
      const facts = { id: test.name, name: test.name, timeSpentMs };
      tests.push(
        failure === undefined
          ? { ...facts, status: 0 }
          : { ...facts, status: 1, failureMessage: failure },
      );
    }
    this.#space.currentTestId = undefined;
    return { status: 'complete', tests, mutantCoverage: this.#space.mutantCoverage };
  }

  async mutantRun(run: MutantRun) {
    if (this.#isLitterLeft) process.exit(1);
    const space = this.#space;
    if (run.mutantActivation === 'runtime') await this.#load();
    space.activeMutant = run.activeMutant.id;
    space.hitCount = 0;
    space.hitLimit = run.hitLimit;
    try {
      await this.#load();
      return await this.#runUntilKilled(run);
    } finally {
      space.activeMutant = undefined;
    }
  }

  async #runUntilKilled({ testFilter, hitLimit }: MutantRun) {
    const chosen = listed.filter(({ name }) => testFilter?.includes(name) ?? true);
    for (const [index, test] of chosen.entries()) {
      const failure = await failureOf(test);
      if (hitLimit !== undefined && (this.#space.hitCount ?? 0) > hitLimit) {
        this.#isLitterLeft = true;
        return { status: 'timeout' };
      }
      if (failure === undefined) continue;
      this.#space.activeMutant = undefined;
      this.#isLitterLeft = (await failureOf(test)) !== undefined;
      return {
        status: 'killed',
        killedBy: [test.name],
        failureMessage: failure,
        nrOfTests: index + 1,
      };
    }
    return { status: 'survived', nrOfTests: chosen.length };
  }

  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    const files: unknown = JSON.parse(process.env[TESTS_VARIABLE] ?? '[]');
    for (const file of Array.isArray(files) ? files : []) await import(String(file));
  }
}

/** What went wrong, or undefined. */
async function failureOf(test: ListedTest): Promise<string | undefined> {
  try {
    await test.run({ skip: () => undefined, diagnostic: () => undefined });
    return undefined;
  } catch (error) {
    return inspect(error);
  }
}

function strykerSpace(): StrykerSpace {
  const space: StrykerSpace = {};
  Object.assign(globalThis, { __stryker__: space });
  return space;
}

/** What Stryker shows of the code: a node of Babel's, with its parent. */
interface CodePath {
  readonly node: CodeNode;
}

interface CodeNode {
  readonly type: string;
  readonly callee?: CodeNode & { readonly name?: string };
}

/** An assertion never fires in a right program, so no test can tell one from another. */
function whyIgnored({ node }: CodePath): string | undefined {
  if (node.type !== 'CallExpression' || node.callee?.type !== 'Identifier') return undefined;
  const { name } = node.callee;
  return name === 'assert' || name === 'unreachable' ? 'an assertion' : undefined;
}

/** The names that the configuration uses. */
export const RUNNER = 'in-process';
export const IGNORER = 'assertions';

export const strykerPlugins = [
  { kind: 'TestRunner', name: RUNNER, injectableClass: InProcessRunner },
  { kind: 'Ignore', name: IGNORER, value: { shouldIgnore: whyIgnored } },
];
