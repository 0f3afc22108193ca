/**
 * A thread file for the tests of the pool: what a task does is named by its directory.
 *
 * The memory of the map task's map tells the test how far it is: word 0 becomes 1 when the task has
 * begun, and `work` goes on until word 1 is set.
 */

import { threadId } from 'node:worker_threads';
import { assert } from '../../src/base/assert.js';
import { createError } from '../../src/base/errors.js';
import {
  answerCleanerTask,
  type CleanerAnswer,
  type CleanerMessage,
} from '../../src/storage/cleaner-answer.js';
import type { CleanerControl, CleanerResult, MapTask } from '../../src/storage/cleaner-task.js';

const deeds: Readonly<Record<string, (words: Int32Array, control: CleanerControl) => void>> = {
  nothing: () => undefined,
  step: (_words, control) => control.progress(1000),
  /** Chunk after chunk, until it is told to stop. */
  work: (words, control) => {
    while (Atomics.load(words, 1) === 0) {
      control.progress(1);
      Atomics.wait(words, 1, 0, 1);
    }
  },
  /** Waits to be told to stop, and never looks whether it was cancelled. */
  deaf: (words) => {
    while (Atomics.load(words, 1) === 0) Atomics.wait(words, 1, 0);
  },
  /** One chunk for which the rate wants an hour of sleep. */
  sleep: (_words, control) => control.progress(3_600_000),
  millrace: () => {
    const cause = Object.assign(new Error('read failed'), { code: 'EIO', syscall: 'read' });
    throw createError('LOG_CORRUPT', { file: 'a.log', position: 61, offset: undefined }, cause);
  },
  errno: () => {
    const fields = { code: 'ENOSPC', errno: -28, syscall: 'write', path: '/disk/a' };
    throw Object.assign(new Error('ENOSPC: no space'), fields);
  },
  invariant: () => assert(false, 'what must hold'),
  text: () => {
    throw 'not an error';
  },
  exit: () => process.exit(3),
  /** Ends the thread by an error that nobody catches. */
  uncaught: () => {
    queueMicrotask(() => {
      throw new Error('nobody catches this');
    });
  },
  hang: () => {
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  spin: () => {
    for (;;);
  },
  memory: () => {
    const kept: unknown[] = [];
    for (;;) kept.push(new Array(10_000).fill(kept.length).map((value) => ({ value })));
  },
};

export function runTask(message: CleanerMessage): CleanerAnswer {
  return answerCleanerTask(message, (task, control): CleanerResult => {
    assert(task.kind === 'map', 'the tests use map tasks');
    act(task, control);
    const { firstDirtyOffset, upperOffset } = task;
    return {
      kind: 'map',
      mappedEnd: upperOffset,
      keys: threadId,
      records: firstDirtyOffset,
      bytes: task.map.byteLength,
      producers: task.aborted.map(({ producerId }) => producerId),
      producerOffsets: task.aborted.map(({ lastOffset }) => lastOffset),
    };
  });
}

function act(task: MapTask, control: CleanerControl): void {
  const words = new Int32Array(task.map);
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  const deed = deeds[task.directory];
  assert(deed !== undefined, 'the task names a deed');
  deed(words, control);
}
