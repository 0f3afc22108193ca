/**
 * What a case is given, and the little that all of them do.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RawWriter } from './raw-writer.js';
import { countedRow, type Extras, makeRow, type Row, type Skip, type Subject } from './row.js';
import type { Settings } from './settings.js';
import type { Comparison } from './statistics.js';

export class CaseContext {
  readonly settings: Settings;
  /** A folder of this run, removed at its end. */
  readonly folder: string;
  readonly #emit: (row: Row | Skip) => void;

  constructor(settings: Settings, folder: string, emit: (row: Row | Skip) => void) {
    this.settings = settings;
    this.folder = folder;
    this.#emit = emit;
  }

  /** The full value, or the tiny one in a smoke run. */
  size(full: number, smoke: number): number {
    return this.settings.smoke ? smoke : full;
  }

  rounds(full: number): number {
    return this.settings.rounds ?? (this.settings.smoke ? 1 : full);
  }

  /** Rounds before the first that counts. */
  get warmUps(): number {
    return this.settings.smoke ? 0 : 1;
  }

  values(usual: readonly number[]): readonly number[] {
    return this.settings.values ?? usual;
  }

  callers(usual: readonly number[]): readonly number[] {
    return this.settings.callers ?? usual;
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  remove(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  report(subject: Subject, comparison: Comparison, extras: Extras = {}): void {
    const all = { ...extras, peakMiB: peakMebibytes() };
    this.#emit(makeRow(subject, comparison, all, !this.settings.smoke));
  }

  /** Something cannot be measured here; that is no failure. */
  skip(skipped: Skip): void {
    this.#emit(skipped);
  }

  reportCounted(
    subject: Subject,
    counted: { readonly ours: number; readonly raw: number },
    extras: Extras = {},
  ): void {
    this.#emit(countedRow(subject, counted, extras, !this.settings.smoke));
  }
}

/** The most memory that this process has held so far, both sides and the records included. */
function peakMebibytes(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

/** Times `work` in milliseconds. */
export async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** Runs work with a writer that ends with it. */
export async function withWriter<Result>(
  writer: RawWriter,
  work: (writer: RawWriter) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(writer);
  } finally {
    await writer.end();
  }
}
