/**
 * Every single-bit flip of every file of a log: detected, or harmless.
 *
 * The log (`flips-log.ts`) is small and always the same. Each flip is tried on a folder in memory
 * that is opened anew, so nothing that was read before the flip can hide it:
 *
 *     reading   the log closed cleanly, and left by a killed process: opened for reading
 *     writing   closed, killed, and with a torn tail: opened for writing, appended to, read again
 *
 * The first pass tries every bit of every file. The others try every bit of the small files and a
 * sample of the segments': what differs there is the opening, and an opening reads nothing of a
 * sealed segment and checks an active one with the same code from batch to batch.
 */

import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  WATERMARK_BYTES,
  WATERMARK_FILE_BYTES,
  WATERMARK_SLOT_DISTANCE,
} from '../../src/storage/watermark.js';
import { FlipJudge, type FlipVerdict, isFailure, type Questions } from './flips-judge.js';
import { buildFlipLog, type FlipLog, type FlipState, SEALED_LOG } from './flips-log.js';
import { judgeWriting } from './flips-writing.js';

export interface FlipTask {
  readonly pass: 'reading' | 'writing';
  readonly state: FlipState;
  readonly file: string;
  readonly bits: readonly number[];
}

export interface FileTally {
  bits: number;
  detected: number;
  harmless: number;
}

export interface FlipTally {
  readonly files: Record<string, FileTally>;
  wrong: number;
  missing: number;
  /** One line per failure, the first ones. */
  readonly details: string[];
}

export interface FlipOptions {
  /** At most this many bits of a file, spread over it, in each pass; all of them without. */
  readonly sample?: number | undefined;
  /** Worker threads; 0 works in the calling one. */
  readonly workers?: number | undefined;
}

/** Of a segment's file, in the passes after the first. */
const LATER_LOG_BITS = 8192;
const TASK_BITS = 4096;
const DETAILS_MAX = 20;
const WORKER = fileURLToPath(new URL('./flips-worker.js', import.meta.url));

const passes: readonly Pick<FlipTask, 'pass' | 'state'>[] = [
  { pass: 'reading', state: 'clean' },
  { pass: 'reading', state: 'killed' },
  { pass: 'writing', state: 'clean' },
  { pass: 'writing', state: 'killed' },
  { pass: 'writing', state: 'torn' },
];

export async function runFlips(options: FlipOptions = {}): Promise<FlipTally> {
  const tasks: FlipTask[] = [];
  for (const { pass, state } of passes) {
    const { image } = await buildFlipLog(state);
    for (const file of image.names) {
      const bits = image.bytesOf(file).length * 8;
      const isFirst = pass === 'reading' && state === 'clean';
      const most = file.endsWith('.log') && !isFirst ? LATER_LOG_BITS : bits;
      const count = Math.min(bits, most, options.sample ?? bits);
      const isSparse = file === 'watermark' && !isFirst && count === bits;
      tasks.push(...tasksOf({ pass, state, file }, isSparse ? slotBits() : pick(bits, count)));
    }
  }
  const tally: FlipTally = { files: {}, wrong: 0, missing: 0, details: [] };
  const workers = options.workers ?? availableParallelism();
  if (workers === 0) {
    const flipper = new Flipper();
    for (const task of tasks) mergeTally(tally, await flipper.run(task));
    return tally;
  }
  await Promise.all(Array.from({ length: workers }, () => runWorker(tasks, tally)));
  return tally;
}

function tasksOf(
  task: Pick<FlipTask, 'pass' | 'state' | 'file'>,
  bits: readonly number[],
): FlipTask[] {
  const tasks: FlipTask[] = [];
  for (let from = 0; from < bits.length; from += TASK_BITS) {
    tasks.push({ ...task, bits: bits.slice(from, from + TASK_BITS) });
  }
  return tasks;
}

/** `count` bits spread over all; where bytes are passed over, each bit of a byte has its turn. */
function pick(bits: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => {
    const bit = Math.floor((index * bits) / count);
    return bits < count * 8 ? bit : (bit & ~7) | ((index * 3) & 7);
  });
}

/** All bits of the watermark's two slots, and some of the gap between them, which nobody reads. */
function slotBits(): readonly number[] {
  const all = Array.from({ length: WATERMARK_FILE_BYTES * 8 }, (_, bit) => bit);
  return all.filter((bit) => {
    const inSlot = (bit >>> 3) % WATERMARK_SLOT_DISTANCE;
    return inSlot < WATERMARK_BYTES || bit % 61 === 0;
  });
}

