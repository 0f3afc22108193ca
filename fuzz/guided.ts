/**
 * Guided runs: inputs are changed where that has reached something new, in a process of its own.
 *
 * The process that tries inputs may hang, run out of memory or die; this one watches it, and then
 * says which input it was. Its heap is bounded. What it found is written down at once, so a run
 * that was ended, in whatever way, goes on where it was.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addToCorpus, INPUT_BYTES_MAX, keptCorpus, textOf, writeCorpus } from './corpus.js';
import type { GuidedNews, GuidedTask } from './guided-child.js';

export interface GuidedOptions {
  readonly target: string;
  readonly seed: number;
  /** Ends after this long, seconds. */
  readonly seconds: number;
  /** Ends when nothing new was reached for this long, seconds. */
  readonly idleSeconds: number;
  /** One input that takes longer than this has hung, seconds. */
  readonly hangSeconds: number;
  /** A folder with inputs to begin with. */
  readonly corpus: string;
  /** A folder where what is found is kept from run to run. */
  readonly folder: string;
}

export interface GuidedReport {
  readonly tried: number;
  readonly places: number;
  readonly found: number;
  readonly end: 'time is over' | 'nothing new' | 'failed';
  /** Of what failed: the input, in hexadecimal digits, and what it did. */
  readonly failure?: { readonly input: string; readonly about: string } | undefined;
}

const HEAP_MEGABYTES_MAX = 512;
const WATCH_MS = 500;
/** Before the first input modules are loaded, which takes its time on a busy machine. */
const START_SECONDS = 120;
const NOTE_HEADER_BYTES = 12;
const child = join(dirname(fileURLToPath(import.meta.url)), 'guided-child.js');

export function foundCorpus({ folder, target }: GuidedOptions): string {
  return join(folder, `${target}.txt`);
}

export async function runGuided(options: GuidedOptions): Promise<GuidedReport> {
  const run = new GuidedRun(options, false);
  return await run.end;
}

/** Writes the project's corpus anew, from it and from what was found: what reaches anything. */
export async function collectCorpus(options: GuidedOptions): Promise<GuidedReport> {
  const run = new GuidedRun(options, true);
  const report = await run.end;
  if (report.end !== 'failed') writeCorpus(keptCorpus(options.target, options.corpus), run.found);
  return report;
}

class GuidedRun {
  readonly end: Promise<GuidedReport>;
  readonly found: Uint8Array[] = [];
  readonly #options: GuidedOptions;
  readonly #isOnlyCorpus: boolean;
  readonly #scratch = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'));
  readonly #note: number;
  readonly #child: ChildProcess;
  readonly #startedMs = performance.now();
  #newsMs = performance.now();
  #tried = 0;
  #places = 0;
  #report: GuidedReport | undefined;
  /** The number of the input that was under way, and since when. */
  #underWay = { number: 0n, sinceMs: performance.now() };

  constructor(options: GuidedOptions, isOnlyCorpus: boolean) {
    this.#options = options;
    this.#isOnlyCorpus = isOnlyCorpus;
    const noteFile = join(this.#scratch, 'input');
    writeFileSync(noteFile, Buffer.alloc(NOTE_HEADER_BYTES));
    this.#note = openSync(noteFile, 'r');
    const { target, seed, corpus } = options;
    const corpora = [keptCorpus(target, corpus), foundCorpus(options)];
    const task: GuidedTask = { target, seed, corpora, noteFile, isOnlyCorpus };
    this.#child = fork(child, [JSON.stringify(task)], {
      execArgv: [`--max-old-space-size=${HEAP_MEGABYTES_MAX}`],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child.on('message', (news: GuidedNews) => this.#hear(news));
    const watch = setInterval(() => this.#watch(), WATCH_MS);
    this.end = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        clearInterval(watch);
        resolve(this.#report ?? this.#died(`ended with ${code ?? signal}`));
        closeSync(this.#note);
        rmSync(this.#scratch, { recursive: true, force: true });
      });
    });
  }

  #hear(news: GuidedNews): void {
    switch (news.kind) {
      case 'progress':
        this.#count(news.tried, news.places);
        return;
      case 'found': {
        const input = Uint8Array.from(Buffer.from(news.input, 'hex'));
        this.found.push(input);
        this.#count(this.#tried, news.places);
        this.#newsMs = performance.now();
        if (!this.#isOnlyCorpus) addToCorpus(foundCorpus(this.#options), input);
        return;
      }
      case 'failed':
        this.#finish({ end: 'failed', failure: { input: news.input, about: news.about } });
        return;
      case 'done':
        this.#count(news.tried, news.places);
        this.#finish({ end: 'nothing new' });
    }
  }

  #watch(): void {
    const nowMs = performance.now();
    const { seconds, idleSeconds, hangSeconds } = this.#options;
    const { number } = this.#lastInput();
    if (number !== this.#underWay.number) this.#underWay = { number, sinceMs: nowMs };
    const patience = number === 0n ? START_SECONDS : hangSeconds;
    if (nowMs - this.#underWay.sinceMs > patience * 1000) {
      this.#finish(this.#death(`did not come back within ${patience} s`));
    } else if (this.#isOnlyCorpus) {
      return;
    } else if (nowMs - this.#startedMs > seconds * 1000) {
      this.#finish({ end: 'time is over' });
    } else if (this.#tried > 0 && nowMs - this.#newsMs > idleSeconds * 1000) {
      this.#finish({ end: 'nothing new' });
    }
  }

  #count(tried: number, places: number): void {
    // The first inputs are worth waiting for as well.
    if (this.#tried === 0) this.#newsMs = performance.now();
    this.#tried = tried;
    this.#places = places;
  }

  #died(how: string): GuidedReport {
    return { ...this.#counts(), ...this.#death(how) };
  }

  #death(about: string) {
    return { end: 'failed', failure: { input: textOf(this.#lastInput().input), about } } as const;
  }

  #finish(how: Pick<GuidedReport, 'end' | 'failure'>): void {
    this.#report ??= { ...this.#counts(), ...how };
    this.#child.kill('SIGKILL');
  }

  #counts() {
    return { tried: this.#tried, places: this.#places, found: this.found.length };
  }

  #lastInput(): { readonly number: bigint; readonly input: Uint8Array } {
    const note = Buffer.alloc(NOTE_HEADER_BYTES + INPUT_BYTES_MAX);
    readSync(this.#note, note, 0, note.length, 0);
    const start = NOTE_HEADER_BYTES;
    const input = note.subarray(start, start + note.readUInt32LE(8));
    return { number: note.readBigUInt64LE(0), input };
  }
}
