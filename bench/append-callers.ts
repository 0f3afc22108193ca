/**
 * `append-callers`: many callers, each of which awaits one durable append before the next.
 *
 * Raw writes the same bytes in the same groups: the sizes that the commits of one run had. A group
 * is stamped, written, synced and awaited before the next one begins.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { logDiagnostics } from '../src/base/diagnostics.js';
import { stampCrc } from '../src/storage/batch-header.js';
import { Log, type RecordInput } from '../src/storage/main.js';
import { type CaseContext, timed, withWriter } from './case-context.js';
import { batchStarts, type FinishedBytes, takeBytes, verifyLog } from './finished-bytes.js';
import { RawWriter } from './raw-writer.js';
import { hex, inBatches, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';

const ROUND_BYTES_MAX = 64 * 1024 * 1024;

/** How many appends a round has: a fifth of a second or more, so that syncs and marks average. */
function appendsOf(callers: number, valueBytes: number): number {
  const most = Math.min(1_000_000, 1500 * callers, Math.floor(ROUND_BYTES_MAX / valueBytes));
  return Math.max(callers, most);
}

export async function appendCallers(context: CaseContext): Promise<void> {
  const usual = context.settings.smoke ? [1, 64] : [1, 16, 256, 4096];
  const sizes = context.settings.smoke ? [100] : [100, 16, 1024, 64 * 1024];
  for (const valueBytes of context.values(sizes)) {
    for (const callers of context.callers(usual)) await withCallers(context, callers, valueBytes);
  }
}

async function withCallers(
  context: CaseContext,
  callers: number,
  valueBytes: number,
): Promise<void> {
  const count = context.size(appendsOf(callers, valueBytes), Math.max(callers, 16));
  const records = makeRecords(count, valueBytes);
  const appends = inBatches(records.all, 1);
  const folder = context.path(`callers-${callers}`);
  const ours = async (): Promise<number> => {
    context.remove(folder);
    return count / ((await appendAll(folder, appends, callers)) / 1000);
  };

  const groups = await observeGroups(ours);
  const expected = { records: count, checksum: records.checksum };
  await verifyLog(folder, expected);
  const finished = takeBytes(folder);
  const writer = new RawWriter(finished.memory, [context.path('raw-callers')]);
  const pairs = await withWriter(writer, () =>
    interleave(context.rounds(valueBytes === 100 ? 11 : 5), context.warmUps, ours, async () => {
      return count / ((await rawGroups(writer, finished, groups)) / 1000);
    }),
  );
  await verifyLog(folder, expected);
  context.remove(folder);
  context.report(
    {
      case: 'append-callers',
      valueBytes,
      batch: 1,
      callers,
      acks: 'durable',
      unit: 'records/s',
    },
    compare(pairs),
    { checksum: hex(records.checksum), groups: groups.length },
  );
}

async function appendAll(
  folder: string,
  appends: readonly (readonly RecordInput[])[],
  callers: number,
): Promise<number> {
  const log = await Log.open(folder);
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let append = appends[next++]; append !== undefined; append = appends[next++]) {
      await log.append(append);
    }
  };
  try {
    return await timed(async () => {
      await Promise.all(Array.from({ length: callers }, caller));
    });
  } finally {
    await log.close();
  }
}

/** The bytes of each commit of one run. */
async function observeGroups(run: () => Promise<number>): Promise<readonly number[]> {
  const groups: number[] = [];
  const note = (message: unknown): void => {
    if (typeof message !== 'object' || message === null || !('bytes' in message)) return;
    if (typeof message.bytes === 'number' && message.bytes > 0) groups.push(message.bytes);
  };
  subscribe(logDiagnostics.flush.name, note);
  try {
    await run();
  } finally {
    unsubscribe(logDiagnostics.flush.name, note);
  }
  return groups;
}

async function rawGroups(
  writer: RawWriter,
  finished: FinishedBytes,
  groups: readonly number[],
): Promise<number> {
  const { bytes } = finished;
  const starts = batchStarts(bytes, 0, bytes.length);
  writer.open(0);
  writer.submit();
  await writer.settled();
  const elapsedMs = await timed(async () => {
    let batch = 0;
    let start = 0;
    for (const group of groups) {
      const end = Math.min(start + group, bytes.length);
      for (; (starts[batch] ?? end) < end; batch += 1) stampCrc(bytes, starts[batch] ?? 0);
      writer.write(0, start, end - start, start);
      writer.sync(0);
      writer.submit();
      await writer.settled();
      start = end;
    }
    if (start !== bytes.length) throw new Error('the groups make up the log');
  });
  writer.close(0);
  return elapsedMs;
}
