/**
 * The shared memory between the main thread and the writer worker.
 *
 *     control   [ published | completed ]                 two rising counters (mod 2^32)
 *     entries   ENTRIES x [ operation, file, slab, start, count, position high, position low,
 *                           mark file, mark slab, mark count, mark position, status ]
 *
 * The main thread fills entries and raises `published`; the worker carries them out in order,
 * writes each status and raises `completed`. One producer, one consumer; the counters order all
 * else. The worker sleeps in `Atomics.wait` on `published`, the main thread in `Atomics.waitAsync`
 * on `completed`. Steps travel as messages; a STEP entry marks their place in the order.
 */

import type { WriterStep } from './writer.js';

export const ENTRIES = 1024;
export const ENTRY_INTS = 12;

export const CONTROL_PUBLISHED = 0;
export const CONTROL_COMPLETED = 1;
export const CONTROL_INTS = 2;

export const ENTRY_OPERATION = 0;
export const ENTRY_FILE = 1;
export const ENTRY_SLAB = 2;
export const ENTRY_START = 3;
export const ENTRY_COUNT = 4;
export const ENTRY_POSITION_HIGH = 5;
export const ENTRY_POSITION_LOW = 6;
export const ENTRY_MARK_FILE = 7;
export const ENTRY_MARK_SLAB = 8;
export const ENTRY_MARK_COUNT = 9;
export const ENTRY_MARK_POSITION = 10;
export const ENTRY_STATUS = 11;

export const OPERATION_WRITE = 1;
export const OPERATION_COMMIT = 2;
export const OPERATION_STEP = 3;

export const CHANNEL_BYTES = 4 * (CONTROL_INTS + ENTRIES * ENTRY_INTS);

export interface WriterChannel {
  readonly control: Int32Array;
  readonly entries: Int32Array;
}

export function viewChannel(memory: SharedArrayBuffer): WriterChannel {
  return {
    control: new Int32Array(memory, 0, CONTROL_INTS),
    entries: new Int32Array(memory, 4 * CONTROL_INTS, ENTRIES * ENTRY_INTS),
  };
}

/** Where the entry with this running number lies. */
export function entryIndex(number: number): number {
  return ((number >>> 0) % ENTRIES) * ENTRY_INTS;
}

/** What a STEP entry finds in the message queue. */
export type WriterMessage =
  | { readonly kind: 'steps'; readonly steps: readonly WriterStep[] }
  | { readonly kind: 'slab'; readonly id: number; readonly memory: SharedArrayBuffer }
  | { readonly kind: 'retire'; readonly id: number }
  | { readonly kind: 'exit' };

export type WriterReply =
  | { readonly kind: 'done'; readonly reads: readonly Uint8Array[] }
  | {
      readonly kind: 'failed';
      readonly errno: string;
      readonly stepIndex: number;
      readonly message: string;
    };

export interface WriterThreadData {
  readonly channel: SharedArrayBuffer;
  readonly port: import('node:worker_threads').MessagePort;
}
