import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Broker, type Queue } from '../../src/main.js';
import { closeBeforeRemoval, tempDir } from '../support/temp-dir.js';
import { run } from './command-process.js';

async function ok(input: string, ...given: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(input, ...given);
  assert.equal(stderr, '', given.join(' '));
  assert.equal(code, 0, stdout);
  return stdout;
}

async function okJson(...given: readonly string[]): Promise<Record<string, unknown>[]> {
  const lines = (await ok('', ...given, '--json')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line));
}

async function failure(...given: readonly string[]): Promise<string> {
  const { code, stderr } = await run('', ...given, '--json');
  assert.equal(code, 1);
  return JSON.parse(stderr).error.code;
}

/** The same commands, whoever carries them out. */
async function tryAll(folder: string): Promise<void> {
  const options = ['--priorities', '2', '--visibilityTimeoutMs', '600000', '--expired', 'drop'];
  assert.equal(await ok('', 'queue', 'create', folder, 'jobs', ...options), 'created jobs\n');
  assert.equal(await failure('queue', 'create', folder, 'jobs'), 'QUEUE_EXISTS');
  const send = ['queue', 'send', folder, 'jobs'];
  assert.equal(await ok('a\nb\nc\n', ...send), 'sent 3 messages to jobs\n');
  await ok('k=urgent\n', ...send, '--priority', '1', '--key-separator', '=');
  await ok('later\n', ...send, '--delayMs', '3600000');
  await ok('once\n', ...send, '--deduplicationId', 'id');
  await ok('again\n', ...send, '--deduplicationId', 'id');

  const listed = await ok('', 'queue', 'list', folder);
  assert.match(listed, /^jobs: 5 ready, 0 in flight, 0 to try again, 1 delayed, 0 dead, oldest /);
  const receive = ['queue', 'receive', folder, 'jobs', '--acknowledge'];
  assert.equal(await ok('', ...receive), 'urgent\n');
  assert.equal(await ok('', ...receive, '--max', '10', '--waitMs', '1'), 'a\nb\nc\nonce\n');
  assert.equal(await ok('', ...receive), '');

  const changes = ['--maxDeliveries', '7', '--retry', '{"delayMs":50}', '--priorities', '3'];
  assert.equal(await ok('', 'queue', 'alter', folder, 'jobs', ...changes), 'altered jobs\n');
  const [described] = await okJson('queue', 'describe', folder, 'jobs');
  const { options: found, stats } = Object(described);
  assert.deepEqual(
    [found.maxDeliveries, found.priorities, JSON.parse(found.retry), stats.delayed, stats.depth],
    [7, 3, { delayMs: 50 }, 1, 0],
  );
  assert.equal(await failure('queue', 'alter', folder, 'jobs', '--fifo', 'true'), 'OPTION_INVALID');
  assert.equal(await ok('', 'queue', 'delete', folder, 'jobs'), 'deleted jobs\n');
  assert.equal(await failure('queue', 'describe', folder, 'jobs'), 'UNKNOWN_QUEUE');
  assert.equal(await failure('queue', 'receive', folder, 'jobs'), 'UNKNOWN_QUEUE');
}

test('command: queues are looked after when nobody holds the broker', async (t) => {
  await tryAll(join(tempDir(t), 'broker'));
});

test('command: queues are looked after by the process that holds the broker', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const broker = await Broker.open(folder);
  closeBeforeRemoval(t, () => broker.close());
  await tryAll(folder);
});

test('command: a receipt ends a message later, in whoever holds the lease', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const broker = await Broker.open(folder);
  closeBeforeRemoval(t, () => broker.close());
  const jobs = await broker.queue('jobs');
  await jobs.sendBatch([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
  const messages = await okJson('queue', 'receive', folder, 'jobs', '--max', '3');
  assert.deepEqual(
    messages.map(({ value, deliveries }) => [value, deliveries]),
    [
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ],
  );
  assert.deepEqual(await jobs.receive(), []);
  const [a = '', b = '', c = ''] = messages.map(({ receipt }) => String(receipt));
  await ok('', 'queue', 'acknowledge', folder, 'jobs', a);
  await ok('', 'queue', 'release', folder, 'jobs', b);
  await ok('', 'queue', 'extend', folder, 'jobs', c, '--visibilityTimeoutMs', '5000');
  await ok('', 'queue', 'reject', folder, 'jobs', c, '--reason', 'no good');
  assert.equal(await failure('queue', 'release', folder, 'jobs', c), 'RECEIPT_STALE');
  assert.equal(await failure('queue', 'acknowledge', folder, 'jobs', 'x'), 'RECEIPT_INVALID');
  const [again, nobody] = await jobs.receive({ max: 10 });
  assert.deepEqual([String(again?.value), again?.deliveries, nobody], ['b', 2, undefined]);
  await again?.acknowledge();
  await letters(folder, jobs);
});

/** What was given up is looked at, sent back, and thrown away. */
async function letters(folder: string, jobs: Queue<Buffer, Uint8Array | string>): Promise<void> {
  const peeked = await okJson('queue', 'peek', folder, 'jobs-dead', '--reason', 'no good');
  const [letter] = peeked;
  assert.equal(letter?.['value'], 'c');
  const { queue, reason } = Object(letter?.['deadLetter']);
  assert.deepEqual([queue, reason], ['jobs', 'no good']);
  assert.match(
    await ok('', 'queue', 'peek', folder, 'jobs-dead'),
    /, MESSAGE_REJECTED: no good\n {2}c\n$/,
  );
  assert.equal(await ok('', 'queue', 'peek', folder, 'jobs-dead', '--code', 'OTHER'), '');
  const redrive = ['queue', 'redrive', folder, 'jobs-dead'];
  assert.equal(await ok('', ...redrive, '--key', 'none'), 'redrove 0 messages of jobs-dead\n');
  const counted = await ok('', ...redrive, '--max', '5', '--perSecond', '100');
  assert.equal(counted, 'redrove 1 messages of jobs-dead\n');
  const [back] = await jobs.receive({ waitMs: 1_000 });
  assert.equal(String(back?.value), 'c');
  await back?.acknowledge();
  await ok('x\n', 'queue', 'send', folder, 'jobs', '--headers', '{"kind":"bad"}');
  await jobs.send('y');
  const purge = ['queue', 'purge', folder, 'jobs'];
  assert.equal(await ok('', ...purge, '--header', 'kind=bad'), 'purged 1 messages of jobs\n');
  assert.equal(await ok('', ...purge), 'purged 1 messages of jobs\n');
  assert.deepEqual(await jobs.receive(), []);
}

test('command: what cannot be meant of queues is a usage error', async (t) => {
  const folder = join(tempDir(t), 'broker');
  await Broker.open(folder).then((broker) => broker.close());
  for (const given of [
    ['queue', 'make', folder, 'a'],
    ['queue', 'create', folder],
    ['queue', 'list', folder, 'a'],
    ['queue', 'send', folder],
    ['queue', 'alter', folder, 'a'],
    ['queue', 'acknowledge', folder, 'a'],
    ['queue', 'extend', folder, 'a', 'receipt'],
    ['queue', 'receive', folder, 'a', '--max', '0'],
    ['queue', 'create', folder, 'a', '--retry', '[]'],
  ]) {
    assert.equal((await run('', ...given)).code, 2, given.join(' '));
  }
});
