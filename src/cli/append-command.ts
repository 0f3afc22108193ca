/**
 * `millrace append`: lines become records, streamed, durable when the command says so.
 *
 * A folder that a process holds is written by that process, asked over its socket; otherwise the
 * log is opened here.
 */

import { createError } from '../base/errors.js';
import { connectHolder, hasCode, Log, type RecordInput } from '../storage/main.js';
import { type Command, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { feedLines, lineOptions } from './line-feed.js';

/** Where records go: the log itself, or the process that holds it. */
interface Sink {
  append(records: readonly RecordInput[]): Promise<{ baseOffset: number; lastOffset: number }>;
  close(): Promise<void>;
}

interface Tally {
  records: number;
  firstOffset: number | undefined;
  lastOffset: number | undefined;
}

export const appendCommand: Command = {
  name: 'append',
  synopsis: '<dir> [file]',
  positionals: [1, 2],
  summary: 'Appends the lines of a file, or of stdin, as records; makes the log when it is absent.',
  options: lineOptions,
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const directory = followLinks(firstOf(invocation));
  const tally: Tally = { records: 0, firstOffset: undefined, lastOffset: undefined };
  await feedLines(invocation, invocation.positionals[1], 'appended', async () => {
    const sink = await openSink(directory);
    return {
      async append(appended) {
        const { baseOffset, lastOffset } = await sink.append(appended);
        tally.firstOffset ??= baseOffset;
        tally.lastOffset = lastOffset;
        tally.records += appended.length;
      },
      close: () => sink.close(),
    };
  });
  const { records, firstOffset, lastOffset } = tally;
  const range = records === 0 ? '' : `, offsets ${firstOffset} to ${lastOffset}`;
  const { output } = invocation;
  await output.line(`appended ${records} records${range}`, { appended: records, ...tally });
  return EXIT_OK;
}

async function openSink(directory: string): Promise<Sink> {
  for (let attempt = 1; ; attempt += 1) {
    const holder = await connectHolder(directory).catch((error: unknown) => {
      if (hasCode(error, 'LOG_NOT_FOUND')) return 'no-holder' as const;
      throw error;
    });
    if (holder !== 'no-holder') {
      return {
        append: async (records) => {
          const reply = await holder.request({ kind: 'append', records });
          if (!reply.ok) throw createError(reply.code, { ...reply.facts, message: reply.message });
          const { baseOffset, lastOffset } = reply.values;
          return { baseOffset: Number(baseOffset), lastOffset: Number(lastOffset) };
        },
        close: async () => holder.close(),
      };
    }
    try {
      const log = await Log.open(directory);
      return { append: (records) => log.append(records), close: () => log.close() };
    } catch (error) {
      // Somebody took the folder in between: then it can be asked.
      if (!hasCode(error, 'LOG_LOCKED') || attempt === 2) throw error;
    }
  }
}
