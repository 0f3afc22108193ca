/**
 * Ids that were processed, over restarts: a compacted log of the broker, one for each table.
 *
 *     <id>     [form, when, milliseconds since 1970]
 *
 * In memory there are the ids of the window, bounded in number. The log lets its segments go when
 * all of their ids are older than the window, so nothing need be written to forget one.
 */

import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import type { StateEntry, StateLog } from '../state/state-log.js';
import { ExpiringIds, type IdBounds } from './expiring-ids.js';

const FORM = 1;

interface ProcessedId {
  readonly notedMs: number;
  /** False when it was processed, and storing that failed. */
  isStored: boolean;
}

export class ProcessedIds {
  readonly #state: StateLog;
  readonly #clock: Clock;
  readonly #bounds: IdBounds;
  readonly #ids = new ExpiringIds<ProcessedId>();

  private constructor(state: StateLog, clock: Clock, bounds: IdBounds) {
    this.#state = state;
    this.#clock = clock;
    this.#bounds = bounds;
  }

  static async load(state: StateLog, clock: Clock, bounds: IdBounds): Promise<ProcessedIds> {
    const ids = new ProcessedIds(state, clock, bounds);
    const times = { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    for await (const entry of state.load()) ids.#take(entry, times);
    return ids;
  }

  /** Those in memory. */
  get count(): number {
    return this.#ids.count;
  }

  /** Whether it was processed, and whether that is stored. */
  look(id: string): 'unknown' | 'processed' | 'not-stored' {
    this.#ids.expire(this.#clock.monotonicMs(), this.#bounds);
    const known = this.#ids.find(id);
    if (known === undefined) return 'unknown';
    return known.isStored ? 'processed' : 'not-stored';
  }

  /**
   * It was processed: known in memory at once, and over a restart when this resolves. What fails to
   * be stored can be tried again.
   */
  async note(id: string): Promise<void> {
    const notedMs = this.#clock.monotonicMs();
    const known = this.#ids.find(id) ?? { notedMs, isStored: false };
    if (this.#ids.find(id) === undefined) this.#ids.note(id, known);
    this.#ids.expire(notedMs, this.#bounds);
    await this.#state.append([{ key: id, value: [FORM, this.#clock.nowMs()] }]);
    known.isStored = true;
  }

  /** It was not processed after all; it counts as processed until this resolves. */
  async forget(id: string): Promise<void> {
    if (this.#ids.find(id) === undefined) return;
    await this.#state.append([{ key: id, value: null }]);
    this.#ids.forget(id);
  }

  /** It counts as not processed until the next start, whatever is stored. */
  drop(id: string): void {
    this.#ids.forget(id);
  }

  #take(
    { key, value }: StateEntry,
    { nowMs, monotonicMs }: { readonly nowMs: number; readonly monotonicMs: number },
  ): void {
    this.#ids.forget(key);
    if (value === null) return;
    const [form, processedMs] = value;
    if (typeof form === 'number' && form > FORM) {
      throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
    }
    if (typeof processedMs !== 'number') {
      throw createError('LOG_CORRUPT', { key, reason: 'a processed id is not as it was written' });
    }
    // Of a wall clock that was set back nothing is older than now.
    const notedMs = monotonicMs - Math.max(0, nowMs - processedMs);
    this.#ids.note(key, { notedMs, isStored: true });
    this.#ids.expire(monotonicMs, this.#bounds);
  }
}
