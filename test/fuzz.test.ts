// The fuzz runner: it notices a failure, says what is needed to repeat it, and repeats it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

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
