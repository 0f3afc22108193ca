// The pool of cleaner threads, with real threads that work, fail, hang, die and are cancelled.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { InvariantViolation } from '../../src/base/assert.js';
import { hasCode, MillraceError } from '../../src/base/errors.js';
import {
  acquireCleaner,
  CleanerPool,
  type CleanerPoolOptions,
} from '../../src/storage/cleaner-pool.js';
import type { MapTask } from '../../src/storage/cleaner-task.js';
import type { LogCleaner } from '../../src/storage/log-cleaner.js';
import { failure } from '../support/holder-folder.js';
import { SimClock } from '../support/sim-clock.js';

const threadFile = new URL('./cleaner-test-thread.js', import.meta.url);
const STALL_MS = 30_000;
/** Less than an idle thread stays. */
const CHILD_MS_MAX = 9_000;

// Cleaners hold no process, so that of the tests needs something else.
const alive = setInterval(() => undefined, 1_000);
after(() => clearInterval(alive));

interface Deed {
  readonly task: MapTask;
  readonly words: Int32Array;
  /** Resolves once the thread has begun the task. */
  readonly begun: () => Promise<void>;
}

function deed(directory: string): Deed {
  const map = new SharedArrayBuffer(64);
  const words = new Int32Array(map);
  const task: MapTask = {
    kind: 'map',
    directory,
    logId: '0'.repeat(32),
    epochs: [],
    aborted: [{ producerId: 2n ** 62n, firstOffset: 1, lastOffset: 2, lastStableOffset: 3 }],
    segments: [{ baseOffset: 0, endOffset: 10, logBytes: 100 }],
    firstDirtyOffset: 5,
    upperOffset: Number.MAX_SAFE_INTEGER,
    map,
    superseded: new SharedArrayBuffer(0),
    hashSeed: 1,
  };
  const begun = async (): Promise<void> => {
    while (Atomics.load(words, 0) === 0) await setImmediate();
  };
  return { task, words, begun };
}

/** Lets a deed of kind `work` end. */
function finish({ words }: Deed): void {
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
}

function poolOf(t: TestContext, options: Partial<CleanerPoolOptions> = {}): LogCleaner {
  const cleaner = new CleanerPool({ threadFile, ...options }).acquire();
  t.after(() => cleaner.release());
  return cleaner;
}

/** The thread that did a deed. */
async function threadOf(cleaner: LogCleaner): Promise<number> {
  return (await cleaner.run(deed('nothing').task, {})).keys;
}

test('cleaner: a task goes over with its values, and comes back with its result', async (t) => {
  const cleaner = poolOf(t);
  const { task, words } = deed('step');
  assert.equal(cleaner.stats().threads, 0);
  const result = await cleaner.run(task, {});
  assert.deepEqual(
    { ...result, keys: 0 },
    {
      kind: 'map',
      mappedEnd: Number.MAX_SAFE_INTEGER,
      keys: 0,
      records: 5,
      bytes: 64,
      producers: [2n ** 62n],
      producerOffsets: [2],
    },
  );
  assert.equal(words[0], 1, 'shared memory is shared');
  const { threads, threadsMax, queued, running, completed } = cleaner.stats();
  assert.deepEqual([threads, threadsMax, queued, running, completed], [1, 1, 0, [], 1]);
});

test('cleaner: errors keep code, facts and cause, system errors their fields', async (t) => {
  const cleaner = poolOf(t);
  const corrupt = await cleaner.run(deed('millrace').task, {}).catch((error: unknown) => error);
  assert.ok(hasCode(corrupt, 'LOG_CORRUPT'));
  assert.deepEqual(corrupt.facts, { file: 'a.log', position: 61, offset: undefined });
  assert.match(corrupt.message, /^LOG_CORRUPT: .*position: 61/);
  assert.match(corrupt.stack ?? '', /LOG_CORRUPT/);
  assert.ok(corrupt.cause instanceof Error && 'code' in corrupt.cause);
  assert.equal(corrupt.cause.code, 'EIO');
  const system = await cleaner.run(deed('errno').task, {}).catch((error: unknown) => error);
  assert.ok(system instanceof Error && !(system instanceof MillraceError));
  const { code, errno, syscall, path } = Object(system);
  assert.deepEqual([code, errno, syscall, path], ['ENOSPC', -28, 'write', '/disk/a']);
  await assert.rejects(cleaner.run(deed('invariant').task, {}), InvariantViolation);
  await assert.rejects(cleaner.run(deed('text').task, {}), { message: 'not an error' });
  const { completed, failed, restarts, threads } = cleaner.stats();
  assert.deepEqual([completed, failed, restarts, threads], [0, 4, 0, 1]);
});

