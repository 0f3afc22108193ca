/**
 * What a subcommand is, and what it gets: its checked arguments and the process around it.
 */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Output } from './output.js';
import type { Streams } from './streams.js';
import { UsageError } from './usage-error.js';

export const EXIT_OK = 0;
/** The operation failed, or found problems. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export interface Invocation {
  readonly positionals: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly texts: ReadonlyMap<string, string>;
  readonly output: Output;
  /** Where the output goes, and what commands read that take their input from there. */
  readonly streams: Streams;
  /** Aborts at the first Ctrl-C: the command then closes what it holds and returns. */
  readonly signal: AbortSignal;
}

export interface Command {
  readonly name: string;
  /** What stands behind the name, and how many of it there may be. */
  readonly synopsis: string;
  readonly positionals: readonly [min: number, max: number];
  readonly summary: string;
  readonly options: readonly CommandOption[];
  /** Resolves to the exit code. */
  run(invocation: Invocation): Promise<number>;
}

export interface CommandOption {
  readonly name: string;
  /** What the value is; absent for a flag. */
  readonly value?: string;
  readonly summary: string;
}

const commonOptions: readonly CommandOption[] = [
  { name: 'json', summary: 'for machines: one JSON object per line' },
  { name: 'help', summary: 'show this' },
];

export interface ParsedArguments {
  readonly positionals: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly texts: ReadonlyMap<string, string>;
}

/** Throws UsageError for what the command does not take. */
export function parseCommand(command: Command, given: readonly string[]): ParsedArguments {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const { name, value } of [...command.options, ...commonOptions]) {
    options[name] = { type: value === undefined ? 'boolean' : 'string' };
  }
  const hint = `see: millrace ${command.name} --help`;
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...given], options, allowPositionals: true, strict: true });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${text.split('. ')[0]}; ${hint}`);
  }
  const flags = new Set<string>();
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(parsed.values)) {
    if (value === true) flags.add(name);
    else if (typeof value === 'string') texts.set(name, value);
  }
  const { positionals } = parsed;
  const [min, max] = command.positionals;
  if (!flags.has('help') && (positionals.length < min || positionals.length > max)) {
    throw new UsageError(`expected: millrace ${command.name} ${command.synopsis}; ${hint}`);
  }
  return { positionals, flags, texts };
}

export function commandHelp(command: Command): string {
  const options = [...command.options, ...commonOptions].map(({ name, value, summary }) => {
    const left = value === undefined ? `--${name}` : `--${name} <${value}>`;
    return `  ${left.padEnd(28)} ${summary}`;
  });
  const usage = `usage: millrace ${command.name} ${command.synopsis} [options]`;
  return `${usage}\n\n${command.summary}\n\n${options.join('\n')}\n`;
}

/** The first positional; `parseCommand` has counted them. */
export function firstOf(invocation: Invocation): string {
  const [first] = invocation.positionals;
  if (first === undefined) throw new UsageError('a path is missing');
  return first;
}

/** A whole number from 1 on, given as text. */
export function countOption(texts: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = texts.get(name);
  if (text === undefined) return undefined;
  const count = Number(text);
  if (/^\d{1,15}$/.test(text) && count >= 1) return count;
  throw new UsageError(`--${name} takes a whole number from 1 on, not ${JSON.stringify(text)}`);
}
