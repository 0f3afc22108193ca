import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/base/crc32c.js';
import { dumpFile, dumpLog } from '../../src/storage/dump.js';
import { type DumpLine, dumpText } from '../../src/storage/dump-line.js';
import type { SimDisk } from '../support/sim-file-system.js';
import { batchesIn, closedLog, DIRECTORY, logFiles, storedValue } from './repair-fixture.js';

async function linesOf(lines: AsyncIterable<DumpLine>): Promise<DumpLine[]> {
  const all: DumpLine[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

function countOf(lines: readonly DumpLine[], type: string): number {
  return lines.filter((line) => line.type === type).length;
}

async function dump(disk: SimDisk, path: string, records = false): Promise<DumpLine[]> {
  return await linesOf(dumpFile(path, { fileSystem: disk.fileSystem, records }));
}

test('dump: a folder shows every file, batch and record, and no problem', async () => {
  const disk = await closedLog();
  const calls = disk.callCount;
  const { fileSystem } = disk;
  const lines = await linesOf(dumpLog(DIRECTORY, { fileSystem, records: true }));
  assert.equal(countOf(lines, 'file'), disk.list(DIRECTORY).length);
  assert.equal(countOf(lines, 'batch'), 60);
  assert.equal(countOf(lines, 'problem'), 0);
  assert.equal(countOf(lines, 'watermark'), 2);
  assert.equal(countOf(lines, 'seal'), logFiles(disk).length);
  for (const type of ['log', 'metadata', 'epoch', 'offset-entry', 'time-entry']) {
    assert.ok(countOf(lines, type) > 0, type);
  }
  const records = lines.filter(({ type }) => type === 'record');
  assert.deepEqual(
    records.map(({ offset, key, value }) => ({ offset, key, value })),
    Array.from({ length: 120 }, (_, offset) => ({
      offset,
      key: `key-${offset}`,
      value: storedValue(offset),
    })),
  );
  assert.equal(disk.callCount, calls);
});

test('dump: damage is named at its position, and the dump goes on behind it', async () => {
  const disk = await closedLog();
  const file = logFiles(disk)[0] ?? '';
  const batches = batchesIn(disk.readAll(file));
  const second = batches[1];
  assert.ok(second !== undefined);
  disk.flipBit(file, (second.position + 100) * 8);
  const lines = await dump(disk, file);
  assert.equal(countOf(lines, 'batch'), batches.length - 1);
  const problems = lines.filter(({ type }) => type === 'problem');
  assert.deepEqual(
    problems.map(({ position, bytes, reason }) => ({ position, bytes, reason })),
    [{ position: second.position, bytes: second.bytes, reason: 'corrupt-crc' }],
  );
});

test('dump: whatever bit is changed, every file is dumped to its end', async () => {
  const disk = await closedLog(6);
  for (const path of disk.list(DIRECTORY)) {
    const bits = disk.readAll(path).length * 8;
    for (let bit = 0; bit < bits; bit += 101) {
      const damaged = disk.clone();
      damaged.flipBit(path, bit);
      const lines = await dump(damaged, path, true);
      assert.equal(lines[0]?.type, 'file');
    }
    const cut = disk.clone();
    cut.truncateTo(path, Math.floor(disk.readAll(path).length / 2) + 1);
    await dump(cut, path, true);
  }
});

test('dump: an index is held against its log', async () => {
  const disk = await closedLog();
  const index = disk.list(DIRECTORY).find((path) => path.endsWith('.index')) ?? '';
  assert.equal(countOf(await dump(disk, index), 'problem'), 0);
  disk.flipBit(index, 7 * 8);
  assert.ok(countOf(await dump(disk, index), 'problem') > 0);
});

test("dump: Kafka's transaction index and producer snapshot are read", async () => {
  const disk = await closedLog(2);
  const aborted = Buffer.alloc(34);
  aborted.writeBigInt64BE(7n, 2);
  aborted.writeBigInt64BE(100n, 10);
  aborted.writeBigInt64BE(120n, 18);
  aborted.writeBigInt64BE(130n, 26);
  const transactions = `${DIRECTORY}/00000000000000000000.txnindex`;
  disk.put(transactions, aborted);
  const [, entry] = await dump(disk, transactions);
  assert.deepEqual(
    [entry?.['producerId'], entry?.['firstOffset'], entry?.['lastOffset']],
    [7, 100, 120],
  );

  const snapshot = Buffer.alloc(10 + 46);
  snapshot.writeInt16BE(1, 0);
  snapshot.writeInt32BE(1, 6);
  snapshot.writeBigInt64BE(42n, 10);
  snapshot.writeBigInt64BE(-1n, 48);
  snapshot.writeUInt32BE(crc32c(snapshot, 6, snapshot.length), 2);
  const snapshots = `${DIRECTORY}/00000000000000000004.snapshot`;
  disk.put(snapshots, snapshot);
  const lines = await dump(disk, snapshots);
  assert.deepEqual(
    lines.map(({ type }) => type),
    ['file', 'snapshot', 'producer'],
  );
  assert.equal(lines[2]?.['producerId'], 42);
  disk.flipBit(snapshots, 20 * 8);
  assert.equal(countOf(await dump(disk, snapshots), 'problem'), 1);
});

test('dump: a file of no known kind and one that is absent are errors', async () => {
  const disk = await closedLog(2);
  disk.put(`${DIRECTORY}/notes.txt`, Buffer.from('hello'));
  await assert.rejects(dump(disk, `${DIRECTORY}/notes.txt`), { code: 'OPTION_INVALID' });
  await assert.rejects(dump(disk, `${DIRECTORY}/nothing.log`), { code: 'LOG_NOT_FOUND' });
});

test('dump: a line as text keeps its values apart', () => {
  const line = { type: 'record', offset: 3, key: null, value: 'a "b"\n', headers: [{ key: 'h' }] };
  assert.equal(
    dumpText(line),
    'record offset: 3 key: null value: "a \\"b\\"\\n" headers: [{"key":"h"}]',
  );
});
