/**
 * Sends with a deduplication id to one topic: of those with one id, one is stored.
 *
 * The id travels in the record (`deduplication-header.ts`); the window of ids in memory is built
 * from the log when the first such send comes, and kept by the sends that follow. A send whose id
 * is known resolves to the place of the first one. While the first is on its way, later ones wait:
 * when it fails, the next of them is sent in its place, so whoever gets an offset got it for a
 * record that is stored.
 */

import { abortable } from '../../base/abortable.js';
import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { Acks } from '../../storage/main.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { DeduplicationFloors } from './deduplication-floors.js';
import { encodeStoredId } from './deduplication-header.js';
import { FoundIds, type WaitingNumber } from './deduplication-loading.js';
import {
  DeduplicationWindow,
  type StoredPlace,
  WAITS,
  type WindowSlice,
} from './deduplication-window.js';
import type { IdBounds } from './expiring-ids.js';

/** A record with an id, and how it is sent. */
export interface RecordWithId {
  readonly id: string;
  readonly acks: Acks;
  readonly signal: AbortSignal | undefined;
  /** Sends it with this header value; once `after` has resolved, and not at all if it rejects. */
  send(header: string, after: Promise<void> | undefined): Promise<StoredPlace>;
  /**
   * The caller may change its memory from now on. Resolves to a bound of its size; rejects when the
   * record cannot be sent as it is.
   */
  detach(): Promise<number>;
}

export interface DeduplicatedPlace extends StoredPlace {
  /** Another record with this id was stored before. */
  readonly isDuplicate: boolean;
}

/** How many ids are kept at once. */
const KEPT_AT_ONCE = 10_000;

/** Found while the window was being built; never seen outside. */
class FoundInLog extends Error {
  readonly place: StoredPlace;

  constructor(place: StoredPlace) {
    super('the id is in the log');
    this.place = place;
  }
}

export interface TopicDeduplicationParts {
  readonly clock: Clock;
  readonly openFloors: () => Promise<DeduplicationFloors>;
  /** Where records of the topic wait for their time, with their ids; in its first partition. */
  readonly waitingRoom: () => HostedTopic | undefined;
  readonly numberOf: WaitingNumber;
  /** False: no id was ever sent to a topic of the broker. */
  readonly mayHaveIds: () => boolean;
}

export class TopicDeduplication {
  readonly #topic: HostedTopic;
  readonly #clock: Clock;
  readonly #parts: TopicDeduplicationParts;
  readonly #pending = new Map<string, Promise<unknown>>();
  #waitingCount = 0;
  #waitingBytes = 0;
  #loading: Promise<DeduplicationWindow> | undefined;
  #window: DeduplicationWindow | undefined;
  #savedEnds: readonly number[] | undefined;
  #saving: Promise<void> | undefined;
  #keeping: Promise<void> = Promise.resolve();
  /** By partition: ids of records below are kept. */
  readonly #keptBelow = new Map<number, number>();
  readonly #openedMs: { readonly nowMs: number; readonly monotonicMs: number };

  constructor(topic: HostedTopic, parts: TopicDeduplicationParts) {
    this.#topic = topic;
    this.#clock = parts.clock;
    this.#parts = parts;
    const { clock } = parts;
    this.#openedMs = { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
  }

  get topic(): HostedTopic {
    return this.#topic;
  }

  /** Ids in memory. */
  get count(): number {
    return this.#window?.count ?? 0;
  }

  send(record: RecordWithId): Promise<DeduplicatedPlace> {
    this.#window?.expire(this.#clock.monotonicMs(), this.#bounds);
    const known = this.#window?.find(record.id);
    if (known !== undefined) return this.#duplicate(known, record.acks);
    const first = this.#pending.get(record.id);
    return first === undefined ? this.#sendFirst(record) : this.#sendBehind(first, record);
  }

