// Measures nothing by itself: the writer of writer-channel.mjs. It opens its own file and makes
// each append durable with synchronous calls; `mode` decides how it is asked and how it answers.

import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const ASKED = 0;
const ANSWERED = 1;
const { mode, path, cells, slab, port } = workerData;
const fd = openSync(path, 'w');
let position = 0;

if (mode === 'port-both') {
  port.on('message', (asked) => {
    append();
    port.postMessage(asked);
  });
} else {
  for (let answered = 0; ; answered += 1) {
    while (Atomics.load(cells, ASKED) === answered) {
      Atomics.wait(cells, ASKED, answered);
    }
    append();
    if (mode === 'port') {
      port.postMessage(answered + 1);
    } else {
      Atomics.store(cells, ANSWERED, answered + 1);
      Atomics.notify(cells, ANSWERED);
    }
  }
}

function append() {
  writeSync(fd, slab, 0, slab.length, position);
  fdatasyncSync(fd);
  position += slab.length;
}