/** One worker takes tasks until none is left. */
async function runWorker(tasks: FlipTask[], tally: FlipTally): Promise<void> {
  const worker = new Worker(WORKER);
  try {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      // Rejects with the worker's error, and leaves no listener behind.
      const answer = once(worker, 'message');
      worker.postMessage(task);
      const [part]: FlipTally[] = await answer;
      if (part !== undefined) mergeTally(tally, part);
    }
  } finally {
    await worker.terminate();
  }
}

function mergeTally(tally: FlipTally, part: FlipTally): void {
  for (const [name, { bits, detected, harmless }] of Object.entries(part.files)) {
    const file = tally.files[name] ?? { bits: 0, detected: 0, harmless: 0 };
    tally.files[name] = file;
    file.bits += bits;
    file.detected += detected;
    file.harmless += harmless;
  }
  tally.wrong += part.wrong;
  tally.missing += part.missing;
  for (const text of part.details) if (tally.details.length < DETAILS_MAX) tally.details.push(text);
}

/** Carries out tasks in this thread. */
export class Flipper {
  readonly #logs = new Map<FlipState, FlipLog>();

  async run(task: FlipTask): Promise<FlipTally> {
    const { pass, state, file, bits } = task;
    const log = this.#logs.get(state) ?? (await buildFlipLog(state));
    this.#logs.set(state, log);
    const judge = new FlipJudge(log);
    const common = questionsOf(log, file);
    const isRegional = pass === 'reading' && file === SEALED_LOG;
    const counts: FileTally = { bits: 0, detected: 0, harmless: 0 };
    const name = pass === 'reading' && state === 'clean' ? file : `${pass} ${state} ${file}`;
    const tally: FlipTally = { files: { [name]: counts }, wrong: 0, missing: 0, details: [] };
    for (const bit of bits) {
      const image = log.image.flipped(file, bit);
      const isWhole = !isRegional || bit % 8 === (bit >>> 3) % 8;
      const questions = isWhole ? common : regionOf(log, bit >>> 3);
      const verdict: FlipVerdict =
        pass === 'reading'
          ? await judge.judgeReading(image, questions)
          : await judgeWriting(judge, image);
      counts.bits += 1;
      if (!isFailure(verdict)) {
        counts[verdict] += 1;
        continue;
      }
      tally[verdict.kind] += 1;
      if (tally.details.length < DETAILS_MAX) {
        tally.details.push(`${name}, bit ${bit}: ${verdict.kind}: ${verdict.text}`);
      }
    }
    return tally;
  }
}

/**
 * The batches around a position of the sealed segment. Of each of its bytes one bit, another one
 * from byte to byte, is judged by reading the whole log; the other seven by reading this region.
 *
 * Why that is enough: an opening after a clean close reads nothing of the file; a reader goes
 * forward, interprets a byte only when it stands at the batch that holds it, and takes nothing from
 * one batch to the next but the next offset and position. So all before the flipped batch is what
 * it was in the pass over the whole log, and so is all behind, once a reader continues there or has
 * stopped with an error. What differs among the bits of one byte is how its own batch is judged:
 * that batch, two before and two behind are read, from an indexed start and in passing.
 */
function regionOf(log: FlipLog, position: number): Questions {
  const at = log.batches.findIndex(({ end }) => end > position);
  const from = log.batches[Math.max(0, at - 2)]?.baseOffset ?? 0;
  const to = log.batches[at + 3]?.baseOffset ?? log.acknowledgedEnd;
  const own = log.batches[at]?.baseOffset ?? 0;
  return { region: { from, to }, offsets: [own], timestamps: [] };
}

/**
 * Which lookups are tried. The way to an offset and a time leads over the small files; a batch
 * that is found is checked by the same reader that reads them all, so of a segment's file a few do.
 */
function questionsOf(log: FlipLog, file: string): Questions {
  const every = file.endsWith('.log') ? 31 : 5;
  const asked = log.batches.filter(
    ({ baseOffset }, index) => index % every === 3 && baseOffset < log.acknowledgedEnd,
  );
  return {
    offsets: asked.map(({ baseOffset }) => baseOffset + 1),
    timestamps: asked.map(({ timestamp }) => timestamp),
  };
}
