/**
 * `append-written` and `append-durable`: batches, many in flight, ending in a sync.
 *
 * Raw stamps the checksum of every finished batch on the main thread and hands the bytes to its
 * thread in writes of a fixed size: the best of several, found before the first round. It makes and
 * rolls its files as the log did.
 */

import { stampCrc } from '../src/storage/batch-header.js';
import { type Acks, Log, type RecordInput } from '../src/storage/main.js';
import { type CaseContext, timed, withWriter } from './case-context.js';
import { batchStarts, type FinishedBytes, takeBytes, verifyLog } from './finished-bytes.js';
import { RawWriter } from './raw-writer.js';
import { hex, inBatches, makeRecords } from './records.js';
import { compare, interleave, quantile } from './statistics.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const WRITE_SIZES = [64 * KIB, 256 * KIB, MIB, 4 * MIB];
const CALIBRATION_PASSES = 3;
/** Half of the log's buffer: the callers together never wait for room. */
const IN_FLIGHT_BYTES = 4 * MIB;

export async function appendWritten(context: CaseContext): Promise<void> {
  for (const valueBytes of context.values([100, 1024])) {
    await appendLoad(context, { case: 'append-written', acks: 'written', valueBytes });
  }
}

export async function appendDurable(context: CaseContext): Promise<void> {
  for (const valueBytes of context.values([100, 1024])) {
    await appendLoad(context, { case: 'append-durable', acks: 'durable', valueBytes });
  }
}

interface Load {
  readonly case: string;
  readonly acks: 'written' | 'durable';
  readonly valueBytes: number;
}

async function appendLoad(context: CaseContext, load: Load): Promise<void> {
  const { acks, valueBytes } = load;
  const batch = context.size(1000, 100);
  const records = makeRecords(context.size(1_000_000, 2_000), valueBytes);
  const batches = inBatches(records.all, batch);
  const callers = Math.max(2, Math.floor(IN_FLIGHT_BYTES / (batch * valueBytes)));
  const folder = context.path(`${load.case}-${valueBytes}`);
  const ours = (): Promise<number> => appendAll(folder, batches, acks, callers);

  await ours();
  const expected = { records: records.all.length, checksum: records.checksum };
  await verifyLog(folder, expected);
  const finished = takeBytes(folder);
  const raw = await RawLoad.start(context, finished, acks);
  const pairs = await interleave(
    context.rounds(valueBytes > 512 ? 9 : 15),
    context.warmUps,
    async () => {
      context.remove(folder);
      return records.all.length / ((await ours()) / 1000);
    },
    async () => records.all.length / ((await raw.run()) / 1000),
  );
  await raw.end();
  await verifyLog(folder, expected);
  context.remove(folder);
  context.report(
    { case: load.case, valueBytes, batch, callers, acks, unit: 'records/s' },
    compare(pairs),
    { checksum: hex(records.checksum), rawWriteBytes: raw.writeBytes },
  );
}

/** Opens a fresh log, appends, flushes; milliseconds from the first append to the flush. */
async function appendAll(
  folder: string,
  batches: readonly (readonly RecordInput[])[],
  acks: Acks,
  callers: number,
): Promise<number> {
  const log = await Log.open(folder);
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
      await log.append(batch, { acks });
    }
  };
  try {
    return await timed(async () => {
      await Promise.all(Array.from({ length: callers }, caller));
      await log.flush();
    });
  } finally {
    await log.close();
  }
}

/** Finished bytes, stamped, written and synced as a thread goes; shared with the peers. */
export class RawLoad {
  readonly #writer: RawWriter;
  readonly #context: CaseContext;
  readonly #finished: FinishedBytes;
  readonly #folderPaths: readonly string[];
  /** Where batches start, per segment. */
  readonly #starts: readonly (readonly number[])[];
  readonly #syncBytes: number;
  writeBytes = MIB;

  private constructor(context: CaseContext, finished: FinishedBytes, acks: Acks) {
    this.#context = context;
    this.#finished = finished;
    this.#folderPaths = finished.segments.map((_, index) => context.path(`raw-${index}`));
    this.#starts = finished.segments.map(({ start, end }) =>
      batchStarts(finished.bytes, start, end),
    );
    this.#syncBytes = acks === 'durable' ? MIB : Number.POSITIVE_INFINITY;
    this.#writer = new RawWriter(finished.memory, this.#folderPaths);
  }

  /** Also finds the size of writes that is best here. */
  static async start(context: CaseContext, finished: FinishedBytes, acks: Acks): Promise<RawLoad> {
    const load = new RawLoad(context, finished, acks);
    if (context.settings.smoke) return load;
    const sizes = WRITE_SIZES.filter((size) => size <= load.#syncBytes);
    const times = new Map<number, number[]>(sizes.map((size) => [size, []]));
    for (let pass = 0; pass < CALIBRATION_PASSES; pass += 1) {
      for (const size of sizes) {
        load.writeBytes = size;
        times.get(size)?.push(await load.run());
      }
    }
    const medianOf = (size: number): number => quantile(times.get(size) ?? [], 0.5);
    load.writeBytes = sizes.reduce((a, b) => (medianOf(b) < medianOf(a) ? b : a));
    return load;
  }

  async run(): Promise<number> {
    for (const path of this.#folderPaths) this.#context.remove(path);
    return await timed(async () => {
      for (const [file, segment] of this.#finished.segments.entries()) {
        await this.#writeSegment(file, segment.start, segment.end);
      }
      await this.#writer.settled();
    });
  }

  async end(): Promise<void> {
    await withWriter(this.#writer, async () => undefined);
    for (const path of this.#folderPaths) this.#context.remove(path);
  }

  async #writeSegment(file: number, start: number, end: number): Promise<void> {
    const writer = this.#writer;
    const starts = this.#starts[file] ?? [];
    const { bytes } = this.#finished;
    let written = start;
    let syncedAt = start;
    writer.open(file);
    for (let batch = 0; batch + 1 < starts.length; batch += 1) {
      stampCrc(bytes, starts[batch] ?? 0);
      const ready = starts[batch + 1] ?? end;
      while (ready - written >= this.writeBytes || (ready === end && written < end)) {
        if (writer.isFull) await writer.room();
        const count = Math.min(this.writeBytes, end - written);
        writer.write(file, written, count, written - start);
        written += count;
        if (written - syncedAt >= this.#syncBytes) {
          writer.sync(file);
          syncedAt = written;
        }
        writer.submit();
      }
    }
    writer.sync(file);
    writer.close(file);
    writer.submit();
  }
}
