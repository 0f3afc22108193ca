/**
 * `millrace dump`: a file of a log, or all files of one, as text.
 */

import { nodeFileSystem } from '../base/node-file-system.js';
import { dumpFile, dumpLog, dumpText } from '../storage/main.js';
import { type Command, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';

export const dumpCommand: Command = {
  name: 'dump',
  synopsis: '<file or dir>',
  positionals: [1, 1],
  summary: 'Shows files of a log as text, and where they are malformed; it changes nothing.',
  options: [{ name: 'records', summary: 'shows the records of each batch too' }],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { flags, output, signal } = invocation;
  const path = followLinks(firstOf(invocation));
  const facts = await nodeFileSystem.facts(path);
  const options = { records: flags.has('records') };
  const lines = facts?.kind === 'directory' ? dumpLog(path, options) : dumpFile(path, options);
  for await (const line of lines) {
    if (signal.aborted) break;
    await output.line(output.isJson ? '' : dumpText(line), line);
  }
  return EXIT_OK;
}
