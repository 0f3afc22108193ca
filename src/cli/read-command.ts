/**
 * `millrace read`: the values of records, byte for byte, each with a newline; beside a live writer
 * too, since the log is opened for reading only.
 */

import { Log, type LogRecord, type ReadFrom } from '../storage/main.js';
import { bytesFields } from './byte-fields.js';
import { type Command, countOption, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import type { Output } from './output.js';
import { placeOption } from './place-option.js';
import { UsageError } from './usage-error.js';

export const readCommand: Command = {
  name: 'read',
  synopsis: '<dir>',
  positionals: [1, 1],
  summary: 'Prints the values of records; it changes nothing, also beside a live writer.',
  options: [
    { name: 'from', value: 'where', summary: 'earliest (default), latest, an offset, or a time' },
    { name: 'limit', value: 'records', summary: 'ends after so many' },
    { name: 'follow', summary: 'waits for more at the end' },
    { name: 'format', value: 'value|json', summary: 'value (default), or records as JSON' },
  ],
  run,
};

const NEWLINE = Buffer.from('\n');

async function run(invocation: Invocation): Promise<number> {
  const { flags, texts, output, signal } = invocation;
  const from = placeOption('from', texts.get('from') ?? 'earliest');
  const limit = countOption(texts, 'limit') ?? Number.POSITIVE_INFINITY;
  const format = texts.get('format') ?? (output.isJson ? 'json' : 'value');
  if (format !== 'value' && format !== 'json') {
    throw new UsageError(`--format takes value or json, not ${JSON.stringify(format)}`);
  }
  const log = await Log.open(followLinks(firstOf(invocation)), { readOnly: true });
  try {
    await print(log, from, limit, { follow: flags.has('follow'), format, output, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await log.close();
  }
  return EXIT_OK;
}

interface Printing {
  readonly follow: boolean;
  readonly format: 'value' | 'json';
  readonly output: Output;
  readonly signal: AbortSignal;
}

async function print(
  log: Log,
  from: ReadFrom,
  limit: number,
  { follow, format, output, signal }: Printing,
): Promise<void> {
  let left = limit;
  for await (const batch of log.read({ from, follow, signal })) {
    for (const record of batch) {
      if (format === 'json') await output.write(`${JSON.stringify(machine(record))}\n`);
      else {
        await output.write(record.value ?? new Uint8Array(0));
        await output.write(NEWLINE);
      }
      left -= 1;
      if (left === 0) return;
    }
    // Who follows sees what there is, before the reader waits for more.
    if (follow) await output.flush();
  }
}

function machine(record: LogRecord): object {
  const { offset, timestamp, key, value, headers } = record;
  return {
    offset,
    timestamp,
    ...bytesFields('key', key),
    ...bytesFields('value', value),
    headers: headers.map((header) => ({ key: header.key, ...bytesFields('value', header.value) })),
  };
}
