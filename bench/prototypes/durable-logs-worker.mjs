// Measures nothing by itself: a writer of durable-logs.mjs. It sleeps in Atomics.wait, does one job
// with synchronous calls (syncInPool alone goes through libuv's pool) and answers by a counter.

import { fdatasync, fdatasyncSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { crc32c } from '@node-rs/crc32';
import {
  ACTION,
  BATCH_BYTES_MAX,
  CELL,
  JOURNAL_HEADER_BYTES,
  LOGS_MAX,
} from './durable-logs-job.mjs';

const { cells, fds, times, slab } = workerData;
const group = Buffer.alloc(LOGS_MAX * (BATCH_BYTES_MAX + JOURNAL_HEADER_BYTES));
let generation = 0;

for (let answered = 0; ; answered += 1) {
  while (Atomics.load(cells, CELL.asked) === answered) {
    Atomics.wait(cells, CELL.asked, answered);
  }
  const start = performance.now();
  switch (cells[CELL.action]) {
    case ACTION.syncEach:
      writeLogs();
      syncLogs();
      times[0] = performance.now() - start;
      break;
    case ACTION.syncInPool:
      writeLogs();
      await syncLogsInPool();
      times[0] = performance.now() - start;
      break;
    case ACTION.journal:
      writeJournal();
      times[0] = performance.now() - start;
      writeLogs();
      break;
    case ACTION.writeOnly:
      writeLogs();
      break;
    case ACTION.syncOnly:
      syncLogs();
      break;
    default:
      throw new Error('unknown action');
  }
  Atomics.store(cells, CELL.answered, answered + 1);
  Atomics.notify(cells, CELL.answered);
}

function writeLogs() {
  const bytes = cells[CELL.bytes];
  for (let log = cells[CELL.first]; log < cells[CELL.logs]; log += cells[CELL.step]) {
    writeSync(fds[log], slab, log * bytes, bytes, cells[CELL.position]);
  }
}

function syncLogs() {
  for (let log = cells[CELL.first]; log < cells[CELL.logs]; log += cells[CELL.step]) {
    fdatasyncSync(fds[log]);
  }
}

function syncLogsInPool() {
  return new Promise((resolve, reject) => {
    let pending = cells[CELL.logs];
    for (let log = 0; log < cells[CELL.logs]; log += 1) {
      fdatasync(fds[log], (error) => {
        pending -= 1;
        if (error !== null) {
          reject(error);
        } else if (pending === 0) {
          resolve();
        }
      });
    }
  });
}

function writeJournal() {
  const bytes = cells[CELL.bytes];
  let end = 0;
  generation += 1;
  for (let log = 0; log < cells[CELL.logs]; log += 1) {
    group.writeUInt32LE(generation, end);
    group.writeUInt32LE(log, end + 4);
    group.writeUInt32LE(bytes, end + 8);
    group.writeDoubleLE(cells[CELL.position], end + 12);
    group.set(slab.subarray(log * bytes, (log + 1) * bytes), end + JOURNAL_HEADER_BYTES);
    end += JOURNAL_HEADER_BYTES + bytes;
  }
  group.writeUInt32LE(crc32c(group.subarray(4, end)), 20);
  writeSync(cells[CELL.journal], group, 0, end, cells[CELL.journalPosition]);
  fdatasyncSync(cells[CELL.journal]);
}
