import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { acquireHolderLock } from '../../src/storage/holder-lock.js';
import { statsPage } from '../../src/storage/holder-stats.js';
import { statsOf } from '../support/stats-fixture.js';
import { tempDir } from '../support/temp-dir.js';
import { ended } from './command-process.js';

const programPath = fileURLToPath(new URL('./maintenance-program.js', import.meta.url));

function run(...given: readonly string[]) {
  return ended(spawn(process.execPath, [programPath, ...given], { stdio: 'pipe' }));
}

const statsLines = [
  'segment 0 to 10: 1000 bytes, 10 records, newest 2023-11-14T22:13:20.000Z',
  '  clean, not eligible: below the upper bound',
  '  retention: within limits',
  'segment 10 to 20: 1001 bytes',
  '  active, not eligible: it is written to',
  '  retention: it is active',
  'offsets 3 to 20, 2 segments, 2001 bytes',
  'cleanup compact, dirty from offset 10, ratio 0.63',
  'compaction is due: the dirty ratio is over 0.5',
  'cleaning waiting',
  'last failure: DISK_FULL: no space ' +
    '(2023-11-14T22:13:20.000Z, 2 in a row, tried again after 2000 ms)',
  'threads 1 of 1, 2 tasks wait, 5 completed, 1 failed, 1 restarts',
  'running group of /other since 2023-11-14T22:13:20.000Z, 77 bytes',
];

test('maintenance: stats are text for people and lines of JSON for machines', async (t) => {
  const directory = tempDir(t);
  const text = await run('stats', directory);
  assert.deepEqual(text, { code: 0, stdout: `${statsLines.join('\n')}\n`, stderr: '' });
  const { stdout } = await run('stats', directory, '--json');
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { segments, ...log } = statsOf(2);
  assert.deepEqual(lines, [
    ...segments.map((segment) => ({ type: 'segment', ...segment })),
    { type: 'log', ...log },
  ]);
});

test('maintenance: compact and retain say what they did', async (t) => {
  const directory = tempDir(t);
  const compacted = await run('compact', directory);
  assert.equal(
    compacted.stdout,
    'compacted 90 bytes to 40, 9 records to 4, 2 of the dropped ones had no key\n',
  );
  const retained = await run('retain', directory);
  const text = '2 segments, 2001 bytes given back, the log starts at offset 20: within limits\n';
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
  assert.match((await run('stats', directory)).stdout, /^compaction is due: held$/m);
  assert.equal((await run('compact', directory)).stdout, 'nothing to compact\n');
  const retained = '0 segments, 0 bytes given back, the log starts at offset 1: young\n';
  assert.equal((await run('retain', directory)).stdout, retained);
  assert.deepEqual(asked, ['stats', 'compact', 'retain']);
});
