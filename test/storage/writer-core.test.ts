// What a writer does with a file: short writes, interrupted ones, refusal, cuts and steps.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoOfStatus, STATUS_ABORTED, STATUS_OK } from '../../src/storage/writer.js';
import { WriterCore } from '../../src/storage/writer-core.js';
import { SimDisk } from '../support/sim-file-system.js';
import { textOf } from '../support/sim-verbs.js';

const TEXT = Buffer.from('0123456789');
const FILE = 1;
const MARK = 2;

function coreOf() {
  const disk = new SimDisk();
  const core = new WriterCore(disk.blockingFileSystem);
  core.step({ kind: 'open', file: FILE, path: '/data', mode: 'exclusive' });
  core.step({ kind: 'open', file: MARK, path: '/mark', mode: 'create' });
  return { disk, core };
}

test('write: short writes are completed where they stopped', () => {
  const { disk, core } = coreOf();
  for (const short of ['one', 'half', 'less-one', 'zero'] as const) {
    disk.fail({ name: 'write', short });
  }
  assert.equal(core.write(FILE, TEXT, 2, 8, 3), STATUS_OK);
  assert.equal(textOf(disk, '/data').slice(3), '23456789');
});

test('write: an interrupted one is repeated', () => {
  const { disk, core } = coreOf();
  disk.fail({ name: 'write', errno: 'EINTR' });
  assert.equal(core.write(FILE, TEXT, 0, 10, 0), STATUS_OK);
  assert.equal(textOf(disk, '/data'), TEXT.toString());
});

test('write: one that never takes a byte ends as a failure', () => {
  const { disk, core } = coreOf();
  disk.fail({ name: 'write', short: 'zero', repeat: 'forever' });
  assert.equal(errnoOfStatus(core.write(FILE, TEXT, 0, 10, 0)), 'EIO');
});

test('a file whose write failed is refused until it was cut', () => {
  const { disk, core } = coreOf();
  core.write(FILE, TEXT, 0, 10, 0);
  disk.fail({ name: 'write', errno: 'ENOSPC' });
  assert.equal(errnoOfStatus(core.write(FILE, TEXT, 0, 10, 10)), 'ENOSPC');
  assert.equal(core.write(FILE, TEXT, 0, 10, 20), STATUS_ABORTED);
  assert.equal(core.commit(FILE, MARK, TEXT, 10, 0), STATUS_ABORTED);
  assert.throws(() => core.step({ kind: 'sync', file: FILE }), { code: 'ECANCELED' });
  core.step({ kind: 'cut', file: FILE, bytes: 4 });
  assert.equal(core.write(FILE, TEXT, 0, 2, 4), STATUS_OK);
  assert.equal(textOf(disk, '/data'), '012301');
});

test('a cut that fails leaves the file refused', () => {
  const { disk, core } = coreOf();
  disk.fail({ name: 'datasync', errno: 'EIO' });
  assert.throws(() => core.step({ kind: 'cut', file: FILE, bytes: 0 }), { code: 'EIO' });
  assert.equal(core.write(FILE, TEXT, 0, 1, 0), STATUS_ABORTED);
});

test('commit: syncs, then writes the mark; a failed sync writes none', () => {
  const { disk, core } = coreOf();
  core.write(FILE, TEXT, 0, 10, 0);
  const before = disk.callCount;
  assert.equal(core.commit(FILE, MARK, TEXT, 3, 5), STATUS_OK);
  assert.deepEqual(
    disk.calls.slice(before).map(({ name, path }) => `${name} ${path}`),
    ['datasync /data', 'write /mark'],
  );
  disk.fail({ name: 'datasync', errno: 'EIO' });
  assert.equal(errnoOfStatus(core.commit(FILE, MARK, TEXT, 10, 0)), 'EIO');
  assert.equal(disk.readAll('/mark').length, 8);
  assert.equal(core.commit(FILE, MARK, TEXT, 10, 0), STATUS_ABORTED);
});

test('commit: a mark that cannot be written is never taken for a full disk', () => {
  const { disk, core } = coreOf();
  disk.fail({ name: 'write', path: '/mark', errno: 'ENOSPC' });
  assert.equal(errnoOfStatus(core.commit(FILE, MARK, TEXT, 3, 0)), 'EIO');
});

test('replace: gives a path its content atomically, or not at all', () => {
  const { disk, core } = coreOf();
  core.step({ kind: 'replace', path: '/side', bytes: Buffer.from('old') });
  disk.fail({ name: 'datasync', path: '/side', errno: 'EIO' });
  const bytes = Buffer.from('new');
  assert.throws(() => core.step({ kind: 'replace', path: '/side', bytes }), { code: 'EIO' });
  assert.equal(textOf(disk, '/side'), 'old');
  core.step({ kind: 'replace', path: '/side', bytes });
  assert.equal(textOf(disk, '/side'), 'new');
});

test('copy, read and rewrite: move ranges; unlink of nothing is fine', () => {
  const { disk, core } = coreOf();
  core.write(FILE, TEXT, 0, 10, 0);
  core.step({ kind: 'copy', file: FILE, from: 3, to: 7, path: '/copy' });
  assert.equal(textOf(disk, '/copy'), '3456');
  const read = core.step({ kind: 'read', file: FILE, position: 8, count: 10 });
  assert.equal(Buffer.from(read ?? []).toString(), '89');
  core.step({ kind: 'rewrite', file: FILE, from: 2, to: 10 });
  assert.equal(textOf(disk, '/data'), TEXT.toString());
  core.step({ kind: 'unlink', path: '/none' });
  assert.equal(disk.openHandles().length, 2);
  core.closeAll();
  assert.deepEqual(disk.openHandles(), []);
});
