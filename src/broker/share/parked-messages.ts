/**
 * Messages of one partition that nobody finished for long: a copy of each lies elsewhere, so that
 * the log before the others can be deleted. A copy has the offset of its message, whose receipts,
 * counts and order stay what they are.
 *
 * A topic that others own is only read: nothing is written to it or deleted from it. There a copy
 * outlives what the topic itself keeps.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { ParkedLog } from './parked-log.js';
import { offsetsToPark, PARKED_AT_ONCE } from './parking-decision.js';
import { parkingDiagnostics } from './parking-diagnostics.js';
import type { DeliveryKey } from './share-journal-format.js';
import type { ParkedRecords } from './share-parked.js';
import { readOffsets } from './share-read.js';

/** The first unfinished message is let be for so long. */
export const STUCK_MS = 60_000;
/** Copies of one partition in a group. */
const PARKED_MAX = 10_000;

/** What is looked at: a delivery state, its log, and its place in the journal. */
export interface ParkablePartition {
  readonly log: PartitionLog;
  readonly state: ParkableState;
  /** `flush` resolves when everything that is finished is durably so. */
  readonly place: { flush(acks: 'durable'): Promise<void> };
}

export interface ParkableState {
  readonly startOffset: number;
  readonly endOffset: number;
  isKnown(offset: number): boolean;
  isFinished(offset: number): boolean;
  readonly ledger: { firstUnfinishedFrom(offset: number): number };
}

export class ParkedMessages implements ParkedRecords {
  readonly #key: DeliveryKey;
  readonly #parked: ParkedLog;
  readonly #clock: Clock;
  readonly #segmentBytes: () => number;
  #copies: ReadonlyMap<number, number>;
  #rising: readonly number[] | undefined;
  /** The first unfinished message, and since when it has been that. */
  #stuck = { offset: -1, sinceMs: 0 };
  #looking: Promise<void> | undefined;

  constructor(key: DeliveryKey, parked: ParkedLog, clock: Clock, segmentBytes: () => number) {
    this.#key = key;
    this.#parked = parked;
    this.#clock = clock;
    this.#segmentBytes = segmentBytes;
    this.#copies = parked.copiesOf(key);
  }

  get count(): number {
    return this.#copies.size;
  }

  has(offset: number): boolean {
    return this.#copies.has(offset);
  }

  offsets(): readonly number[] {
    this.#rising ??= [...this.#copies.keys()].sort((one, other) => one - other);
    return this.#rising;
  }

  async read(offset: number): Promise<LogRecord | undefined> {
    const copy = this.#copies.get(offset);
    return copy === undefined ? undefined : await this.#parked.read(offset, copy);
  }

  /**
   * Gives back copies of what is finished, and parks what is stuck, when it is worth it. To be
   * called now and then. Never rejects: what fails is told, and left to the next look.
   */
  look(partition: ParkablePartition): Promise<void> {
    this.#looking ??= this.#look(partition)
      .catch((cause: unknown) => {
        const { group, topicId, partition: number } = this.#key;
        parkingDiagnostics.failed.publish({ group, topicId, partition: number, cause });
      })
      .finally(() => {
        this.#rising = undefined;
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async #look(partition: ParkablePartition): Promise<void> {
    const { state } = partition;
    const finished = this.offsets().filter((offset) => state.isFinished(offset));
    if (finished.length > 0) {
      // Who would have to deliver it again after a crash still needs the copy.
      await partition.place.flush('durable');
      await this.#parked.giveBack(this.#key, finished);
    }
    if (!this.#isStuck(state)) return;
    const offsets = offsetsToPark({
      logBytes: await partition.log.bytes(),
      logOffsets: partition.log.writtenOffset - partition.log.startOffset,
      segmentBytes: this.#segmentBytes(),
      unfinished: this.#unfinished(state),
      end: state.endOffset,
      room: PARKED_MAX - this.count,
    });
    if (offsets.length > 0) await this.#park(partition, offsets);
  }

  async #park({ log, state }: ParkablePartition, offsets: readonly number[]): Promise<void> {
    const records: LogRecord[] = [];
    await readOffsets(log, offsets, (record) => {
      if (!state.isFinished(record.offset)) records.push(record.copy());
    });
    await this.#parked.park(this.#key, records);
    this.#rising = undefined;
    const { group, topicId, partition } = this.#key;
    const messages = records.length;
    parkingDiagnostics.parked.publish({ group, topicId, partition, messages });
  }

  /** Whether the first message that is not parked has been the first for long. */
  #isStuck(state: ParkableState): boolean {
    const [offset] = this.#unfinished(state);
    const nowMs = this.#clock.monotonicMs();
    if (offset !== this.#stuck.offset) this.#stuck = { offset: offset ?? -1, sinceMs: nowMs };
    return offset !== undefined && nowMs - this.#stuck.sinceMs >= STUCK_MS;
  }

  /** Known, unfinished and not parked, from the first one on; a few more than are ever parked. */
  *#unfinished(state: ParkableState): Generator<number, void, undefined> {
    let offset = state.ledger.firstUnfinishedFrom(state.startOffset);
    for (let given = 0; given <= PARKED_AT_ONCE && state.isKnown(offset); ) {
      if (!this.has(offset)) {
        yield offset;
        given += 1;
      }
      offset = state.ledger.firstUnfinishedFrom(offset + 1);
    }
  }
}

/** What a delivery state is offered of parked messages when it is opened. */
export interface ParkedTarget extends Pick<ParkableState, 'startOffset' | 'isFinished'> {
  offer(first: number, end: number): void;
  offerKeyed(offset: number, key: string): boolean;
  skip(first: number, end: number): void;
}

/**
 * Offers the parked messages below `logStart`, where the log begins now; there is nothing else to
 * give out below it. At most 10,000 of them: as many keys always find room in a new state.
 */
export async function offerParked(
  target: ParkedTarget,
  parked: ParkedRecords,
  keyOf: ((record: LogRecord) => string | undefined) | undefined,
  logStart: number,
): Promise<void> {
  let from = target.startOffset;
  for (const offset of parked.offsets()) {
    if (offset >= logStart) break;
    if (offset < from || target.isFinished(offset)) continue;
    const record = keyOf === undefined ? undefined : await parked.read(offset);
    const key = record === undefined ? undefined : keyOf?.(record);
    target.skip(from, offset);
    if (key === undefined) target.offer(offset, offset + 1);
    else assert(target.offerKeyed(offset, key), 'a new state has room for the parked messages');
    from = offset + 1;
  }
  target.skip(from, logStart);
}
