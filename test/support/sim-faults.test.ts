/** The simulated disk: failed calls and syncs, a full disk, and a process that dies. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertErrno } from '../contract/file-system.contract.js';
import { crashNone } from './sim-crash.js';
import { SimDisk, SimStopped } from './sim-file-system.js';
import { diskWithFile, syncFile, textOf, write, writeFile } from './sim-verbs.js';

const page = 4096;

// ---- Lies.

test('a disk that lies reads well, and shows at a power loss what it did not do', () => {
  const text = (lie: 'unsynced' | 'dropped' | 'misdirected'): string => {
    const disk = new SimDisk();
    const file = diskWithFile(disk, '/a', 'o'.repeat(2 * page));
    disk.fail({ lie });
    write(disk, file, 'n'.repeat(page), 0);
    disk.blockingFileSystem.datasync(file);
    assert.equal(textOf(disk, '/a'), 'n'.repeat(page) + 'o'.repeat(page));
    return textOf(disk.crash(crashNone), '/a');
  };
  assert.equal(text('unsynced'), 'o'.repeat(2 * page));
  assert.equal(text('dropped'), 'o'.repeat(2 * page));
  assert.equal(text('misdirected'), 'o'.repeat(page) + 'n'.repeat(page));
});

test('disks print alike only when they are alike, also in what a power loss would take', () => {
  const made = (lie?: 'dropped'): SimDisk => {
    const disk = new SimDisk();
    const file = diskWithFile(disk, '/a', 'old');
    if (lie !== undefined) disk.fail({ lie });
    write(disk, file, 'new', 0);
    return disk;
  };
  const disk = made();
  assert.equal(disk.print(), made().print());
  assert.notEqual(disk.print(), made('dropped').print());
  assert.notEqual(disk.print(), disk.crash(crashNone).print());
  disk.blockingFileSystem.makeDirectory('/empty');
  assert.notEqual(disk.print(), made().print());
  assert.equal(
    disk.contentPrint((path) => path === '/a'),
    made('dropped').contentPrint((path) => path === '/a'),
  );
});

// ---- Failed syncs.

test('a failed sync leaves pages that are read, lost at a power loss and never synced', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'old');
  write(disk, file, 'NEW', 0);
  disk.fail({ name: 'datasync', errno: 'EIO' });
  assertErrno('EIO', () => disk.blockingFileSystem.datasync(file));
  disk.blockingFileSystem.datasync(file);
  assert.equal(textOf(disk, '/a'), 'NEW');
  assert.equal(disk.pendingCount(), 0);
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'old');
  const restarted = disk.kill();
  assert.equal(textOf(restarted, '/a'), 'NEW');
  syncFile(restarted, '/a');
  assert.equal(textOf(restarted.crash(crashNone), '/a'), 'old');
});

test('rewriting the bytes after a failed sync and syncing again makes them durable', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(2 * page));
  write(disk, file, 'n'.repeat(2 * page), 0);
  disk.fail({ name: 'datasync', errno: 'EIO' });
  assertErrno('EIO', () => disk.blockingFileSystem.datasync(file));
  write(disk, file, 'n', 10);
  disk.blockingFileSystem.datasync(file);
  // The page goes out whole, so one byte brings its neighbours with it; the other page stays lost.
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'n'.repeat(page) + 'o'.repeat(page));
});

test('after a failed sync of an append a later sync makes its size durable, full of zeros', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'old');
  write(disk, file, 'new', 3);
  disk.fail({ name: 'datasync', errno: 'EIO' });
  assertErrno('EIO', () => disk.blockingFileSystem.datasync(file));
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'old');
  disk.blockingFileSystem.datasync(file);
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'old\0\0\0');
});

test('a failed sync may lose every other page, or none', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(2 * page));
  write(disk, file, 'n'.repeat(2 * page), 0);
  const half = { name: 'datasync', errno: 'EIO', pages: 'every-other-lost' } as const;
  disk.fail(half);
  assertErrno('EIO', () => disk.blockingFileSystem.datasync(file));
  assert.equal(textOf(disk.crash(crashNone), '/a'), 'o'.repeat(page) + 'n'.repeat(page));
  write(disk, file, 'N', 0);
  disk.fail({ ...half, pages: 'kept-dirty' });
  assertErrno('EIO', () => disk.blockingFileSystem.datasync(file));
  disk.blockingFileSystem.datasync(file);
  assert.equal(textOf(disk.crash(crashNone), '/a').slice(0, 2), 'Nn');
});

test('pages written after a cut survive a failed sync that kept them', () => {
  const disk = new SimDisk();
  const file = diskWithFile(disk, '/a', 'o'.repeat(2 * page));
  disk.blockingFileSystem.truncate(file, 0);
  write(disk, file, 'n'.repeat(2 * page), 0);
  disk.fail({ name: 'datasync', errno: 'EIO', pages: 'every-other-lost' });
  assertErrno('EIO', () => disk.blockingFileSystem.datasync(file));
  disk.blockingFileSystem.datasync(file);
  assert.equal(textOf(disk.crash(crashNone), '/a'), '\0'.repeat(page) + 'n'.repeat(page));
});

// ---- Faults, counting and death.

test('a fault strikes the call of its number, once or for ever', () => {
  const disk = new SimDisk();
  const writing = disk.blockingFileSystem;
  disk.fail({ call: 2, errno: 'EIO' });
  disk.fail({ call: 5, errno: 'EROFS', repeat: 'forever' });
  const file = writing.open('/a', 'create');
  assertErrno('EIO', () => write(disk, file, 'x', 0));
  write(disk, file, 'x', 0);
  writing.datasync(file);
  assertErrno('EROFS', () => write(disk, file, 'y', 1));
  assertErrno('EROFS', () => writing.unlink('/a'));
  disk.heal();
  writing.unlink('/a');
  assert.equal(disk.callCount, 7);
});

test('a fault strikes by name and path, after some that go through', async () => {
  const disk = new SimDisk();
  const writing = disk.blockingFileSystem;
  disk.fail({ name: 'write', path: '.index', skip: 1, errno: 'ENOSPC' });
  disk.fail({ name: 'readerOpen', path: /\.log$/, errno: 'EMFILE' });
  disk.fail({ name: 'rename', path: 'target', errno: 'EIO' });
  const log = writing.open('/a.log', 'create');
  const index = writing.open('/a.index', 'create');
  write(disk, log, 'x', 0);
  write(disk, index, 'x', 0);
  write(disk, log, 'x', 1);
  assertErrno('ENOSPC', () => write(disk, index, 'x', 1));
  await assert.rejects(disk.fileSystem.open('/a.log'), { code: 'EMFILE' });
  await (await disk.fileSystem.open('/a.log')).close();
  assertErrno('EIO', () => writing.rename('/a.log', '/target'));
  assert.equal(textOf(disk, '/a.index'), 'x');
});

test('short writes take what they say they took', () => {
  const disk = new SimDisk();
  const file = disk.blockingFileSystem.open('/a', 'create');
  for (const [short, taken] of [
    ['less-one', 9],
    ['half', 5],
    ['one', 1],
    ['zero', 0],
  ] as const) {
    disk.blockingFileSystem.truncate(file, 0);
    disk.fail({ short });
    disk.blockingFileSystem.datasync(file);
    assert.equal(write(disk, file, '0123456789', 0), taken);
    assert.equal(textOf(disk, '/a'), '0123456789'.slice(0, taken));
  }
});

test('a failed call did nothing, or all the same did what it was to do', () => {
  const disk = new SimDisk();
  const writing = disk.blockingFileSystem;
  diskWithFile(disk, '/a', 'content');
  disk.fail({ name: 'rename', errno: 'EIO' });
  assertErrno('EIO', () => writing.rename('/a', '/b'));
  assert.deepEqual(disk.list(), ['/a']);
  disk.fail({ name: 'rename', errno: 'EIO', carriedOut: true });
  assertErrno('EIO', () => writing.rename('/a', '/b'));
  assert.deepEqual(disk.list(), ['/b']);
  disk.fail({ name: 'open', errno: 'EIO', carriedOut: true });
  const handlesBefore = disk.openHandles().length;
  assertErrno('EIO', () => writing.open('/c', 'create'));
  assert.equal(disk.exists('/c'), true);
  assert.equal(disk.openHandles().length, handlesBefore);
});

test('a close that fails has closed', () => {
  const disk = new SimDisk();
  const file = disk.blockingFileSystem.open('/a', 'create');
  assert.deepEqual(disk.openHandles(), [{ half: 'writing', path: '/a' }]);
  disk.fail({ name: 'close', errno: 'EIO' });
  assertErrno('EIO', () => disk.blockingFileSystem.close(file));
  assert.deepEqual(disk.openHandles(), []);
});

test('a full disk takes what fits, then refuses, and takes more after a deletion', async () => {
  const disk = new SimDisk({ spaceBytes: 10_000 });
  const writing = disk.blockingFileSystem;
  const old = writeFile(disk, '/old', 'o'.repeat(6000));
  const file = writing.open('/a', 'create');
  assert.equal(write(disk, file, 'n'.repeat(6000), 0), 4000);
  assert.equal(await disk.fileSystem.freeBytes('/'), 0);
  assertErrno('ENOSPC', () => write(disk, file, 'n', 4000));
  assert.equal(write(disk, file, 'N'.repeat(4000), 0), 4000);
  writing.unlink('/old');
  assertErrno('ENOSPC', () => write(disk, file, 'n', 4000));
  writing.close(old);
  assert.equal(write(disk, file, 'n'.repeat(6000), 4000), 6000);
  assert.equal(disk.readAll('/a').length, 10_000);
  disk.spaceBytes = Number.POSITIVE_INFINITY;
  assert.equal(write(disk, file, 'n', 10_000), 1);
});

test('the process can die just before any call; later calls die too', async () => {
  const scenario = (disk: SimDisk): void => {
    const file = diskWithFile(disk, '/a', 'one');
    write(disk, file, 'two', 3);
    disk.blockingFileSystem.datasync(file);
    disk.blockingFileSystem.close(file);
  };
  const whole = new SimDisk();
  scenario(whole);
  const names = whole.calls.map((call) => call.name);
  assert.deepEqual(names.join(' '), 'open write datasync syncDirectory write datasync close');
  for (let call = 1; call <= whole.callCount; call += 1) {
    const disk = new SimDisk();
    disk.stopAt(call);
    assert.throws(() => scenario(disk), SimStopped);
    assert.equal(disk.callCount, call - 1);
    assert.equal(disk.isStopped, true);
    assert.throws(() => disk.blockingFileSystem.unlink('/a'), SimStopped);
    await assert.rejects(disk.fileSystem.list('/'), SimStopped);
    const end = disk.crash(crashNone);
    assert.deepEqual(end.list(), call > 4 ? ['/a'] : []);
    if (call === 7) assert.equal(textOf(end, '/a'), 'onetwo');
  }
});

test('a hook sees each call before it acts', () => {
  const disk = new SimDisk();
  const seen: string[] = [];
  disk.onCall = (number, name, path) => {
    seen.push(`${number} ${name} ${path} ${disk.pendingCount()}`);
  };
  writeFile(disk, '/a', 'x');
  assert.deepEqual(seen, ['1 open /a 0', '2 write /a 1']);
});
