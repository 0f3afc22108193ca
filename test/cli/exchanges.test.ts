import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Broker } from '../../src/main.js';
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

async function failure(input: string, ...given: readonly string[]): Promise<string> {
  const { code, stderr } = await run(input, ...given, '--json');
  assert.equal(code, 1);
  return JSON.parse(stderr).error.code;
}

/** The same commands, whoever carries them out. */
async function tryAll(folder: string): Promise<void> {
  await ok('', 'topic', 'create', folder, 'orders');
  await ok('', 'topic', 'create', folder, 'audit');
  const create = [
    'exchange',
    'create',
    folder,
    'events',
    '--kind',
    'topic',
    '--alternate',
    'spare',
  ];
  assert.equal(await ok('', ...create), 'created events\n');
  assert.equal(await failure('', ...create), 'EXCHANGE_EXISTS');
  await ok('', 'exchange', 'create', folder, 'inner', '--kind', 'headers');
  const bind = ['exchange', 'bind', folder];
  const filter = '{"amount":[{"numeric":[">",100]}]}';
  assert.equal(
    await ok('', ...bind, 'events', '--topic', 'orders', '--key', 'order.#', '--filter', filter),
    'bound orders to events\n',
  );
  await ok('', ...bind, 'events', '--exchange', 'inner', '--key', '#');
  const asked = ['--headers', '{"kind":"order"}', '--match', 'any'];
  await ok('', ...bind, 'inner', '--topic', 'audit', ...asked);
  assert.equal(await failure('', ...bind, 'inner', '--queue', 'nobody'), 'UNKNOWN_QUEUE');

  const publish = ['exchange', 'publish', folder, 'events', '--key', 'order.eu'];
  const headers = ['--headers', '{"kind":"order","amount":150}'];
  assert.equal(
    await ok('a\nb\n', ...publish, ...headers),
    'published 2 to events: 4 copies, 0 unroutable\n',
  );
  const lost = await run('c\n', ...publish);
  assert.equal(lost.code, 1);
  assert.equal(lost.stdout, 'published 1 to events: 0 copies, 1 unroutable\n');
  await ok('c\n', ...publish, '--unroutable', 'count');
  assert.equal(await failure('c\n', ...publish, '--unroutable', 'error'), 'MESSAGE_UNROUTABLE');
  assert.equal(await ok('', 'consume', folder, 'orders'), 'a\nb\n');

  const described = await okJson('exchange', 'describe', folder, 'events');
  const [first, second, exchange] = described;
  assert.deepEqual(
    [first?.['target'], first?.['key'], first?.['filter']],
    ['orders', 'order.#', JSON.parse(filter)],
  );
  assert.deepEqual([second?.['targetKind'], second?.['target']], ['exchange', 'inner']);
  assert.deepEqual(
    [exchange?.['name'], exchange?.['kind'], exchange?.['alternate'], exchange?.['bindings']],
    ['events', 'topic', 'spare', 2],
  );
  const unbind = ['exchange', 'unbind', folder, 'events', '--exchange', 'inner', '--key', '#'];
  assert.equal(await ok('', ...unbind), 'unbound inner from events\n');
  const listed = await okJson('exchange', 'list', folder);
  assert.deepEqual(
    listed.map(({ name, bindings }) => [name, bindings]),
    [
      ['events', 1],
      ['inner', 1],
    ],
  );
  assert.equal(await ok('', 'exchange', 'delete', folder, 'events'), 'deleted events\n');
  assert.equal(await failure('', 'exchange', 'describe', folder, 'events'), 'UNKNOWN_EXCHANGE');
}

test('command: exchanges are looked after when nobody holds the broker', async (t) => {
  await tryAll(join(tempDir(t), 'broker'));
});

test('command: exchanges are looked after by the process that holds the broker', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const broker = await Broker.open(folder);
  closeBeforeRemoval(t, () => broker.close());
  await tryAll(folder);
  assert.equal(broker.describeExchange('inner').bindings, 1);
});

test('command: what cannot be meant of exchanges is a usage error', async (t) => {
  const folder = join(tempDir(t), 'broker');
  for (const given of [
    ['exchange', 'make', folder, 'a'],
    ['exchange', 'create', folder, 'a'],
    ['exchange', 'list', folder, 'a'],
    ['exchange', 'describe', folder],
    ['exchange', 'publish', folder],
  ]) {
    assert.equal((await run('', ...given)).code, 2, given.join(' '));
  }
  await Broker.open(folder).then((broker) => broker.close());
  for (const given of [
    ['exchange', 'bind', folder, 'a'],
    ['exchange', 'bind', folder, 'a', '--queue', 'b', '--topic', 'c'],
    ['exchange', 'bind', folder, 'a', '--queue', 'b', '--filter', '[]'],
    ['exchange', 'publish', folder, 'a', '--priority', 'high'],
    ['exchange', 'publish', folder, 'a', '--at', 'soon'],
  ]) {
    assert.equal((await run('', ...given)).code, 2, given.join(' '));
  }
});
