/**
 * What both file systems, the machine's and the simulated one, do alike: the product may rely on
 * this and on nothing more. Durability and faults cannot be asked of the machine; the tests of the
 * simulation hold those.
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import type { BlockingFileSystem, FileSystem } from '../../src/base/file-system.js';

export interface FileSystemPair {
  readonly reading: FileSystem;
  readonly writing: BlockingFileSystem;
  /** An empty directory for this test alone. */
  readonly directory: string;
}

type MakePair = (t: TestContext) => FileSystemPair | Promise<FileSystemPair>;

/** Registers the suite; `name` tells the implementations apart in the report. */
export function fileSystemContract(name: string, makePair: MakePair): void {
  const check = (behaviour: string, body: (pair: FileSystemPair) => Promise<void> | void): void => {
    test(`${name}: ${behaviour}`, async (t) => body(await makePair(t)));
  };
  openContract(check);
  contentContract(check);
  namesContract(check);
  directoriesContract(check);
  readerContract(check);
}

type Check = (behaviour: string, body: (pair: FileSystemPair) => Promise<void> | void) => void;

function openContract(check: Check): void {
  check('open with create makes the file once and then opens it', ({ writing, directory }) => {
    const path = `${directory}/a`;
    putFile(writing, path, 'first');
    const file = writing.open(path, 'create');
    assert.equal(contentOf(writing, file), 'first');
    writing.close(file);
  });

  check('open with exclusive refuses a file that is there', ({ writing, directory }) => {
    writing.close(writing.open(`${directory}/a`, 'exclusive'));
    assertErrno('EEXIST', () => writing.open(`${directory}/a`, 'exclusive'));
  });

  check('open with existing refuses a file that is not there', async (pair) => {
    assertErrno('ENOENT', () => pair.writing.open(`${pair.directory}/a`, 'existing'));
    await rejectsErrno('ENOENT', pair.reading.open(`${pair.directory}/a`));
    assert.deepEqual(await pair.reading.list(pair.directory), []);
  });

  check('open for reading reads and measures, and refuses to change anything', (pair) => {
    const { writing, directory } = pair;
    const path = `${directory}/a`;
    assertErrno('ENOENT', () => writing.open(path, 'reading'));
    putFile(writing, path, 'first');
    const file = writing.open(path, 'reading');
    assert.equal(contentOf(writing, file), 'first');
    assert.equal(writing.size(file), 5);
    assertErrno('EBADF', () => writing.write(file, Buffer.from('x'), 0, 1, 0));
    assertErrno('EINVAL', () => writing.truncate(file, 0));
    assert.equal(contentOf(writing, file), 'first');
    writing.close(file);
    assertErrno('EBADF', () => writing.size(file));
  });

  check('open refuses a directory', async ({ reading, writing, directory }) => {
    writing.makeDirectory(`${directory}/d`);
    assertErrno('EISDIR', () => writing.open(`${directory}/d`, 'existing'));
    assertErrno('EISDIR', () => writing.open(`${directory}/d`, 'reading'));
    assertErrno('EISDIR', () => writing.open(`${directory}/d`, 'create'));
    assertErrno('EEXIST', () => writing.open(`${directory}/d`, 'exclusive'));
    await rejectsErrno('EISDIR', reading.open(`${directory}/d`));
  });

  check('a path through a missing directory or a file is refused', async (pair) => {
    const { reading, writing, directory } = pair;
    assertErrno('ENOENT', () => writing.open(`${directory}/d/a`, 'create'));
    putFile(writing, `${directory}/f`, '');
    assertErrno('ENOTDIR', () => writing.open(`${directory}/f/a`, 'create'));
    assertErrno('ENOTDIR', () => writing.unlink(`${directory}/f/a`));
    await rejectsErrno('ENOTDIR', reading.facts(`${directory}/f/a`));
    await rejectsErrno('ENOTDIR', reading.open(`${directory}/f/a`));
  });

  check('new files and directories belong to their owner alone', async (pair) => {
    const { reading, writing, directory } = pair;
    writing.makeDirectory(`${directory}/d/e`);
    putFile(writing, `${directory}/d/a`, '');
    assert.equal((await reading.facts(`${directory}/d`))?.mode, 0o700);
    assert.equal((await reading.facts(`${directory}/d/e`))?.mode, 0o700);
    assert.equal((await reading.facts(`${directory}/d/a`))?.mode, 0o600);
  });

  check('a closed descriptor is refused', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    writing.close(file);
    assertErrno('EBADF', () => writing.write(file, Buffer.from('x'), 0, 1, 0));
    assertErrno('EBADF', () => writing.datasync(file));
    assertErrno('EBADF', () => writing.close(file));
  });
}

