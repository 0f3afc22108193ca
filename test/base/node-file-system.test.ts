/** The file system of the machine: the shared contract, and what only a real one can show. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createNodeBlockingFileSystem,
  nodeFileSystem,
  nodeLockFileSystem,
} from '../../src/base/node-file-system.js';
import { assertErrno, fileSystemContract } from '../contract/file-system.contract.js';
import { tempDir } from '../support/temp-dir.js';

const writing = createNodeBlockingFileSystem();

fileSystemContract('the machine', (t) => ({
  reading: nodeFileSystem,
  writing,
  directory: tempDir(t),
}));

test('a symbolic link is refused, also one that leads nowhere', async (t) => {
  const directory = tempDir(t);
  fs.writeFileSync(join(directory, 'target'), 'secret');
  fs.symlinkSync('target', join(directory, 'link'));
  fs.symlinkSync('nowhere', join(directory, 'dangling'));
  for (const name of ['link', 'dangling']) {
    const path = join(directory, name);
    await assert.rejects(nodeFileSystem.open(path), { code: 'ELOOP' });
    assertErrno('ELOOP', () => writing.open(path, 'existing'));
    assertErrno('ELOOP', () => writing.open(path, 'reading'));
    assertErrno('ELOOP', () => writing.open(path, 'create'));
    assertErrno('EEXIST', () => writing.open(path, 'exclusive'));
    assert.equal((await nodeFileSystem.facts(path))?.kind, 'other');
  }
  assert.equal(fs.existsSync(join(directory, 'nowhere')), false);
});

test('a symbolic link to a directory may be in the way to a file', async (t) => {
  const directory = tempDir(t);
  fs.mkdirSync(join(directory, 'real'));
  fs.symlinkSync('real', join(directory, 'link'));
  writing.makeDirectory(join(directory, 'link'));
  writing.close(writing.open(join(directory, 'link', 'a'), 'exclusive'));
  assert.deepEqual(await nodeFileSystem.list(join(directory, 'real')), ['a']);
});

test('a pipe is refused at once instead of waiting for its other end', async (t) => {
  const path = join(tempDir(t), 'pipe');
  execFileSync('mkfifo', [path]);
  await assert.rejects(nodeFileSystem.open(path), { code: 'EINVAL' });
  assertErrno('EINVAL', () => writing.open(path, 'existing'));
  assertErrno('EINVAL', () => writing.open(path, 'reading'));
  assert.equal((await nodeFileSystem.facts(path))?.kind, 'other');
});

test('the modes of new files and directories do not depend on the umask', (t) => {
  const directory = tempDir(t);
  for (const mask of [0o000, 0o022, 0o777]) {
    const umaskBefore = process.umask(mask);
    try {
      writing.makeDirectory(join(directory, `${mask}`, 'child'));
      writing.close(writing.open(join(directory, `${mask}`, 'file'), 'create'));
    } finally {
      process.umask(umaskBefore);
    }
    assert.equal(modeOf(join(directory, `${mask}`)), 0o700);
    assert.equal(modeOf(join(directory, `${mask}`, 'child')), 0o700);
    assert.equal(modeOf(join(directory, `${mask}`, 'file')), 0o600);
  }
});

test('the mode of a file that is there stays', (t) => {
  const path = join(tempDir(t), 'a');
  fs.writeFileSync(path, '');
  fs.chmodSync(path, 0o640);
  writing.close(writing.open(path, 'create'));
  assert.equal(modeOf(path), 0o640);
});

test('no call leaves a descriptor open, refused ones included', async (t) => {
  const directory = tempDir(t);
  fs.symlinkSync('nowhere', join(directory, 'link'));
  const before = openDescriptorCount();
  const file = writing.open(join(directory, 'a'), 'create');
  writing.syncDirectory(directory);
  const reader = await nodeFileSystem.open(join(directory, 'a'));
  await reader.close();
  writing.close(file);
  await assert.rejects(nodeFileSystem.open(directory));
  await assert.rejects(nodeFileSystem.open(join(directory, 'link')));
  assert.throws(() => writing.open(directory, 'existing'));
  assert.throws(() => writing.syncDirectory(join(directory, 'a')));
  assert.throws(() => nodeLockFileSystem.readText('/proc/version', 3));
  assert.equal(openDescriptorCount(), before);
});

test('a write that reaches a limit is short, and the next one fails', (t) => {
  const path = join(tempDir(t), 'a');
  const module = new URL('../../src/base/node-file-system.js', import.meta.url).href;
  const script = `
    import { createNodeBlockingFileSystem } from ${JSON.stringify(module)};
    const files = createNodeBlockingFileSystem();
    const file = files.open(${JSON.stringify(path)}, 'create');
    const taken = files.write(file, Buffer.alloc(3000), 0, 3000, 0);
    let code = 'none';
    try { files.write(file, Buffer.alloc(1), 0, 1, taken); } catch (error) { code = error.code; }
    console.log(JSON.stringify({ taken, code }));
  `;
  // The shell limits the size of files to one block, whose size shells do not agree about.
  const child = ['-c', 'ulimit -f 1; exec "$@"', 'sh', process.execPath];
  const output = execFileSync('sh', [...child, '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  const { taken, code } = JSON.parse(output);
  assert.ok(taken === 512 || taken === 1024);
  assert.equal(code, 'EFBIG');
  assert.equal(fs.statSync(path).size, taken);
});

test('the lock section names files by device and inode', (t) => {
  const directory = tempDir(t);
  const path = join(directory, 'a');
  nodeLockFileSystem.createExclusive(path, 'text');
  nodeLockFileSystem.link(path, join(directory, 'b'));
  nodeLockFileSystem.symlink('a', join(directory, 'link'));
  const identity = nodeLockFileSystem.identity(path);
  assert.equal(identity?.kind, 'file');
  assert.equal(identity.mode, 0o600);
  assert.equal(identity.inode, nodeLockFileSystem.identity(join(directory, 'b'))?.inode);
  assert.equal(nodeLockFileSystem.identity(join(directory, 'link'))?.kind, 'link');
  const target = nodeLockFileSystem.identityOfTarget(join(directory, 'link'));
  assert.deepEqual(target, identity);
  assert.equal(nodeLockFileSystem.readLink(join(directory, 'link')), 'a');
  assert.equal(nodeLockFileSystem.identity(join(directory, 'none')), undefined);
  assertErrno('EEXIST', () => nodeLockFileSystem.createExclusive(path, 'other'));
  assertErrno('EEXIST', () => nodeLockFileSystem.link(path, join(directory, 'b')));
  nodeLockFileSystem.unlink(path);
  nodeLockFileSystem.unlink(path);
  assert.equal(nodeLockFileSystem.readText(path, 10), undefined);
});

test('the lock section reads small texts whole and refuses longer ones', (t) => {
  const path = join(tempDir(t), 'a');
  nodeLockFileSystem.createExclusive(path, 'grüße');
  assert.equal(nodeLockFileSystem.readText(path, 7), 'grüße');
  assertErrno('EFBIG', () => nodeLockFileSystem.readText(path, 6));
  if (process.platform !== 'linux') return;
  const bootId = nodeLockFileSystem.readText('/proc/sys/kernel/random/boot_id', 100);
  assert.match(bootId ?? '', /^[0-9a-f-]{36}\n$/);
});

test('the lock section makes short-lived directories for its owner alone', () => {
  const path = nodeLockFileSystem.makeTemporaryDirectory('millrace-');
  assert.equal(modeOf(path), 0o700);
  assert.equal(nodeLockFileSystem.isWritable(path), true);
  nodeLockFileSystem.removeEmptyDirectory(path);
  assert.equal(nodeLockFileSystem.isWritable(path), false);
});

function modeOf(path: string): number {
  return fs.statSync(path).mode & 0o777;
}

function openDescriptorCount(): number {
  return fs.readdirSync(process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd').length;
}
