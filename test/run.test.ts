import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempDir } from './support/temp-dir.js';

const here = dirname(fileURLToPath(import.meta.url));
/** The runner, and what it consists of. */
const runnerFiles = [
  'run.js',
  ...['event-lines', 'report', 'test-files', 'test-plan', 'test-process'].map(
    (name) => `support/${name}.js`,
  ),
];
const PASSING = `import { test } from 'node:test';
  test('a', async (t) => { await t.test('inner', () => {}); });`;

interface Outcome {
  readonly status: number | null;
  readonly output: string;
  readonly lastLine: string | undefined;
}

/** Runs the runner over a folder of its own, with these test files in it. */
function runTests(t: TestContext, files: Record<string, string>, ...options: string[]): Outcome {
  const folder = tempDir(t);
  const tests = join(folder, 'test');
  mkdirSync(join(tests, 'support'), { recursive: true });
  mkdirSync(join(folder, 'tmp'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const name of runnerFiles) cpSync(join(here, name), join(tests, name));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawnSync(process.execPath, [join(tests, 'run.js'), ...options], {
    encoding: 'utf8',
    env: { ...environment, TMPDIR: join(folder, 'tmp'), MILLRACE_DEBUG: '', MILLRACE_SEED: '5' },
  });
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [], 'the runner leaves nothing behind');
  const output = child.stdout + child.stderr;
  return { status: child.status, output, lastLine: child.stdout.trimEnd().split('\n').at(-1) };
}

const smokes = { 'fuzz/run.js': '', 'bench/run.js': 'if (!globalThis.gc) process.exit(1);' };

test('run: passing tests are counted, subtests and smoke runs too, and the exit code is 0', (t) => {
  const { status, lastLine, output } = runTests(t, {
    ...smokes,
    'test/base/a.test.js': PASSING,
    'test/base/a.property.test.js': `import { test } from 'node:test';
      import assert from 'node:assert';
      test('debug', () => assert.equal(process.env.MILLRACE_DEBUG, '1'));`,
    'test/base/not-a-test.js': 'process.exit(1);',
  });
  assert.equal(status, 0, output);
  assert.equal(lastLine, '5 passed, 0 failed, 0 skipped');
  assert.match(output, /^base .* 2 passed/m);
  assert.match(output, /^property .* 1 passed/m);
  assert.match(output, /^fuzz smoke .* 1 passed/m);
});

test('run: a failure is shown in full with what its file printed, and fails the run', (t) => {
  const { status, lastLine, output } = runTests(t, {
    ...smokes,
    'test/base/a.test.js': `import { test } from 'node:test';
      import assert from 'node:assert/strict';
      test('outer', async (t) => {
        console.log('said so');
        t.diagnostic('seed 5');
        await t.test('inner', () => assert.equal(1, 2));
      });`,
    'test/index/b.test.js': PASSING,
  });
  assert.equal(status, 1);
  assert.equal(lastLine, '4 passed, 1 failed, 0 skipped');
  assert.match(output, /FAILED {2}base\/a\.test\.js.*: inner\n {2}AssertionError/);
  assert.match(output, /said so/);
  assert.match(output, /seed 5/);
  assert.match(output, /^to repeat: MILLRACE_SEED=5 npm run test:one -- base\/a\.test$/m);
  assert.doesNotMatch(output, /to repeat: .* index\/b\.test/);
});

test('run: a failure of one of the files that share a process is told of that file', (t) => {
  const { status, output } = runTests(t, {
    ...smokes,
    'test/base/a.test.js': `import { test } from 'node:test';
      test('seed', () => { throw new Error(process.env.MILLRACE_SEED); });`,
    'test/base/b.test.js': PASSING,
  });
  assert.equal(status, 1);
  assert.match(output, /FAILED {2}base\/a\.test\.js:2: seed\n {2}Error: 5\n/);
  assert.match(output, /to repeat: .* base\/a\.test$/m);
  assert.doesNotMatch(output, /to repeat: .* base\/b\.test/);
});

