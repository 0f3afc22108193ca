// The writer worker on real files: order, a full ring, its death, and its end.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { acquireWorkerWriter } from '../../src/storage/worker-writer.js';
import { STATUS_OK, type WriterClient, WriterFailure } from '../../src/storage/writer.js';
import { ENTRIES } from '../../src/storage/writer-channel.js';
import { tempDir } from '../support/temp-dir.js';

/** Notes its answers, and tells when there are `count` of them. */
function client(count: number) {
  const answers: string[] = [];
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const note = (answer: string): void => {
    answers.push(answer);
    if (answers.length === count) finish();
  };
  const client: WriterClient = {
    written: (status) => note(`written ${status}`),
    committed: (status) => note(`committed ${status}`),
  };
  return { client, answers, finished };
}

async function openWriter(directory: string) {
  const writer = acquireWorkerWriter();
  const [file, markFile] = [writer.newFile(), writer.newFile()];
  const [path, markPath] = [join(directory, 'data'), join(directory, 'mark')];
  await writer.run([
    { kind: 'open', file, path, mode: 'exclusive' },
    { kind: 'open', file: markFile, path: markPath, mode: 'create' },
  ]);
  const slab = writer.acquireSlab(64 * 1024);
  assert.ok(slab !== undefined);
  slab.bytes.forEach((_, index) => {
    slab.bytes[index] = index % 251;
  });
  const commit = (to: WriterClient): void =>
    writer.commit(to, file, { file: markFile, slab, count: 8 }, 16);
  return { writer, file, slab, path, markPath, commit };
}

test('writer: writes and commits are answered in the order of the calls', async (t) => {
  const { writer, file, slab, path, markPath, commit } = await openWriter(tempDir(t));
  const { client: first, answers, finished } = client(4);
  writer.write(first, file, slab, 0, 10, 0);
  writer.write(first, file, slab, 10, 10, 10);
  commit(first);
  writer.write(first, file, slab, 20, 10, 20);
  writer.submit();
  await finished;
  assert.deepEqual(answers, ['written 0', 'written 0', 'committed 0', 'written 0']);
  assert.deepEqual(readFileSync(path), Buffer.from(slab.bytes.subarray(0, 30)));
  assert.equal(readFileSync(markPath).length, 24);
  await writer.release();
});

test('writer: more calls than the ring holds are all carried out, in order', async (t) => {
  const { writer, file, slab, path } = await openWriter(tempDir(t));
  const count = 3 * ENTRIES + 7;
  const { client: one, answers, finished } = client(count);
  for (let index = 0; index < count; index++) writer.write(one, file, slab, index, 1, index);
  writer.submit();
  const steps = writer.run([{ kind: 'read', file, position: 0, count }]);
  await finished;
  assert.deepEqual(new Set(answers), new Set([`written ${STATUS_OK}`]));
  const [bytes = new Uint8Array()] = await steps;
  assert.deepEqual(Buffer.from(bytes), readFileSync(path));
  assert.deepEqual(readFileSync(path), Buffer.from(slab.bytes.subarray(0, count)));
  await writer.release();
});

test('writer: a step that fails says which one, and those after it are left out', async (t) => {
  const directory = tempDir(t);
  const { writer } = await openWriter(directory);
  const rename = {
    kind: 'rename',
    from: join(directory, 'none'),
    to: join(directory, 'b'),
  } as const;
  const error: unknown = await writer
    .run([{ kind: 'makeDirectory', path: join(directory, 'a') }, rename])
    .catch((reason: unknown) => reason);
  assert.ok(error instanceof WriterFailure);
  assert.deepEqual([error.code, error.stepIndex], ['ENOENT', 1]);
  await writer.release();
});

test('writer: few threads serve many logs, and the last release of one ends it', async (t) => {
  const writers = Array.from({ length: 9 }, () => acquireWorkerWriter());
  const threads = new Set(writers);
  assert.ok(threads.size <= 4);
  const directory = tempDir(t);
  for (const writer of writers) {
    await writer.run([{ kind: 'syncDirectory', path: directory }]);
    await writer.release();
  }
  const fresh = acquireWorkerWriter();
  assert.ok(!threads.has(fresh));
  await fresh.release();
});

test('writer: when the worker dies, what waits and what comes is aborted', async (t) => {
  const { writer, file, slab, commit } = await openWriter(tempDir(t));
  const { client: one, answers, finished } = client(3);
  // Memory that the worker was never told of: it stops at its own check.
  const unknown = { id: 999_999, bytes: slab.bytes, generation: 0 };
  writer.write(one, file, slab, 0, 1, 0);
  writer.write(one, file, unknown, 0, 1, 1);
  commit(one);
  writer.submit();
  await finished;
  assert.deepEqual(answers.slice(1), ['written -1', 'committed -1']);
  await assert.rejects(writer.run([{ kind: 'sync', file }]), { code: 'ECANCELED' });
  await writer.release();
});
