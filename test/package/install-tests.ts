/**
 * The installed package at work: with all dependencies, without the optional ones, and its command.
 */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  assertSuccess,
  type PackedProject,
  readManifest,
  root,
  runNode,
  runProgram,
} from '../support/packed-project.js';

/** Long values, so that the native checksum is used where it is there. */
const writeScript = `
  import { Log } from 'millrace';
  const log = await Log.open(process.argv[2]);
  for (let index = 0; index < 10; index += 1) {
    await log.append([{ key: 'k' + index, value: 'v'.repeat(1000 + index) }]);
  }
  await log.close();
`;

/** Checksums of one build are read by the other: both compute the same. */
const readScript = `
  import assert from 'node:assert/strict';
  import { Log } from 'millrace';
  const log = await Log.open(process.argv[2], { readOnly: true });
  const lengths = [];
  for await (const batch of log.read()) for (const { value } of batch) lengths.push(value.length);
  await log.close();
  assert.deepEqual(lengths, Array.from({ length: 10 }, (_, index) => 1000 + index));
`;

const withoutOptionalScript = `
  import assert from 'node:assert/strict';
  import { createRequire } from 'node:module';
  import { Log } from 'millrace';
  const require = createRequire(import.meta.resolve('millrace'));
  for (const name of ['@node-rs/crc32', 'lz4-napi']) {
    assert.ok(require.resolve(name));
    assert.throws(() => require(name), name + ' has no binary here');
  }
  const opening = Log.open('lz4', { compression: 'lz4' });
  await assert.rejects(opening, { code: 'CODEC_UNAVAILABLE' });
`;

/** Cleaning takes place on a thread, whose file lies in the package. */
const cleanScript = `
  import assert from 'node:assert/strict';
  import { pathToFileURL } from 'node:url';
  const file = 'node_modules/millrace/dist/src/storage/cleaner-pool.js';
  const { acquireCleaner } = await import(pathToFileURL(file).href);
  const cleaner = acquireCleaner();
  const task = { kind: 'facts', directory: 'none', logId: '0'.repeat(32), baseOffsets: [0] };
  const answer = await cleaner.run(task, { hold: 'keep-alive' });
  assert.deepEqual(answer, { kind: 'facts', segments: [] });
  assert.equal(cleaner.stats().completed, 1);
  await cleaner.release();
  assert.equal(cleaner.stats().threads, 0);
`;

export function installTests(packed: () => PackedProject): void {
  test('package: with and without optional dependencies the same bytes are read', async () => {
    const { project, bareProject } = packed();
    const projects = [project, bareProject];
    for (const folder of projects) {
      writeFileSync(join(folder, 'write.mjs'), writeScript);
      writeFileSync(join(folder, 'read.mjs'), readScript);
      assertSuccess(await runNode(folder, ['write.mjs', 'written']), `writing in ${folder}`);
    }
    for (const [reader, writer] of [projects, [...projects].reverse()]) {
      assert.ok(reader !== undefined && writer !== undefined);
      const outcome = await runNode(reader, ['read.mjs', join(writer, 'written')]);
      assertSuccess(outcome, `reading in ${reader}`);
    }
  });

  test('package: without optional dependencies lz4 says that it is unavailable', async () => {
    const { bareProject } = packed();
    writeFileSync(join(bareProject, 'absent.mjs'), withoutOptionalScript);
    assertSuccess(await runNode(bareProject, ['absent.mjs']), 'the project without optional ones');
  });

  test('package: cleaning finds its thread, with and without optional dependencies', async () => {
    const { project, bareProject } = packed();
    for (const folder of [project, bareProject]) {
      writeFileSync(join(folder, 'clean.mjs'), cleanScript);
      const outcome = await runNode(folder, ['clean.mjs']);
      assertSuccess(outcome, `cleaning in ${folder}`);
      assert.equal(outcome.stderr, '', 'no warnings');
    }
  });

  test('package: the installed command says its version', async () => {
    const { project } = packed();
    const { version, bin = {} } = readManifest(root);
    assert.deepEqual(Object.keys(bin), ['millrace']);
    const command = join(project, 'node_modules', '.bin', 'millrace');
    const outcome = await runProgram(command, ['--version'], project);
    assertSuccess(outcome, 'millrace --version');
    assert.equal(outcome.stdout.trim(), version);
  });
}