function contentContract(check: Check): void {
  check('write takes a range of the memory to a position', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    assert.equal(writing.write(file, Buffer.from('..abcd..'), 2, 4, 0), 4);
    assert.equal(writing.write(file, Buffer.from('XY'), 0, 2, 1), 2);
    assert.equal(contentOf(writing, file), 'aXYd');
    assert.equal(writing.write(file, Buffer.from('XY'), 0, 0, 9), 0);
    assert.equal(contentOf(writing, file), 'aXYd');
    writing.close(file);
  });

  check('what was written does not change with the memory', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    const memory = Buffer.from('kept');
    writing.write(file, memory, 0, 4, 0);
    memory.fill('!');
    assert.equal(contentOf(writing, file), 'kept');
    writing.close(file);
  });

  check('memory shared with other threads can be written and read', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    const shared = new Uint8Array(new SharedArrayBuffer(8));
    shared.set([1, 2, 3, 4]);
    assert.equal(writing.write(file, shared, 0, 4, 0), 4);
    assert.equal(writing.read(file, shared, 4, 4, 0), 4);
    assert.deepEqual([...shared], [1, 2, 3, 4, 1, 2, 3, 4]);
    writing.close(file);
  });

  check('a range outside the memory is refused', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    assert.throws(() => writing.write(file, Buffer.alloc(4), 2, 3, 0), RangeError);
    assert.throws(() => writing.read(file, Buffer.alloc(4), 2, 3, 0), RangeError);
    writing.close(file);
  });

  check('a write beyond the end leaves zeros between', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    writing.write(file, Buffer.from('a'), 0, 1, 0);
    writing.write(file, Buffer.from('z'), 0, 1, 9000);
    const content = contentOf(writing, file);
    assert.equal(content.length, 9001);
    assert.equal(content, `a${'\0'.repeat(8999)}z`);
    writing.close(file);
  });

  check('a read is short at the end and zero beyond it', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    writing.write(file, Buffer.from('abcd'), 0, 4, 0);
    const target = Buffer.alloc(8, '.');
    assert.equal(writing.read(file, target, 1, 6, 2), 2);
    assert.equal(target.toString(), '.cd.....');
    assert.equal(writing.read(file, target, 0, 8, 4), 0);
    assert.equal(writing.read(file, target, 0, 8, 400), 0);
    writing.close(file);
  });

  check('the size of a file follows writes and truncation', ({ writing, directory }) => {
    const file = writing.open(`${directory}/a`, 'create');
    assert.equal(writing.size(file), 0);
    writing.write(file, Buffer.from('abcd'), 0, 4, 10);
    assert.equal(writing.size(file), 14);
    writing.truncate(file, 3);
    assert.equal(writing.size(file), 3);
    writing.close(file);
  });

  check('truncate cuts, and grows with zeros where the cut bytes were', (pair) => {
    const { writing, directory } = pair;
    const file = writing.open(`${directory}/a`, 'create');
    writing.write(file, Buffer.alloc(10_000, 'x'), 0, 10_000, 0);
    writing.truncate(file, 5000);
    assert.equal(contentOf(writing, file), 'x'.repeat(5000));
    writing.truncate(file, 9000);
    assert.equal(contentOf(writing, file), 'x'.repeat(5000) + '\0'.repeat(4000));
    writing.truncate(file, 0);
    assert.equal(contentOf(writing, file), '');
    writing.close(file);
  });

  check('a negative position or size is a programmer error', async (pair) => {
    const { reading, writing, directory } = pair;
    const file = writing.open(`${directory}/a`, 'create');
    writing.write(file, Buffer.from('kept'), 0, 4, 0);
    const memory = Buffer.alloc(4);
    for (const wrong of [-1, Number.NaN]) {
      assert.throws(() => writing.truncate(file, wrong), InvariantViolation);
      assert.throws(() => writing.write(file, memory, 0, 4, wrong), InvariantViolation);
      assert.throws(() => writing.read(file, memory, 0, 4, wrong), InvariantViolation);
    }
    const reader = await reading.open(`${directory}/a`);
    await assert.rejects(reader.read(memory, 0, 4, -1), InvariantViolation);
    await reader.close();
    assert.equal(contentOf(writing, file), 'kept');
    writing.close(file);
  });

  check('two descriptors of one file see the same content', ({ writing, directory }) => {
    const one = writing.open(`${directory}/a`, 'create');
    const other = writing.open(`${directory}/a`, 'existing');
    writing.write(one, Buffer.from('seen'), 0, 4, 0);
    writing.datasync(one);
    assert.equal(contentOf(writing, other), 'seen');
    writing.close(one);
    writing.close(other);
  });
}

