// Measures nothing by itself: the layout of a job that durable-logs-process.mjs hands to
// durable-logs-worker.mjs in shared memory. A worker's job is stable between asked and answered.

export const LOGS_MAX = 256;
export const BATCH_BYTES_MAX = 4096;
// Log number, position, length and a checksum over the group: enough for a replay at open.
export const JOURNAL_HEADER_BYTES = 24;

export const ACTION = { syncEach: 1, syncInPool: 2, journal: 3, writeOnly: 4, syncOnly: 5 };

export const CELL = {
  asked: 0,
  answered: 1,
  action: 2,
  first: 3,
  step: 4,
  logs: 5,
  bytes: 6,
  position: 7,
  journal: 8,
  journalPosition: 9,
};

export function createShared() {
  return {
    cells: new Int32Array(new SharedArrayBuffer(64)),
    fds: new Int32Array(new SharedArrayBuffer(LOGS_MAX * 4)),
    times: new Float64Array(new SharedArrayBuffer(8)),
    slab: new Uint8Array(new SharedArrayBuffer(LOGS_MAX * BATCH_BYTES_MAX)).fill(0x61),
  };
}
