/**
 * A loop over a consumer in a real process: while it waits, the process lives; then it ends.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { tempDir } from '../support/temp-dir.js';

const program = `
const { Broker } = await import(process.argv[1]);
const broker = await Broker.open(process.argv[2]);
const topic = await broker.topic('orders', { partitions: 2 });
// Timers that do not hold the process: only the loop does.
setTimeout(() => topic.send({ value: 'late' }), 150).unref();
const consumer = topic.consumer({ group: 'g' });
for await (const batch of consumer) {
  for (const { value } of batch) console.log('got', value.toString());
  setTimeout(() => consumer.close(), 150).unref();
}
console.log('over');
await broker.close();
`;

test('consumer: a loop that waits keeps the process alive, and lets it go', async (t) => {
  const face = new URL('../../src/main.js', import.meta.url).href;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program, face, tempDir(t)],
    { timeout: 60_000 },
  );
  assert.equal(stdout, 'got late\nover\n');
});
