/** The simulated disk: the shared contract, then what it forgets and tears. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileSystemContract } from '../contract/file-system.contract.js';
import { crashAll, crashNone } from './sim-crash.js';
import { SimDisk } from './sim-file-system.js';
import { crashesOf, diskWithFile, textOf, write, writeFile } from './sim-verbs.js';

fileSystemContract('the simulation', () => {
  const disk = new SimDisk();
  disk.blockingFileSystem.makeDirectory('/test');
  return { reading: disk.fileSystem, writing: disk.blockingFileSystem, directory: '/test' };
});

const page = 4096;

// ---- What is durable.

test('a synced file without a synced name is lost', () => {
  const disk = new SimDisk();
  const file = writeFile(disk, '/a', 'content');
  disk.blockingFileSystem.datasync(file);
  assert.deepEqual(disk.pending(), ['make /a']);
  assert.deepEqual(disk.crash(crashNone).list(), []);
  assert.equal(textOf(disk.crash(crashAll(disk)), '/a'), 'content');
});

test('a synced name without a synced file is an empty file', () => {
  const disk = new SimDisk();
  writeFile(disk, '/a', 'content');
  disk.blockingFileSystem.syncDirectory('/');
  assert.equal(textOf(disk.crash(crashNone), '/a'), '');
});

test('a synced file with a synced name survives, whatever else is lost', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'durable');
  write(disk, file, ' and not', 7);
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'durable');
  assert.equal(textOf(disk, '/a'), 'durable and not');
});

test('each missing parent of a directory needs a sync of its own', () => {
  const disk = new SimDisk();
  const writing = disk.blockingFileSystem;
  writing.makeDirectory('/d/e');
  writing.close(writing.open('/d/e/a', 'create'));
  writing.syncDirectory('/d/e');
  writing.syncDirectory('/d');
  assert.equal(disk.crash(crashNone).exists('/d'), false);
  writing.syncDirectory('/');
  assert.deepEqual(disk.crash(crashNone).list(), ['/d/e/a']);
});

test('a size without its data reads as zeros, and data without its size is not seen', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'old');
  write(disk, file, 'new', 3);
  assert.deepEqual(
    disk.pending().map((line) => line.split(' ')[0]),
    ['page', 'size'],
  );
  assert.equal(textOf(disk.crash({ kept: [1] }), '/a'), 'old\0\0\0');
  assert.equal(textOf(disk.crash({ kept: [0] }), '/a'), 'old');
  const grown = disk.crash({ kept: [0] });
  const reopened = grown.blockingFileSystem.open('/a', 'existing');
  grown.blockingFileSystem.truncate(reopened, 6);
  assert.equal(textOf(grown, '/a'), 'old\0\0\0');
});

test('pages of one write are lost one by one', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(3 * page));
  write(disk, file, 'n'.repeat(3 * page), 0);
  assert.equal(disk.pendingCount(), 3);
  const content = textOf(disk.crash({ kept: [0, 2] }), '/a');
  assert.equal(content, 'n'.repeat(page) + 'o'.repeat(page) + 'n'.repeat(page));
});

test('a page is torn between sectors, or within the range that was written', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(page));
  write(disk, file, 'n'.repeat(page - 100), 100);
  const torn = disk.crash({ kept: [], torn: [{ effect: 0, sectors: 0b101 }] });
  const sector = 'o'.repeat(100) + 'n'.repeat(412);
  assert.equal(
    textOf(torn, '/a'),
    `${sector}${'o'.repeat(512)}${'n'.repeat(512)}${'o'.repeat(2560)}`,
  );
  const cut = disk.crash({ kept: [], torn: [{ effect: 0, sectors: 0, bytes: 7 }] });
  assert.equal(textOf(cut, '/a'), `${'o'.repeat(100)}nnnnnnn${'o'.repeat(page - 107)}`);
});

test('a lost truncation brings the old bytes back, a kept one never does', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(6000));
  disk.blockingFileSystem.truncate(file, 5000);
  disk.blockingFileSystem.truncate(file, 5500);
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'o'.repeat(6000));
  assert.equal(textOf(disk.crash({ kept: [0] }), '/a'), 'o'.repeat(5000));
  // The second size cannot be there without the first, nor the bytes that the first cut off.
  assert.equal(textOf(disk.crash({ kept: [1] }), '/a'), 'o'.repeat(5000) + '\0'.repeat(500));
});

test('a page written after it was cut off is not there without the cut', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(2 * page));
  disk.blockingFileSystem.truncate(file, 0);
  write(disk, file, 'n', 0);
  const ends = crashesOf(disk).map((end) => textOf(end, '/a'));
  assert.deepEqual([...new Set(ends)].sort(), ['', '\0', 'n', 'o'.repeat(2 * page)]);
});

test('a rename over a file leaves the old or the new one at every crash', () => {
  const disk = new SimDisk();
  diskWithFile(disk, '/a', 'old');
  diskWithFile(disk, '/a.swap', 'new');
  disk.blockingFileSystem.rename('/a.swap', '/a');
  const ends = crashesOf(disk).map((end) => `${end.list()}: ${textOf(end, '/a')}`);
  assert.deepEqual(ends.sort(), ['/a,/a.swap: old', '/a: new']);
});

test('a rename can be durable while the content is not', () => {
  const disk = new SimDisk();
  diskWithFile(disk, '/a', 'old');
  writeFile(disk, '/a.swap', 'new');
  disk.blockingFileSystem.rename('/a.swap', '/a');
  disk.blockingFileSystem.syncDirectory('/');
  assert.equal(textOf(disk.crash(crashNone), '/a'), '');
});

test('a rename between directories never loses the file', () => {
  const disk = new SimDisk();
  disk.put('/from/a', Buffer.from('moved'));
  disk.put('/to/b', Buffer.from(''));
  disk.blockingFileSystem.rename('/from/a', '/to/a');
  const ends = crashesOf(disk).map((end) => end.list().join(' '));
  assert.deepEqual(ends.sort(), ['/from/a /to/a /to/b', '/from/a /to/b', '/to/a /to/b']);
  const other = disk.clone();
  disk.blockingFileSystem.syncDirectory('/to');
  assert.deepEqual(disk.crash(crashNone).list(), ['/from/a', '/to/a', '/to/b']);
  other.blockingFileSystem.syncDirectory('/from');
  assert.deepEqual(other.crash(crashNone).list(), ['/to/a', '/to/b']);
});

test('changes of one name keep their order, those of other names need not', () => {
  const disk = new SimDisk();
  diskWithFile(disk, '/a', 'old');
  disk.blockingFileSystem.rename('/a', '/b');
  disk.blockingFileSystem.open('/a', 'exclusive');
  disk.blockingFileSystem.open('/c', 'exclusive');
  const ends = crashesOf(disk).map((end) => end.list().join(' '));
  assert.deepEqual(ends.sort(), ['/a', '/a /b', '/a /b /c', '/a /c', '/b', '/b /c']);
});

test('an unlink can be undone by a power loss until the directory is synced', () => {
  const disk = new SimDisk();
  diskWithFile(disk, '/a', 'content');
  disk.blockingFileSystem.unlink('/a');
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'content');
  disk.blockingFileSystem.syncDirectory('/');
  assert.equal(disk.crash(crashNone).exists('/a'), false);
});

test('effects on a file that no name can lead to any more are not pending', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'content');
  disk.blockingFileSystem.unlink('/a');
  disk.blockingFileSystem.syncDirectory('/');
  write(disk, file, 'more', 0);
  assert.equal(disk.pendingCount(), 0);
});

// ---- Ends and copies.

test('the death of a process loses nothing that was written and makes nothing durable', () => {
  const disk = new SimDisk();
  diskWithFile(disk, '/a', 'durable');
  writeFile(disk, '/b', 'in the cache');
  const next = disk.kill();
  assert.equal(next.bootId, disk.bootId);
  assert.equal(textOf(next, '/b'), 'in the cache');
  assert.deepEqual(next.openHandles(), []);
  assert.equal(next.callCount, 0);
  const end = next.crash(crashNone);
  assert.notEqual(end.bootId, disk.bootId);
  assert.deepEqual(end.list(), ['/a']);
});

test('copies are independent of each other', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'one');
  const copy = disk.clone();
  const end = disk.crash(crashNone);
  write(disk, file, 'two', 0);
  const other = copy.blockingFileSystem.open('/a', 'existing');
  write(copy, other, 'three', 0);
  copy.blockingFileSystem.unlink('/a');
  assert.equal(textOf(disk, '/a'), 'two');
  assert.equal(textOf(end, '/a'), 'one');
  assert.equal(textOf(copy.crash(crashNone), '/a'), 'one');
});

test('a file that is open but has no name is gone after the death of the process', () => {
  const disk = new SimDisk();
  diskWithFile(disk, '/a', 'content');
  disk.blockingFileSystem.unlink('/a');
  assert.deepEqual(disk.kill().list(), []);
});

// ---- Reading.

test('a call of the reading half acts one microtask after it was made', async () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'old');
  const reader = await disk.fileSystem.open('/a');
  const target = Buffer.alloc(3);
  const reading = reader.read(target, 0, 3, 0);
  write(disk, file, 'new', 0);
  assert.equal(target.toString(), '\0\0\0');
  await reading;
  assert.equal(target.toString(), 'new');
  assert.deepEqual(
    disk.openHandles().map((handle) => handle.half),
    ['writing', 'reading'],
  );
  await reader.close();
  assert.deepEqual(
    disk.openHandles().map((handle) => handle.half),
    ['writing'],
  );
});

// ---- Verbs.

test('the verbs change a disk at rest in a way that survives a power loss', () => {
  const disk = new SimDisk();
  disk.put('/d/e/a', Buffer.from('abc'));
  disk.put('/d/b', Buffer.from('12345'));
  assert.deepEqual(disk.list(), ['/d/b', '/d/e/a']);
  assert.deepEqual(disk.list('/d/e'), ['/d/e/a']);
  disk.swap('/d/e/a', '/d/b');
  disk.flipBit('/d/b', 8);
  disk.corrupt('/d/e/a', 4, Buffer.from('67'));
  const end = disk.crash(crashNone);
  assert.equal(textOf(end, '/d/b'), 'acc');
  assert.equal(textOf(end, '/d/e/a'), '123467');
  end.truncateTo('/d/b', 1);
  end.remove('/d/e/a');
  assert.equal(textOf(end.crash(crashNone), '/d/b'), 'a');
  assert.deepEqual(end.crash(crashNone).list(), ['/d/b']);
  assert.throws(() => end.flipBit('/d/b', 8), RangeError);
  assert.equal(disk.callCount, 0);
});
