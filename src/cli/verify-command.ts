/**
 * `millrace verify`: whether a log is whole. Exit code 1 when it is not.
 */

import { type VerifyProblem, type VerifyWarning, verifyLog } from '../storage/main.js';
import { type Command, EXIT_FAILED, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { Progress } from './progress.js';

export const verifyCommand: Command = {
  name: 'verify',
  synopsis: '<dir>',
  positionals: [1, 1],
  summary: 'Checks every batch, record and index of a log; it changes nothing.',
  options: [],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { output, signal } = invocation;
  const progress = new Progress('verified', invocation);
  const directory = followLinks(firstOf(invocation));
  const report = await verifyLog(directory, {
    signal,
    onProgress: ({ bytes, bytesTotal }) => progress.show(bytes, bytesTotal),
  }).finally(() => progress.end());
  const { problems, warnings, ...summary } = report;
  for (const found of problems) {
    await output.line(findingText('problem', found), { type: 'problem', ...found });
  }
  for (const found of warnings) {
    await output.line(findingText('warning', found), { type: 'warning', ...found });
  }
  const { segments, batches, records, bytes, problemCount, warningCount } = report;
  const counts = `${segments} segments, ${batches} batches, ${records} records, ${bytes} bytes`;
  const verdict = report.ok ? 'ok' : `${problemCount} problems`;
  const more = warningCount > 0 ? `, ${warningCount} warnings` : '';
  await output.line(`${verdict}${more}: ${counts}`, { type: 'report', ...summary });
  return report.ok ? EXIT_OK : EXIT_FAILED;
}

export function findingText(kind: string, found: VerifyProblem | VerifyWarning): string {
  const { code, file, position, offset, reason, expected, actual } = found;
  const facts = [
    offset === undefined ? [] : [`offset ${offset}`],
    expected === undefined ? [] : [`expected ${expected}`],
    actual === undefined ? [] : [`found ${actual}`],
  ].flat();
  const detail = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  return `${kind} ${code} ${file}:${position} ${reason}${detail}`;
}
