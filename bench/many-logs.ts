/**
 * `many-logs`: many logs of one process, each of which takes one durable append per round; a round
 * ends when all are durable. Raw writes and syncs as many files, one after the other, in one
 * thread: the number of threads that the logs of a process share.
 */

import { stampCrc } from '../src/storage/batch-header.js';
import { Log } from '../src/storage/main.js';
import { type CaseContext, withWriter } from './case-context.js';
import { takeBytes, verifyLog } from './finished-bytes.js';
import { RawWriter } from './raw-writer.js';
import { checksumOf, hex, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';

const VALUE_BYTES = 100;
/** A measurement lasts about this long, so that background syncs of the watermarks fall into it. */
const CHUNK_MS = 400;
const MS_PER_LOG = 0.12;

export async function manyLogs(context: CaseContext): Promise<void> {
  const usual = context.settings.smoke ? [1, 4] : [1, 12, 64, 256];
  for (const count of context.callers(usual)) await withLogs(context, count);
}

async function withLogs(context: CaseContext, count: number): Promise<void> {
  const rounds = context.rounds(15);
  const steps = context.size(Math.max(5, Math.round(CHUNK_MS / (MS_PER_LOG * count))), 3);
  const records = makeRecords(steps * (rounds + 1), VALUE_BYTES).all;
  const folders = Array.from({ length: count }, (_, index) => context.path(`many-${index}`));
  const logs = await Promise.all(folders.map((folder) => Log.open(folder)));
  let appended = 0;
  const ours = async (): Promise<number> => {
    const startedMs = performance.now();
    for (let step = 0; step < steps; step += 1) {
      const append = records.slice(appended, appended + 1);
      appended += 1;
      await Promise.all(logs.map((log) => log.append(append)));
    }
    return (performance.now() - startedMs) / steps;
  };

  const sample = await sampleBatches(context, count);
  const paths = folders.map((_, index) => context.path(`raw-many-${index}`));
  const pairs = await withWriter(new RawWriter(sample.memory, paths), async (writer) => {
    const raw = await RawMany.start(writer, sample.bytes, count, steps);
    return await interleave(rounds, context.warmUps, ours, () => raw.run());
  });
  for (const log of logs) await log.close();
  const checksum = checksumOf(records.slice(0, appended));
  for (const folder of folders) {
    await verifyLog(folder, { records: appended, checksum });
    context.remove(folder);
  }
  context.report(
    {
      case: 'many-logs',
      valueBytes: VALUE_BYTES,
      batch: 1,
      callers: count,
      acks: 'durable',
      unit: 'ms',
    },
    compare(pairs),
    { checksum: hex(checksum), stepsPerRound: steps },
  );
}

/** One finished batch of one record for each log, side by side. */
async function sampleBatches(
  context: CaseContext,
  count: number,
): Promise<{ readonly memory: SharedArrayBuffer; readonly bytes: Buffer }> {
  const folder = context.path('many-sample');
  const log = await Log.open(folder);
  for (const record of makeRecords(count, VALUE_BYTES).all) await log.append([record]);
  await log.close();
  const { memory, bytes } = takeBytes(folder);
  context.remove(folder);
  return { memory, bytes };
}

class RawMany {
  readonly #writer: RawWriter;
  readonly #bytes: Buffer;
  readonly #files: number;
  readonly #steps: number;
  #position = 0;

  private constructor(writer: RawWriter, bytes: Buffer, files: number, steps: number) {
    this.#writer = writer;
    this.#bytes = bytes;
    this.#files = files;
    this.#steps = steps;
  }

  static async start(
    writer: RawWriter,
    bytes: Buffer,
    files: number,
    steps: number,
  ): Promise<RawMany> {
    for (let file = 0; file < files; file += 1) writer.open(file);
    writer.submit();
    await writer.settled();
    return new RawMany(writer, bytes, files, steps);
  }

  async run(): Promise<number> {
    const writer = this.#writer;
    const batchBytes = this.#bytes.length / this.#files;
    const startedMs = performance.now();
    for (let step = 0; step < this.#steps; step += 1) {
      for (let file = 0; file < this.#files; file += 1) {
        stampCrc(this.#bytes, file * batchBytes);
        writer.write(file, file * batchBytes, batchBytes, this.#position);
      }
      for (let file = 0; file < this.#files; file += 1) writer.sync(file);
      writer.submit();
      await writer.settled();
      this.#position += batchBytes;
    }
    return (performance.now() - startedMs) / this.#steps;
  }
}
