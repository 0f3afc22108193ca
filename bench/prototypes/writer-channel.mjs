// Measures a lone durable append (one pwrite, one fdatasync, then the next one) by how the main
// thread gets it done, while the host program is idle or keeps libuv's pool busy.
//   sync        synchronous calls on the main thread (baseline)
//   promises    FileHandle.write and FileHandle.datasync, through libuv's pool
//   wait-async  a worker woken by Atomics.notify that answers through Atomics.waitAsync
//   port        a worker woken by Atomics.notify that answers by MessagePort
//   port-both   a worker asked and answered by MessagePort
// Loads: idle, gzip (6 jobs), pbkdf2 (6 jobs), dns (8 loops of dns.lookup of localhost), dns-unknown
// (8 loops of names that no server knows).
// A worker is unref'd and gets a ref for each append in flight, as a library must do it; the cost
// is included. A chunk ends after 100 appends or one second. Ratios pair the chunks of a round.
// Run: node bench/prototypes/writer-channel.mjs [--smoke] [--dir folder] [--rounds 30]
//   [--loads idle,gzip,pbkdf2,dns,dns-unknown] [--bytes 1024]

import { pbkdf2 } from 'node:crypto';
import { lookup } from 'node:dns';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { MessageChannel, Worker } from 'node:worker_threads';
import { gzip } from 'node:zlib';
import {
  isSmoke,
  option,
  pairedRatio,
  print,
  quantile,
  round3,
  shuffle,
  temporaryFolder,
} from './measure.mjs';

const CHUNK_APPENDS = isSmoke() ? 10 : 100;
const CHUNK_MS = isSmoke() ? 50 : 1000;
const ASKED = 0;
const ANSWERED = 1;

const rounds = Number(option('rounds', isSmoke() ? '2' : '30'));
const loadNames = option('loads', isSmoke() ? 'idle,gzip' : 'idle,gzip,pbkdf2,dns,dns-unknown');
const batchBytes = Number(option('bytes', '1024'));
const folder = temporaryFolder();

const gzipAsync = promisify(gzip);
const pbkdf2Async = promisify(pbkdf2);
const lookupAsync = promisify(lookup);
const text = Buffer.alloc(2 ** 20, 'the quick brown fox jumps over the lazy dog 0123456789 ');
let names = 0;

const LOADS = {
  idle: { jobs: 0 },
  gzip: { jobs: 6, run: () => gzipAsync(text, { level: 9 }) },
  pbkdf2: { jobs: 6, run: () => pbkdf2Async('password', 'salt', 50_000, 64, 'sha512') },
  dns: { jobs: 8, run: () => lookupAsync('localhost') },
  'dns-unknown': {
    jobs: 8,
    run: () => {
      names += 1;
      return lookupAsync(`name-${process.pid}-${names}.example.invalid`).catch(() => sleep(1));
    },
  },
};

const variants = new Map([
  ['sync', openSynchronous()],
  ['promises', await openPromises()],
  ['wait-async', await openWorker('wait-async')],
  ['port', await openWorker('port')],
  ['port-both', await openWorker('port-both')],
]);
for (const name of loadNames.split(',')) {
  await measure(name, LOADS[name]);
}
for (const { close } of variants.values()) {
  await close();
}

async function measure(load, { jobs, run }) {
  let isRunning = true;
  let runs = 0;
  const loops = Array.from({ length: jobs }, async () => {
    while (isRunning) {
      await run();
      runs += 1;
    }
  });
  const series = new Map([...variants.keys()].map((name) => [name, createSeries()]));
  for (let round = -1; round < rounds; round += 1) {
    for (const [name, { append }] of shuffle(variants)) {
      const chunk = await runChunk(append);
      if (round >= 0) {
        const one = series.get(name);
        one.appendMs.push(...chunk);
        one.p50Ms.push(quantile(chunk, 0.5));
        one.p90Ms.push(quantile(chunk, 0.9));
      }
      await sleep(1);
    }
  }
  isRunning = false;
  await Promise.all(loops);
  const baseline = series.get('sync');
  for (const [variant, { appendMs, p50Ms, p90Ms }] of series) {
    print({
      case: 'lone-append',
      node: process.versions.node,
      load,
      jobsDone: runs,
      variant,
      appends: appendMs.length,
      p50Ms: round3(quantile(appendMs, 0.5)),
      p99Ms: round3(quantile(appendMs, 0.99)),
      p50ToSync: pairedRatio(p50Ms, baseline.p50Ms),
      p90ToSync: pairedRatio(p90Ms, baseline.p90Ms),
      p99ToSync: round3(quantile(appendMs, 0.99) / quantile(baseline.appendMs, 0.99)),
    });
  }
}

function createSeries() {
  return { appendMs: [], p50Ms: [], p90Ms: [] };
}

async function runChunk(append) {
  const appendMs = [];
  const chunkStart = performance.now();
  while (appendMs.length < CHUNK_APPENDS && performance.now() - chunkStart < CHUNK_MS) {
    const start = performance.now();
    await append();
    appendMs.push(performance.now() - start);
  }
  return appendMs;
}

function openSynchronous() {
  const fd = openSync(join(folder, 'sync'), 'w');
  const batch = Buffer.alloc(batchBytes, 0x61);
  let position = 0;
  return {
    append: () => {
      writeSync(fd, batch, 0, batchBytes, position);
      fdatasyncSync(fd);
      position += batchBytes;
    },
    close: () => closeSync(fd),
  };
}

async function openPromises() {
  const file = await open(join(folder, 'promises'), 'w');
  const batch = Buffer.alloc(batchBytes, 0x61);
  let position = 0;
  return {
    append: async () => {
      await file.write(batch, 0, batchBytes, position);
      await file.datasync();
      position += batchBytes;
    },
    close: () => file.close(),
  };
}

async function openWorker(mode) {
  const cells = new Int32Array(new SharedArrayBuffer(8));
  const slab = new Uint8Array(new SharedArrayBuffer(batchBytes)).fill(0x61);
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./writer-channel-worker.mjs', import.meta.url), {
    workerData: { mode, path: join(folder, mode), cells, slab, port: port2 },
    transferList: [port2],
  });
  await new Promise((resolve) => worker.once('online', resolve));
  worker.unref();
  const exchange =
    mode === 'wait-async' ? exchangeByCells(cells) : exchangeByPort(mode, cells, port1);
  return {
    append: async () => {
      worker.ref();
      await exchange();
      worker.unref();
    },
    close: async () => {
      port1.close();
      await worker.terminate();
    },
  };
}

// The counter may have moved before waitAsync looks at it, and a wake-up may be a stale one.
function exchangeByCells(cells) {
  let asked = 0;
  return async () => {
    asked += 1;
    Atomics.store(cells, ASKED, asked);
    Atomics.notify(cells, ASKED);
    while (Atomics.load(cells, ANSWERED) !== asked) {
      const wait = Atomics.waitAsync(cells, ANSWERED, asked - 1);
      if (wait.async) {
        await wait.value;
      }
    }
  };
}

function exchangeByPort(mode, cells, port) {
  let asked = 0;
  let answer = () => {};
  port.on('message', () => answer());
  port.unref();
  return () =>
    new Promise((resolve) => {
      answer = resolve;
      asked += 1;
      if (mode === 'port-both') {
        port.postMessage(asked);
      } else {
        Atomics.store(cells, ASKED, asked);
        Atomics.notify(cells, ASKED);
      }
    });
}
