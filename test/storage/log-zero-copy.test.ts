// Zero copy: values are views that stay, the cursor borrows and allocates next to nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { RELEASED_BYTE } from '../../src/storage/read-chunk.js';
import { tempDir } from '../support/temp-dir.js';

const MILLION = 1_000_000;
const PER_APPEND = 2_000;
const WARM_UPS = 3;
const ROUNDS = 3;

/**
 * A log of a million small records in several segments; the value of a record is its number. What a
 * walk allocates, it allocates per batch: here there are five hundred.
 */
async function millionRecords(directory: string): Promise<Log> {
  const log = await Log.open(directory, { segmentBytes: 8 * 1024 * 1024 });
  for (let first = 0; first < MILLION; first += PER_APPEND) {
    const records = Array.from({ length: PER_APPEND }, (_, index) => ({
      value: String(first + index).padStart(16, '.'),
    }));
    await log.append(records, { acks: 'written' });
  }
  await log.flush();
  return log;
}

async function walk(log: Log): Promise<number> {
  let count = 0;
  for await (const batch of log.read()) {
    const cursor = batch.cursor();
    while (cursor.next()) count += 1;
  }
  return count;
}

test('zero copy: a value shares its memory with the bytes read', async (t) => {
  const log = await Log.open(tempDir(t));
  await log.append([{ value: 'one' }, { value: 'two' }]);
  const memories = new Set<ArrayBufferLike>();
  for await (const batch of log.read()) {
    for (const { value } of batch) if (value !== null) memories.add(value.buffer);
  }
  assert.equal(memories.size, 1);
  await log.close();
});

test('zero copy: a million kept values outlive reads, rolls and deletion', async (t) => {
  const log = await millionRecords(tempDir(t));
  const kept: Buffer[] = [];
  for await (const batch of log.read()) {
    for (const { value } of batch) if (value !== null) kept.push(value);
  }
  assert.equal(kept.length, MILLION);
  await walk(log);
  await log.append([{ value: Buffer.alloc(512 * 1024, 'x') }]);
  await log.deleteRecordsBefore(log.durableOffset);
  await walk(log);
  const wrong = kept.findIndex(
    (value, index) => Number(value.toString().replaceAll('.', '')) !== index,
  );
  assert.equal(wrong, -1, `the value of offset ${wrong} has changed`);
  await log.close();
});

test('zero copy: a cursor walks a million records, 2,000 per batch, in a megabyte', async (t) => {
  const log = await millionRecords(tempDir(t));
  // The first walks run code that is not compiled yet, and compile it.
  for (let round = 0; round < WARM_UPS; round += 1) assert.equal(await walk(log), MILLION);
  const used: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    assert.equal(await walk(log), MILLION);
    // Without a collection in between, what is used now includes all that was allocated meanwhile.
    used.push(process.memoryUsage().heapUsed - before);
  }
  const heapBytes = Math.min(...used);
  assert.ok(heapBytes < 1024 * 1024, `${heapBytes} bytes of heap`);
  await log.close();
});

test('zero copy: in debug mode a borrowed view used too late shows released bytes', async (t) => {
  if (process.env['MILLRACE_DEBUG'] !== '1') {
    t.skip('MILLRACE_DEBUG is not set');
    return;
  }
  const log = await Log.open(tempDir(t));
  await log.append([{ value: 'first' }]);
  await log.append([{ value: 'second' }]);
  let late: Uint8Array | undefined;
  for await (const batch of log.read()) {
    if (late !== undefined) assert.ok(late.every((byte) => byte === RELEASED_BYTE));
    const cursor = batch.cursor();
    cursor.next();
    late ??= cursor.bytes.subarray(cursor.valueStart, cursor.valueEnd);
  }
  assert.equal(late?.length, 5);
  await log.close();
});
