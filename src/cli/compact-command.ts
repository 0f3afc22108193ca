/**
 * `millrace compact`: one compaction now, of whatever is dirty. The process that holds the log does
 * it; when nobody does, it is done here.
 */

import { type Command, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { type OpenLog, withMaintainedLog } from './maintained-log.js';

export function makeCompactCommand(open: OpenLog): Command {
  return {
    name: 'compact',
    synopsis: '<dir>',
    positionals: [1, 1],
    summary: 'Compacts a log whose cleanup option says so, and waits for the end.',
    options: [],
    run: (invocation) => run(invocation, open),
  };
}

async function run(invocation: Invocation, open: OpenLog): Promise<number> {
  const { output, signal } = invocation;
  const directory = followLinks(firstOf(invocation));
  const report = await withMaintainedLog(directory, open, false, signal, (log) => log.compact());
  const { outcome, bytesIn, bytesOut, recordsIn, recordsOut, keylessRecords } = report;
  const keyless = keylessRecords === 0 ? '' : `, ${keylessRecords} of the dropped ones had no key`;
  const records = `${recordsIn} records to ${recordsOut}${keyless}`;
  const done = `compacted ${bytesIn} bytes to ${bytesOut}, ${records}`;
  const text = outcome === 'nothing' ? 'nothing to compact' : done;
  await output.line(text, report);
  return EXIT_OK;
}
