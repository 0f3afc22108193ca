/**
 * `append-lone`: one durable append after the other, nobody else; and the same while libuv's pool
 * is busy with the jobs of the host program.
 *
 * The busy variant runs in a process whose pool has one thread less than the machine has cores, so
 * that a core stays free: with every core taken, each hand-over between threads waits for one, and
 * that is what would be measured.
 */

import { availableParallelism } from 'node:os';
import { gzip } from 'node:zlib';
import { stampCrc } from '../src/storage/batch-header.js';
import { Log, type RecordInput } from '../src/storage/main.js';
import { type CaseContext, withWriter } from './case-context.js';
import { type FinishedBytes, takeBytes, verifyLog } from './finished-bytes.js';
import { RawWriter } from './raw-writer.js';
import { checksumOf, hex, makeRecords } from './records.js';
import type { Subject } from './row.js';
import { compare, estimate, interleave, type Pair, quantile, type Side } from './statistics.js';

const VALUE_BYTES = 100;
/** Several background syncs of the watermark fall into the time of one chunk. */
const CHUNK = 1000;

/** Environment of the process that runs the busy variant. */
export function poolEnvironment(): Readonly<Record<string, string>> {
  const threads = Math.max(1, Math.min(4, availableParallelism() - 1));
  return { UV_THREADPOOL_SIZE: String(threads) };
}

export async function appendLone(context: CaseContext): Promise<void> {
  const rounds = context.rounds(20);
  const sides = await LoneSides.start(context, rounds);
  const pairs = await interleave(rounds, context.warmUps, sides.ours, sides.raw);
  const checksum = await sides.end();
  reportQuantiles(context, 'append-lone', pairs, { checksum });
}

export async function appendLoneBusy(context: CaseContext): Promise<void> {
  const rounds = context.rounds(12);
  const sides = await LoneSides.start(context, 2 * rounds);
  const idle: number[][] = [];
  const pairs = await interleave(
    rounds,
    context.warmUps,
    async () => {
      idle.push(await sides.ours());
      return await underPoolLoad(sides.ours);
    },
    () => underPoolLoad(sides.raw),
  );
  const checksum = await sides.end();
  const idlePairs = pairs.map(({ ours }, round) => ({
    ours,
    raw: idle[round + context.warmUps] ?? ours,
  }));
  const toIdle = (q: number): number =>
    estimate(idlePairs.map(({ ours, raw }) => quantile(ours, q) / quantile(raw, q))).median;
  reportQuantiles(context, 'append-lone-busy', pairs, {
    checksum,
    p50ToIdle: toIdle(0.5),
    p99ToIdle: toIdle(0.99),
  });
}

interface Chunks {
  readonly ours: number[];
  readonly raw: number[];
}

function reportQuantiles(
  context: CaseContext,
  name: string,
  chunks: readonly Chunks[],
  extras: Readonly<Record<string, string | number>>,
): void {
  for (const [suffix, q] of [['p50', 0.5] as const, ['p99', 0.99] as const]) {
    const subject: Subject = {
      case: `${name}-${suffix}`,
      valueBytes: VALUE_BYTES,
      batch: 1,
      callers: 1,
      acks: 'durable',
      unit: 'ms',
    };
    const pairs = chunks.map(
      ({ ours, raw }): Pair => ({ ours: quantile(ours, q), raw: quantile(raw, q) }),
    );
    const all = chunks.flatMap(({ ours }) => ours);
    const appends = { appends: all.length, pooled: quantile(all, q) };
    context.report(subject, compare(pairs), { ...extras, ...appends });
  }
}

/** Both ways to make one record durable; each call of a side is one chunk of times in ms. */
export class LoneSides {
  readonly #context: CaseContext;
  readonly #folder: string;
  readonly #log: Log;
  readonly #records: readonly RecordInput[];
  readonly #writer: RawWriter;
  readonly #finished: FinishedBytes;
  readonly #chunk: number;
  #appended = 0;
  #rawPosition = 0;

  private constructor(
    context: CaseContext,
    folder: string,
    log: Log,
    records: readonly RecordInput[],
    finished: FinishedBytes,
    chunk: number,
  ) {
    this.#context = context;
    this.#folder = folder;
    this.#log = log;
    this.#records = records;
    this.#finished = finished;
    this.#chunk = chunk;
    this.#writer = new RawWriter(finished.memory, [context.path('raw-lone')]);
  }

  /** `chunk`: appends of one call of a side. */
  static async start(
    context: CaseContext,
    rounds: number,
    chunk = context.size(CHUNK, 20),
  ): Promise<LoneSides> {
    const count = chunk * (rounds + 2);
    const { all } = makeRecords(count, VALUE_BYTES);
    const sample = context.path('lone-sample');
    const sampleLog = await Log.open(sample);
    for (const record of all.slice(0, chunk)) await sampleLog.append([record]);
    await sampleLog.close();
    const finished = takeBytes(sample);
    const folder = context.path('lone');
    const log = await Log.open(folder);
    const sides = new LoneSides(context, folder, log, all, finished, chunk);
    sides.#writer.open(0);
    sides.#writer.submit();
    await sides.#writer.settled();
    return sides;
  }

  readonly ours: Side<number[]> = async () => {
    const times: number[] = [];
    for (let index = 0; index < this.#chunk; index += 1) {
      const record = this.#records[this.#appended];
      if (record === undefined) throw new Error('there are records for every round');
      this.#appended += 1;
      const startedMs = performance.now();
      await this.#log.append([record]);
      times.push(performance.now() - startedMs);
    }
    return times;
  };

  readonly raw: Side<number[]> = async () => {
    const { bytes } = this.#finished;
    const writer = this.#writer;
    const batchBytes = bytes.length / this.#chunk;
    const times: number[] = [];
    for (let index = 0; index < this.#chunk; index += 1) {
      const start = index * batchBytes;
      const startedMs = performance.now();
      stampCrc(bytes, start);
      writer.write(0, start, batchBytes, this.#rawPosition);
      writer.sync(0);
      writer.submit();
      await writer.settled();
      times.push(performance.now() - startedMs);
      this.#rawPosition += batchBytes;
    }
    return times;
  };

  /** Checks what was written and cleans up; the checksum of the values. */
  async end(): Promise<string> {
    await withWriter(this.#writer, async () => undefined);
    await this.#log.close();
    const checksum = checksumOf(this.#records.slice(0, this.#appended));
    await verifyLog(this.#folder, { records: this.#appended, checksum });
    this.#context.remove(this.#folder);
    return hex(checksum);
  }
}

/** Runs `side` while more gzip jobs wait for libuv's pool than it has threads. */
async function underPoolLoad<Result>(side: Side<Result>): Promise<Result> {
  const input = Buffer.alloc(4 * 1024 * 1024, 'the host program compresses something ');
  let isOver = false;
  const job = async (): Promise<void> => {
    while (!isOver) await new Promise((resolve) => gzip(input, { level: 9 }, resolve));
  };
  const jobs = Array.from({ length: 6 }, job);
  try {
    return await side();
  } finally {
    isOver = true;
    await Promise.all(jobs);
  }
}
