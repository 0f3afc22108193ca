/**
 * Entry of the writer worker: carries out what the channel says, with synchronous calls.
 *
 * It sleeps while there is nothing to do and never runs an event loop turn in between, so the host
 * program's use of libuv's thread pool cannot delay a sync. It wakes the main thread once per
 * commit or step, after a large write, so that its slab is filled again meanwhile, and when it has
 * caught up; not once per small write.
 */

import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assert, unreachable } from '../base/assert.js';
import { errnoOf } from '../base/errors.js';
import { createNodeBlockingFileSystem } from '../base/node-file-system.js';
import { STATUS_ABORTED, STATUS_OK, type WriterStatus } from './writer.js';
import {
  CONTROL_COMPLETED,
  CONTROL_PUBLISHED,
  ENTRY_COUNT,
  ENTRY_FILE,
  ENTRY_MARK_COUNT,
  ENTRY_MARK_FILE,
  ENTRY_MARK_POSITION,
  ENTRY_MARK_SLAB,
  ENTRY_OPERATION,
  ENTRY_POSITION_HIGH,
  ENTRY_POSITION_LOW,
  ENTRY_SLAB,
  ENTRY_START,
  ENTRY_STATUS,
  entryIndex,
  OPERATION_COMMIT,
  OPERATION_STEP,
  OPERATION_WRITE,
  viewChannel,
  type WriterMessage,
  type WriterReply,
  type WriterThreadData,
} from './writer-channel.js';
import { WriterCore } from './writer-core.js';

/** A write of this many bytes takes longer than waking somebody. */
const WAKE_BYTES = 256 * 1024;

const { channel, port }: WriterThreadData = workerData;
const { control, entries } = viewChannel(channel);
const core = new WriterCore(createNodeBlockingFileSystem());
const slabs = new Map<number, Uint8Array>();

function main(): void {
  let completed = 0;
  for (;;) {
    const published = Atomics.load(control, CONTROL_PUBLISHED);
    if (published === completed) {
      Atomics.wait(control, CONTROL_PUBLISHED, published);
      continue;
    }
    const at = entryIndex(completed);
    const operation = entry(at + ENTRY_OPERATION);
    const status = carryOut(operation, at);
    if (status === 'exit') return;
    entries[at + ENTRY_STATUS] = status;
    completed = (completed + 1) | 0;
    Atomics.store(control, CONTROL_COMPLETED, completed);
    const isLast = Atomics.load(control, CONTROL_PUBLISHED) === completed;
    if (operation !== OPERATION_WRITE || isLast || entry(at + ENTRY_COUNT) >= WAKE_BYTES) {
      Atomics.notify(control, CONTROL_COMPLETED);
    }
  }
}

function entry(index: number): number {
  const value = entries[index];
  assert(value !== undefined, 'channel entry in range');
  return value;
}

function slabBytes(id: number): Uint8Array {
  const bytes = slabs.get(id);
  assert(bytes !== undefined, 'slab is known to the writer');
  return bytes;
}

function carryOut(operation: number, at: number): WriterStatus | 'exit' {
  switch (operation) {
    case OPERATION_WRITE:
      return core.write(
        entry(at + ENTRY_FILE),
        slabBytes(entry(at + ENTRY_SLAB)),
        entry(at + ENTRY_START),
        entry(at + ENTRY_COUNT),
        entry(at + ENTRY_POSITION_HIGH) * 2 ** 32 + (entry(at + ENTRY_POSITION_LOW) >>> 0),
      );
    case OPERATION_COMMIT:
      return core.commit(
        entry(at + ENTRY_FILE),
        entry(at + ENTRY_MARK_FILE),
        slabBytes(entry(at + ENTRY_MARK_SLAB)),
        entry(at + ENTRY_MARK_COUNT),
        entry(at + ENTRY_MARK_POSITION),
      );
    case OPERATION_STEP:
      return takeMessage();
    default:
      return STATUS_ABORTED;
  }
}

/** The message was posted before its entry was published, so it is there. */
function takeMessage(): WriterStatus | 'exit' {
  const received = receiveMessageOnPort(port);
  assert(received !== undefined, 'a step entry has its message');
  const message: WriterMessage = received.message;
  switch (message.kind) {
    case 'slab':
      slabs.set(message.id, new Uint8Array(message.memory));
      return STATUS_OK;
    case 'retire':
      slabs.delete(message.id);
      return STATUS_OK;
    case 'steps':
      port.postMessage(runSteps(message));
      return STATUS_OK;
    case 'exit':
      core.closeAll();
      return 'exit';
    default:
      return unreachable(message);
  }
}

function runSteps(message: WriterMessage & { kind: 'steps' }): WriterReply {
  const reads: Uint8Array[] = [];
  for (const [stepIndex, step] of message.steps.entries()) {
    try {
      const bytes = core.step(step);
      if (bytes !== undefined) reads.push(bytes);
    } catch (error) {
      const errno = errnoOf(error) ?? 'EIO';
      const text = error instanceof Error ? error.message : String(error);
      core.refuseOpened(message.steps.slice(0, stepIndex));
      return { kind: 'failed', errno, stepIndex, message: `${step.kind}: ${text}` };
    }
  }
  return { kind: 'done', reads };
}

main();