test('run: files that end badly only in one process are a failure', (t) => {
  const { status, lastLine, output } = runTests(t, {
    ...smokes,
    'test/base/a.test.js': `${PASSING} globalThis.first = true;`,
    'test/base/b.test.js': `${PASSING} test('exit', () => globalThis.first && process.exit(0));`,
  });
  assert.equal(status, 1);
  assert.equal(lastLine, '7 passed, 1 failed, 0 skipped');
  assert.match(output, /they end badly \(before its tests had ended\) in one process, not alone/);
});

test('run: an error that nobody catches fails the file whose test made it', (t) => {
  const { status, lastLine, output } = runTests(t, {
    ...smokes,
    'test/base/a.test.js': `import { test } from 'node:test';
      const turn = () => new Promise((resolve) => setImmediate(resolve));
      test('early', async () => {
        setImmediate(() => { throw new Error('too late'); });
        await turn();
        await turn();
      });`,
    'test/base/b.test.js': `import { test } from 'node:test';
      test('early', async () => { void Promise.reject(new Error('for nobody')); });`,
    'test/base/c.test.js': PASSING,
  });
  assert.equal(status, 1);
  assert.equal(lastLine, '6 passed, 2 failed, 0 skipped');
  assert.match(output, /FAILED {2}base\/a\.test\.js: the process ended badly \(exit code 1\)/);
  assert.match(output, /nobody caught Error: too late\n {4}at /);
  assert.match(output, /nobody caught Error: for nobody\n {4}at /);
});

test('run: skips are listed with their reasons', (t) => {
  const { status, lastLine, output } = runTests(t, {
    'test/base/a.test.js': `import { test } from 'node:test';
      test('x', { skip: 'no java' }, () => {});
      test('y', () => {});`,
  });
  assert.equal(status, 0);
  assert.equal(lastLine, '1 passed, 0 failed, 3 skipped');
  assert.match(output, /skipped {2}base\/a\.test\.js: x: no java/);
  assert.match(output, /skipped {2}fuzz smoke: fuzz\/run\.js is not there/);
});

test('run: a file that crashes, or has no tests, or a smoke run that fails, is a failure', (t) => {
  const { status, lastLine, output } = runTests(t, {
    'test/base/a.test.js': `${PASSING} throw new Error('at load');`,
    'test/base/b.test.js': '',
    'test/base/c.test.js': `${PASSING} test('exit', () => process.exit(3));`,
    'fuzz/run.js': 'console.log("seed 9"); process.exit(1);',
    'bench/run.js': '',
  });
  assert.equal(status, 1);
  assert.match(lastLine ?? '', / 4 failed, 0 skipped$/);
  assert.match(output, /a\.test\.js: the process ended badly/);
  assert.match(output, /at load/);
  assert.match(output, /b\.test\.js: the file has no tests/);
  assert.match(output, /c\.test\.js: the process ended badly \(exit code 3\)/);
  assert.match(output, /fuzz smoke: exit 1\nseed 9/);
});

test('run: what a test leaves in the temporary folder fails the run, and is removed', (t) => {
  const { status, output } = runTests(t, {
    ...smokes,
    'test/base/a.test.js': `import { writeFileSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      ${PASSING} writeFileSync(tmpdir() + '/millrace-left', '');`,
  });
  assert.equal(status, 1);
  assert.match(output, /base\/a\.test\.js left in the temporary folder: millrace-left/);
});

test('run: --only keeps what contains the text, and a text that nothing contains fails', (t) => {
  const files = { ...smokes, 'test/base/a.test.js': PASSING, 'test/log.test.js': PASSING };
  const some = runTests(t, files, '--only', 'log');
  assert.equal(some.status, 0);
  assert.equal(some.lastLine, '2 passed, 0 failed, 0 skipped');
  const none = runTests(t, files, '--only', 'nothing');
  assert.equal(none.status, 1);
  assert.equal(none.lastLine, '0 passed, 0 failed, 0 skipped');
  assert.equal(runTests(t, files, '--only').status, 2);
});
