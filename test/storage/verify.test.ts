import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { verifyLog } from '../../src/storage/verify.js';
import type { SimDisk } from '../support/sim-file-system.js';
import {
  batchesIn,
  closedLog,
  DIRECTORY,
  environmentOf,
  fill,
  logFiles,
  OPTIONS,
} from './repair-fixture.js';

async function verify(disk: SimDisk) {
  return await verifyLog(DIRECTORY, { fileSystem: disk.fileSystem });
}

async function codesOf(disk: SimDisk): Promise<readonly string[]> {
  return [...new Set((await verify(disk)).problems.map(({ code }) => code))].sort();
}

test('verify: a log that was closed is whole, and nothing is changed', async () => {
  const disk = await closedLog();
  const calls = disk.callCount;
  const report = await verify(disk);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(report.warnings, []);
  assert.equal(report.ok, true);
  assert.equal(report.records, 120);
  assert.equal(report.batches, 60);
  assert.equal(report.endOffset, 120);
  assert.ok(report.segments > 2);
  assert.equal(disk.callCount, calls);
});

test('verify: a log that is being written is whole', async () => {
  const disk = await closedLog();
  const log = await Log.open(DIRECTORY, OPTIONS, environmentOf(disk));
  await fill(log, 30);
  const report = await verify(disk);
  assert.deepEqual(report.problems, []);
  assert.equal(report.endOffset, 180);
  await log.close();
});

test('verify: bytes behind the watermark that are no batch are a warning', async () => {
  const disk = await closedLog();
  const log = await Log.open(DIRECTORY, OPTIONS, environmentOf(disk));
  await fill(log, 2);
  const dead = disk.kill();
  const active = logFiles(dead).at(-1) ?? '';
  const bytes = dead.readAll(active);
  dead.put(active, Buffer.concat([bytes, bytes.subarray(0, 100)]));
  const report = await verify(dead);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.warnings.map(({ code, position, actual }) => ({ code, position, actual })),
    [{ code: 'TORN_TAIL', position: bytes.length, actual: 100 }],
  );
  await log.close();
});

test('verify: a changed bit in any file of a closed log is a problem', async () => {
  const disk = await closedLog(12);
  for (const path of disk.list(DIRECTORY)) {
    const bits = disk.readAll(path).length * 8;
    const isMark = path.endsWith('watermark');
    for (let bit = 0; bit < (isMark ? 128 * 8 : bits); bit += 37) {
      const damaged = disk.clone();
      damaged.flipBit(path, bit);
      const report = await verify(damaged);
      const found = isMark ? report.warnings : report.problems;
      assert.ok(found.length > 0, `${path} bit ${bit}`);
    }
  }
});

test('verify: damage is named with its place, and the rest is looked at', async () => {
  const disk = await closedLog();
  const file = logFiles(disk)[1] ?? '';
  const batches = batchesIn(disk.readAll(file));
  const third = batches[3];
  assert.ok(third !== undefined);
  disk.flipBit(file, (third.position + 80) * 8);
  const report = await verify(disk);
  assert.equal(report.problemCount, 1);
  const [problem] = report.problems;
  assert.equal(problem?.code, 'BATCH_INVALID');
  assert.equal(problem?.file, file);
  assert.equal(problem?.position, third.position);
  assert.equal(problem?.offset, third.base);
  assert.equal(report.batches, 59);
});

test('verify: a missing segment is named by its offsets', async () => {
  const disk = await closedLog();
  const [, second, third] = logFiles(disk);
  disk.remove(second ?? '');
  const report = await verify(disk);
  const base = Number(/(\d{20})/.exec(second ?? '')?.[1]);
  const next = Number(/(\d{20})/.exec(third ?? '')?.[1]);
  assert.deepEqual(
    report.problems.map(({ code, offset, expected }) => ({ code, offset, expected })),
    [{ code: 'OFFSETS_MISSING', offset: base, expected: next }],
  );
});

