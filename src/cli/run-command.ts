/**
 * What the `millrace` command does, wherever it runs: picks the subcommand, and turns what it does
 * into an exit code.
 */

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeLockFileSystem } from '../base/node-file-system.js';
import { Log } from '../storage/main.js';
import {
  type Command,
  commandHelp,
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  type Invocation,
  parseCommand,
} from './command.js';
import type { OpenLog } from './maintained-log.js';
import { Output, ReaderGone } from './output.js';
import type { StopSignals } from './stop-signals.js';
import type { Streams } from './streams.js';
import { UsageError } from './usage-error.js';

const MANIFEST_BYTES_MAX = 64 * 1024;

const openLog: OpenLog = (directory, options) => Log.open(directory, options);

/** By name; each is loaded when it is asked for, so that a small one starts fast. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  append: async () => (await import('./append-command.js')).appendCommand,
  read: async () => (await import('./read-command.js')).readCommand,
  dump: async () => (await import('./dump-command.js')).dumpCommand,
  verify: async () => (await import('./verify-command.js')).verifyCommand,
  repair: async () => (await import('./repair-command.js')).repairCommand,
  stats: async () => (await import('./stats-command.js')).makeStatsCommand(openLog),
  compact: async () => (await import('./compact-command.js')).makeCompactCommand(openLog),
  retain: async () => (await import('./retain-command.js')).makeRetainCommand(openLog),
  topic: async () => (await import('./topic-command.js')).topicCommand,
  produce: async () => (await import('./produce-command.js')).produceCommand,
  consume: async () => (await import('./consume-command.js')).consumeCommand,
  group: async () => (await import('./group-command.js')).groupCommand,
  queue: async () => (await import('./queue-command.js')).queueCommand,
  exchange: async () => (await import('./exchange-command.js')).exchangeCommand,
  serve: async () => (await import('./serve-command.js')).serveCommand,
  user: async () => (await import('./user-command.js')).userCommand,
};

/** Resolves to the exit code, once everything is closed and printed. */
export async function runCommand(
  given: readonly string[],
  streams: Streams,
  stop: Pick<StopSignals, 'signal' | 'exitCode'>,
): Promise<number> {
  const output = new Output(given.includes('--json'), streams);
  try {
    const exitCode = await dispatch(given, { output, streams, signal: stop.signal });
    await output.flush();
    return stop.exitCode ?? exitCode;
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT_OK;
    if (stop.exitCode !== undefined && stop.signal.reason === error) return stop.exitCode;
    await output.flush().catch(() => undefined);
    output.error(error);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  }
}

async function dispatch(
  given: readonly string[],
  surroundings: Pick<Invocation, 'output' | 'streams' | 'signal'>,
): Promise<number> {
  const { output } = surroundings;
  const [name, ...rest] = given;
  if (name === undefined) throw new UsageError(`a command is missing; ${hint()}`);
  if (name === '--help' || name === 'help') {
    await output.write(await help());
    return EXIT_OK;
  }
  if (name === '--version') {
    await output.line(version(), { version: version() });
    return EXIT_OK;
  }
  const command = Object.hasOwn(commands, name) ? await commands[name]?.() : undefined;
  if (command === undefined) {
    throw new UsageError(`there is no command ${JSON.stringify(name)}; ${hint()}`);
  }
  const parsed = parseCommand(command, rest);
  if (parsed.flags.has('help')) {
    await output.write(commandHelp(command));
    return EXIT_OK;
  }
  return await command.run({ ...parsed, ...surroundings });
}

function hint(): string {
  return `the commands are ${Object.keys(commands).join(', ')}; see: millrace --help`;
}

async function help(): Promise<string> {
  const all = await Promise.all(Object.values(commands).map((load) => load()));
  const lines = all.map(({ name, synopsis, summary }) => {
    return `  ${`${name} ${synopsis}`.padEnd(24)} ${summary}`;
  });
  const head = 'usage: millrace <command> [options]';
  const tail = 'millrace <command> --help says more; millrace --version names the version.';
  return `${head}\n\n${lines.join('\n')}\n\n${tail}\n`;
}

/** From the package's manifest, three folders up from the compiled file. */
function version(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const path = join(here, '..', '..', '..', 'package.json');
  const text = nodeLockFileSystem.readText(path, MANIFEST_BYTES_MAX) ?? '{}';
  const manifest: unknown = JSON.parse(text);
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isManifest ? String(manifest.version) : 'unknown';
}
