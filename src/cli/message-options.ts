/**
 * What the command line says of messages that are sent to queues, as the broker's options have it.
 */

import type { HolderOptions, RecordInput } from '../main.js';
import type { CommandOption } from './command.js';
import { wholeOption } from './json-option.js';
import { UsageError } from './usage-error.js';

export const messageOptions: readonly CommandOption[] = [
  { name: 'priority', value: 'level', summary: 'from 0 on; a higher one is more urgent' },
  { name: 'delayMs', value: 'ms', summary: 'can be received when so much time is over' },
  { name: 'at', value: 'time', summary: 'the same as a time, such as 2026-01-31T12:00:00Z' },
  { name: 'ttlMs', value: 'ms', summary: 'expires when it was not received for so long' },
  { name: 'group', value: 'name', summary: 'in order with others of the group' },
  { name: 'deduplicationId', value: 'id', summary: 'one message: stored once for each id' },
];

export function givenMessageOptions(texts: ReadonlyMap<string, string>): HolderOptions {
  const given: Record<string, string | number> = {};
  for (const name of ['priority', 'delayMs', 'ttlMs']) {
    const value = wholeOption(texts, name);
    if (value !== undefined) given[name] = value;
  }
  const at = texts.get('at');
  if (at !== undefined) given['at'] = timeOf(at);
  for (const name of ['group', 'deduplicationId']) {
    const value = texts.get(name);
    if (value !== undefined) given[name] = value;
  }
  return given;
}

/** Messages with one id are one message: which of several it is should not be left to chance. */
export function checkIdOfOne(
  options: HolderOptions,
  sent: number,
  records: readonly RecordInput[],
): void {
  if (options['deduplicationId'] === undefined || sent + records.length <= 1) return;
  throw new UsageError('--deduplicationId goes with one line');
}

function timeOf(text: string): number {
  const atMs = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (atMs >= 0) return atMs;
  const forms = 'milliseconds since 1970, or a time such as 2026-01-31T12:00:00Z';
  throw new UsageError(`--at takes ${forms}, not ${JSON.stringify(text)}`);
}