function namesContract(check: Check): void {
  check('rename replaces its target', async ({ reading, writing, directory }) => {
    putFile(writing, `${directory}/new`, 'new');
    putFile(writing, `${directory}/old`, 'old');
    writing.rename(`${directory}/new`, `${directory}/old`);
    assert.deepEqual(await reading.list(directory), ['old']);
    assert.equal(await readPath(reading, `${directory}/old`), 'new');
  });

  check('rename moves between directories and moves directories', async (pair) => {
    const { reading, writing, directory } = pair;
    writing.makeDirectory(`${directory}/d`);
    putFile(writing, `${directory}/a`, 'moved');
    writing.rename(`${directory}/a`, `${directory}/d/b`);
    writing.rename(`${directory}/d`, `${directory}/e`);
    assert.deepEqual(await reading.list(directory), ['e']);
    assert.equal(await readPath(reading, `${directory}/e/b`), 'moved');
  });

  check('rename refuses what makes no sense', ({ writing, directory }) => {
    putFile(writing, `${directory}/a`, '');
    writing.makeDirectory(`${directory}/d/e`);
    assertErrno('ENOENT', () => writing.rename(`${directory}/b`, `${directory}/c`));
    assertErrno('ENOENT', () => writing.rename(`${directory}/a`, `${directory}/c/a`));
    assertErrno('EISDIR', () => writing.rename(`${directory}/a`, `${directory}/d`));
    assertErrno('ENOTDIR', () => writing.rename(`${directory}/d`, `${directory}/a`));
    assertErrno('EINVAL', () => writing.rename(`${directory}/d`, `${directory}/d/e/f`));
    writing.makeDirectory(`${directory}/g`);
    assertErrno('ENOTEMPTY', () => writing.rename(`${directory}/g`, `${directory}/d`));
  });

  check('rename to its own name changes nothing', async ({ reading, writing, directory }) => {
    putFile(writing, `${directory}/a`, 'same');
    writing.rename(`${directory}/a`, `${directory}/a`);
    assert.equal(await readPath(reading, `${directory}/a`), 'same');
  });

  check('unlink removes a file, and refuses directories and nothing', async (pair) => {
    const { reading, writing, directory } = pair;
    putFile(writing, `${directory}/a`, '');
    writing.makeDirectory(`${directory}/d`);
    writing.unlink(`${directory}/a`);
    assert.deepEqual(await reading.list(directory), ['d']);
    assertErrno('ENOENT', () => writing.unlink(`${directory}/a`));
    assertErrno('EISDIR', () => writing.unlink(`${directory}/d`));
  });

  check('a file that lost its name stays readable and writable', async (pair) => {
    const { reading, writing, directory } = pair;
    putFile(writing, `${directory}/a`, 'still here');
    const reader = await reading.open(`${directory}/a`);
    const writer = writing.open(`${directory}/a`, 'existing');
    writing.unlink(`${directory}/a`);
    putFile(writing, `${directory}/a`, 'another file');
    const target = Buffer.alloc(10);
    assert.equal(await reader.read(target, 0, 10, 0), 10);
    assert.equal(target.toString(), 'still here');
    writing.write(writer, Buffer.from('S'), 0, 1, 0);
    writing.datasync(writer);
    assert.equal(contentOf(writing, writer), 'Still here');
    assert.equal(await readPath(reading, `${directory}/a`), 'another file');
    writing.close(writer);
    await reader.close();
  });
}

function directoriesContract(check: Check): void {
  check('makeDirectory makes missing parents and accepts what is there', async (pair) => {
    const { reading, writing, directory } = pair;
    writing.makeDirectory(`${directory}/d/e/f`);
    writing.makeDirectory(`${directory}/d/e/f`);
    assert.deepEqual(await reading.list(`${directory}/d/e`), ['f']);
    assert.equal((await reading.facts(`${directory}/d/e/f`))?.kind, 'directory');
  });

  check('removeDirectory takes empty directories only', async ({ reading, writing, directory }) => {
    writing.makeDirectory(`${directory}/d`);
    putFile(writing, `${directory}/d/a`, '');
    assertErrno('ENOTEMPTY', () => writing.removeDirectory(`${directory}/d`));
    assertErrno('ENOTDIR', () => writing.removeDirectory(`${directory}/d/a`));
    writing.unlink(`${directory}/d/a`);
    writing.removeDirectory(`${directory}/d`);
    assert.deepEqual(await reading.list(directory), []);
    assertErrno('ENOENT', () => writing.removeDirectory(`${directory}/d`));
  });

  check('makeDirectory refuses a file in its way', ({ writing, directory }) => {
    putFile(writing, `${directory}/a`, '');
    assertErrno('EEXIST', () => writing.makeDirectory(`${directory}/a`));
    assertErrno('ENOTDIR', () => writing.makeDirectory(`${directory}/a/d`));
  });

  check('syncDirectory takes directories only', ({ writing, directory }) => {
    writing.syncDirectory(directory);
    putFile(writing, `${directory}/a`, '');
    assertErrno('ENOTDIR', () => writing.syncDirectory(`${directory}/a`));
    assertErrno('ENOENT', () => writing.syncDirectory(`${directory}/d`));
  });

  check('list names what is there', async ({ reading, writing, directory }) => {
    assert.deepEqual(await reading.list(directory), []);
    putFile(writing, `${directory}/a`, '');
    writing.makeDirectory(`${directory}/d`);
    assert.deepEqual([...(await reading.list(directory))].sort(), ['a', 'd']);
    await rejectsErrno('ENOENT', reading.list(`${directory}/none`));
    await rejectsErrno('ENOTDIR', reading.list(`${directory}/a`));
  });

  check('facts tell kind and size, and undefined of nothing', async (pair) => {
    const { reading, writing, directory } = pair;
    putFile(writing, `${directory}/a`, 'abc');
    const facts = await reading.facts(`${directory}/a`);
    assert.equal(facts?.kind, 'file');
    assert.equal(facts.bytes, 3);
    assert.ok(Number.isSafeInteger(facts.modifiedMs));
    assert.equal((await reading.facts(directory))?.kind, 'directory');
    assert.equal(await reading.facts(`${directory}/none`), undefined);
  });

  check('freeBytes is a number of bytes', async ({ reading, directory }) => {
    const free = await reading.freeBytes(directory);
    assert.ok(Number.isSafeInteger(free));
    assert.ok(free > 0);
    await rejectsErrno('ENOENT', reading.freeBytes(`${directory}/none`));
  });
}

