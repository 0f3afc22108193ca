import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { metadata } from '../../src/server/kafka/messages/cluster.js';
import { describeGroups, joinGroup } from '../../src/server/kafka/messages/groups.js';
import { KafkaClient } from '../support/kafka-client.js';
import { loginPlain, PASSWORD } from '../support/kafka-login.js';
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

test('command: serve lets in who user has added, and reads the file again on SIGHUP', async (t) => {
  const folder = tempDir(t);
  const users = join(folder, 'users.json');
  const absent = await run('', 'serve', join(folder, 'broker'), '--users', users, '--json');
  assert.equal(JSON.parse(absent.stderr).error.code, 'USERS_FILE_INVALID');
  assert.equal((await run(`${PASSWORD}\n`, 'user', 'add', users, 'alice')).code, 0);
  assert.equal((await run('\n', 'user', 'add', users, 'bob')).code, 1, 'no password');
  const child = start(
    'serve',
    join(folder, 'broker'),
    '--kafka',
    '127.0.0.1:0',
    '--json',
    '--users',
    users,
  );
  const end = ended(child);
  closeBeforeRemoval(t, async () => void child.kill('SIGKILL'));
  const address = JSON.parse(await firstLine(child.stdout));
  const alice = await KafkaClient.connect(address);
  assert.equal(await loginPlain(alice, 'alice'), 0);
  const early = await KafkaClient.connect(address);
  assert.notEqual(await loginPlain(early, 'bob'), 0);
  assert.equal((await run(PASSWORD, 'user', 'add', users, 'bob')).stdout, 'added bob\n');
  assert.equal((await run('', 'user', 'remove', users, 'alice')).code, 0);
  const noted = firstLine(child.stderr, 'reloaded');
  child.kill('SIGHUP');
  assert.deepEqual(JSON.parse(await noted), { type: 'reloaded', users: 1 });
  const bob = await KafkaClient.connect(address);
  assert.equal(await loginPlain(bob, 'bob'), 0);
  const listed = await run('', 'user', 'list', users, '--json');
  assert.deepEqual(JSON.parse(listed.stdout), { user: 'bob', rules: [] });
  child.kill('SIGTERM');
  assert.equal((await end).code, 143);
});

test('command: serve lets the first member of a group wait, as long as is said', async (t) => {
  const folder = join(tempDir(t), 'broker');
  assert.equal((await run('', 'serve', folder, '--rebalance-delay', 'soon')).code, 2);
  for (const [delay, state] of [
    ['0', 'CompletingRebalance'],
    ['600000', 'PreparingRebalance'],
  ] as const) {
    const given = ['--kafka', '127.0.0.1:0', '--json', '--rebalance-delay', delay];
    const child = start('serve', folder, ...given);
    const end = ended(child);
    closeBeforeRemoval(t, async () => void child.kill('SIGKILL'));
    const address = JSON.parse(await firstLine(child.stdout));
    const [member, watcher] = [
      await KafkaClient.connect(address),
      await KafkaClient.connect(address),
    ];
    const protocols = [{ name: 'range', metadata: Buffer.from('wishes') }];
    const times = { sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 700_000 };
    const asked = { groupId: 'g', protocolType: 'consumer', ...times, protocols, memberId: '' };
    // This version gives an id at once, and no second request is needed.
    member.post(joinGroup, 3, asked);
    let shown: { readonly groupState: string } | undefined;
    while (shown === undefined || ['Dead', 'Empty'].includes(shown.groupState)) {
      [shown] = (await watcher.ask(describeGroups, 5, { groups: ['g'] })).groups;
    }
    assert.equal(shown.groupState, state);
    child.kill('SIGTERM');
    assert.equal((await end).code, 143);
  }
});

test('command: serve tells its numbers on a port of their own', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const remote = await run('', 'serve', folder, '--metrics', '0.0.0.0:0', '--kafka', '127.0.0.1:0');
  assert.equal(remote.code, 1);
  assert.match(remote.stderr, /OPTION_INVALID/);
  const given = ['--kafka', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--json'];
  const child = start('serve', folder, ...given);
  const end = ended(child);
  closeBeforeRemoval(t, async () => void child.kill('SIGKILL'));
  const { metricsPort } = JSON.parse(await firstLine(child.stdout));
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  assert.match(await answer.text(), /^kafka_brokers 1$/m);
  child.kill('SIGTERM');
  assert.equal((await end).code, 143);
});

/** What is printed first, of the lines that have the word; the rest is left to whoever reads on. */
function firstLine(stream: NodeJS.ReadableStream, word = ''): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    stream.on('data', (piece: Buffer) => {
      text += piece.toString();
      const whole = text.split('\n').slice(0, -1);
      const line = whole.find((one) => one.includes(word));
      if (line !== undefined) resolve(line);
    });
  });
}