test('cleaner: tasks of several logs take turns on one thread', async (t) => {
  const pool = new CleanerPool({ threadFile });
  const [one, two] = [pool.acquire(), pool.acquire()];
  t.after(() => Promise.all([one.release(), two.release()]));
  const first = deed('work');
  const order: string[] = [];
  const note = (name: string) => () => void order.push(name);
  const all = [
    one.run(first.task, {}).then(note('one a')),
    one.run(deed('nothing').task, {}).then(note('one b')),
    two.run(deed('nothing').task, {}).then(note('two a')),
    one.run(deed('nothing').task, {}).then(note('one c')),
  ];
  await first.begun();
  const { queued, running } = two.stats();
  assert.equal(queued, 3);
  assert.deepEqual(
    running.map(({ kind, directory }) => [kind, directory]),
    [['map', 'work']],
  );
  assert.ok((running[0]?.sinceMs ?? 0) > 1_700_000_000_000);
  while ((one.stats().running[0]?.bytes ?? 0) === 0) await setImmediate();
  finish(first);
  await Promise.all(all);
  assert.deepEqual(order, ['one a', 'one b', 'two a', 'one c']);
});

test('cleaner: a cancelled task ends at its next chunk, and its thread goes on', async (t) => {
  const cleaner = poolOf(t, { clock: new SimClock() });
  const thread = await threadOf(cleaner);
  const work = deed('work');
  const controller = new AbortController();
  const reason = new Error('enough');
  const running = rejection(cleaner.run(work.task, { signal: controller.signal }));
  await work.begun();
  controller.abort(reason);
  assert.equal(await running, reason);
  assert.equal(await threadOf(cleaner), thread);
  const { cancelled, restarts } = cleaner.stats();
  assert.deepEqual([cancelled, restarts], [1, 0]);
});

test('cleaner: a task that waits for a thread is cancelled at once', async (t) => {
  const cleaner = poolOf(t);
  const work = deed('work');
  const running = cleaner.run(work.task, {});
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = rejection(cleaner.run(deed('nothing').task, { signal }));
  assert.equal(cleaner.stats().queued, 1);
  controller.abort('no more');
  assert.equal(cleaner.stats().queued, 0);
  assert.equal(await waiting, 'no more');
  assert.equal(await rejection(cleaner.run(deed('nothing').task, { signal })), 'no more');
  await work.begun();
  finish(work);
  await running;
});

test('cleaner: a cancel that comes too late does not take the result away', async (t) => {
  const cleaner = poolOf(t, { clock: new SimClock() });
  const deaf = deed('deaf');
  const controller = new AbortController();
  const running = cleaner.run(deaf.task, { signal: controller.signal });
  await deaf.begun();
  controller.abort();
  finish(deaf);
  assert.equal((await running).kind, 'map');
  assert.equal(cleaner.stats().completed, 1);
});

test('cleaner: a thread without work ends after a while', async (t) => {
  const cleaner = poolOf(t, { idleMs: 1 });
  const thread = await threadOf(cleaner);
  while (cleaner.stats().threads > 0) await setImmediate();
  assert.notEqual(await threadOf(cleaner), thread);
  assert.equal(cleaner.stats().restarts, 0);
});

test('cleaner: a task that does not obey a cancel loses its thread', async (t) => {
  const clock = new SimClock();
  const cleaner = poolOf(t, { clock, cancelMs: 2_000 });
  const thread = await threadOf(cleaner);
  const hang = deed('hang');
  const controller = new AbortController();
  const running = rejection(cleaner.run(hang.task, { signal: controller.signal }));
  const next = cleaner.run(deed('nothing').task, {});
  await hang.begun();
  controller.abort('stop');
  clock.advance(1_999);
  assert.equal(cleaner.stats().running.length, 1);
  clock.advance(1);
  assert.equal(await running, 'stop');
  assert.notEqual((await next).keys, thread, 'what waited gets a new thread');
  assert.equal(cleaner.stats().restarts, 1);
});

for (const name of ['hang', 'spin']) {
  test(`cleaner: a task without a heartbeat is given up with its thread (${name})`, async (t) => {
    const clock = new SimClock();
    const cleaner = poolOf(t, { clock, stallMs: STALL_MS });
    const hang = deed(name);
    const running = rejection(cleaner.run(hang.task, {}));
    await hang.begun();
    // The first reading sees the beat of the beginning.
    clock.advance(STALL_MS);
    assert.equal(cleaner.stats().running.length, 1);
    clock.advance(STALL_MS / 8);
    const error = await running;
    assert.ok(hasCode(error, 'CLEANER_FAILED') && error.retryable);
    assert.deepEqual([error.facts['path'], error.facts['task']], [name, 'map']);
    assert.equal(cleaner.stats().threads, 0, 'the answer comes when the thread is gone');
    assert.ok((await threadOf(cleaner)) > 0);
  });
}

