import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Log } from '../../src/main.js';
import { tempDir } from '../support/temp-dir.js';
import { ended, printed, run, runAlone, start } from './command-process.js';

const numbers = (count: number): string =>
  Array.from({ length: count }, (_, index) => `line ${index}\n`).join('');

test('command: lines go in and come out byte for byte', async (t) => {
  const log = join(tempDir(t), 'log');
  const input = Buffer.concat([
    Buffer.from('one\n\n'),
    Buffer.from([0xff, 0x00, 0x0a]),
    Buffer.from('end'),
  ]);
  const appended = await runAlone(input, 'append', log);
  assert.deepEqual(appended, {
    code: 0,
    stdout: 'appended 4 records, offsets 0 to 3\n',
    stderr: '',
  });
  const child = start('read', log);
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  assert.equal((await ended(child)).code, 0);
  assert.deepEqual(Buffer.concat(pieces), Buffer.concat([input, Buffer.from('\n')]));
});

test('command: a file, keys, batches, a place to begin and a limit', async (t) => {
  const folder = tempDir(t);
  const [log, file, link] = [join(folder, 'log'), join(folder, 'in.txt'), join(folder, 'link')];
  writeFileSync(file, 'a=1\nb=2=3\nnone\n');
  symlinkSync('in.txt', link);
  const given = ['append', log, link, '--key-separator', '=', '--batch', '2', '--json'];
  const appended = await run('', ...given);
  assert.equal(appended.code, 0);
  const { records, lastOffset } = JSON.parse(appended.stdout);
  assert.deepEqual({ records, lastOffset }, { records: 3, lastOffset: 2 });
  const read = await run('', 'read', log, '--from', '0', '--format', 'json');
  assert.deepEqual(
    read.stdout
      .trimEnd()
      .split('\n')
      .map((line) => {
        const { offset, key, value } = JSON.parse(line);
        return [offset, key, value];
      }),
    [
      [0, 'a', '1'],
      [1, 'b', '2=3'],
      [2, null, 'none'],
    ],
  );
  assert.equal((await run('', 'read', log, '--from', '1', '--limit', '1')).stdout, '2=3\n');
  assert.equal((await run('', 'read', log, '--from', '2001-01-01', '--limit', '1')).stdout, '1\n');
  assert.equal((await run('', 'read', log, '--from', 'latest')).stdout, '');
});

test('command: a live folder is written by its holder', async (t) => {
  const directory = join(tempDir(t), 'log');
  const log = await Log.open(directory);
  try {
    await log.append([{ value: 'mine' }]);
    const appended = await runAlone(numbers(3000), 'append', directory);
    assert.equal(appended.stderr, '');
    assert.equal(appended.stdout, 'appended 3000 records, offsets 1 to 3000\n');
    assert.equal(log.durableOffset, 3001);
    const read = await runAlone('', 'read', directory, '--from', '2999');
    assert.equal(read.stdout, 'line 2998\nline 2999\n');
    const verified = await runAlone('', 'verify', directory);
    assert.equal(verified.code, 0, verified.stdout);
    const repaired = await runAlone('', 'repair', directory);
    assert.equal(repaired.code, 1);
    assert.match(repaired.stderr, /^millrace: LOG_LOCKED: [^\n]+\n$/);
  } finally {
    await log.close();
  }
});

test('command: verify finds damage, repair refuses the loss, then accepts it', async (t) => {
  const directory = join(tempDir(t), 'log');
  assert.equal((await run(numbers(100), 'append', directory, '--batch', '10')).code, 0);
  assert.equal((await run('', 'verify', directory)).code, 0);
  const file = join(directory, '00000000000000000000.log');
  const bytes = readFileSync(file);
  bytes[70] = (bytes[70] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const verified = await run('', 'verify', directory, '--json');
  assert.equal(verified.code, 1);
  const [problem, report] = verified.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([problem.code, problem.file, problem.position], ['BATCH_INVALID', file, 0]);
  assert.equal(report.ok, false);
  const dumped = await run('', 'dump', file, '--records', '--json');
  assert.equal(dumped.code, 0);
  assert.match(dumped.stdout, /"type":"problem"/);
  assert.match(dumped.stdout, /"value":"line 99"/);
  const refused = await run('', 'repair', directory);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^millrace: REPAIR_REFUSED: /);
  assert.match(refused.stdout, /^lost offsets 0 to \d+, /m);
  const repaired = await run('', 'repair', directory, '--accept-loss', '--json');
  assert.equal(repaired.code, 0, repaired.stderr);
  assert.equal(JSON.parse(repaired.stdout).endOffset, 100);
  assert.equal((await run('', 'verify', directory)).code, 0);
  assert.equal(
    (await run('more\n', 'append', directory)).stdout,
    'appended 1 records, offsets 100 to 100\n',
  );
});

