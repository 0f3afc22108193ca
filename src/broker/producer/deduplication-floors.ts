/**
 * Where each topic's deduplication ids may begin, over restarts: a compacted log of the broker.
 *
 *     <topic id>     [form, [offset of partition 0, of partition 1, ...]]
 *
 * No record with an id that is in its window lies below these offsets; a partition beyond the list
 * may hold some from its first record on. The first entry of a topic is durable before the first id
 * is sent, so a topic without one holds none. A later entry only spares reading: that it is old, or
 * was lost, costs time and nothing else.
 */

import { createError } from '../../base/errors.js';
import type { StateEntry, StateLog } from '../state/state-log.js';
import type { KeptIds } from './kept-ids.js';

const FORM = 1;

export class DeduplicationFloors {
  readonly #state: StateLog;
  readonly #floors = new Map<string, readonly number[]>();
  /** Ids whose records are gone. */
  readonly kept: KeptIds;

  private constructor(state: StateLog, kept: KeptIds) {
    this.#state = state;
    this.kept = kept;
  }

  /** `topicIds` are those of today: what was noted of others is removed. */
  static async load(
    state: StateLog,
    kept: KeptIds,
    topicIds: ReadonlySet<string>,
  ): Promise<DeduplicationFloors> {
    const floors = new DeduplicationFloors(state, kept);
    for await (const entry of state.load()) {
      if (!kept.take(entry)) floors.#take(entry);
    }
    const known = new Set([...floors.#floors.keys(), ...kept.topicIds]);
    for (const topicId of known) if (!topicIds.has(topicId)) await floors.forget(topicId);
    return floors;
  }

  /** Undefined when no id was ever sent to the topic. */
  of(topicId: string): readonly number[] | undefined {
    return this.#floors.get(topicId);
  }

  /** Resolves when it is durable. */
  async note(topicId: string, offsets: readonly number[]): Promise<void> {
    const known = this.#floors.get(topicId);
    if (known?.length === offsets.length && known.every((at, i) => at === offsets[i])) return;
    await this.#state.append([{ key: topicId, value: [FORM, offsets] }]);
    this.#floors.set(topicId, offsets);
  }

  /** The topic is gone. */
  async forget(topicId: string): Promise<void> {
    await this.kept.forget(topicId);
    if (!this.#floors.delete(topicId)) return;
    await this.#state.append([{ key: topicId, value: null }]);
  }

  #take({ key, value }: StateEntry): void {
    if (value === null) {
      this.#floors.delete(key);
      return;
    }
    const [form, offsets] = value;
    if (typeof form === 'number' && form > FORM) {
      throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
    }
    if (!isOffsets(offsets)) {
      const reason = 'where deduplication ids begin is not as it was written';
      throw createError('LOG_CORRUPT', { key, reason });
    }
    this.#floors.set(key, offsets);
  }
}

function isOffsets(value: unknown): value is readonly number[] {
  if (!Array.isArray(value)) return false;
  return value.every((offset) => Number.isSafeInteger(offset) && Number(offset) >= 0);
}
