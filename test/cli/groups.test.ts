import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Broker } from '../../src/main.js';
import { closeBeforeRemoval, tempDir } from '../support/temp-dir.js';
import { ended, printed, run, start } from './command-process.js';

async function ok(...given: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('', ...given);
  assert.equal(stderr, '', given.join(' '));
  assert.equal(code, 0);
  return stdout;
}

async function okJson(...given: readonly string[]): Promise<Record<string, unknown>[]> {
  const lines = (await ok(...given, '--json')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line));
}

async function failure(...given: readonly string[]): Promise<string> {
  const { code, stderr } = await run('', ...given, '--json');
  assert.equal(code, 1);
  return JSON.parse(stderr).error.code;
}

/** A broker with the topic `orders` of three partitions: 0 to 8 in turn, and one more. */
async function fill(folder: string): Promise<Broker> {
  const broker = await Broker.open(folder);
  const topic = await broker.topic('orders', { partitions: 3 });
  for (let value = 0; value < 9; value += 1) {
    await topic.send({ key: `k${value}`, value: `${value}`, partition: value % 3 });
  }
  // Control records at the end of a partition are no records to wait for.
  await broker.transaction(async (tx) => {
    await tx.send('orders', { value: 'last', partition: 0 });
  });
  return broker;
}

/** The same commands, whoever carries them out. */
async function tryAll(folder: string): Promise<void> {
  const all = await ok('consume', folder, 'orders');
  assert.deepEqual(all.trimEnd().split('\n').sort(), [...'012345678', 'last']);
  assert.equal(await ok('group', 'list', folder), '', 'who has no group leaves none');

  const first = await ok('consume', folder, 'orders', '--group', 'billing', '--max', '4');
  const rest = await okJson('consume', folder, 'orders', '--group', 'billing');
  assert.equal(first.trimEnd().split('\n').length, 4);
  const values = [...first.trimEnd().split('\n'), ...rest.map(({ value }) => String(value))];
  assert.deepEqual(values.sort(), [...'012345678', 'last']);
  assert.deepEqual(Object.keys(rest[0] ?? {}).slice(0, 5), [
    'topic',
    'partition',
    'offset',
    'timestamp',
    'key',
  ]);
  assert.equal(await ok('consume', folder, 'orders', '--group', 'billing'), '');

  assert.equal(await ok('group', 'list', folder), 'billing: Empty, 0 members\n');
  const described = await okJson('group', 'describe', folder, 'billing');
  const group = described.pop();
  assert.deepEqual([group?.['type'], group?.['members']], ['group', 0]);
  assert.deepEqual(
    described.map(({ partition, committed, member }) => [partition, committed, member]),
    [
      [0, 4, null],
      [1, 3, null],
      [2, 3, null],
    ],
  );

  const reset = ['group', 'reset', folder, 'billing'];
  const tried = await okJson(...reset, '--back', '2', '--dry-run');
  assert.deepEqual(
    tried.map(({ before, after, partitions }) => [before, after, partitions]),
    [
      [4, 2, undefined],
      [3, 1, undefined],
      [3, 1, undefined],
      [undefined, undefined, 3],
    ],
  );
  const places = ['--topics', 'orders', '--partitions', '1,2'];
  const moved = await ok(...reset, '--to', '99', ...places);
  const told = ['1: 3 -> 3, the nearest there is', '2: 3 -> 3, the nearest there is'];
  assert.equal(moved, `orders ${told.join('\norders ')}\nreset billing in 2 partitions\n`);
  await ok(...reset, '--to', 'earliest', '--topics', 'orders');
  assert.equal((await okJson('consume', folder, 'orders', '--group', 'billing')).length, 10);
  const [at] = (await okJson('group', 'describe', folder, 'billing')).slice(-1);
  assert.equal(at?.['lag'], 1, 'the marker of the transaction');
  assert.equal(await ok('group', 'delete', folder, 'billing'), 'deleted billing\n');

  assert.equal(await failure('group', 'describe', folder, 'billing'), 'GROUP_NOT_FOUND');
  assert.equal(await failure('group', 'delete', folder, 'billing'), 'GROUP_NOT_FOUND');
  assert.equal(await failure(...reset, '--to', 'latest', '--topics', 'none'), 'UNKNOWN_TOPIC');
  assert.equal(await failure('consume', folder, 'none', '--group', 'g'), 'UNKNOWN_TOPIC');
}

