/**
 * `read-random`: one record by its offset, and the first record at or after a time.
 *
 * Reads and bytes are counted at the file-system seam, so they are exact; the worst lookup is
 * reported. Cold means that the segment's index is not in memory. Times are those of warm lookups
 * against a single positional read of the batch, checksum included.
 */

import { closeSync, openSync, read } from 'node:fs';
import {
  batchBaseOffset,
  batchBytes,
  batchLastOffset,
  verifyCrc,
} from '../src/storage/batch-header.js';
import { Log } from '../src/storage/main.js';
import type { CaseContext } from './case-context.js';
import { countingEnvironment, ReadCounter } from './counting-file-system.js';
import { batchStarts, type FinishedBytes, takeBytes } from './finished-bytes.js';
import { hex, inBatches, makeRecords, type Records } from './records.js';
import type { Unit } from './row.js';
import { compare, interleave } from './statistics.js';

const VALUE_BYTES = 100;
const BATCH = 100;
const SEGMENT_BYTES = 2 * 1024 * 1024;
const FIRST_MS = 1_700_000_000_000;

type Kind = 'offset' | 'time';

export async function readRandom(context: CaseContext): Promise<void> {
  const folder = context.path('random');
  const count = context.size(200_000, 2_000);
  const segmentBytes = context.size(SEGMENT_BYTES, 64 * 1024);
  const records = makeRecords(count, VALUE_BYTES, (index) => FIRST_MS + index);
  const writing = await Log.open(folder, { segmentBytes });
  for (const batch of inBatches(records.all, BATCH)) {
    await writing.append(batch, { acks: 'written' });
  }
  await writing.close();
  const subject = new RandomReads(context, folder, records);
  for (const kind of ['offset', 'time'] as const) {
    await subject.count(kind, 'cold');
    await subject.count(kind, 'warm');
    await subject.time(kind);
  }
  context.remove(folder);
}

interface Cost {
  reads: number;
  /** Beyond the batch itself. */
  extraBytes: number;
  opens: number;
}

class RandomReads {
  readonly #context: CaseContext;
  readonly #folder: string;
  readonly #records: Records;
  readonly #finished: FinishedBytes;
  readonly #counter = new ReadCounter();

  constructor(context: CaseContext, folder: string, records: Records) {
    this.#context = context;
    this.#folder = folder;
    this.#records = records;
    this.#finished = takeBytes(folder);
  }

