/**
 * Every single-bit flip of every file of a log: detected, or harmless.
 *
 * The log (`flips-log.ts`) is small and always the same. Each flip is tried on a folder in memory
 * that is opened anew, so nothing that was read before the flip can hide it:
 *
 *     reading   the log closed cleanly, and left by a killed process: opened for reading
 *     writing   closed, killed, and with a torn tail: opened for writing, appended to, read again
 *
 * The sealed segment's file takes part in `writing` by a sample: opening for writing reads nothing
 * of it that opening for reading does not, and both share the reader that checks it.
 */

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { FlipJudge, type FlipVerdict, isFailure, type Questions } from './flips-judge.js';
import { buildFlipLog, type FlipLog, type FlipState, SEALED_LOG } from './flips-log.js';
import { judgeWriting } from './flips-writing.js';

export interface FlipTask {
  readonly pass: 'reading' | 'writing';
  readonly state: FlipState;
  readonly file: string;
  readonly bits: readonly number[] | { readonly from: number; readonly to: number };
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

const SEALED_WRITING_BITS = 8192;
const TASK_BITS = 8192;
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
      const isSealedLog = file === SEALED_LOG;
      // Beside the clean log, a killed one has the same sealed file and the same reader of it.
      const most =
        isSealedLog && !(pass === 'reading' && state === 'clean') ? SEALED_WRITING_BITS : bits;
      const count = Math.min(bits, most, options.sample ?? bits);
      tasks.push(...tasksOf({ pass, state, file }, bits, count));
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
  bits: number,
  count: number,
): FlipTask[] {
  const tasks: FlipTask[] = [];
  if (count === bits) {
    for (let from = 0; from < bits; from += TASK_BITS) {
      tasks.push({ ...task, bits: { from, to: Math.min(bits, from + TASK_BITS) } });
    }
    return tasks;
  }
  // An odd stride meets every bit of a byte and every byte of a field.
  const picked = Array.from({ length: count }, (_, index) => Math.floor((index * bits) / count));
  for (let from = 0; from < count; from += TASK_BITS) {
    tasks.push({ ...task, bits: picked.slice(from, from + TASK_BITS) });
  }
  return tasks;
}

/** One worker takes tasks until none is left. */
async function runWorker(tasks: FlipTask[], tally: FlipTally): Promise<void> {
  const worker = new Worker(WORKER);
  try {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      const answer = new Promise<FlipTally>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      worker.postMessage(task);
      mergeTally(tally, await answer);
      worker.removeAllListeners();
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
    for (const bit of bitsOf(bits)) {
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

function* bitsOf(bits: FlipTask['bits']): Generator<number> {
  if (!('from' in bits)) {
    yield* bits;
    return;
  }
  for (let bit = bits.from; bit < bits.to; bit += 1) yield bit;
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
