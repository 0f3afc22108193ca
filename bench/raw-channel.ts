/**
 * The shared memory between the raw writer and its thread: two counters and a ring of calls.
 *
 * The same arrangement as the product's writer worker, without anything that a log needs: it is
 * what `raw` means in the budgets.
 */

export const CALLS = 4096;
export const CALL_INTS = 5;
export const CALL_KIND = 0;
export const CALL_FILE = 1;
export const CALL_START = 2;
export const CALL_COUNT = 3;
export const CALL_POSITION = 4;

export const CONTROL_PUBLISHED = 0;
export const CONTROL_COMPLETED = 1;
export const CONTROL_FAILED = 2;
export const CONTROL_INTS = 3;

export const KIND_OPEN = 1;
export const KIND_WRITE = 2;
export const KIND_SYNC = 3;
export const KIND_CLOSE = 4;
export const KIND_EXIT = 5;

export interface RawThreadData {
  readonly channel: SharedArrayBuffer;
  /** The finished bytes; calls name ranges of it. */
  readonly memory: SharedArrayBuffer;
  /** Calls name files by their index here. */
  readonly paths: readonly string[];
}

export function viewRawChannel(channel: SharedArrayBuffer): {
  readonly control: Int32Array;
  readonly calls: Int32Array;
} {
  return {
    control: new Int32Array(channel, 0, CONTROL_INTS),
    calls: new Int32Array(channel, CONTROL_INTS * 4, CALLS * CALL_INTS),
  };
}

export const RAW_CHANNEL_BYTES = 4 * (CONTROL_INTS + CALLS * CALL_INTS);
