/**
 * A worker thread of `flips.ts`: a task in, its tally out.
 */

import { parentPort } from 'node:worker_threads';
import { Flipper, type FlipTask } from './flips.js';

// Millions of expected errors are made here: their stacks would cost most of the time.
Error.stackTraceLimit = 0;
const flipper = new Flipper();
parentPort?.on('message', (task: FlipTask) => {
  flipper.run(task).then(
    (tally) => parentPort?.postMessage(tally),
    // An error here is a fault of the test itself: it ends the worker and is seen by the caller.
    (error: unknown) => {
      throw error;
    },
  );
});