test('cleaner: sleeping for the sake of a rate is no stall, and a cancel ends it', async (t) => {
  const cleaner = poolOf(t, { stallMs: 800 });
  const sleep = deed('sleep');
  const controller = new AbortController();
  const options = { signal: controller.signal, bytesPerSecond: 1_000 };
  let isSettled = false;
  const running = rejection(cleaner.run(sleep.task, options)).finally(() => {
    isSettled = true;
  });
  await sleep.begun();
  const startedMs = performance.now();
  while (performance.now() - startedMs < 1_600) await setImmediate();
  assert.equal(isSettled, false);
  assert.equal(cleaner.stats().running[0]?.bytes, 3_600_000);
  controller.abort('awake');
  assert.equal(await running, 'awake');
  assert.equal(cleaner.stats().restarts, 0);
});

for (const name of ['exit', 'uncaught', 'memory']) {
  test(`cleaner: a thread that dies fails its task only (${name})`, async (t) => {
    const cleaner = poolOf(t, { heapMebibytes: 32 });
    const dying = rejection(cleaner.run(deed(name).task, {}));
    const next = cleaner.run(deed('step').task, {});
    const outcome = await dying;
    if (name === 'uncaught') {
      // The answer may be under way before the thread dies; then the next task meets it.
      assert.ok(outcome === undefined || hasCode(outcome, 'CLEANER_FAILED'));
      await next.catch((error: unknown) => assert.ok(hasCode(error, 'CLEANER_FAILED')));
    } else {
      assert.ok(hasCode(outcome, 'CLEANER_FAILED') && outcome.retryable);
      assert.equal(outcome.facts['path'], name);
      assert.equal((await next).kind, 'map');
    }
    assert.ok((await threadOf(cleaner)) > 0);
    assert.equal(cleaner.stats().threads, 1);
  });
}

test('cleaner: a thread that cannot start fails the task, and is tried again', async (t) => {
  const missing = new URL('./no-such-thread.js', import.meta.url);
  const cleaner = poolOf(t, { threadFile: missing });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const tasks = [deed('nothing'), deed('nothing')].map(({ task }) => cleaner.run(task, {}));
    const errors = await Promise.all(tasks.map(rejection));
    for (const error of errors) assert.ok(hasCode(error, 'CLEANER_FAILED'));
  }
  assert.equal(cleaner.stats().running.length, 0);
});

test('cleaner: a release ends what runs and what waits, then the threads', async () => {
  const pool = new CleanerPool({ threadFile });
  const [one, two] = [pool.acquire(), pool.acquire()];
  const work = deed('work');
  const answers = [work, deed('nothing')].map(({ task }) =>
    failure(one.run(task, {}), 'CLEANER_FAILED'),
  );
  const other = two.run(deed('step').task, {});
  await work.begun();
  await one.release();
  await Promise.all(answers);
  assert.equal((await other).kind, 'map');
  assert.equal(two.stats().threads, 1);
  await two.release();
  assert.equal(two.stats().threads, 0);
});

test('cleaner: logs of one process share the threads, and the last one ends them', async () => {
  const [one, two] = [acquireCleaner(), acquireCleaner()];
  const task = {
    kind: 'facts',
    directory: '/nowhere',
    logId: '0'.repeat(32),
    baseOffsets: [],
  } as const;
  assert.deepEqual(await one.run(task, {}), { kind: 'facts', segments: [] });
  assert.equal(two.stats().completed, 1);
  await one.release();
  assert.equal(two.stats().threads, 1);
  await two.release();
  assert.equal(two.stats().threads, 0);
  const three = acquireCleaner();
  assert.equal(three.stats().completed, 0);
  await three.release();
});

const poolFile = new URL('../../src/storage/cleaner-pool.js', import.meta.url);

/** A program that starts a task and comes to its end without closing anything. */
const program = (name: string, then: string): string => `
  import { CleanerPool } from ${JSON.stringify(poolFile.href)};
  const pool = new CleanerPool({ threadFile: new URL(${JSON.stringify(threadFile.href)}) });
  const cleaner = pool.acquire();
  const map = new SharedArrayBuffer(64);
  const words = new Int32Array(map);
  const task = { kind: 'map', directory: ${JSON.stringify(name)}, aborted: [], map };
  ${then}
`;

const endings: readonly (readonly [string, string, string])[] = [
  [
    'while a task runs',
    'work',
    'cleaner.run(task, {}); while (words[0] === 0) await new Promise((r) => setTimeout(r, 5));',
  ],
  ['while a task starts', 'work', 'cleaner.run(task, {});'],
  [
    'with an idle thread',
    'step',
    'console.log((await cleaner.run(task, { hold: "keep-alive" })).kind);',
  ],
];

for (const [when, name, then] of endings) {
  test(`cleaner: a process ends by itself ${when}`, async () => {
    const given = ['--input-type=module', '-e', program(name, then)];
    // What does not end by itself is ended, by a signal.
    const child = spawn(process.execPath, given, { timeout: CHILD_MS_MAX });
    let stdout = '';
    child.stdout.on('data', (piece: Buffer) => {
      stdout += piece.toString();
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 0);
    assert.equal(stdout, name === 'step' ? 'map\n' : '');
  });
}

/** The error that a promise rejects with, or undefined. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
