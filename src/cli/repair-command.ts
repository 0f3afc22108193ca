/**
 * `millrace repair`: mends a log. Without `--accept-loss` it gives up nothing: it says what would
 * be lost, and exits with 1.
 */

import { type RepairReport, refusedRepair, repairLog } from '../storage/main.js';
import { type Command, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import type { Output } from './output.js';
import { Progress } from './progress.js';

export const repairCommand: Command = {
  name: 'repair',
  synopsis: '<dir>',
  positionals: [1, 1],
  summary: 'Mends a log that nobody holds; what cannot be saved is given up only on demand.',
  options: [{ name: 'accept-loss', summary: 'gives up what a repair without it names as lost' }],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { flags, output, signal } = invocation;
  const progress = new Progress('inspected', invocation);
  try {
    const report = await repairLog(followLinks(firstOf(invocation)), {
      acceptLoss: flags.has('accept-loss'),
      signal,
      onProgress: ({ bytes, bytesTotal }) => progress.show(bytes, bytesTotal),
    });
    progress.end();
    await print(output, report);
    const { problemCount, endOffset } = report;
    const text =
      problemCount === 0 ? 'nothing to repair' : `repaired, the next offset is ${endOffset}`;
    await output.line(text, { type: 'report', ...report });
    return EXIT_OK;
  } catch (error) {
    progress.end();
    const report = refusedRepair(error);
    if (report !== undefined) {
      await print(output, report);
      if (output.isJson) await output.line('', { type: 'report', ...report });
    }
    throw error;
  }
}

/** What was done, left and lost, one line each; machines find the same in the report. */
async function print(output: Output, report: RepairReport): Promise<void> {
  if (output.isJson) return;
  for (const text of report.done) await output.line(`done ${text}`, {});
  for (const text of report.left) await output.line(`left ${text}`, {});
  for (const loss of report.losses) {
    const { file, position, bytes, fromOffset, toOffset, reason } = loss;
    const range =
      toOffset > fromOffset
        ? `offsets ${fromOffset} to ${toOffset - 1}`
        : `what begins at offset ${fromOffset}`;
    await output.line(`lost ${range}, ${bytes} bytes at ${file}:${position}: ${reason}`, {});
  }
  for (const file of report.brokenFiles) await output.line(`kept ${file}`, {});
}
