/**
 * Order events to e-mail, text messages and push, in a folder of its own. A minute of the e-mail
 * gateway lasts a second here.
 *
 *     node dist/examples/notifications/start.js [folder]
 */

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runNotifications } from './notifications.js';

const MINUTE_MS = 1_000;
const RETRY_DELAY_MS = 10;

const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'millrace-notifications-'));
const print = (line: string): void => void process.stdout.write(`${line}\n`);
try {
  const options = { folder, print, minuteMs: MINUTE_MS, retryDelayMs: RETRY_DELAY_MS };
  await runNotifications(options);
  if (process.argv[2] === undefined) print(`data: ${folder}`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
