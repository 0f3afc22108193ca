/**
 * The thread of the raw writer: carries out calls with synchronous `node:fs`, sleeps in between,
 * and wakes the other side after a sync and when it has caught up.
 */

import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import {
  CALL_COUNT,
  CALL_FILE,
  CALL_INTS,
  CALL_KIND,
  CALL_POSITION,
  CALL_START,
  CALLS,
  CONTROL_COMPLETED,
  CONTROL_FAILED,
  CONTROL_PUBLISHED,
  KIND_CLOSE,
  KIND_EXIT,
  KIND_OPEN,
  KIND_SYNC,
  KIND_WRITE,
  type RawThreadData,
  viewRawChannel,
} from './raw-channel.js';

const { channel, memory, paths }: RawThreadData = workerData;
const { control, calls } = viewRawChannel(channel);
const bytes = new Uint8Array(memory);
const descriptors: number[] = [];

for (let completed = 0; ; ) {
  const published = Atomics.load(control, CONTROL_PUBLISHED);
  if (published === completed) {
    Atomics.wait(control, CONTROL_PUBLISHED, published);
    continue;
  }
  const at = (completed % CALLS) * CALL_INTS;
  const kind = calls[at + CALL_KIND];
  if (kind === KIND_EXIT) break;
  try {
    carryOut(kind, at);
  } catch (error) {
    console.error(error);
    Atomics.store(control, CONTROL_FAILED, 1);
  }
  completed += 1;
  Atomics.store(control, CONTROL_COMPLETED, completed);
  const isLast = Atomics.load(control, CONTROL_PUBLISHED) === completed;
  if (kind === KIND_SYNC || isLast) Atomics.notify(control, CONTROL_COMPLETED);
}

function carryOut(kind: number | undefined, at: number): void {
  const file = calls[at + CALL_FILE] ?? 0;
  switch (kind) {
    case KIND_OPEN:
      descriptors[file] = openSync(paths[file] ?? '', 'w+', 0o600);
      return;
    case KIND_WRITE: {
      const start = calls[at + CALL_START] ?? 0;
      const count = calls[at + CALL_COUNT] ?? 0;
      const position = calls[at + CALL_POSITION] ?? 0;
      for (let done = 0; done < count; ) {
        done += writeSync(
          descriptors[file] ?? -1,
          bytes,
          start + done,
          count - done,
          position + done,
        );
      }
      return;
    }
    case KIND_SYNC:
      fdatasyncSync(descriptors[file] ?? -1);
      return;
    case KIND_CLOSE:
      closeSync(descriptors[file] ?? -1);
      return;
    default:
      throw new Error(`unknown call ${kind}`);
  }
}
