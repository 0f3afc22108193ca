// Checks how Atomics.waitAsync behaves in this version of Node.js. Each check is a process of its
// own (some of them are expected to end early), so that nothing else keeps its event loop alive.
// Run: node bench/prototypes/wait-async.mjs [--smoke]      (--smoke: the first four checks)
// Another version: npx --yes node@24 bench/prototypes/wait-async.mjs

import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { isSmoke, option, print, quantile, round3 } from './measure.mjs';

const checks = {
  // Expected 'ended early': a pending waitAsync and an unref'd worker do not hold the process.
  'unref-worker-no-ref': async () => {
    const { cells, worker } = await startWorker('answer-late');
    worker.unref();
    return outcomeOf(await waitFor(cells));
  },
  'unref-worker-ref-in-flight': async () => {
    const { cells, worker } = await startWorker('answer-late');
    worker.unref();
    worker.ref();
    const outcome = outcomeOf(await waitFor(cells));
    worker.unref();
    return outcome;
  },
  'timer-keeps-alive': async () => {
    const { cells, worker } = await startWorker('answer-late');
    worker.unref();
    const timer = setInterval(() => {}, 60_000);
    const outcome = outcomeOf(await waitFor(cells));
    clearInterval(timer);
    return outcome;
  },
  // The loop sleeps in epoll when the answer comes; the delay is from notify to continuation.
  'wakes-an-idle-loop': async () => {
    const delaysMs = [];
    for (let count = 0; count < (isSmoke() ? 1 : 20); count += 1) {
      const { cells, worker, times } = await startWorker('answer-late');
      await waitFor(cells);
      delaysMs.push(performance.timeOrigin + performance.now() - times[0]);
      await worker.terminate();
    }
    return `p50 ${round3(quantile(delaysMs, 0.5))} ms, most ${round3(Math.max(...delaysMs))} ms`;
  },
  'next-tick-and-promises-run-after-wake': async () => {
    const { cells } = await startWorker('answer-late');
    await waitFor(cells);
    await new Promise((resolve) => process.nextTick(resolve));
    await Promise.resolve();
    return 'ran';
  },
  'value-already-changed': async () => {
    const cells = createCells();
    cells[0] = 1;
    const wait = Atomics.waitAsync(cells, 0, 0);
    return `async ${wait.async}, ${wait.value}`;
  },
  'hundred-waiters-in-order': async () => {
    const { cells } = await startWorker('answer-late');
    const order = [];
    const waits = Array.from({ length: 100 }, (_, index) =>
      waitFor(cells).then(() => order.push(index)),
    );
    await Promise.all(waits);
    return order.every((value, index) => value === index) ? 'in order' : 'out of order';
  },
  // Expected 'never resolved': the end of the worker has to be watched by its exit event.
  'worker-dies-while-waited-for': async () => {
    const { cells, worker } = await startWorker('die');
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    const first = await Promise.race([waitFor(cells), exited.then(() => 'exit')]);
    return first === 'exit' ? 'never resolved, exit event came' : outcomeOf(first);
  },
  'main-exits-while-waiting': async () => {
    const { cells } = await startWorker('answer-late');
    waitFor(cells);
    print({ outcome: 'exit called' });
    process.exit(0);
  },
  'terminate-worker-that-waits': async () => {
    const { worker } = await startWorker('wait-async');
    await worker.terminate();
    return 'terminated';
  },
  'heap-after-many-waits': async () => {
    const cells = createCells();
    const waits = isSmoke() ? 1_000 : 200_000;
    globalThis.gc();
    const before = process.memoryUsage();
    for (let count = 0; count < waits; count += 1) {
      const wait = Atomics.waitAsync(cells, 0, 0);
      Atomics.notify(cells, 0);
      // The wait is resolved by a task of the event loop: hold the loop until it has run.
      const timer = setImmediate(() => {});
      await wait.value;
      clearImmediate(timer);
    }
    globalThis.gc();
    const after = process.memoryUsage();
    const growth = (name) => round3((after[name] - before[name]) / 2 ** 20);
    return `${waits} waits: heap ${growth('heapUsed')} MiB, rss ${growth('rss')} MiB`;
  },
};

if (!isMainThread) {
  await runWorker(workerData);
} else if (process.argv.includes('--check')) {
  print({ outcome: await checks[option('check')]() });
  process.exit(0);
} else {
  for (const name of Object.keys(checks).slice(0, isSmoke() ? 4 : Infinity)) {
    runCheck(name);
  }
}

function runCheck(name) {
  const smoke = isSmoke() ? ['--smoke'] : [];
  const args = ['--expose-gc', import.meta.filename, '--check', name, ...smoke];
  const child = spawnSync(process.execPath, args, { timeout: 60_000, encoding: 'utf8' });
  const line = child.stdout.trim();
  let outcome = 'ended early';
  if (line !== '') {
    outcome = JSON.parse(line).outcome;
  } else if (child.signal !== null) {
    outcome = 'hung';
  }
  const { status, signal } = child;
  print({ case: 'wait-async', node: process.versions.node, check: name, outcome, status, signal });
}

function createCells() {
  return new Int32Array(new SharedArrayBuffer(8));
}

async function waitFor(cells) {
  const wait = Atomics.waitAsync(cells, 0, 0);
  return wait.async ? await wait.value : wait.value;
}

function outcomeOf(value) {
  return value === 'ok' || value === 'not-equal' ? `resolved ${value}` : String(value);
}

async function startWorker(mode) {
  const cells = createCells();
  const times = new Float64Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL(import.meta.url), { workerData: { mode, cells, times } });
  await new Promise((resolve) => worker.once('message', resolve));
  return { cells, worker, times };
}

async function runWorker({ mode, cells, times }) {
  const { parentPort } = await import('node:worker_threads');
  parentPort.postMessage('ready');
  if (mode === 'wait-async') {
    setInterval(() => {}, 60_000);
    await waitFor(cells);
  } else if (mode === 'die') {
    await sleep(20);
    process.exit(1);
  } else {
    // A real sleep of the thread, as a slow disk would cause, not a timer.
    Atomics.wait(cells, 1, 0, isSmoke() ? 20 : 100);
    times[0] = performance.timeOrigin + performance.now();
    Atomics.store(cells, 0, 1);
    Atomics.notify(cells, 0);
  }
}
