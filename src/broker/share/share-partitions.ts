/**
 * The partitions of a share group that are in use: opened with the group, or when their logs are.
 *
 * A partition that nobody has sent to has no log, and no place here. Where a new group begins is
 * stored for all partitions in one step, so that a group begins once; those that a topic gains
 * later are read from their first message on.
 */

import { createError } from '../../base/errors.js';
import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { DeliveryLimits } from './share-delivery-options.js';
import { receiptRefused } from './share-errors.js';
import type { ShareGroupParts, ShareResetTarget } from './share-group-config.js';
import { SharePartition } from './share-partition.js';
import type { PartitionGroup, SharePartitionParts } from './share-partition-parts.js';

export interface PartitionEvents {
  readonly limits: () => DeliveryLimits;
  /** Something was read, or could not be. */
  readonly moved: (partition: SharePartition) => void;
  readonly leaseEnded: SharePartitionParts['leaseEnded'];
  /** A partition can be used. */
  readonly opened: () => void;
}

/** Read ahead by all partitions together, and by one of many at least. */
const BUFFER_BYTES = 8 * 1024 * 1024;
const BUFFER_BYTES_MAX = 1024 * 1024;
const BUFFER_BYTES_MIN = 64 * 1024;

export class SharePartitions {
  readonly #parts: ShareGroupParts;
  readonly #group: PartitionGroup;
  readonly #events: PartitionEvents;
  readonly #byNumber = new Map<number, SharePartition>();
  readonly #opening = new Map<number, Promise<void>>();
  /** Those that could not be opened when their logs were. */
  readonly #failed = new Set<number>();
  /** By their numbers. */
  #list: readonly SharePartition[] = [];
  #isClosed = false;

  constructor(parts: ShareGroupParts, group: PartitionGroup, events: PartitionEvents) {
    this.#parts = parts;
    this.#group = group;
    this.#events = events;
  }

  get list(): readonly SharePartition[] {
    return this.#list;
  }

  find(partition: number): SharePartition | undefined {
    return this.#byNumber.get(partition);
  }

