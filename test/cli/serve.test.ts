import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { metadata } from '../../src/server/kafka/messages/cluster.js';
import { KafkaClient } from '../support/kafka-client.js';
import { closeBeforeRemoval, tempDir } from '../support/temp-dir.js';
import { ended, run, start } from './command-process.js';

test('command: serve says where it is, and keeps what it has over a restart', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const names: (string | null)[][] = [];
  for (const topics of [[{ name: 'orders' }], null]) {
    const child = start('serve', folder, '--kafka', '127.0.0.1:0', '--json');
    const end = ended(child);
    closeBeforeRemoval(t, async () => void child.kill('SIGKILL'));
    const line = await firstLine(child.stdout);
    const { type, host, port } = JSON.parse(line);
    assert.equal(type, 'ready');
    const client = await KafkaClient.connect({ host, port });
    const asked = { topics, allowAutoTopicCreation: true };
    const { topics: told } = await client.ask(metadata, 9, asked as never);
    names.push(told.map(({ name }) => name));
    child.kill('SIGTERM');
    assert.equal(await client.frame(), undefined, 'the connection is ended');
    const { code, stderr } = await end;
    assert.deepEqual([code, stderr], [143, '']);
  }
  assert.deepEqual(names, [['orders'], ['orders']]);
});

test('command: serve takes no address that others reach, unless that is allowed', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const { code, stderr } = await run('', 'serve', folder, '--kafka', '0.0.0.0:0', '--json');
  assert.equal(code, 1);
  assert.equal(JSON.parse(stderr).error.code, 'OPTION_INVALID');
  assert.equal((await run('', 'serve', folder, '--kafka', 'nowhere')).code, 2);
  assert.equal((await run('', 'serve', folder, '--acks-one', 'maybe')).code, 2);
});

/** What is printed first; the rest is left to whoever reads on. */
function firstLine(stdout: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
  });
}
