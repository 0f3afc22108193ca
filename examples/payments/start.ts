/**
 * Payments over a queue and a topic, in a folder of its own:
 *
 *     node dist/examples/payments/start.js [folder]
 */

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPayments } from './payments.js';

const RETRY_DELAY_MS = 10;

const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'millrace-payments-'));
const print = (line: string): void => void process.stdout.write(`${line}\n`);
try {
  await runPayments({ folder, print, retryDelayMs: RETRY_DELAY_MS });
  if (process.argv[2] === undefined) print(`data: ${folder}`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
