/**
 * `open-crashed`: a log whose writer was killed, opened in a fresh process up to its first read
 * record and its first durable append; bytes of the active segment per second.
 *
 * The process that opens it is killed too, so the next round finds the log as unclean as this one.
 * Raw reads the same file in a fresh process, in chunks, the next one ahead, and verifies each
 * batch.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Log } from '../src/storage/main.js';
import { type CaseContext, timed } from './case-context.js';
import { takeBytes, verifyLog } from './finished-bytes.js';
import { firstReadAndAppend } from './open-clean.js';
import { RawReader } from './raw-reader.js';
import { checksumOf, hex, inBatches, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';

const MIB = 1024 * 1024;
const VALUE_BYTES = 1024;
const BATCH = 60;

/** The parts of this case that run in processes of their own. */
export const crashedSteps: Readonly<
  Record<string, (folder: string, bytes: number) => Promise<void>>
> = {
  async fill(folder, bytes) {
    const { all } = makeRecords(recordsOf(bytes), VALUE_BYTES);
    const log = await Log.open(folder, { segmentBytes: 2 * bytes });
    for (const batch of inBatches(all, BATCH)) await log.append(batch, { acks: 'written' });
    await log.flush();
    tell(0);
  },
  async ours(folder) {
    tell(await timed(async () => firstReadAndAppend(await Log.open(folder))));
  },
  async raw(folder) {
    const reader = new RawReader(takeBytes(folder), MIB);
    tell(await timed(() => reader.run(true)));
  },
};

export async function openCrashed(context: CaseContext): Promise<void> {
  const sizes = context.settings.smoke ? [MIB] : [128 * MIB, 512 * MIB];
  for (const bytes of sizes) await crashedLog(context, bytes);
}

async function crashedLog(context: CaseContext, bytes: number): Promise<void> {
  const folder = context.path(`crashed-${bytes}`);
  runStep('fill', folder, bytes);
  const activeBytes = readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  const rate = (step: string): number => activeBytes / (runStep(step, folder, bytes) / 1000);
  const pairs = await interleave(
    context.rounds(9),
    context.warmUps,
    async () => rate('ours'),
    async () => rate('raw'),
  );
  const checksum = await finish(context, folder, bytes);
  context.report(
    {
      case: 'open-crashed',
      valueBytes: VALUE_BYTES,
      batch: BATCH,
      callers: 1,
      acks: 'durable',
      unit: 'bytes/s',
    },
    compare(pairs),
    { checksum, activeBytes },
  );
}

/** After all those crashes the log holds what was written, and one record for each opening. */
async function finish(context: CaseContext, folder: string, bytes: number): Promise<string> {
  const { all } = makeRecords(recordsOf(bytes), VALUE_BYTES);
  const log = await Log.open(folder);
  const added = Array.from({ length: log.durableOffset - all.length }, () => ({
    value: Buffer.from('first after opening'),
  }));
  await log.close();
  const checksum = checksumOf([...all, ...added]);
  await verifyLog(folder, { records: all.length + added.length, checksum });
  context.remove(folder);
  return hex(checksum);
}

function recordsOf(bytes: number): number {
  return Math.floor(bytes / (VALUE_BYTES + 10));
}

/** Runs one step in a process that is killed at its end; the number that it told. */
export function runStep(step: string, folder: string, bytes: number): number {
  const entry = new URL('./run.js', import.meta.url).pathname;
  const options = ['--expose-gc', entry, '--crashed-step', step, folder, String(bytes)];
  const child = spawnSync(process.execPath, options, { encoding: 'utf8' });
  const told = /^told (\S+)$/m.exec(child.stdout)?.[1];
  if (told === undefined) throw new Error(`${step} failed: ${child.stderr}`);
  return Number(told);
}

/** Says the number at once and dies without closing anything. */
export function tell(value: number): void {
  writeSync(1, `told ${value}\n`);
  process.kill(process.pid, 'SIGKILL');
}
