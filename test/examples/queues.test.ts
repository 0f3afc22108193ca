/** The examples of queues run with one command, and print what happens. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempDir } from '../support/temp-dir.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

function linesOf(t: TestContext, example: string): string[] {
  const command = join(EXAMPLES, example, 'start.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, tempDir(t)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return stdout.trimEnd().split('\n');
}

test('example payments: each job is done once, or is where it can be seen', (t) => {
  assert.deepEqual(linesOf(t, 'payments'), [
    'api: 24 payments on the queue, 8 repetitions left out',
    'workers: 18 payments made',
    'workers: 12 tries: BANK_CLOSED',
    'workers: 6 tries: BANK_TIMEOUT',
    'workers: 3 tries: CARD_DECLINED',
    'monitor: 3 dead: BANK_CLOSED',
    'monitor: 3 dead: CARD_DECLINED',
    'monitor: the bank is open, 3 payments go back',
    'workers: 21 payments made',
    'fraud: 21 events',
    'ledger: 21 events',
    'notification: 21 events',
    'ledger: 2570.79 in all',
    'fraud: looks at 8 large payments',
    'notification: thanks ada 7 times',
    'notification: thanks bob 7 times',
    'notification: thanks cleo 7 times',
    'dead: order-7, the card is stolen',
    'dead: order-15, the card is stolen',
    'dead: order-23, the card is stolen',
    'verified 24 payments',
  ]);
});

test('example notifications: to whom it matters, once, and no faster than allowed', (t) => {
  assert.deepEqual(linesOf(t, 'notifications'), [
    'orders: 240 events, 257 copies, 71 that nobody wants',
    'orders: 24 events are published again',
    'email: 120 sent, each once',
    'sms: 57 sent, each once',
    'push: 80 sent, each once',
    'sms: 28 tries failed, and were made again',
    'email: never more than 100 a minute after the first 100',
    'verified 240 events',
  ]);
});
