import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import type { CleanerRunOptions, FactsTask } from '../../src/storage/cleaner-task.js';
import { segmentPath } from '../../src/storage/segment-files.js';
import { SimDisk } from '../support/sim-file-system.js';

const DIRECTORY = '/log';
const task: FactsTask = {
  kind: 'facts',
  directory: DIRECTORY,
  logId: '0'.repeat(32),
  baseOffsets: [0, 7],
};

/** Two segments without seals, of five bytes each. */
function diskWithSegments(): SimDisk {
  const disk = new SimDisk();
  const { blockingFileSystem: files } = disk;
  files.makeDirectory(DIRECTORY);
  for (const baseOffset of task.baseOffsets) {
    const file = files.open(segmentPath(DIRECTORY, baseOffset, 'log'), 'create');
    files.write(file, new Uint8Array(5), 0, 5, 0);
    files.close(file);
  }
  return disk;
}

async function rejection(cleaner: InlineCleaner, options: CleanerRunOptions): Promise<unknown> {
  return await cleaner.run(task, options).then(
    () => assert.fail('the task was to be ended'),
    (error: unknown) => error,
  );
}

test('inline cleaner: a task runs after the call that asked for it, and answers', async () => {
  const cleaner = new InlineCleaner(diskWithSegments().blockingFileSystem);
  const answer = cleaner.run(task, {});
  assert.equal(cleaner.stats().completed, 0);
  const { segments } = await answer;
  assert.deepEqual(
    segments.map(({ baseOffset, logBytes }) => [baseOffset, logBytes]),
    [
      [0, 5],
      [7, 5],
    ],
  );
  assert.equal(cleaner.stats().completed, 1);
  await cleaner.release();
});

test('inline cleaner: an abort before the task begins keeps it from beginning', async () => {
  const cleaner = new InlineCleaner(diskWithSegments().blockingFileSystem);
  const controller = new AbortController();
  const ended = rejection(cleaner, { signal: controller.signal });
  controller.abort('enough');
  assert.equal(await ended, 'enough');
  assert.deepEqual([cleaner.stats().completed, cleaner.stats().cancelled], [0, 1]);
});

test('inline cleaner: an abort within the task ends it at its next chunk', async () => {
  const { blockingFileSystem: files } = diskWithSegments();
  const controller = new AbortController();
  const opened: string[] = [];
  const cleaner = new InlineCleaner({
    ...files,
    open: (path, mode) => {
      opened.push(path);
      controller.abort('meanwhile');
      return files.open(path, mode);
    },
  });
  assert.equal(await rejection(cleaner, { signal: controller.signal }), 'meanwhile');
  assert.ok(!opened.includes(segmentPath(DIRECTORY, 7, 'log')));
});

test('inline cleaner: an error of the disk is the error of the task', async () => {
  const disk = diskWithSegments();
  disk.fail({ name: 'open', errno: 'EMFILE' });
  const cleaner = new InlineCleaner(disk.blockingFileSystem);
  await assert.rejects(cleaner.run(task, {}), { code: 'EMFILE' });
  assert.equal(cleaner.stats().failed, 1);
});
