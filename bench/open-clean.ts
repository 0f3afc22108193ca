/**
 * `open-clean`: a log of a thousand segments after a clean close, up to its first read record and
 * its first durable append. Raw does the same with bare files: starts its thread, lists the
 * folder, reads the first batch, appends one and syncs it.
 */

import { closeSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { stampCrc, verifyCrc } from '../src/storage/batch-header.js';
import { Log } from '../src/storage/main.js';
import { type CaseContext, timed } from './case-context.js';
import { batchStarts, takeBytes } from './finished-bytes.js';
import { RawWriter } from './raw-writer.js';
import { hex, inBatches, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';

const VALUE_BYTES = 100;
const BATCH = 30;
/** The smallest there is; a segment takes one of the batches. */
const SEGMENT_BYTES = 4096;

export async function openClean(context: CaseContext): Promise<void> {
  const segments = context.size(1000, 20);
  const log = await makeSegments(context.path('open-clean'), segments);
  await timeOpening(context, 'open-clean', log);
  context.remove(log.folder);
}

export interface SegmentedLog {
  readonly folder: string;
  readonly segments: number;
  /** Of the values, one after the other. */
  readonly checksum: number;
  readonly valueBytes: number;
  readonly batch: number;
}

/** A log of at least so many small segments, closed. */
async function makeSegments(folder: string, segments: number): Promise<SegmentedLog> {
  const records = makeRecords(segments * BATCH, VALUE_BYTES);
  const writing = await Log.open(folder, { segmentBytes: SEGMENT_BYTES });
  for (const batch of inBatches(records.all, BATCH))
    await writing.append(batch, { acks: 'written' });
  const made = writing.describe().segments;
  await writing.close();
  if (made < segments) throw new Error(`${made} segments instead of ${segments}`);
  const { checksum } = records;
  return { folder, segments: made, checksum, valueBytes: VALUE_BYTES, batch: BATCH };
}

/** Times opening, first record and first durable append against bare files. */
export async function timeOpening(
  context: CaseContext,
  name: string,
  { folder, segments, checksum, valueBytes, batch }: SegmentedLog,
): Promise<void> {
  const finished = takeBytes(folder);
  const first = finished.segments[0];
  if (first === undefined) throw new Error('the log has segments');
  const firstBatchEnd = batchStarts(finished.bytes, first.start, first.end)[1] ?? first.end;
  const raw = async (): Promise<number> => {
    const path = join(context.folder, 'raw-open');
    let writer: RawWriter | undefined;
    const ms = await timed(async () => {
      writer = new RawWriter(finished.memory, [path]);
      if (readdirSync(folder).length < segments) throw new Error('all files are there');
      readFirst(first.path, firstBatchEnd);
      stampCrc(finished.bytes, 0);
      writer.open(0);
      writer.write(0, 0, firstBatchEnd, 0);
      writer.sync(0);
      writer.submit();
      await writer.settled();
    });
    await writer?.end();
    rmSync(path);
    return ms;
  };
  const pairs = await interleave(
    context.rounds(21),
    context.warmUps,
    () => openReadAppend(folder),
    raw,
  );
  context.report(
    {
      case: name,
      valueBytes,
      batch,
      callers: 1,
      acks: 'durable',
      unit: 'ms',
    },
    compare(pairs),
    { checksum: hex(checksum), segments },
  );
}

async function openReadAppend(folder: string): Promise<number> {
  let log: Log | undefined;
  const ms = await timed(async () => {
    log = await Log.open(folder);
    await firstReadAndAppend(log);
  });
  await log?.close();
  return ms;
}

/** What a user does first; throws when it is not there. */
export async function firstReadAndAppend(log: Log): Promise<void> {
  const reader = log.read();
  const step = await reader.next();
  if (step.done === true || !step.value.cursor().next()) throw new Error('there is a record');
  await reader.return?.();
  await log.append([{ value: 'first after opening' }]);
}

function readFirst(path: string, count: number): void {
  const file = openSync(path, 'r');
  const bytes = Buffer.allocUnsafeSlow(count);
  readSync(file, bytes, 0, count, 0);
  closeSync(file);
  if (!verifyCrc(bytes, 0)) throw new Error('the batch does not verify');
}