  /** Notes where the ids begin, so that the next open reads less. */
  async save(): Promise<void> {
    const window = this.#window;
    if (window === undefined || this.#topic.isDeleted) return;
    window.expire(this.#clock.monotonicMs(), this.#bounds);
    const ends = window.oldestEnds();
    if (ends === this.#savedEnds) return;
    this.#savedEnds = ends;
    const floors = await this.#parts.openFloors();
    await floors.note(this.#topic.definition.topicId, ends);
  }

  /**
   * Ids of records of the partition below `end`, or of those that wait (`WAITS`), are known from
   * now on also when these records are gone. They are those of transactions that have ended.
   */
  async keep(log: PartitionLog, partition: number, end: number): Promise<void> {
    if (!this.#parts.mayHaveIds()) return;
    const before = this.#keeping;
    const keeping = this.#keepNow(before, log, partition, end);
    this.#keeping = keeping.catch(ignore);
    await keeping;
  }

  async #keepNow(
    before: Promise<void>,
    log: PartitionLog,
    partition: number,
    end: number,
  ): Promise<void> {
    await before;
    const { topicId } = this.#topic.definition;
    const floors = await this.#parts.openFloors();
    const known = floors.of(topicId);
    if (known === undefined) return;
    // A wall clock that has jumped forwards must not forget ids: this one goes with the other.
    const { windowMs } = this.#bounds;
    const steadyMs = this.#openedMs.nowMs + this.#clock.monotonicMs() - this.#openedMs.monotonicMs;
    const sinceMs = Math.min(steadyMs, this.#clock.nowMs()) - windowMs;
    let from = Math.max(this.#keptBelow.get(partition) ?? 0, known[partition] ?? 0);
    while (from < end) {
      const found = this.#newFound(sinceMs);
      from = await found.readPart(log, partition, { from, end, countMax: KEPT_AT_ONCE });
      await floors.kept.keep(topicId, found.inOrder(), this.#bounds);
      this.#keptBelow.set(partition, from);
    }
  }

  get #bounds(): IdBounds {
    const { deduplicationWindowMs, deduplicationIdsMax } = this.#topic.definition.config;
    return { windowMs: deduplicationWindowMs, idsMax: deduplicationIdsMax };
  }

  async #duplicate(place: StoredPlace, acks: Acks): Promise<DeduplicatedPlace> {
    const { partition, offset } = place;
    // What lies nowhere in the topic yet is as safe as it was when it was sent.
    if (acks === 'durable' && partition >= 0) {
      // The first one may have asked for less.
      const log = await this.#topic.partition(partition);
      if (offset >= log.durableOffset) await log.flush(offset);
    }
    return { partition, offset, isDuplicate: true };
  }

  #sendFirst(record: RecordWithId): Promise<DeduplicatedPlace> {
    const turn = this.#carryOut(record);
    const over = (): void => void this.#pending.delete(record.id);
    this.#pending.set(record.id, turn.then(over, over));
    return turn;
  }

  async #carryOut(record: RecordWithId): Promise<DeduplicatedPlace> {
    const { id } = record;
    const { topicId } = this.#topic.definition;
    const header = encodeStoredId(topicId, { id, sentMs: this.#clock.nowMs() });
    let slice = this.#window === undefined ? undefined : this.#begin(this.#window);
    const lookUp = async (): Promise<void> => {
      slice = await this.#lookUp(id);
    };
    const after = slice === undefined ? lookUp() : undefined;
    try {
      // Handed over before this function returns, so sends keep the order of the calls.
      const { partition, offset } = await record.send(header, after);
      assert(slice !== undefined, 'a record is sent once its id was looked up');
      this.#noted(id, { partition, offset }, slice);
      return { partition, offset, isDuplicate: false };
    } catch (error) {
      await after?.catch(ignore);
      if (slice !== undefined) this.#window?.release(slice);
      if (error instanceof FoundInLog) return await this.#duplicate(error.place, record.acks);
      throw error;
    }
  }

  #noted(id: string, place: StoredPlace, slice: WindowSlice): void {
    assert(this.#window !== undefined, 'ids are noted in a window');
    const nowMs = this.#clock.monotonicMs();
    this.#window.note(id, place, nowMs, slice);
    this.#window.expire(nowMs, this.#bounds);
  }

  /** The window is there from here on; rejects with FoundInLog when the id is in it. */
  async #lookUp(id: string): Promise<WindowSlice> {
    const window = await this.#load();
    const known = window.find(id);
    if (known !== undefined) throw new FoundInLog(known);
    return this.#begin(window);
  }

  #begin(window: DeduplicationWindow): WindowSlice {
    const { windowMs } = this.#bounds;
    const slice = window.begin(this.#clock.monotonicMs(), windowMs, () => endsOf(this.#topic));
    // What cannot be stored now costs reading at the next open, and is tried with the next slice.
    if (window.oldestEnds() !== this.#savedEnds) this.#saving ??= this.#saveAside();
    return slice;
  }

  async #saveAside(): Promise<void> {
    try {
      await this.save();
    } catch {
      this.#savedEnds = undefined;
    } finally {
      this.#saving = undefined;
    }
  }

  async #sendBehind(first: Promise<unknown>, record: RecordWithId): Promise<DeduplicatedPlace> {
    if (this.#waitingCount >= limits.deduplicationWaitersMax) throw this.#full();
    let isWaiting = true;
    let bytes = 0;
    const detach = async (): Promise<void> => {
      const size = await record.detach();
      if (!isWaiting) return;
      bytes = size;
      this.#waitingBytes += size;
      if (this.#waitingBytes > limits.deduplicationWaitingBytesMax) throw this.#full();
    };
    this.#waitingCount += 1;
    try {
      await abortable(Promise.all([detach(), first]), record.signal);
    } finally {
      isWaiting = false;
      this.#waitingCount -= 1;
      this.#waitingBytes -= bytes;
    }
    return await this.send(record);
  }

  #full(): Error {
    const { deduplicationWaitersMax: sends, deduplicationWaitingBytesMax: bytes } = limits;
    const expected = `at most ${sends} sends and ${bytes} bytes that wait`;
    return createError('BUFFER_FULL', { topic: this.#topic.name, expected });
  }

  #load(): Promise<DeduplicationWindow> {
    this.#loading ??= this.#build(this.#clock.nowMs(), this.#clock.monotonicMs()).catch(
      (error: unknown) => {
        this.#loading = undefined;
        throw error;
      },
    );
    return this.#loading;
  }

  /** Ids count that lie in the window now: what waits for this was sent when it began, or later. */
  async #build(nowMs: number, monotonicMs: number): Promise<DeduplicationWindow> {
    try {
      return await this.#buildWindow(nowMs, monotonicMs);
    } catch (error) {
      // Closed logs are what a topic that was deleted looks like.
      this.#topic.checkOpen();
      throw error;
    }
  }

  async #buildWindow(nowMs: number, monotonicMs: number): Promise<DeduplicationWindow> {
    const topic = this.#topic;
    const { topicId } = topic.definition;
    const floors = await this.#parts.openFloors();
    const known = floors.of(topicId);
    const { windowMs } = this.#bounds;
    const found = this.#newFound(nowMs - windowMs);
    for (const partition of await topic.usedPartitions()) {
      const log = await topic.partition(partition);
      if (known !== undefined) await found.read(log, partition, known[partition] ?? 0);
    }
    await this.#findWaiting(found, nowMs - windowMs);
    // Last: what was deleted meanwhile was kept before.
    await floors.kept.find(topicId, found);
    // A log may end before its floor only when somebody has taken records away by hand.
    const ends = endsOf(topic).map((end, partition) =>
      known === undefined ? end : Math.min(end, known[partition] ?? 0),
    );
    await floors.note(topicId, ends);
    const window = new DeduplicationWindow(monotonicMs, ends);
    for (const { id, sentMs, partition, offset } of found.inOrder()) {
      const ageMs = Math.max(0, nowMs - sentMs);
      window.restore(id, { partition, offset }, monotonicMs - ageMs);
    }
    this.#savedEnds = ends;
    this.#window = window;
    return window;
  }

  #newFound(sinceMs: number): FoundIds {
    const { topicId } = this.#topic.definition;
    const { numberOf } = this.#parts;
    return new FoundIds({ topicId, sinceMs, idsMax: this.#bounds.idsMax, numberOf });
  }

  /** What waits has the time of its send: what was sent before the window is not read. */
  async #findWaiting(found: FoundIds, sinceMs: number): Promise<void> {
    const log = await this.#parts.waitingRoom()?.partition(0);
    const from = await log?.offsetOf(Math.max(sinceMs, 0));
    if (log !== undefined && from !== undefined) await found.read(log, WAITS, from);
  }
}

/** Durable ends: what is behind them cannot be taken back and its offsets given again. */
function endsOf(topic: HostedTopic): readonly number[] {
  const { partitions } = topic;
  return Array.from({ length: partitions }, (_, partition) => {
    return topic.openPartition(partition)?.durableOffset ?? 0;
  });
}

function ignore(): void {}