test('verify: each side file that is missing has its code', async () => {
  const expected: readonly (readonly [string, string])[] = [
    ['.index', 'INDEX_ABSENT'],
    ['.timeindex', 'INDEX_ABSENT'],
    ['.seal', 'SEAL_ABSENT'],
    ['watermark', 'WATERMARK_ABSENT'],
    ['leader-epoch-checkpoint', 'EPOCHS_INVALID'],
    ['partition.metadata', 'METADATA_INVALID'],
    ['log.json', 'OPTIONS_INVALID'],
  ];
  for (const [name, code] of expected) {
    const disk = await closedLog();
    const path = disk.list(DIRECTORY).find((candidate) => candidate.endsWith(name));
    disk.remove(path ?? '');
    const codes = await codesOf(disk);
    assert.ok(codes.includes(code), `${name}: ${codes}`);
  }
});

test('verify: a folder of another engine may have gaps and no file of ours', async () => {
  const disk = await closedLog();
  const kept = new Set(['.log', '.index', '.timeindex']);
  for (const path of disk.list(DIRECTORY)) {
    if (!kept.has(path.slice(path.lastIndexOf('.')))) disk.remove(path);
  }
  const file = logFiles(disk)[1] ?? '';
  disk.remove(file);
  disk.remove(file.replace('.log', '.index'));
  disk.remove(file.replace('.log', '.timeindex'));
  const active = logFiles(disk).at(-1)?.replace('.log', '.index') ?? '';
  disk.put(active, Buffer.concat([disk.readAll(active), new Uint8Array(80)]));
  assert.deepEqual((await verify(disk)).problems, []);
});

test('verify: an index entry that leads elsewhere is a problem anywhere', async () => {
  const disk = await closedLog();
  for (const path of disk.list(DIRECTORY)) {
    if (!/\.(?:log|index|timeindex)$/.test(path)) disk.remove(path);
  }
  const index = disk.list(DIRECTORY).find((path) => path.endsWith('.index')) ?? '';
  disk.flipBit(index, 7 * 8);
  assert.deepEqual(await codesOf(disk), ['INDEX_INVALID']);
});

test('verify: an absent folder and an aborted signal are errors', async () => {
  const disk = await closedLog();
  const { fileSystem } = disk;
  await assert.rejects(verifyLog('/nowhere', { fileSystem }), { code: 'LOG_NOT_FOUND' });
  const signal = AbortSignal.abort();
  await assert.rejects(verifyLog(DIRECTORY, { fileSystem, signal }), { name: 'AbortError' });
});

test('verify: progress rises to the bytes of the log', async () => {
  const disk = await closedLog();
  const seen: number[] = [];
  const { fileSystem } = disk;
  const report = await verifyLog(DIRECTORY, {
    fileSystem,
    onProgress: ({ bytes, bytesTotal }) => {
      seen.push(bytes);
      assert.ok(bytes <= bytesTotal);
    },
  });
  assert.deepEqual(
    seen,
    [...seen].sort((one, two) => one - two),
  );
  assert.equal(seen.at(-1), report.bytes);
});

test('verify: an offset that no index can number is damage, for opening too', async () => {
  const disk = await closedLog(12);
  for (const path of disk.list(DIRECTORY)) if (!path.endsWith('.log')) disk.remove(path);
  const file = logFiles(disk).at(-1) ?? '';
  const second = batchesIn(disk.readAll(file)).at(-1);
  assert.ok(second !== undefined);
  disk.flipBit(file, (second.position + 2) * 8);
  const report = await verify(disk);
  assert.deepEqual(
    report.problems.map(({ code, position }) => ({ code, position })),
    [{ code: 'BATCH_INVALID', position: second.position }],
  );
  const log = await Log.open(DIRECTORY, { readOnly: true }, environmentOf(disk));
  assert.equal(log.describe().damage?.position, second.position);
  await log.close();
});
