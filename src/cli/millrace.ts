#!/usr/bin/env node
/**
 * The `millrace` command as a process: its arguments, its streams, its signals and its exit code.
 *
 * 0 ok, 1 failed or found problems, 2 a usage error; 130 after Ctrl-C and 143 after SIGTERM, once
 * everything is closed. A reader of stdout that goes away ends the command with 0.
 */

import { MessageChannel } from 'node:worker_threads';
import { runCommand } from './run-command.js';
import { StopSignals } from './stop-signals.js';

process.exitCode = await main(process.argv.slice(2));

async function main(given: readonly string[]): Promise<number> {
  // Timers and workers of the library keep no process alive; a command that waits must.
  const alive = new MessageChannel();
  alive.port1.on('message', () => undefined);
  try {
    return await runCommand(given, process, new StopSignals());
  } finally {
    alive.port1.close();
  }
}