function readerContract(check: Check): void {
  check('a reader reads ranges, short only at the end', async (pair) => {
    const { reading, writing, directory } = pair;
    putFile(writing, `${directory}/a`, 'abcdef');
    const reader = await reading.open(`${directory}/a`);
    const target = Buffer.alloc(8, '.');
    assert.equal(await reader.read(target, 2, 3, 1), 3);
    assert.equal(target.toString(), '..bcd...');
    assert.equal(await reader.read(target, 0, 8, 4), 2);
    assert.equal(await reader.read(target, 0, 8, 6), 0);
    assert.equal(await reader.read(target, 0, 0, 0), 0);
    await assert.rejects(reader.read(target, 2, 7, 0), RangeError);
    await reader.close();
  });

  check('a reader sees what is written later', async ({ reading, writing, directory }) => {
    putFile(writing, `${directory}/a`, '');
    const reader = await reading.open(`${directory}/a`);
    assert.equal(await reader.size(), 0);
    putFile(writing, `${directory}/a`, 'later');
    assert.equal(await reader.size(), 5);
    const target = Buffer.alloc(5);
    await reader.read(target, 0, 5, 0);
    assert.equal(target.toString(), 'later');
    await reader.close();
  });

  check(
    'close lets reads in flight end, can be repeated, and refuses later reads',
    async (pair) => {
      const { reading, writing, directory } = pair;
      putFile(writing, `${directory}/a`, 'x'.repeat(100_000));
      const reader = await reading.open(`${directory}/a`);
      const target = Buffer.alloc(100_000);
      const reads = [0, 1, 2, 3].map((place) =>
        reader.read(target, place * 25_000, 25_000, place * 25_000),
      );
      const closed = Promise.all([reader.close(), reader.close()]);
      assert.deepEqual(await Promise.all(reads), [25_000, 25_000, 25_000, 25_000]);
      // At the end of the file a read looks twice, and close must wait for the second look.
      const last = await reading.open(`${directory}/a`);
      const short = last.read(Buffer.alloc(10), 0, 10, 99_995);
      await last.close();
      assert.equal(await short, 5);
      await closed;
      assert.equal(target.toString(), 'x'.repeat(100_000));
      await rejectsErrno('EBADF', reader.read(target, 0, 1, 0));
      await rejectsErrno('EBADF', reader.size());
      await reader.close();
    },
  );
}

// -----------------------------------------------------------------------------------------------

function putFile(writing: BlockingFileSystem, path: string, content: string): void {
  const file = writing.open(path, 'create');
  const bytes = Buffer.from(content);
  assert.equal(writing.write(file, bytes, 0, bytes.length, 0), bytes.length);
  writing.close(file);
}

function contentOf(writing: BlockingFileSystem, file: number): string {
  const target = Buffer.alloc(20_000);
  return target.toString('latin1', 0, writing.read(file, target, 0, target.length, 0));
}

async function readPath(reading: FileSystem, path: string): Promise<string> {
  const reader = await reading.open(path);
  const target = Buffer.alloc(await reader.size());
  const count = await reader.read(target, 0, target.length, 0);
  await reader.close();
  return target.toString('latin1', 0, count);
}

export function assertErrno(code: string, call: () => unknown): void {
  assert.throws(call, { code });
}

async function rejectsErrno(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, { code });
}
