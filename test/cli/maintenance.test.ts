import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Log, type SegmentStats } from '../../src/main.js';
import { acquireHolderLock } from '../../src/storage/holder-lock.js';
import { statsPage } from '../../src/storage/holder-stats.js';
import { statsOf } from '../support/stats-fixture.js';
import { closeBeforeRemoval, tempDir } from '../support/temp-dir.js';
import { run as command, ended } from './command-process.js';

const programPath = fileURLToPath(new URL('./maintenance-program.js', import.meta.url));

function run(...given: readonly string[]) {
  return ended(spawn(process.execPath, [programPath, ...given], { stdio: 'pipe' }));
}

const statsLines = [
  'offset  to  bytes  records  newest record             state   cleaning',
  '     0  10   1000       10  2023-11-14T22:13:20.000Z  clean   ' +
    'compaction does not: below the upper bound; retention: within limits',
  '    10  20   1001        ?  ?                         active  ' +
    'compaction does not: it is written to; retention: it is active',
  '',
  'log         offsets 3 to 20, 2 segments, 2001 bytes',
  'cleanup     compact; 0.63 dirty, from offset 10',
  'compaction  due: the dirty ratio is over 0.5',
  'cleaner     waiting',
  'failure     DISK_FULL: no space ' +
    '(2023-11-14T22:13:20.000Z, 2 in a row, tried again after 2000 ms)',
  'threads     1 of 1, 2 tasks wait, 5 completed, 1 failed, 1 restarts',
  'running     group of /other since 2023-11-14T22:13:20.000Z, 77 bytes',
];

test('maintenance: stats are a table for people and one object for machines', async (t) => {
  const directory = tempDir(t);
  const text = await run('stats', directory);
  assert.deepEqual(text, { code: 0, stdout: `${statsLines.join('\n')}\n`, stderr: '' });
  const { stdout } = await run('stats', directory, '--json');
  assert.deepEqual(JSON.parse(stdout), { ...statsOf(2), cleanup: 'compact' });
});

test('maintenance: compact and retain say what they did', async (t) => {
  const directory = tempDir(t);
  const compacted = await run('compact', directory);
  assert.equal(
    compacted.stdout,
    'compacted 90 bytes to 40, 9 records to 4, 2 of the dropped ones had no key\n',
  );
  const retained = await run('retain', directory);
  const text =
    'deleted 2 segments, 2001 bytes; the log starts at offset 20; what stays: within limits\n';
  assert.equal(retained.stdout, text);
  const asJson = await run('retain', directory, '--json');
  assert.deepEqual(JSON.parse(asJson.stdout), {
    startOffset: 20,
    segments: 2,
    bytes: 2_001,
    rolled: true,
    kept: 'within limits',
  });
});

test('maintenance: a stop ends what runs here, and is what the command ends with', async (t) => {
  const { stdout } = await run('compact', tempDir(t), '--abort');
  assert.equal(stdout, 'error stopped\n');
});

/** A process that holds a folder, and answers as a log would that is not the one of `open`. */
async function hold(t: TestContext, directory: string): Promise<string[]> {
  const asked: string[] = [];
  const lock = await acquireHolderLock(directory);
  t.after(() => lock.release());
  lock.serve(async (request) => {
    asked.push(request.kind);
    if (request.kind === 'stats') {
      return { ok: true, values: statsPage({ ...statsOf(2), why: 'held' }, request.fromOffset) };
    }
    if (request.kind === 'compact') return { ok: true, values: { outcome: 'nothing' } };
    return { ok: true, values: { startOffset: 1, segments: 0, bytes: 0, kept: 'young' } };
  });
  return asked;
}

test('maintenance: a log that is held is looked after by its holder', async (t) => {
  const directory = tempDir(t);
  const asked = await hold(t, directory);
  assert.match((await run('stats', directory)).stdout, /^compaction {2}due: held$/m);
  assert.equal((await run('compact', directory)).stdout, 'nothing to compact\n');
  const retained = 'deleted 0 segments, 0 bytes; the log starts at offset 1; what stays: young\n';
  assert.equal((await run('retain', directory)).stdout, retained);
  assert.deepEqual(asked, ['stats', 'compact', 'retain']);
});

const update = (value: string) => ({ key: 'key', value });

test('maintenance: the command compacts, retains and counts a log that nobody holds', async (t) => {
  const directory = join(tempDir(t), 'log');
  const options = { cleanup: 'compact,delete', retentionRecords: 1 } as const;
  const log = await Log.open(directory, options);
  await log.append([update('old'), update('new')]);
  await log.close();

  const compacted = await command('', 'compact', directory, '--json');
  assert.equal(compacted.stderr, '');
  const { outcome, recordsIn, recordsOut } = JSON.parse(compacted.stdout);
  assert.deepEqual([outcome, recordsIn, recordsOut], ['cleaned', 2, 1]);
  const again = await command('', 'compact', directory, '--json');
  assert.equal(JSON.parse(again.stdout).outcome, 'nothing');

  const stats = JSON.parse((await command('', 'stats', directory, '--json')).stdout);
  assert.deepEqual(
    stats.segments.map(({ state, records }: SegmentStats) => [state, records]),
    [
      ['clean', 1],
      ['active', null],
    ],
  );
  const retained = await command('', 'retain', directory, '--json');
  assert.equal(retained.code, 0);
  assert.deepEqual(JSON.parse(retained.stdout).segments, 0);
});

test('maintenance: the command has a log that is open do it', async (t) => {
  const directory = join(tempDir(t), 'log');
  const log = await Log.open(directory, { cleanup: 'compact,delete', retentionRecords: 1 });
  closeBeforeRemoval(t, () => log.close());
  await log.append([update('old'), update('new')]);
  const compacted = await command('', 'compact', directory);
  assert.match(compacted.stdout, /^compacted \d+ bytes to \d+, 2 records to 1\n$/);
  await log.append([update('newest')]);
  const retained = await command('', 'retain', directory, '--json');
  assert.deepEqual(JSON.parse(retained.stdout).startOffset, 2);
  assert.equal(log.startOffset, 2);
  const { stdout } = await command('', 'stats', directory);
  // A pass of its own may be under way.
  assert.match(stdout, /^cleaner {5}(?:idle|running)$/m);
});

test('maintenance: a log whose cleanup does not compact, and no log, are errors', async (t) => {
  const directory = join(tempDir(t), 'log');
  const log = await Log.open(directory);
  await log.close();
  for (const [name, folder, code] of [
    ['compact', directory, 'OPTION_INVALID'],
    ['compact', join(directory, 'none'), 'LOG_NOT_FOUND'],
    ['retain', join(directory, 'none'), 'LOG_NOT_FOUND'],
    ['stats', join(directory, 'none'), 'LOG_NOT_FOUND'],
  ] as const) {
    const failed = await command('', name, folder, '--json');
    assert.equal(failed.code, 1, name);
    assert.equal(failed.stdout, '');
    assert.equal(JSON.parse(failed.stderr).error.code, code);
  }
  assert.equal((await command('', 'stats')).code, 2);
  assert.equal((await command('', 'retain', directory, 'more')).code, 2);
});

test('maintenance: help lists the commands', async () => {
  const { stdout } = await command('', '--help');
  for (const name of ['stats', 'compact', 'retain']) {
    assert.match(stdout, new RegExp(`^ {2}${name} <dir> `, 'm'));
    assert.match((await command('', name, '--help')).stdout, /^usage: millrace /);
  }
});