test('command: groups are looked after when nobody holds the broker', async (t) => {
  const folder = join(tempDir(t), 'broker');
  await (await fill(folder)).close();
  await tryAll(folder);
});

test('command: groups are looked after by the process that holds the broker', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const broker = await fill(folder);
  closeBeforeRemoval(t, () => broker.close());
  await tryAll(folder);
});

async function live(t: TestContext): Promise<{ broker: Broker; folder: string }> {
  const folder = join(tempDir(t), 'broker');
  const broker = await fill(folder);
  closeBeforeRemoval(t, () => broker.close());
  return { broker, folder };
}

test('command: consume follows, and Ctrl-C gives back what it has', async (t) => {
  const { broker, folder } = await live(t);
  const child = start('consume', folder, 'orders', '--group', 'g', '--follow');
  const end = ended(child);
  const more = printed(child, 11);
  await printed(child, 10);
  await broker.producer().send('orders', { value: 'more', partition: 1 });
  await more;
  const [mine] = (await broker.groups.describe('g')).memberList;
  assert.match(mine?.memberId ?? '', /^millrace-consume/);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await end;
  assert.deepEqual([code, stderr], [130, '']);
  assert.match(stdout, /more\n$/);
  const { members, lag } = await broker.groups.describe('g');
  assert.deepEqual([members, lag], [0, 1]);
});

test('command: consume shares the partitions with the members of a live application', async (t) => {
  const { broker, folder } = await live(t);
  const topic = await broker.topic('orders');
  const consumer = topic.consumer({ group: 'g', assignor: 'range', from: 'latest' });
  const seen: string[] = [];
  const loop = (async () => {
    for await (const batch of consumer) for (const { value } of batch) seen.push(`${value}`);
  })();
  const child = start('consume', folder, 'orders', '--group', 'g', '--follow', '--json');
  const end = ended(child);
  while ((await broker.groups.describe('g').catch(() => undefined))?.members !== 2) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let value = 100; value < 160; value += 1) {
    await topic.send({ value: `${value}`, partition: value % 3 });
  }
  while ((await broker.groups.describe('g')).lag > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await failure('group', 'reset', folder, 'g', '--to', 'latest'), 'GROUP_NOT_EMPTY');
  child.kill('SIGTERM');
  const { code, stdout } = await end;
  assert.equal(code, 143);
  await consumer.close();
  await loop;
  const theirs = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => String(JSON.parse(line).value));
  const all = new Set([...seen, ...theirs]);
  for (let value = 100; value < 160; value += 1) assert(all.has(`${value}`), `${value} is missing`);
  assert(seen.length > 0 && theirs.length > 0, `${seen.length} and ${theirs.length}`);
});

test('command: what cannot be meant of groups is a usage error', async (t) => {
  const folder = join(tempDir(t), 'broker');
  const refused = [
    ['group', 'make', folder, 'g'],
    ['group', 'describe', folder],
    ['group', 'list', folder, 'g'],
    ['group', 'list', folder, '--to', 'latest'],
    ['group', 'delete', folder, 'g', '--dry-run'],
    ['group', 'reset', folder, 'g'],
    ['group', 'reset', folder, 'g', '--to', 'latest', '--back', '1'],
    ['group', 'reset', folder, 'g', '--to', 'sometime'],
    ['group', 'reset', folder, 'g', '--to', 'latest', '--partitions', '1'],
    ['group', 'reset', folder, 'g', '--to', 'latest', '--topics', 'a', '--partitions', 'x'],
    ['consume', folder, 'a', '--format', 'xml'],
    ['consume', folder, 'a', '--max', '0'],
    ['consume', folder, 'a', '--group', ''],
    ['consume', folder],
  ];
  const ends = await Promise.all(refused.map((given) => run('', ...given)));
  for (const [index, { code }] of ends.entries()) {
    assert.equal(code, 2, refused[index]?.join(' '));
  }
  assert.equal(await failure('group', 'list', folder), 'NOT_A_BROKER');
});
