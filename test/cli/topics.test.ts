import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Broker } from '../../src/main.js';
import { closeBeforeRemoval, tempDir } from '../support/temp-dir.js';
import { run } from './command-process.js';

async function ok(input: string, ...given: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(input, ...given);
  assert.equal(stderr, '');
  assert.equal(code, 0);
  return stdout;
}

/** The same commands, whoever carries them out. */
async function tryAll(folder: string): Promise<void> {
  const config = ['--partitions', '2', '--retentionMs', 'unlimited', '--segmentBytes', '65536'];
  assert.equal(await ok('', 'topic', 'create', folder, 'orders', ...config), 'created orders\n');
  assert.equal(await ok('', 'topic', 'list', folder), 'orders: 2 partitions\n');
  const produced = await ok('21=a\n21=b\n', 'produce', folder, 'orders', '--key-separator', '=');
  assert.equal(produced, 'sent 2 records to orders\n');
  const more = ['--partitions', '3', '--cleanup', 'compact'];
  assert.equal(await ok('', 'topic', 'alter', folder, 'orders', ...more), 'altered orders\n');
  const described = await ok('', 'topic', 'describe', folder, 'orders', '--json');
  const lines = described
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const topic = lines.pop();
  assert.deepEqual(lines.map(({ endOffset }) => endOffset).sort(), [0, 0, 2]);
  assert.equal(topic.partitionCount, 3);
  assert.equal(topic.options.cleanup, 'compact');
  assert.equal(topic.options.segmentBytes, 65_536);
  const conflict = await run('', 'topic', 'create', folder, 'orders', '--json');
  assert.equal(conflict.code, 1);
  assert.equal(JSON.parse(conflict.stderr).error.code, 'TOPIC_EXISTS');
  assert.equal(await ok('', 'topic', 'delete', folder, 'orders'), 'deleted orders\n');
  assert.equal(await ok('', 'topic', 'list', folder), '');
  const unknown = await run('x\n', 'produce', folder, 'orders', '--json');
  assert.equal(JSON.parse(unknown.stderr).error.code, 'UNKNOWN_TOPIC');
}

test('command: topics are looked after when nobody holds the broker', async (t) => {
  await tryAll(join(tempDir(t), 'broker'));
});

test('command: topics are looked after by the process that holds the broker', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const broker = await Broker.open(folder);
  closeBeforeRemoval(t, () => broker.close());
  await tryAll(folder);
});

test('command: what cannot be meant is a usage error, and makes nothing', async (t) => {
  const folder = join(tempDir(t), 'broker');
  for (const given of [
    ['topic', 'make', folder, 'a'],
    ['topic', 'create', folder],
    ['topic', 'list', folder, 'a'],
    ['topic', 'create', folder, 'a', '--retention', '1'],
  ]) {
    assert.equal((await run('', ...given)).code, 2, given.join(' '));
  }
  const absent = await run('', 'topic', 'list', folder, '--json');
  assert.equal(JSON.parse(absent.stderr).error.code, 'NOT_A_BROKER');
});

test('command: a log and a broker tell each other apart', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const broker = await Broker.open(folder);
  closeBeforeRemoval(t, () => broker.close());
  const stats = await run('', 'stats', folder, '--json');
  assert.equal(JSON.parse(stats.stderr).error.code, 'NOT_A_LOG');
});
