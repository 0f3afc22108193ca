// Measures nothing by itself: a process of durable-logs.mjs with its own libuv pool size.
// It owns the files and its workers, hands them jobs through shared memory and blocks until they
// answer, so that no event loop lies in the measured time. No job is started while its worker runs.

import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  ACTION,
  BATCH_BYTES_MAX,
  CELL,
  createShared,
  JOURNAL_HEADER_BYTES,
  LOGS_MAX,
} from './durable-logs-job.mjs';

const workers = Number(process.argv[2]);
const CHECKPOINT_WORKER = 7;

const shareds = Array.from({ length: workers }, createShared);
for (const shared of shareds) {
  new Worker(new URL('./durable-logs-worker.mjs', import.meta.url), { workerData: shared }).unref();
}

let logs = 0;
let bytes = 0;
let files = new Map();

const handlers = { open, close, round, checkpoint, sustained };
process.on('message', (request) => process.send(handlers[request.name](request) ?? {}));

function open(request) {
  ({ logs, bytes } = request);
  if (logs > LOGS_MAX || bytes > BATCH_BYTES_MAX) {
    throw new Error('more logs or bytes than the shared memory holds');
  }
  for (const variant of request.variants) {
    const fds = [];
    for (let log = 0; log < logs; log += 1) {
      fds.push(openSync(join(request.folder, `${variant}-${process.pid}-${log}`), 'w+'));
      if (variant === 'zero-filled') {
        writeSync(fds[log], Buffer.alloc(bytes * request.rounds), 0, bytes * request.rounds, 0);
      }
      fsyncSync(fds[log]);
    }
    const file = { fds, journal: -1, position: 0, journalPosition: 0 };
    if (variant.startsWith('journal')) {
      file.journal = openSync(join(request.folder, `${variant}-${process.pid}`), 'w+');
      if (variant === 'journal') {
        writeSync(file.journal, Buffer.alloc(request.journalBytes), 0, request.journalBytes, 0);
      }
      fsyncSync(file.journal);
    }
    files.set(variant, file);
  }
}

function close() {
  for (const { fds, journal } of files.values()) {
    for (const fd of journal < 0 ? fds : [...fds, journal]) {
      ftruncateSync(fd, 0);
      fsyncSync(fd);
      closeSync(fd);
    }
  }
  files = new Map();
}

function round({ variant }) {
  const file = files.get(variant);
  const start = performance.now();
  const ackMs = runRound(variant, file);
  return { roundMs: performance.now() - start, ackMs };
}

function runRound(variant, file) {
  const writers = variant.startsWith('writers-') ? Number(variant.slice(8)) : 1;
  let action = ACTION.syncEach;
  if (variant.startsWith('pool-')) {
    action = ACTION.syncInPool;
  } else if (variant.startsWith('journal')) {
    action = ACTION.journal;
  }
  for (let writer = 0; writer < writers; writer += 1) {
    post(writer, action, file, writer, writers);
  }
  let ackMs = 0;
  for (let writer = 0; writer < writers; writer += 1) {
    ackMs = Math.max(ackMs, waitFor(writer));
  }
  file.position += bytes;
  file.journalPosition += groupBytes();
  return ackMs;
}

function groupBytes() {
  return logs * (bytes + JOURNAL_HEADER_BYTES);
}

function post(worker, action, file, first, step) {
  const { cells, fds } = shareds[worker];
  fds.set(file.fds);
  cells[CELL.action] = action;
  cells[CELL.first] = first;
  cells[CELL.step] = step;
  cells[CELL.logs] = logs;
  cells[CELL.bytes] = bytes;
  cells[CELL.position] = file.position;
  cells[CELL.journal] = file.journal;
  cells[CELL.journalPosition] = file.journalPosition;
  Atomics.add(cells, CELL.asked, 1);
  Atomics.notify(cells, CELL.asked);
}

// Blocks until the worker has answered; returns the milliseconds until its batches were durable.
function waitFor(worker) {
  const { cells, times } = shareds[worker];
  const asked = cells[CELL.asked];
  for (let answered = Atomics.load(cells, CELL.answered); answered !== asked; ) {
    Atomics.wait(cells, CELL.answered, answered);
    answered = Atomics.load(cells, CELL.answered);
  }
  return times[0];
}

// Writes to the log files what a full journal would hold, then times syncing them all.
function checkpoint({ variant, journalBytes }) {
  const file = files.get(variant);
  post(0, ACTION.syncOnly, file, 0, 1);
  waitFor(0);
  const rounds = Math.ceil(journalBytes / groupBytes());
  for (let count = 0; count < rounds; count += 1) {
    post(0, ACTION.writeOnly, file, 0, 1);
    waitFor(0);
    file.position += bytes;
  }
  const start = performance.now();
  post(0, ACTION.syncOnly, file, 0, 1);
  waitFor(0);
  return { checkpointMs: performance.now() - start };
}

// The journal has two halves: one fills while the logs whose batches the other one holds are
// synced. A half that is full waits until the other one may be written again.
function sustained({ variant, sliceMs, journalBytes }) {
  const file = files.get(variant);
  const isJournal = variant === 'journal';
  let half = 0;
  let checkpoints = 0;
  let rounds = 0;
  file.journalPosition = 0;
  const start = performance.now();
  while (performance.now() - start < sliceMs) {
    if (isJournal && file.journalPosition + groupBytes() > (half + 1) * journalBytes) {
      waitFor(CHECKPOINT_WORKER);
      post(CHECKPOINT_WORKER, ACTION.syncOnly, file, 0, 1);
      checkpoints += 1;
      half = 1 - half;
      file.journalPosition = half * journalBytes;
    }
    runRound(variant, file);
    rounds += 1;
  }
  if (isJournal) {
    waitFor(CHECKPOINT_WORKER);
    post(CHECKPOINT_WORKER, ACTION.syncOnly, file, 0, 1);
    waitFor(CHECKPOINT_WORKER);
  }
  const elapsedMs = performance.now() - start;
  for (const fd of file.fds) {
    ftruncateSync(fd, 0);
    fsyncSync(fd);
  }
  file.position = 0;
  return { elapsedMs, rounds, checkpoints };
}
