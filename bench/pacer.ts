/**
 * Calls at a fixed rate, whether or not the ones before were answered, each timed from the moment
 * at which it should have begun: whatever delays a call counts, and nothing is left out because
 * something else was slow (coordinated omission).
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';

export interface PacerData {
  readonly intervalMs: number;
  /** One word: not 0 means stop. */
  readonly stop: SharedArrayBuffer;
}

export interface PacedTimes {
  /** In ms, in the order of the answers. */
  readonly times: readonly number[];
  /** 99th percentile of the event loop's delay meanwhile, in ms; the timer's 1 ms is in it. */
  readonly loopDelayP99: number;
}

/** Calls `call` every `intervalMs` until `until` resolves, and waits for all answers. */
export async function paced(
  intervalMs: number,
  call: () => Promise<unknown>,
  until: () => Promise<unknown>,
): Promise<PacedTimes> {
  const stop = new SharedArrayBuffer(4);
  const workerData: PacerData = { intervalMs, stop };
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const thread = new Worker(new URL(`./pacer-thread.${extension}`, import.meta.url), {
    name: 'pacer',
    workerData,
    execArgv: [],
  });
  const times: number[] = [];
  const calls: Promise<void>[] = [];
  const first = new Promise((resolve) => thread.once('message', resolve));
  thread.on('message', (dueMs: number) => {
    calls.push(
      call().then(() => {
        times.push(Number(process.hrtime.bigint()) / 1e6 - dueMs);
      }),
    );
  });
  await first;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  try {
    await until();
  } finally {
    delay.disable();
    const words = new Int32Array(stop);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    await new Promise((resolve) => thread.once('exit', resolve));
  }
  await Promise.all(calls);
  return { times, loopDelayP99: delay.percentile(99) / 1e6 };
}
