// The fuzz runner: it notices a failure, says what is needed to repeat it, and repeats it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runData } from '../fuzz/fuzz-data.js';

const runner = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fuzz', 'run.js');

function fuzz(...options: string[]) {
  const child = spawnSync(process.execPath, [runner, ...options], { encoding: 'utf8' });
  return { status: child.status, out: child.stdout, err: child.stderr };
}

test('fuzz: a failing target is reported with what repeats it', () => {
  const first = fuzz('canary', '--seed', '7', '--events', '50');
  assert.equal(first.status, 1);
  const event = /canary: seed 7, event (\d+)/.exec(first.err)?.[1];
  assert.ok(event !== undefined, first.err);
  const input = /^input: 8 bytes, eight bytes\n([0-9a-f]{16})$/m.exec(first.err)?.[1];
  assert.ok(input !== undefined, first.err);
  assert.match(first.err, new RegExp(`npm run fuzz -- canary --seed 7 --event ${event}$`, 'm'));

  const again = fuzz('canary', '--seed', '7', '--event', event);
  assert.equal(again.status, 1);
  assert.ok(again.err.includes(input), 'the same event has the same input');
});

test('fuzz: the same seed covers the same', () => {
  const runs = [1, 2].map(() => fuzz('offset-index', '--seed', '7', '--events', '100').out);
  const [one, other] = runs.map((out) => out.split('\n')[1]);
  assert.ok(one?.includes('accepted'));
  assert.equal(one, other);
});

test('fuzz: without a target it lists them, and smoke runs each', () => {
  const { status, out } = fuzz();
  assert.equal(status, 0);
  for (const name of ['batch-decoder', 'log-folder', 'log-model', 'canary', 'smoke']) {
    assert.match(out, new RegExp(`^${name} `, 'm'));
  }
});

test('fuzz: a wrong call is told apart from a failure', () => {
  assert.equal(fuzz('no-such-target').status, 2);
  assert.equal(fuzz('canary', '--seed', '-1').status, 2);
  assert.equal(fuzz('canary', '--what').status, 2);
});

test('fuzz: a guided run keeps what reached something new, and the next one goes on there', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const options = [
    'options',
    '--guided',
    '--seed',
    '7',
    '--idle',
    '1',
    '--state',
    folder,
    '--corpus',
    folder,
  ];
  const kept = () => readFileSync(join(folder, 'options.txt'), 'utf8').split('\n').length - 1;
  assert.match(fuzz(...options).out, /^options: \d+ inputs, [1-9]\d* places, [1-9]\d* kept/);
  const before = kept();
  const places = fuzz('options', '--guided', '--seconds', '0', '--state', folder);
  assert.equal(places.status, 0);
  assert.ok(kept() >= before, 'what was kept stays');
});

for (const [canary, death] of [
  ['canary', 'the canary always fails'],
  ['canary-hang', 'did not come back within 3 s'],
  ['canary-memory', 'ended with'],
] as const) {
  test(`fuzz: a guided run says which input it was: ${canary}`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const hang = canary === 'canary-hang' ? '3' : '60';
    const found = fuzz(canary, '--guided', '--hang', hang, '--state', folder, '--seed', '7');
    assert.equal(found.status, 1, found.out);
    assert.ok(found.err.includes(death), found.err);
    const input = join(folder, `${canary}-failure.txt`);
    assert.match(readFileSync(input, 'utf8'), /^(?:[0-9a-f]{2})+$/);
    assert.ok(found.err.includes(`npm run fuzz -- ${canary} --data @${input}`), found.err);
    if (canary === 'canary') assert.equal(fuzz(canary, '--data', `@${input}`).status, 1);
  });
}

test('fuzz: data decides every choice, and what is behind its end follows from it', async () => {
  const drawn = async (data: Uint8Array) => {
    const values: unknown[] = [];
    await runData(data, ({ prng }) => {
      values.push(prng.integer(256), prng.integer(70_000), prng.boolean(0.5), prng.bytes(2));
      values.push(prng.integer(1000));
    });
    return values;
  };
  const data = Uint8Array.of(0, 0, 0, 9, 200, 0, 1, 0, 2, 127, 5, 6);
  const values = await drawn(data);
  assert.deepEqual(values.slice(0, 4), [200, 65_538, true, Uint8Array.of(5, 6)]);
  assert.deepEqual(await drawn(data), values);
  const other = Uint8Array.from(data).fill(1, 3, 4);
  assert.notEqual((await drawn(other)).at(-1), values.at(-1), 'the first bytes are its seed');
});
