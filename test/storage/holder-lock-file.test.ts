import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hostFacts, processState } from '../../src/base/host.js';
import type { FileIdentity } from '../../src/base/node-file-system.js';
import {
  formatLockFile,
  type LockFile,
  parseLockFile,
  writerState,
} from '../../src/storage/holder-lock-file.js';

const folder: FileIdentity = { kind: 'directory', device: 3n, inode: 9n, mode: 0o700, ownerId: 0 };
const host = hostFacts();

const lock: LockFile = {
  ...host,
  pid: process.pid,
  nonce: -5n,
  sinceMs: 1_700_000_000_000,
  device: 3n,
  inode: 9n,
};

test('lock file: what is written is read back, negative nonces included', () => {
  assert.deepEqual(parseLockFile(formatLockFile(lock)), lock);
  assert(formatLockFile(lock).includes('"nonce": "fffffffffffffffb"'));
  const bare = { ...lock, bootId: undefined, pidNamespace: undefined, processStart: undefined };
  assert.deepEqual(parseLockFile(formatLockFile(bare)), bare);
});

test('lock file: a part of one, or one with a wrong field, is none', () => {
  const text = formatLockFile(lock);
  for (let count = 0; count < text.length - 2; count += 1) {
    assert.equal(parseLockFile(text.slice(0, count)), undefined);
  }
  const fields: object = JSON.parse(text);
  const wrong = [
    { version: 2 },
    { pid: -1 },
    { pid: '7' },
    { nonce: 'xyz' },
    { sinceMs: 1e300 },
    { sinceMs: Number.MAX_SAFE_INTEGER },
    { hostName: null },
    { device: '-1' },
    { inode: '1e9' },
  ];
  for (const change of wrong) {
    assert.equal(parseLockFile(JSON.stringify({ ...fields, ...change })), undefined);
  }
});

test('lock file: any text is read or refused without an error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.equal(parseLockFile(text), undefined);
    }),
    { numRuns: 500 },
  );
});

test('lock file: only the same boot, namespace, folder and start time prove a writer alive', () => {
  assert.equal(writerState(lock, folder, host), 'alive');
  assert.equal(writerState({ ...lock, bootId: 'another' }, folder, host), 'dead');
  assert.equal(writerState({ ...lock, processStart: 1 }, folder, host), 'dead');
  assert.equal(writerState({ ...lock, pid: 2 ** 30 }, folder, host), 'dead');
  assert.equal(writerState({ ...lock, inode: 1n }, folder, host), 'unknown');
  assert.equal(writerState({ ...lock, device: 1n }, folder, host), 'unknown');
  assert.equal(writerState({ ...lock, pidNamespace: 'pid:[1]' }, folder, host), 'unknown');
  assert.equal(writerState({ ...lock, pidNamespace: undefined }, folder, host), 'unknown');
  assert.equal(writerState({ ...lock, processStart: undefined }, folder, host), 'unknown');
  assert.equal(writerState({ ...lock, bootId: undefined }, folder, host), 'unknown');
  assert.equal(writerState(lock, folder, { ...host, bootId: undefined }), 'unknown');
});

test('host: a running process is alive, another start time is another process', () => {
  const start = host.processStart;
  assert(start !== undefined);
  assert.equal(processState(process.pid, start), 'alive');
  assert.equal(processState(process.pid, start + 1), 'dead');
  assert.equal(processState(process.ppid, start), 'dead');
  assert.match(host.bootId ?? '', /^[0-9a-f-]{36}$/);
  assert.match(host.pidNamespace ?? '', /^pid:\[\d+\]$/);
});
