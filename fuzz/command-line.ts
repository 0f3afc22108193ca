/**
 * Command lines, parsed within this process as `millrace` parses them: names of options that exist,
 * nearly exist and do not, values of every kind, and bytes that no shell would pass.
 *
 * What must hold: a command line is understood, or it is a {@link UsageError} with a hint; nothing
 * else is thrown. Options whose text has a form of its own (JSON, counts, places) are read as well.
 */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Prng } from '../src/base/prng.js';
import { appendCommand } from '../src/cli/append-command.js';
import { type Command, commandHelp, countOption, parseCommand } from '../src/cli/command.js';
import { consumeCommand } from '../src/cli/consume-command.js';
import { dumpCommand } from '../src/cli/dump-command.js';
import { exchangeCommand } from '../src/cli/exchange-command.js';
import { groupCommand } from '../src/cli/group-command.js';
import { jsonOption, wholeOption } from '../src/cli/json-option.js';
import { placeOption } from '../src/cli/place-option.js';
import { produceCommand } from '../src/cli/produce-command.js';
import { queueCommand } from '../src/cli/queue-command.js';
import { readCommand } from '../src/cli/read-command.js';
import { repairCommand } from '../src/cli/repair-command.js';
import { serveCommand } from '../src/cli/serve-command.js';
import { topicCommand } from '../src/cli/topic-command.js';
import { UsageError } from '../src/cli/usage-error.js';
import { userCommand } from '../src/cli/user-command.js';
import { verifyCommand } from '../src/cli/verify-command.js';
import { drawFrom, name } from './draw-values.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { mutate } from './mutate.js';

const commands: readonly Command[] = [
  appendCommand,
  consumeCommand,
  dumpCommand,
  exchangeCommand,
  groupCommand,
  produceCommand,
  queueCommand,
  readCommand,
  repairCommand,
  serveCommand,
  topicCommand,
  userCommand,
  verifyCommand,
];

const TEXTS: readonly string[] = [
  '--',
  '-',
  '--=',
  '--help',
  '--json',
  '--no-json',
  '-h',
  'earliest',
  'latest',
  '0',
  '-1',
  '007',
  '9007199254740993',
  '2026-01-31T12:00:00Z',
  '-271821-04-20T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '{}',
  '[]',
  '{"a":1}',
  '{"__proto__":{"polluted":true}}',
];
const texts = fc.oneof(fc.constantFrom(...TEXTS), name);

export function tryCommandLine(event: FuzzEvent): void {
  const { prng } = event;
  const command = prng.pick(commands);
  const given = Array.from({ length: prng.integer(7) }, () => drawArgument(prng, command));
  event.input(Buffer.from(given.join('\n')), `arguments of ${command.name}, one to a line`);
  understood(event, command.name, () => {
    const { positionals, texts: values, flags } = parseCommand(command, given);
    const [min, max] = command.positionals;
    assert.ok(flags.has('help') || (positionals.length >= min && positionals.length <= max));
    const known = new Set(command.options.map((option) => option.name));
    for (const option of values.keys()) assert.ok(known.has(option), `${option} is an option`);
  });
  assert.ok(commandHelp(command).includes(command.name));
  tryForms(event, drawFrom(prng, texts));
  assert.deepEqual(Object.keys(Object.prototype), [], 'nothing gets into all objects');
}

export const fuzz = fuzzWith(tryCommandLine);

function drawArgument(prng: Prng, { options }: Command): string {
  if (options.length === 0 || prng.boolean(0.4)) return drawFrom(prng, texts);
  const option = `--${prng.pick(options).name}`;
  const drawn = prng.integer(10);
  if (drawn < 4) return option;
  if (drawn < 8) return `${option}=${drawFrom(prng, texts)}`;
  return Buffer.from(mutate(prng, Buffer.from(option))).toString();
}

/** Texts with a form of their own, each read as every one of them. */
function tryForms(event: FuzzEvent, text: string): void {
  const given = new Map([['option', text]]);
  understood(event, 'place', () => {
    const place = placeOption('option', text);
    if (typeof place === 'number') assert.ok(place >= 0);
    else if (typeof place === 'object') assert.ok(place.timestamp >= 0);
  });
  understood(event, 'count', () => assert.ok((countOption(given, 'option') ?? 0) >= 1));
  understood(event, 'whole', () => assert.ok((wholeOption(given, 'option') ?? -1) >= 0));
  understood(event, 'json', () => {
    const json: unknown = JSON.parse(jsonOption(given, 'option') ?? '');
    assert.ok(typeof json === 'object' && json !== null);
  });
}

function understood(event: FuzzEvent, name: string, call: () => void): void {
  try {
    call();
    event.met(`${name} understood`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    assert.ok(error.message.length > 0, 'a refusal says why');
    event.met(`${name} refused`);
  }
}