  async open(startsAt: 'earliest' | 'latest'): Promise<void> {
    const used = await this.#parts.topic.usedPartitions();
    await this.#beginGroup(used, startsAt);
    await Promise.all([...used].map((partition) => this.#open(partition)));
  }

  /** The log of a partition is open: it may hold messages. */
  notice(partition: number): void {
    if (this.#isClosed) return;
    // Whoever receives next is told what went wrong, by its own attempt.
    this.#open(partition).catch(() => this.#failed.add(partition));
  }

  /** Whether all partitions that are in use can be used now. */
  get isSettled(): boolean {
    return this.#opening.size === 0 && this.#failed.size === 0;
  }

  /**
   * Resolves when all partitions that are in use can be used, to whether that took time. Throws
   * what opening throws.
   */
  async settled(): Promise<boolean> {
    for (const partition of this.#failed) this.#openAgain(partition);
    if (this.#opening.size === 0) return false;
    await Promise.all(this.#opening.values());
    return true;
  }

  /** Throws LEASE_FROZEN while a transaction has messages. */
  checkNotHeld(): void {
    const held = this.#list.find(({ state }) => state.heldCount > 0);
    if (held === undefined) return;
    const { name, topic } = this.#group;
    throw receiptRefused('frozen', {
      group: name,
      topic: topic.name,
      partition: held.partition,
      messages: held.state.heldCount,
    });
  }

  /** Resolves to how many messages were archived, once that is durable. */
  async purge(
    place: { readonly partition: number; readonly before: number } | undefined,
  ): Promise<number> {
    let count = 0;
    let flushing: Promise<void> | undefined;
    for (const partition of this.#list) {
      if (place !== undefined && place.partition !== partition.partition) continue;
      const { durableOffset } = partition.log;
      const before = Math.min(place?.before ?? durableOffset, durableOffset);
      const unfinished = partition.unfinished;
      partition.dropBelow(before);
      count += Math.max(0, unfinished - partition.unfinished);
      flushing = partition.place.flush('durable');
    }
    await flushing;
    return count;
  }

  async reset(target: ShareResetTarget): Promise<void> {
    this.checkNotHeld();
    const offsets = new Map<SharePartition, number>();
    for (const partition of this.#list) {
      const offset = await offsetOf(partition.log, partition.partition, target);
      if (offset !== undefined) offsets.set(partition, offset);
    }
    this.checkNotHeld();
    for (const [partition, offset] of offsets) {
      const part = { startOffset: offset, acknowledged: [], archived: [], attempts: [] };
      const parts = this.#partsOf(partition.partition, partition.log, partition.parked);
      const replaced = await SharePartition.replace({ parts, part }, partition);
      this.#put(replaced);
    }
  }

  /** What is owed is stored, and reading ends. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#opening.values());
    const flushing = this.#list.flatMap(({ place }) => [
      place.flush('written'),
      place.flush('durable'),
    ]);
    await Promise.allSettled(flushing);
    // What a transaction is deciding is not to be missed by whoever opens the group next; between
    // the last look and the end nothing else happens.
    for (let deciding = this.#deciding(); deciding.length > 0; deciding = this.#deciding()) {
      await Promise.all(deciding);
    }
    for (const partition of this.#list) partition.close();
  }

  #openAgain(partition: number): void {
    this.#failed.delete(partition);
    this.notice(partition);
  }

  #deciding(): readonly Promise<void>[] {
    return this.#list.flatMap((partition) => partition.deciding);
  }

  #open(partition: number): Promise<void> {
    const known = this.#opening.get(partition);
    if (known !== undefined) return known;
    if (this.#byNumber.has(partition)) return Promise.resolve();
    const opening = this.#openNow(partition).finally(() => this.#opening.delete(partition));
    this.#opening.set(partition, opening);
    return opening;
  }

  async #openNow(partition: number): Promise<void> {
    const log = await this.#parts.topic.partition(partition);
    if (this.#isClosed) return;
    const parked = await this.#parkedOf(partition);
    if (this.#isClosed) return;
    this.#put(await SharePartition.open(this.#partsOf(partition, log, parked)));
    this.#events.opened();
  }

  async #parkedOf(partition: number): Promise<SharePartitionParts['parked']> {
    const { topic, group, parking } = this.#parts;
    return await parking?.open(topic, { group, topicId: topic.definition.topicId, partition });
  }

  #put(partition: SharePartition): void {
    this.#byNumber.set(partition.partition, partition);
    this.#list = [...this.#byNumber.values()].sort((one, other) => one.partition - other.partition);
  }

  #partsOf(
    partition: number,
    log: PartitionLog,
    parked?: SharePartitionParts['parked'],
  ): SharePartitionParts {
    const { topic, group, clock, journal, config, keyOf } = this.#parts;
    const share = Math.floor(BUFFER_BYTES / topic.partitions);
    return {
      group: this.#group,
      key: { group, topicId: topic.definition.topicId, partition },
      log,
      parked,
      clock,
      journal,
      limits: this.#events.limits(),
      keyOf: config.order === 'none' ? undefined : (keyOf ?? keyOfRecord),
      bufferBytes: Math.max(BUFFER_BYTES_MIN, Math.min(BUFFER_BYTES_MAX, share)),
      moved: () => {
        const moved = this.#byNumber.get(partition);
        if (moved !== undefined) this.#events.moved(moved);
      },
      leaseEnded: this.#events.leaseEnded,
    };
  }

  /** Stores where a group that is new begins. */
  async #beginGroup(used: ReadonlySet<number>, startsAt: 'earliest' | 'latest'): Promise<void> {
    const { topic, group, journal } = this.#parts;
    const { topicId } = topic.definition;
    const keys = Array.from({ length: topic.partitions }, (_, partition) => ({
      group,
      topicId,
      partition,
    }));
    if (keys.some((key) => journal.generationOf(key) !== undefined)) return;
    const entries = keys.map(async (key) => {
      const isUsed = startsAt === 'latest' && used.has(key.partition);
      const startOffset = isUsed ? (await topic.partition(key.partition)).durableOffset : 0;
      return { key, part: { startOffset, acknowledged: [], archived: [], attempts: [] } };
    });
    await journal.beginStates(await Promise.all(entries));
  }
}

function keyOfRecord(record: LogRecord): string | undefined {
  return record.keyText;
}

/** Undefined: the target does not speak of this partition. */
async function offsetOf(
  log: PartitionLog,
  partition: number,
  target: ShareResetTarget,
): Promise<number | undefined> {
  const { startOffset, durableOffset } = log;
  if (target === 'earliest') return startOffset;
  if (target === 'latest') return durableOffset;
  if ('timestamp' in target) return (await log.offsetOf(target.timestamp)) ?? durableOffset;
  const place = target.find((each) => each.partition === partition);
  if (place === undefined) return undefined;
  const { offset } = place;
  if (Number.isSafeInteger(offset) && offset >= startOffset && offset <= durableOffset) {
    return offset;
  }
  throw createError('OFFSET_OUT_OF_RANGE', {
    partition,
    offset,
    startOffset,
    endOffset: durableOffset,
  });
}
