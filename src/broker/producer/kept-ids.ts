/**
 * Deduplication ids whose records are gone before their window is over, such as those of messages
 * that were acknowledged: in the same compacted log as where ids begin.
 *
 *     <topic id>/<number>     [form, [[id, when it was sent, partition, offset], ...]]
 *
 * They are durable here before their records are deleted. A list is removed when the window of its
 * ids is over, or when there are as many newer ones as the window holds; in memory there is what is
 * needed to know that, and no ids.
 */

import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import type { StateEntry, StateLog, StatePart } from '../state/state-log.js';
import type { FoundId, FoundIds } from './deduplication-loading.js';
import type { IdBounds } from './expiring-ids.js';

const FORM = 1;
/** Ids in one list. */
const LIST_IDS = 1_000;

interface KeptList {
  readonly number: number;
  readonly count: number;
  /** When the newest of its ids was sent, or later: monotonic milliseconds. */
  readonly notedMs: number;
}

export class KeptIds {
  readonly #state: StateLog;
  readonly #clock: Clock;
  /** By topic, oldest first. */
  readonly #lists = new Map<string, KeptList[]>();

  constructor(state: StateLog, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** Topics of which there are ids. */
  get topicIds(): readonly string[] {
    return [...this.#lists.keys()];
  }

  /** An entry of the log, in its order; false when it is none of these. */
  take({ key, value }: StateEntry): boolean {
    const place = placeOf(key);
    if (place === undefined) return false;
    const { topicId, number } = place;
    const others = (this.#lists.get(topicId) ?? []).filter((list) => list.number !== number);
    if (value !== null) {
      const ids = idsOf(key, value);
      const newestMs = ids.reduce((newest, { sentMs }) => Math.max(newest, sentMs), 0);
      const ageMs = Math.max(0, this.#clock.nowMs() - newestMs);
      const notedMs = this.#clock.monotonicMs() - ageMs;
      others.push({ number, count: ids.length, notedMs });
      others.sort((one, other) => one.number - other.number);
    }
    if (others.length > 0) this.#lists.set(topicId, others);
    else this.#lists.delete(topicId);
    return true;
  }

  /** Resolves when they are durable; one call at a time for a topic. */
  async keep(topicId: string, ids: readonly FoundId[], bounds: IdBounds): Promise<void> {
    const lists = this.#lists.get(topicId) ?? [];
    const notedMs = this.#clock.monotonicMs();
    const entries: StateEntry[] = [];
    const added: KeptList[] = [];
    let number = (lists.at(-1)?.number ?? -1) + 1;
    for (let from = 0; from < ids.length; from += LIST_IDS) {
      const list = ids.slice(from, from + LIST_IDS);
      entries.push({ key: `${topicId}/${number}`, value: [FORM, list.map(stored)] });
      added.push({ number, count: list.length, notedMs });
      number += 1;
    }
    const left = [...lists, ...added];
    let count = left.reduce((sum, list) => sum + list.count, 0);
    for (const list of lists) {
      const isOver = notedMs - list.notedMs >= bounds.windowMs;
      if (!isOver && count - list.count < bounds.idsMax) break;
      entries.push({ key: `${topicId}/${list.number}`, value: null });
      left.shift();
      count -= list.count;
    }
    if (entries.length === 0) return;
    await this.#state.append(entries);
    if (left.length > 0) this.#lists.set(topicId, left);
    else this.#lists.delete(topicId);
  }

  /** Adds what is kept of the topic. */
  async find(topicId: string, found: FoundIds): Promise<void> {
    const lists = this.#lists.get(topicId);
    if (lists === undefined) return;
    const numbers = new Set(lists.map(({ number }) => number));
    for await (const { key, value } of this.#state.load()) {
      const place = placeOf(key);
      const isWanted = place?.topicId === topicId && numbers.has(place.number);
      if (isWanted && value !== null) found.add(idsOf(key, value));
    }
  }

  /** The topic is gone. */
  async forget(topicId: string): Promise<void> {
    const lists = this.#lists.get(topicId);
    if (lists === undefined) return;
    await this.#state.append(
      lists.map(({ number }) => ({ key: `${topicId}/${number}`, value: null })),
    );
    this.#lists.delete(topicId);
  }
}

function placeOf(key: string): { readonly topicId: string; readonly number: number } | undefined {
  const slash = key.indexOf('/');
  const number = Number(key.slice(slash + 1));
  if (slash <= 0 || !Number.isSafeInteger(number) || number < 0) return undefined;
  return { topicId: key.slice(0, slash), number };
}

function stored({ id, sentMs, partition, offset }: FoundId): StatePart {
  return [id, sentMs, partition, offset];
}

function idsOf(key: string, [form, list]: readonly StatePart[]): readonly FoundId[] {
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { key, expected: FORM, actual: form });
  }
  const reason = 'deduplication ids that were kept are not as they were written';
  if (!Array.isArray(list)) throw createError('LOG_CORRUPT', { key, reason });
  return list.map((part: StatePart): FoundId => {
    if (!isStored(part)) throw createError('LOG_CORRUPT', { key, reason });
    const [id, sentMs, partition, offset] = part;
    return { id, sentMs, partition, offset };
  });
}

function isStored(part: StatePart): part is readonly [string, number, number, number] {
  if (!Array.isArray(part) || part.length !== 4) return false;
  const [id, ...numbers] = part;
  return typeof id === 'string' && numbers.every(Number.isSafeInteger);
}
