/**
 * Carries out a cleaner task, whichever it is: the one entry for threads and simulations.
 */

import { unreachable } from '../base/assert.js';
import type { BlockingFileSystem } from '../base/file-system.js';
import { runFacts } from './cleaner-facts.js';
import type { CleanerControl, CleanerResult, CleanerTask } from './cleaner-task.js';
import { runGroup } from './compaction-group.js';
import { runMap } from './compaction-map.js';
import { runSwap } from './compaction-swap.js';
import { runReserve } from './reserve-file.js';

/**
 * Runs to the end with synchronous calls. Throws what the task's own function throws, and what
 * `control` throws when the task is cancelled.
 */
export function runCleanerTask(
  fileSystem: BlockingFileSystem,
  task: CleanerTask,
  control: CleanerControl,
): CleanerResult {
  switch (task.kind) {
    case 'map':
      return runMap(fileSystem, task, control);
    case 'group':
      return runGroup(fileSystem, task, control);
    case 'swap':
      runSwap(fileSystem, task);
      return { kind: 'swap' };
    case 'facts':
      return runFacts(fileSystem, task, control);
    case 'reserve':
      runReserve(fileSystem, task, control);
      return { kind: 'reserve' };
    default:
      return unreachable(task);
  }
}
