/**
 * `millrace retain`: applies the retention options now. The process that holds the log does it;
 * when nobody does, it is done here.
 */

import { type Command, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { type OpenLog, withMaintainedLog } from './maintained-log.js';

export function makeRetainCommand(open: OpenLog): Command {
  return {
    name: 'retain',
    synopsis: '<dir>',
    positionals: [1, 1],
    summary: 'Deletes the segments that the retention options of a log give up.',
    options: [],
    run: (invocation) => run(invocation, open),
  };
}

async function run(invocation: Invocation, open: OpenLog): Promise<number> {
  const { output, signal } = invocation;
  const directory = followLinks(firstOf(invocation));
  const report = await withMaintainedLog(directory, open, false, signal, (log) => log.retain());
  const { startOffset, segments, bytes, kept } = report;
  const given = `deleted ${segments} segments, ${bytes} bytes`;
  const text = `${given}; the log starts at offset ${startOffset}; what stays: ${kept}`;
  await output.line(text, report);
  return EXIT_OK;
}
