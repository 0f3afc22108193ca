/**
 * The command line of the benchmarks, checked.
 */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';

export interface Settings {
  readonly cases: readonly string[];
  readonly json: boolean;
  /** Everything tiny: shows that it runs, measures nothing. */
  readonly smoke: boolean;
  /** Undefined: what the case thinks is enough. */
  readonly rounds: number | undefined;
  readonly values: readonly number[] | undefined;
  readonly callers: readonly number[] | undefined;
  /** Where the logs are made; decides the file system that is measured. */
  readonly directory: string;
  /** Runs one case in this process. */
  readonly isChild: boolean;
}

export const USAGE = `usage: npm run -s bench -- [options] [case ...]
  --json            one JSON object per line instead of a table
  --smoke           everything tiny, no verdicts
  --rounds N        paired rounds per row
  --values N,N      value sizes in bytes
  --callers N,N     numbers of concurrent callers, or of logs
  --dir PATH        where to make the logs (default: the system's temporary folder)`;

/** Throws an error with a readable message when an option is not understood. */
export function parseSettings(args: readonly string[]): Settings {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      values: { type: 'string' },
      callers: { type: 'string' },
      dir: { type: 'string' },
      child: { type: 'boolean', default: false },
    },
  });
  return {
    cases: positionals,
    json: values.json,
    smoke: values.smoke,
    rounds: values.rounds === undefined ? undefined : count('--rounds', values.rounds),
    values: values.values?.split(',').map((text) => count('--values', text)),
    callers: values.callers?.split(',').map((text) => count('--callers', text)),
    directory: values.dir ?? tmpdir(),
    isChild: values.child,
  };
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${option} takes whole numbers from 1 on, not '${text}'`);
}
