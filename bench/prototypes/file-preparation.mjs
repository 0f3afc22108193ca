// Measures what preparing a file does to the cost of one pwrite + fdatasync on the main thread.
//   growing      the file ends where the append begins (baseline)
//   truncated    ftruncate to the full length beforehand: the size is final, the blocks are holes
//   zero-filled  zeros written and synced beforehand: size and blocks are final
//   recycled     old bytes written and synced beforehand, as in a journal that is used in turn
// Run: node bench/prototypes/file-preparation.mjs [--smoke] [--dir folder]

import { closeSync, fdatasyncSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  isSmoke,
  pairedRatio,
  print,
  quantile,
  round3,
  shuffle,
  temporaryFolder,
} from './measure.mjs';

const APPENDS_PER_ROUND = 20;
const rounds = isSmoke() ? 5 : 150;
const folder = temporaryFolder();

const prepare = {
  growing: () => {},
  truncated: (fd, bytes) => ftruncateSync(fd, bytes),
  'zero-filled': (fd, bytes) => fill(fd, bytes, 0),
  recycled: (fd, bytes) => fill(fd, bytes, 0x5a),
};

function fill(fd, bytes, value) {
  writeSync(fd, Buffer.alloc(bytes, value), 0, bytes, 0);
}

for (const bytes of [200, 4096]) {
  const fileBytes = bytes * APPENDS_PER_ROUND * rounds;
  const batch = Buffer.alloc(bytes, 0x61);
  const files = Object.entries(prepare).map(([name, action]) => {
    const fd = openSync(join(folder, `${name}-${bytes}`), 'w+');
    action(fd, fileBytes);
    fsyncSync(fd);
    return { name, fd, position: 0, roundMs: [], appendMs: [] };
  });
  for (let round = 0; round < rounds; round += 1) {
    for (const file of shuffle(files)) {
      file.roundMs.push(runRound(file, batch));
    }
  }
  for (const file of files) {
    print({
      case: 'file-preparation',
      bytes,
      variant: file.name,
      p50Ms: round3(quantile(file.appendMs, 0.5)),
      p99Ms: round3(quantile(file.appendMs, 0.99)),
      toGrowing: pairedRatio(file.roundMs, files[0].roundMs),
    });
    closeSync(file.fd);
  }
}

function runRound(file, batch) {
  const roundStart = performance.now();
  for (let append = 0; append < APPENDS_PER_ROUND; append += 1) {
    const start = performance.now();
    writeSync(file.fd, batch, 0, batch.length, file.position);
    fdatasyncSync(file.fd);
    file.appendMs.push(performance.now() - start);
    file.position += batch.length;
  }
  return performance.now() - roundStart;
}
