/**
 * `read-cursor`, `read-cursor-crc-off` and `read-records`: a whole log from its first record on,
 * from the page cache.
 */

import { Log } from '../src/storage/main.js';
import { type CaseContext, timed } from './case-context.js';
import { readBack, takeBytes } from './finished-bytes.js';
import { RawReader } from './raw-reader.js';
import { hex, inBatches, makeRecords } from './records.js';
import { compare, interleave, quantile } from './statistics.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const READ_SIZES = [64 * KIB, 256 * KIB, MIB, 4 * MIB];
const CALIBRATION_PASSES = 3;

export async function readCursor(context: CaseContext): Promise<void> {
  for (const valueBytes of context.values([100, 1024])) {
    await readLog(context, valueBytes, [
      { case: 'read-cursor', checkCrcs: true, walk: walkCursor },
      { case: 'read-cursor-crc-off', checkCrcs: false, walk: walkCursor },
    ]);
  }
}

export async function readRecords(context: CaseContext): Promise<void> {
  for (const valueBytes of context.values([100])) {
    await readLog(context, valueBytes, [
      { case: 'read-records', checkCrcs: true, walk: walkRecords },
    ]);
  }
}

/** Returns how many bytes the values have, so that every record was looked at. */
type Walk = (log: Log, checkCrcs: boolean) => Promise<number>;

interface Reading {
  readonly case: string;
  readonly checkCrcs: boolean;
  readonly walk: Walk;
}

async function walkCursor(log: Log, checkCrcs: boolean): Promise<number> {
  let valueBytes = 0;
  for await (const batch of log.read({ checkCrcs })) {
    const cursor = batch.cursor();
    while (cursor.next()) valueBytes += cursor.valueEnd - cursor.valueStart;
  }
  return valueBytes;
}

async function walkRecords(log: Log, checkCrcs: boolean): Promise<number> {
  let valueBytes = 0;
  let touched = 0;
  for await (const batch of log.read({ checkCrcs })) {
    for (const record of batch) {
      const { value } = record;
      if (value === null) continue;
      valueBytes += value.length;
      touched ^= value[0] ?? 0;
    }
  }
  if (touched > 255) throw new Error('a byte is a byte');
  return valueBytes;
}

async function readLog(
  context: CaseContext,
  valueBytes: number,
  readings: readonly Reading[],
): Promise<void> {
  const folder = context.path(`read-${valueBytes}`);
  const count = context.size(1_000_000, 2_000);
  const batch = context.size(1000, 100);
  const checksum = await writeLog(folder, count, valueBytes, batch);
  const finished = takeBytes(folder);
  const actual = await readBack(folder);
  if (actual.checksum !== checksum) throw new Error('the log holds other values');
  const log = await Log.open(folder);
  for (const { case: name, checkCrcs, walk } of readings) {
    const reader = await bestReader(context, checkCrcs, (size) => new RawReader(finished, size));
    const pairs = await interleave(
      context.rounds(valueBytes > 512 ? 11 : 21),
      context.settings.smoke ? 0 : 4,
      async () => {
        const ms = await timed(async () => {
          const bytes = await walk(log, checkCrcs);
          if (bytes !== count * valueBytes) throw new Error('not all records were read');
        });
        return count / (ms / 1000);
      },
      async () => count / ((await timed(() => reader.reader.run(checkCrcs))) / 1000),
    );
    context.report(
      { case: name, valueBytes, batch, callers: 1, acks: '-', unit: 'records/s' },
      compare(pairs),
      { checksum: hex(checksum), rawReadBytes: reader.size },
    );
  }
  await log.close();
  context.remove(folder);
}

/** Writes a log of distinct records and lets go of them; the checksum of the values. */
async function writeLog(
  folder: string,
  count: number,
  valueBytes: number,
  batch: number,
): Promise<number> {
  const records = makeRecords(count, valueBytes);
  const log = await Log.open(folder);
  for (const records_ of inBatches(records.all, batch)) {
    await log.append(records_, { acks: 'written' });
  }
  await log.close();
  return records.checksum;
}

async function bestReader(
  context: CaseContext,
  checkCrcs: boolean,
  make: (size: number) => RawReader,
): Promise<{ readonly reader: RawReader; readonly size: number }> {
  if (context.settings.smoke) return { reader: make(MIB), size: MIB };
  let best: { reader: RawReader; size: number; ms: number } | undefined;
  for (const size of READ_SIZES) {
    const reader = make(size);
    const times: number[] = [];
    for (let pass = 0; pass < CALIBRATION_PASSES; pass += 1) {
      times.push(await timed(() => reader.run(checkCrcs)));
    }
    const ms = quantile(times, 0.5);
    if (best === undefined || ms < best.ms) best = { reader, size, ms };
  }
  if (best === undefined) throw new Error('there are sizes to try');
  return best;
}
