/**
 * The process that tries inputs for a guided run; see `guided.ts`, which starts and watches it.
 *
 * Before an input is tried it is written down, so that whoever watches can say what hung or killed
 * this process. Coverage is looked at after {@link BATCH} inputs; when it grew, each of them is
 * tried again alone, and those that still reach something new are kept.
 */

import { openSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { Prng } from '../src/base/prng.js';
import { INPUT_BYTES_MAX, readCorpus, textOf } from './corpus.js';
import { CoveredPlaces } from './covered-places.js';
import { FuzzFailure, type FuzzOne } from './event.js';
import { runData } from './fuzz-data.js';
import { InputPool } from './input-pool.js';
import { canaries, targets } from './targets.js';

/** What the child is told, as JSON in its first argument. */
export interface GuidedTask {
  readonly target: string;
  readonly seed: number;
  /** Files of inputs to begin with; those that reach nothing new are left out. */
  readonly corpora: readonly string[];
  /** Where an input is noted before it is tried: a count of eight bytes, four of length, bytes. */
  readonly noteFile: string;
  /** Ends when the inputs of the corpora were tried. */
  readonly isOnlyCorpus: boolean;
}

/** What it answers, as messages. */
export type GuidedNews =
  | { readonly kind: 'progress'; readonly tried: number; readonly places: number }
  | { readonly kind: 'found'; readonly input: string; readonly places: number }
  | { readonly kind: 'failed'; readonly input: string; readonly about: string }
  | { readonly kind: 'done'; readonly tried: number; readonly places: number };

const BATCH = 32;
const NOTE_HEADER_BYTES = 12;

const task: GuidedTask = JSON.parse(process.argv[2] ?? '{}');

async function main(one: FuzzOne): Promise<void> {
  const prng = new Prng(task.seed);
  const pool = new InputPool(prng);
  const trial = new Trial(one);
  // In the order of their lengths, so that of two that reach the same the short one is kept.
  const known = task.corpora.flatMap(readCorpus).sort((a, b) => a.length - b.length);
  for (const input of known) {
    if (!(await trial.run([input]))) return;
    if (trial.places.take() > 0) keep(pool, trial, input, task.isOnlyCorpus);
  }
  while (!task.isOnlyCorpus) {
    const inputs = Array.from({ length: BATCH }, () => pool.next());
    if (!(await trial.run(inputs))) return;
    tell({ kind: 'progress', tried: trial.tried, places: trial.places.count });
    if (!trial.places.hasNews()) continue;
    for (const input of inputs) {
      if (!(await trial.run([input]))) return;
      if (trial.places.take() > 0) keep(pool, trial, input, true);
    }
    trial.places.settle();
  }
  tell({ kind: 'done', tried: trial.tried, places: trial.places.count });
}

function keep(pool: InputPool, trial: Trial, input: Uint8Array, isNews: boolean): void {
  pool.add(input);
  if (isNews) tell({ kind: 'found', input: textOf(input), places: trial.places.count });
}

class Trial {
  readonly #one: FuzzOne;
  readonly #note = Buffer.alloc(NOTE_HEADER_BYTES + INPUT_BYTES_MAX);
  readonly #file = openSync(task.noteFile, 'r+');
  readonly places = new CoveredPlaces((url) =>
    /\/src\/(?:base|index|storage|broker|server|cli)\//.test(url),
  );
  tried = 0;

  constructor(one: FuzzOne) {
    this.#one = one;
  }

  /** Tries each; false when one failed, which is told. */
  async run(inputs: readonly Uint8Array[]): Promise<boolean> {
    for (const input of inputs) {
      this.tried += 1;
      this.#write(input);
      try {
        await runData(input, this.#one);
      } catch (error) {
        const cause = error instanceof FuzzFailure ? error.cause : error;
        const about = error instanceof FuzzFailure ? error.about : '';
        tell({ kind: 'failed', input: textOf(input), about: `${about}\n${inspect(cause)}` });
        return false;
      }
    }
    return true;
  }

  #write(input: Uint8Array): void {
    this.#note.writeBigUInt64LE(BigInt(this.tried), 0);
    this.#note.writeUInt32LE(input.length, 8);
    this.#note.set(input, NOTE_HEADER_BYTES);
    writeSync(this.#file, this.#note, 0, NOTE_HEADER_BYTES + input.length, 0);
  }
}

function tell(news: GuidedNews): void {
  process.send?.(news);
}

function targetNamed(name: string): Promise<FuzzOne> {
  const found = [...targets, ...canaries].find((target) => target.name === name);
  if (found === undefined) throw new RangeError(`there is no target ${name}`);
  return found.load();
}

await main(await targetNamed(task.target));
process.disconnect?.();
