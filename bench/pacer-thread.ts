/**
 * A metronome in a thread of its own: tells when each beat should have come, however late the
 * other side hears of it. Timers of the main thread are coarser than what is measured.
 */

import { parentPort, workerData } from 'node:worker_threads';
import type { PacerData } from './pacer.js';

const { intervalMs, stop }: PacerData = workerData;
const words = new Int32Array(stop);
let nextMs = nowMs() + intervalMs;
for (;;) {
  const waitMs = nextMs - nowMs();
  if (waitMs > 0) Atomics.wait(words, 0, 0, waitMs);
  if (Atomics.load(words, 0) !== 0) break;
  if (nowMs() < nextMs) continue;
  parentPort?.postMessage(nextMs);
  nextMs += intervalMs;
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