  /** Counts what lookups read, in a log just opened or in one whose indexes are all loaded. */
  async count(kind: Kind, state: 'cold' | 'warm'): Promise<void> {
    const worst: Cost = { reads: 0, extraBytes: 0, opens: 0 };
    let lookups = 0;
    let reads = 0;
    const passes = state === 'cold' ? this.#context.size(20, 2) : 1;
    for (let pass = 0; pass < passes; pass += 1) {
      const log = await Log.open(this.#folder, {}, countingEnvironment(this.#counter));
      const targets = state === 'cold' ? this.#onePerSegment(pass) : this.#anywhere();
      if (state === 'warm') {
        for (const target of this.#onePerSegment(0)) await lookUp(log, 'offset', target);
      }
      for (const target of targets) {
        this.#counter.reset();
        const bytes = await lookUp(log, kind, target);
        lookups += 1;
        reads += this.#counter.reads;
        worst.reads = Math.max(worst.reads, this.#counter.reads);
        worst.extraBytes = Math.max(worst.extraBytes, this.#counter.bytes - bytes);
        worst.opens = Math.max(worst.opens, this.#counter.opens);
      }
      await log.close();
    }
    const extras = { lookups, meanReads: reads / lookups, opens: worst.opens };
    this.#reportCount(`${kind}-${state}-reads`, 'reads', worst.reads, 1, extras);
    const batchMean = this.#finished.bytes.length / (this.#records.all.length / BATCH);
    this.#reportCount(`${kind}-${state}-bytes`, 'bytes', worst.extraBytes, batchMean, extras);
  }

  /** Times warm lookups against one read of the same batch. */
  async time(kind: Kind): Promise<void> {
    const log = await Log.open(this.#folder);
    const targets = this.#anywhere();
    const raw = new RawLookups(this.#finished);
    const perLookup = async (look: (target: number) => Promise<unknown>): Promise<number> => {
      const startedMs = performance.now();
      for (const target of targets) await look(target);
      return (performance.now() - startedMs) / targets.length;
    };
    const pairs = await interleave(
      this.#context.rounds(15),
      this.#context.warmUps,
      () => perLookup((target) => lookUp(log, kind, target)),
      () => perLookup((target) => raw.lookUp(target)),
    );
    raw.close();
    await log.close();
    this.#context.report(subjectOf(`${kind}-warm-time`, 'ms'), compare(pairs), {
      checksum: hex(this.#records.checksum),
    });
  }

  #reportCount(
    name: string,
    unit: Unit,
    ours: number,
    raw: number,
    extras: Readonly<Record<string, number>>,
  ): void {
    this.#context.reportCounted(subjectOf(name, unit), { ours, raw }, extras);
  }

  /** A different place in each segment on each pass, so that every lookup meets a cold index. */
  #onePerSegment(pass: number): readonly number[] {
    const { bytes, segments } = this.#finished;
    return segments.map(({ start }, index) => {
      const base = batchBaseOffset(bytes, start);
      const next = segments[index + 1];
      const end =
        next === undefined ? this.#records.all.length : batchBaseOffset(bytes, next.start);
      return base + ((pass * 7919 + index * 104_729) % (end - base));
    });
  }

  #anywhere(): readonly number[] {
    const count = this.#records.all.length;
    const lookups = this.#context.size(1000, 20);
    return Array.from({ length: lookups }, (_, index) => (index * 7_368_787 + 13) % count);
  }
}

function subjectOf(name: string, unit: Unit): Parameters<CaseContext['report']>[0] {
  return {
    case: `read-random-${name}`,
    valueBytes: VALUE_BYTES,
    batch: BATCH,
    callers: 1,
    acks: '-',
    unit,
  };
}

/** Reads the record at an offset, or at its time; the bytes of the batch it is in. */
async function lookUp(log: Log, kind: Kind, offset: number): Promise<number> {
  const from = kind === 'offset' ? offset : { timestamp: FIRST_MS + offset };
  const reader = log.read({ from });
  const step = await reader.next();
  if (step.done === true) throw new Error('there is a record');
  const batch = step.value;
  const cursor = batch.cursor();
  if (!cursor.next() || cursor.offset !== offset) throw new Error('it is the record asked for');
  await reader.return?.();
  return batch.bytes;
}

/** Knows where every batch is and keeps the files open: one read per lookup. */
class RawLookups {
  readonly #files: readonly number[];
  readonly #buffer: Buffer;
  /** Per offset: which file, and where its batch starts and how long it is. */
  readonly #places: { readonly file: number; readonly position: number; readonly count: number }[] =
    [];

  constructor({ bytes, segments }: FinishedBytes) {
    this.#files = segments.map(({ path }) => openSync(path, 'r'));
    let largest = 0;
    for (const [index, { start, end }] of segments.entries()) {
      for (const at of batchStarts(bytes, start, end).slice(0, -1)) {
        const count = batchBytes(bytes, at);
        const place = { file: this.#files[index] ?? -1, position: at - start, count };
        largest = Math.max(largest, count);
        const last = batchLastOffset(bytes, at);
        for (let offset = batchBaseOffset(bytes, at); offset <= last; offset += 1) {
          this.#places[offset] = place;
        }
      }
    }
    this.#buffer = Buffer.allocUnsafeSlow(largest);
  }

  lookUp(offset: number): Promise<void> {
    const place = this.#places[offset];
    if (place === undefined) throw new Error('the offset is in the log');
    return new Promise((resolve, reject) => {
      read(place.file, this.#buffer, 0, place.count, place.position, (error) => {
        if (error !== null) reject(error);
        else if (!verifyCrc(this.#buffer, 0)) reject(new Error('a batch does not verify'));
        else resolve();
      });
    });
  }

  close(): void {
    for (const file of this.#files) closeSync(file);
  }
}