test('command: follow prints what comes, and Ctrl-C ends it with 130', async (t) => {
  const directory = join(tempDir(t), 'log');
  const log = await Log.open(directory);
  try {
    await log.append([{ value: 'first' }]);
    const child = start('read', directory, '--follow');
    const end = ended(child);
    await printed(child, 1);
    const second = printed(child, 1);
    await log.append([{ value: 'second' }]);
    await second;
    child.kill('SIGINT');
    assert.deepEqual(await end, { code: 130, stdout: 'first\nsecond\n', stderr: '' });
  } finally {
    await log.close();
  }
});

test('command: Ctrl-C ends an append cleanly with what was given', async (t) => {
  const directory = join(tempDir(t), 'log');
  const child = start('append', directory);
  const end = ended(child);
  child.stdin.on('error', () => undefined);
  child.stdin.write('one\ntwo\n');
  const reader = await followed(directory);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await end;
  assert.equal(stderr, '');
  assert.equal(code, 130);
  assert.equal(stdout, 'appended 2 records, offsets 0 to 1\n');
  assert.equal(reader, 'one');
  const log = await Log.open(directory, { readOnly: true });
  assert.equal(log.durableOffset, 2);
  await log.close();
});

/** The first record of a log that another process is making. */
async function followed(directory: string): Promise<string> {
  for (;;) {
    const log = await Log.open(directory, { readOnly: true }).catch(() => undefined);
    if (log === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    try {
      for await (const batch of log.read()) {
        for (const record of batch) return String(record.value);
      }
    } finally {
      await log.close();
    }
  }
}

test('command: a reader of stdout that goes away is no error', async (t) => {
  const directory = join(tempDir(t), 'log');
  await runAlone(numbers(200_000), 'append', directory);
  const child = start('read', directory);
  const end = ended(child);
  child.stdout.once('data', () => child.stdout.destroy());
  const { code, stderr } = await end;
  assert.equal(stderr, '');
  assert.equal(code, 0);
});

test('command: usage errors exit with 2 and a hint', async (t) => {
  const directory = tempDir(t);
  const cases: readonly (readonly string[])[] = [
    [],
    ['bogus'],
    ['read'],
    ['read', directory, '--bogus'],
    ['read', directory, '--from', 'soon'],
    ['read', directory, '--limit', '0'],
    ['read', directory, 'more'],
    ['append', directory, '--batch', 'many'],
  ];
  for (const given of cases) {
    const { code, stdout, stderr } = await run('', ...given);
    assert.equal(code, 2, given.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /^millrace: USAGE: [^\n]+\n$/);
  }
  const asJson = await runAlone('', 'read', directory, '--bogus', '--json');
  assert.equal(asJson.code, 2);
  assert.equal(JSON.parse(asJson.stderr).error.code, 'USAGE');
});

test('command: errors are one line with their code, and an object for machines', async (t) => {
  const directory = join(tempDir(t), 'nothing');
  for (const name of ['read', 'verify', 'dump', 'repair']) {
    const { code, stderr } = await run('', name, directory);
    assert.equal(code, 1, name);
    assert.match(stderr, /^millrace: LOG_NOT_FOUND: [^\n]+\n$/, name);
  }
  const asJson = await runAlone('', 'read', directory, '--json');
  assert.equal(JSON.parse(asJson.stderr).error.code, 'LOG_NOT_FOUND');
});

test('command: help and version', async () => {
  const help = await runAlone('', '--help');
  assert.equal(help.code, 0);
  for (const name of ['append', 'read', 'dump', 'verify', 'repair']) {
    assert.ok(help.stdout.includes(`  ${name} `), name);
    const own = await run('', name, '--help');
    assert.equal(own.code, 0);
    assert.ok(own.stdout.startsWith(`usage: millrace ${name} `));
  }
  const { code, stdout } = await runAlone('', '--version');
  assert.equal(code, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});
