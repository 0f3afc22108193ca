/**
 * `open-segments`: what opening costs with much in the log: a thousand and ten thousand segments
 * after a clean close, and 20 GB after a crash. Up to the first read record and
 * the first durable append, in ms; and what the opening alone opened and read, counted at the
 * file-system seam.
 *
 * The crashed log's sealed segments are sparse files, 20 GB by their sizes; its active segment is
 * real. It is opened in a fresh process that is killed too, so the next round finds it as unclean.
 * Raw of it lists the folder, reads the active segment and verifies it.
 */

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { batchBytes, verifyCrc } from '../src/storage/batch-header.js';
import { Log } from '../src/storage/main.js';
import { type CaseContext, timed } from './case-context.js';
import { countingEnvironment, ReadCounter } from './counting-file-system.js';
import { readBack } from './finished-bytes.js';
import { firstReadAndAppend, type SegmentedLog, timeOpening } from './open-clean.js';
import { runStep, tell } from './open-crashed.js';
import { inBatches, makeRecords } from './records.js';
import type { Subject, Unit } from './row.js';
import { makeSparseLog } from './sparse-log.js';
import { compare, interleave } from './statistics.js';

const VALUE_BYTES = 1024;
const BATCH = 60;
const ACTIVE_BYTES = 16 * 1024 * 1024;
/** Of the sealed segments: 160 of them are 20 GB. */
const CRASHED = { segmentBytes: 128 * 1024 * 1024, valueBytes: 1_000_000 };

type Count = 'opens' | 'reads' | 'bytes' | 'indexes';

const units: Readonly<Record<Count, Unit>> = {
  opens: 'files',
  reads: 'reads',
  bytes: 'bytes',
  indexes: 'files',
};
const counts: readonly Count[] = ['opens', 'indexes', 'reads', 'bytes'];

export async function openSegments(context: CaseContext): Promise<void> {
  for (const segments of context.settings.smoke ? [20] : [1000, 10_000]) {
    const name = `open-segments-${segments}`;
    const log = await cleanLog(context.path(name), segments);
    await timeOpening(context, name, log);
    const counter = await countOpening(log.folder);
    for (const count of counts) reportCount(context, name, count, counter[count]);
    context.remove(log.folder);
  }
  await crashedLog(context);
}

/** Small segments, made without a roll for each, and closed. */
async function cleanLog(folder: string, segments: number): Promise<SegmentedLog> {
  const valueBytes = 3900;
  await makeSparseLog(folder, { segments, segmentBytes: 4096, valueBytes });
  const log = await Log.open(folder);
  await log.append([{ value: 'the first behind the sealed ones' }]);
  await log.close();
  const { records, checksum } = await readBack(folder);
  if (records !== segments + 1) throw new Error(`${records} records in ${segments} segments`);
  return { folder, segments, checksum, valueBytes, batch: 1 };
}

/** The parts of the crashed log's case that run in processes of their own. */
export const segmentsSteps: Readonly<
  Record<string, (folder: string, segments: number) => Promise<void>>
> = {
  async sparse(folder, segments) {
    await makeSparseLog(folder, { segments, ...CRASHED });
    const log = await Log.open(folder);
    const { all } = makeRecords(Math.floor(ACTIVE_BYTES / VALUE_BYTES), VALUE_BYTES);
    for (const batch of inBatches(all, BATCH)) await log.append(batch, { acks: 'written' });
    await log.flush();
    tell(0);
  },
  async sparseOurs(folder) {
    tell(await timed(async () => firstReadAndAppend(await Log.open(folder))));
  },
  async sparseRaw(folder) {
    tell(await timed(async () => verifyActive(folder)));
  },
  async sparseCount(folder) {
    const counter = new ReadCounter();
    await Log.open(folder, {}, countingEnvironment(counter));
    writeFileSync(countsPath(folder), JSON.stringify(counter));
    tell(0);
  },
};

function countsPath(folder: string): string {
  return `${folder}.counts.json`;
}

async function crashedLog(context: CaseContext): Promise<void> {
  const folder = context.path('open-segments-crashed');
  const segments = context.size(160, 3);
  runStep('sparse', folder, segments);
  const facts = readdirSync(folder).map((name) => statSync(join(folder, name)));
  const extras = {
    segments,
    apparentBytes: facts.reduce((sum, { size }) => sum + size, 0),
    diskBytes: facts.reduce((sum, { blocks }) => sum + blocks * 512, 0),
  };
  const pairs = await interleave(
    context.rounds(11),
    context.warmUps,
    async () => runStep('sparseOurs', folder, segments),
    async () => runStep('sparseRaw', folder, segments),
  );
  const name = 'open-segments-crashed';
  context.report(subjectOf(name, 'ms'), compare(pairs), extras);
  runStep('sparseCount', folder, segments);
  const counter: ReadCounter = JSON.parse(readFileSync(countsPath(folder), 'utf8'));
  for (const count of counts) reportCount(context, name, count, counter[count]);
  context.remove(countsPath(folder));
  context.remove(folder);
}

/** What opening alone takes. */
async function countOpening(folder: string): Promise<ReadCounter> {
  const counter = new ReadCounter();
  const log = await Log.open(folder, {}, countingEnvironment(counter));
  const counted = Object.assign(new ReadCounter(), counter);
  await log.close();
  return counted;
}

/** Raw has one file and one read. */
function reportCount(context: CaseContext, name: string, count: Count, ours: number): void {
  context.reportCounted(subjectOf(`${name}-${count}`, units[count]), { ours, raw: 1 });
}

function subjectOf(name: string, unit: Unit): Subject {
  const batch = BATCH;
  return { case: name, valueBytes: VALUE_BYTES, batch, callers: 1, acks: 'durable', unit };
}

function verifyActive(folder: string): void {
  const names = readdirSync(folder).filter((name) => name.endsWith('.log'));
  const bytes = readFileSync(join(folder, names.sort().at(-1) ?? ''));
  for (let start = 0; start < bytes.length; start += batchBytes(bytes, start)) {
    if (!verifyCrc(bytes, start)) throw new Error('a batch does not verify');
  }
}
