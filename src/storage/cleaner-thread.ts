/**
 * Entry of a cleaner thread: carries out one task after the other, with synchronous calls.
 *
 * The pool of `cleaner-pool.ts` loads it and calls `runTask` by name. It keeps nothing between
 * tasks.
 */

import { createNodeBlockingFileSystem } from '../base/node-file-system.js';
import { answerCleanerTask, type CleanerAnswer, type CleanerMessage } from './cleaner-answer.js';
import { runCleanerTask } from './cleaner-run.js';

export function runTask(message: CleanerMessage): CleanerAnswer {
  return answerCleanerTask(message, (task, control) =>
    runCleanerTask(createNodeBlockingFileSystem(), task, control),
  );
}
