/**
 * Which places of the product were carried out, as V8 counts them within this process.
 *
 * A place is a function or a block, named by its file and where it begins and ends. Counting is
 * exact and goes on while the code is compiled; asking costs milliseconds, so one asks after some
 * events, not after each.
 */

import assert from 'node:assert/strict';
import { type Profiler, Session } from 'node:inspector';

export class CoveredPlaces {
  readonly #session = new Session();
  readonly #isOurs: (url: string) => boolean;
  readonly #covered = new Set<string>();
  #seen: readonly string[] = [];

  /** Counts what lies in files for which `isOurs` holds, from now on. */
  constructor(isOurs: (url: string) => boolean) {
    this.#isOurs = isOurs;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  get count(): number {
    return this.#covered.size;
  }

  /** Whether anything was carried out since the last look and never before; notes nothing. */
  hasNews(): boolean {
    this.#seen = this.#places();
    return this.#seen.some((place) => !this.#covered.has(place));
  }

  /** How many places were carried out since the last look and never before; notes them. */
  take(): number {
    return this.#note(this.#places());
  }

  /** Notes what the last {@link hasNews} saw: what happens once in a process comes never again. */
  settle(): void {
    this.#note(this.#seen);
    this.#seen = [];
  }

  #note(places: readonly string[]): number {
    const before = this.#covered.size;
    for (const place of places) this.#covered.add(place);
    return this.#covered.size - before;
  }

  #places(): string[] {
    let taken: readonly Profiler.ScriptCoverage[] | undefined;
    // The answer comes within the call: the session is with this thread.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      assert.equal(error, null);
      taken = result;
    });
    assert.ok(taken !== undefined, 'coverage is counted at once');
    const places: string[] = [];
    for (const { url, functions } of taken) {
      if (!this.#isOurs(url)) continue;
      for (const { ranges } of functions) addPlaces(places, url, ranges);
    }
    return places;
  }
}

function addPlaces(places: string[], url: string, ranges: readonly Profiler.CoverageRange[]): void {
  for (const { startOffset, endOffset, count } of ranges) {
    if (count > 0) places.push(`${url}:${startOffset}-${endOffset}`);
  }
}
