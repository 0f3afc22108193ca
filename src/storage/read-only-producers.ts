/**
 * Producers and transactions of a log that another process writes, as far as its watermark goes.
 *
 * The batches that have become durable are walked before readers see them, so that readers of
 * committed records stop and pass over as they do in the writer. A log without producers says so in
 * its watermark, and nothing is walked. Where the walk cannot go on, because segments were replaced
 * or cut meanwhile, it begins anew from what the files say.
 */

import { Mutex } from '../base/mutex.js';
import { scanBatches } from './batch-scan.js';
import type { LogCore, LogPosition } from './log-core.js';
import { producersBeforeActive } from './producer-loading.js';
import { readFolderWithSwaps } from './read-only-segments.js';
import { Segment } from './segment.js';
import { rebuildSegment, type SegmentContext } from './segment-loader.js';

export class FollowedProducers {
  readonly #core: LogCore;
  readonly #context: SegmentContext;
  readonly #mutex = new Mutex();
  /** Everything before it is known. */
  #place: LogPosition;

  /** `place` is how far the log was walked when it was loaded. */
  constructor(core: LogCore, place: LogPosition) {
    const { fileSystem, logId, config } = core;
    const { indexIntervalBytes } = config;
    this.#core = core;
    this.#context = { fileSystem, logId, indexIntervalBytes, epochs: undefined };
    this.#place = place;
  }

  /** Takes note of what lies before `to`; when it has no producers, that is nothing. */
  async follow(to: LogPosition, hasProducers: boolean): Promise<void> {
    await this.#mutex.run(async () => {
      if (!isBefore(this.#place, to)) return;
      if (hasProducers && !(await this.#walk(to))) await this.#loadAnew(to);
      this.#place = to;
    });
  }

  /** The writer has begun an epoch: what was walked beyond the durable end may have been cut. */
  async restart(to: LogPosition, hasProducers: boolean): Promise<void> {
    await this.#mutex.run(async () => {
      if (hasProducers) await this.#loadAnew(to);
      this.#place = to;
    });
  }

  /** False when what lies there is not what follows. */
  async #walk(to: LogPosition): Promise<boolean> {
    const { segments } = this.#core;
    let { segmentBase, position } = this.#place;
    for (;;) {
      const segment = segments.floor(segmentBase);
      if (segment.baseOffset !== segmentBase) return false;
      const isLast = segmentBase === to.segmentBase;
      if (!(await this.#walkFile(segment, position, isLast ? to.position : undefined)))
        return false;
      if (isLast) return true;
      const next = segments.after(segment);
      if (next === undefined || next.baseOffset > to.segmentBase) return false;
      segmentBase = next.baseOffset;
      position = 0;
    }
  }

  async #walkFile(segment: Segment, from: number, end: number | undefined): Promise<boolean> {
    const { producers } = this.#core;
    const nextOffset = segment.baseOffset;
    const expectation = { nextOffset, hasGaps: true, epochs: undefined };
    try {
      const file = await this.#context.fileSystem.open(segment.logPath);
      try {
        const to = end ?? (await file.size());
        if (from > to) return false;
        const walked = await scanBatches(file, { from, to }, expectation, (bytes, start) =>
          producers.note(bytes, start),
        );
        return walked.kind === 'complete';
      } finally {
        await file.close();
      }
    } catch {
      // Whoever reads there meets the error; here it says that the files have changed.
      return false;
    }
  }

  async #loadAnew(to: LogPosition): Promise<void> {
    const { fileSystem, directory } = this.#core;
    const context = this.#context;
    const folder = await readFolderWithSwaps(fileSystem, directory);
    const segments = folder.segments.filter(({ baseOffset }) => baseOffset <= to.segmentBase);
    const producers = await producersBeforeActive({ context, directory, segments });
    const last = segments.at(-1);
    if (last !== undefined) {
      const active = Segment.listed(directory, last);
      await rebuildSegment(context, active, true, to.position, producers);
    }
    this.#core.producers = producers;
  }
}

function isBefore(place: LogPosition, to: LogPosition): boolean {
  if (place.segmentBase !== to.segmentBase) return place.segmentBase < to.segmentBase;
  return place.position < to.position;
}
