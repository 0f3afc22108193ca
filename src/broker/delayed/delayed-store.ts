/**
 * What is known of the delayed messages of one queue, in memory and stored, and its upkeep.
 *
 * One step runs at a time, whoever calls sees to that; only learning goes on meanwhile. Nothing is
 * finished in memory before that is durable, so whatever is deleted or left out because it is
 * finished stays so.
 *
 *     flush     what is in memory becomes a run, and everything that was sent until then is covered
 *     merge     runs become one
 *     snapshot  facts are stored again, the older ones go
 *     trim      messages and pages that nobody needs go
 */

import { createError } from '../../base/errors.js';
import { type OffsetRange, OffsetRanges } from '../share/share-ranges.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { DUE_MS_MAX } from './delayed-entry.js';
import { DelayedFeed } from './delayed-feed.js';
import { type DelayedPlace, readDelayedHeader } from './delayed-header.js';
import { DelayedIndex, type TakenEntries } from './delayed-index.js';
import { DelayedLedger } from './delayed-ledger.js';
import type { DelayedLimits } from './delayed-limits.js';
import { DelayedPageLog } from './delayed-page-log.js';
import { DelayedRoom } from './delayed-room.js';
import type { DelayedRun } from './delayed-run.js';
import {
  type DelayedFact,
  type FactRecord,
  factRecord,
  finishedFacts,
  readFact,
} from './delayed-state.js';

export interface StoreParts {
  readonly messages: PartitionLog;
  readonly pages: PartitionLog;
  readonly state: PartitionLog;
  readonly limits: DelayedLimits;
  /** Resolves when messages below `end` may be deleted. */
  readonly deleting?: ((messages: PartitionLog, end: number) => Promise<void>) | undefined;
  /** Something was learned, or somebody waits for room. */
  readonly learned: () => void;
  readonly failed: (error: unknown) => void;
}

/** Bytes of one append of facts, about. */
const APPEND_BYTES = 512 * 1024;
/** What a fact takes beside its value, about: a batch, and the mark of a transaction. */
const FACT_OVERHEAD_BYTES = 160;
export class DelayedStore {
  readonly messages: PartitionLog;
  readonly ledger = new DelayedLedger();
  readonly index: DelayedIndex;
  readonly room: DelayedRoom;
  readonly #parts: StoreParts;
  readonly #pages: DelayedPageLog;
  #feed: DelayedFeed;
  #covered = 0;
  /** What the run that is being written will cover. */
  #covering = 0;
  #averageBytes = 0;
  #uncoveredBytes = 0;
  /** Offsets without messages that no fact tells yet. */
  #passed = new OffsetRanges();
  #factBytes = 0;
  #snapshotBytes = 0;

  /** Reads the state; `catchUp` then reads what came after the last run. */
  static async open(parts: StoreParts): Promise<DelayedStore> {
    const store = new DelayedStore(parts);
    await store.#restore();
    return store;
  }

  private constructor(parts: StoreParts) {
    this.#parts = parts;
    this.messages = parts.messages;
    const { limits } = parts;
    this.#pages = new DelayedPageLog(parts.pages);
    const isFinished = (id: number): boolean => this.ledger.isFinished(id);
    this.index = new DelayedIndex({ store: this.#pages, isFinished, limits });
    this.room = new DelayedRoom(limits, () => this.index.heapCount, parts.learned);
    this.#feed = this.#makeFeed(0);
  }

  get covered(): number {
    return this.#covered;
  }

  /** About the bytes of one message in the log. */
  get averageBytes(): number {
    return Math.max(1, this.#averageBytes);
  }

  /** Offsets of messages that are kept, waiting or not. */
  get retained(): number {
    return Math.max(0, this.#feed.fed - this.messages.startOffset);
  }

  /** Reads what came after the last run. */
  async catchUp(): Promise<void> {
    await this.#feed.catchUp();
  }

  /** A message of a transaction was sent. */
  wake(): void {
    this.#feed.wake();
  }

  async close(): Promise<void> {
    await this.#feed.close();
  }

  /** An append of these messages has ended; `bytes`: of all of them. */
  appended(first: number, places: readonly DelayedPlace[], bytes: number): void {
    for (const [index, place] of places.entries()) {
      const offset = first + index;
      if (!this.#feed.isKnown(offset)) this.#learn(offset, place, bytes / places.length);
    }
    this.#feed.sent(first, first + places.length);
    this.#parts.learned();
  }

  /** Whether the message is known, and waits. */
  isWaiting(id: number): boolean {
    return this.#feed.isKnown(id) && !this.ledger.isFinished(id);
  }

  /** All that are known and wait. */
  waiting(): OffsetRanges {
    const waiting = new OffsetRanges();
    const { fed } = this.#feed;
    for (const { first, end } of this.ledger.waiting(0, this.messages.writtenOffset)) {
      if (first < fed) waiting.add(first, Math.min(end, fed));
      for (let id = Math.max(first, fed); id < end; id += 1) {
        if (this.#feed.isKnown(id)) waiting.add(id);
      }
    }
    return waiting;
  }

  /**
   * The record by which these have entered. `leftMs`: nothing that was taken and stays is due
   * before.
   */
  enteredFact(ranges: readonly OffsetRange[], leftMs: number): FactRecord {
    const record = factRecord({
      kind: 'finished',
      floorMs: Math.min(this.#floorMs, leftMs),
      ranges,
    });
    this.#factBytes += record.value.length + FACT_OVERHEAD_BYTES;
    return record;
  }

  /** It is durable that these are done with. */
  finished(ranges: Iterable<OffsetRange>): void {
    for (const { first, end } of ranges) this.ledger.finish(first, end);
  }

  giveBack({ dues, ids, locations }: TakenEntries): void {
    for (const [at, id] of ids.entries()) {
      if (this.ledger.isFinished(id)) continue;
      this.index.giveBack(dues[at] ?? 0, id, locations[at] ?? id);
    }
  }

  /** Stores facts: all of them or none. */
  async note(facts: Iterable<DelayedFact>): Promise<void> {
    const records = [...facts].map(factRecord);
    if (records.length === 0) return;
    await this.#parts.state.append(records);
    for (const { value } of records) this.#factBytes += value.length + FACT_OVERHEAD_BYTES;
  }

  /** Messages up to this one are durable. */
  async secure(location: number): Promise<void> {
    if (this.messages.durableOffset <= location) await this.messages.flush(location);
  }

  /** Whether a run is to be written. */
  get isFlushDue(): boolean {
    const { memoryEntries, uncoveredBytes } = this.#parts.limits;
    const { heapCount, isFlushing } = this.index;
    if (isFlushing || heapCount >= memoryEntries) return true;
    if (this.room.isWanted && heapCount >= memoryEntries / 2) return true;
    return this.#uncoveredBytes >= uncoveredBytes && this.#feed.fed > this.#covered;
  }

  async flushStep(): Promise<void> {
    if (!this.index.isFlushing) {
      this.#cover();
      this.index.freeze();
      this.room.changed();
    }
    await this.messages.flush();
    const change = await this.index.flushStep();
    if (change === undefined) return;
    const passed = this.#passed;
    this.#passed = new OffsetRanges();
    const covered = this.#covering;
    try {
      await this.note([
        ...finishedFacts(passed.ranges()),
        ...(change.added === undefined ? [] : [{ kind: 'run' as const, run: change.added }]),
        this.#coveredFact(covered),
      ]);
    } catch (error) {
      for (const { first, end } of passed.ranges()) this.#passed.add(first, end);
      throw error;
    }
    this.#covered = covered;
    this.index.adoptFlushed(change);
  }

  /** Merges a little, when there is something to merge; whether there is more. */
  async mergeStep(): Promise<boolean> {
    const change = await this.index.mergeStep();
    if (change === undefined) return this.index.isMerging;
    const numbers = change.removed.map(({ number }) => number);
    const gone: DelayedFact = { kind: 'gone', numbers };
    await this.note(
      change.added === undefined ? [gone] : [gone, { kind: 'run', run: change.added }],
    );
    this.index.adoptMerged(change);
    return this.index.isMerging;
  }

  /** Gives back what nobody needs; takes a snapshot when there are many facts. */
  async trim(): Promise<void> {
    await this.#dropRuns();
    const { factBytes, trimmedPages, trimmedBytes } = this.#parts.limits;
    const { firstNeeded } = this.index;
    if (firstNeeded >= this.#pages.startOffset + trimmedPages) {
      await this.#pages.deleteBefore(firstNeeded);
    }
    const below = Math.min(this.ledger.start, this.#covered);
    if ((below - this.messages.startOffset) * this.averageBytes >= trimmedBytes) {
      await this.deleteBefore(below);
    }
    if (this.#factBytes >= Math.max(factBytes, 2 * this.#snapshotBytes)) await this.#snapshot();
  }

  /** Messages below are done with, or there again. */
  async deleteBefore(offset: number): Promise<void> {
    await this.#parts.deleting?.(this.messages, offset);
    await this.messages.deleteRecordsBefore(offset);
  }

  /** Runs of which no entry is needed go. */
  async #dropRuns(): Promise<void> {
    const { index } = this;
    const isClear = this.ledger.count === 0 && !index.isFlushing;
    const removed = isClear ? index.runs : index.emptyRuns();
    if (removed.length === 0) return;
    await this.note([{ kind: 'gone', numbers: removed.map(({ number }) => number) }]);
    // Meanwhile something may have been sent.
    if (isClear && this.ledger.count === 0) index.clear();
    else index.adoptMerged({ removed, added: undefined });
  }

  get #floorMs(): number {
    return Math.min(this.index.floorMs, DUE_MS_MAX);
  }

  #coveredFact(covered: number): DelayedFact {
    const averageBytes = Math.round(this.#averageBytes);
    const { start } = this.ledger;
    return { kind: 'covered', covered, averageBytes, floorMs: this.#floorMs, start };
  }

  /** Notes how far everything is in the index now. */
  #cover(): void {
    this.#covering = this.#feed.fed;
    const count = this.#covering - this.#covered;
    if (count > 0 && this.#uncoveredBytes > 0) {
      const bytes = this.#uncoveredBytes / count;
      const before = this.#averageBytes;
      this.#averageBytes = before === 0 ? bytes : (3 * before + bytes) / 4;
    }
    this.#uncoveredBytes = 0;
  }

  async #snapshot(): Promise<void> {
    const facts = [
      this.#coveredFact(this.#covered),
      ...this.index.runs.map((run): DelayedFact => ({ kind: 'run', run })),
      ...finishedFacts(this.ledger.finishedRanges()),
    ].map(factRecord);
    const { state } = this.#parts;
    const bytes = facts.reduce((sum, { value }) => sum + value.length, 0);
    let first: number | undefined;
    for (const some of grouped(facts)) {
      const { baseOffset } = await state.append(some, { acks: 'written' });
      first ??= baseOffset;
    }
    await state.flush();
    this.#factBytes = 0;
    this.#snapshotBytes = bytes;
    if (first !== undefined) await state.deleteRecordsBefore(first);
  }

  async #restore(): Promise<void> {
    const { state, messages } = this.#parts;
    const runs = new Map<number, DelayedRun>();
    let floorMs = 0;
    for await (const batch of state.read()) {
      for (const { key, value, offset } of batch) {
        if (key === null || value === null) {
          throw createError('LOG_CORRUPT', { offset, expected: 'a fact about delayed messages' });
        }
        this.#factBytes += value.length + FACT_OVERHEAD_BYTES;
        const fact = readFact(key.toString(), value, offset);
        if (fact.kind === 'run') runs.set(fact.run.number, fact.run);
        else if (fact.kind === 'gone') for (const number of fact.numbers) runs.delete(number);
        else floorMs = this.#apply(fact) ?? floorMs;
      }
    }
    this.ledger.learnBelow(this.#covered);
    this.index.restore([...runs.values()], floorMs);
    const from = Math.min(Math.max(this.#covered, messages.startOffset), messages.durableOffset);
    this.#feed = this.#makeFeed(from);
  }

  #apply(fact: DelayedFact & { readonly kind: 'finished' | 'covered' }): number | undefined {
    if (fact.kind === 'finished') {
      for (const { first, end } of fact.ranges) this.ledger.pass(first, end);
    } else {
      this.#covered = Math.max(this.#covered, fact.covered);
      this.#averageBytes = fact.averageBytes;
      this.ledger.pass(0, fact.start);
    }
    return fact.floorMs;
  }

  #makeFeed(from: number): DelayedFeed {
    const { messages, learned, failed } = this.#parts;
    return new DelayedFeed(
      {
        log: messages,
        room: () => this.room.some(),
        learn: (record, bytes) => {
          const { offset, headers } = record;
          this.#learn(offset, readDelayedHeader(headers, offset), bytes);
          learned();
        },
        pass: (first, end) => this.#pass(first, end),
        failed,
      },
      from,
    );
  }

  #learn(offset: number, { dueMs, id }: DelayedPlace, bytes: number): void {
    this.#uncoveredBytes += bytes;
    if (id !== undefined) {
      this.#pass(offset, offset + 1);
      if (!this.ledger.isFinished(id)) this.index.add(dueMs, id, offset);
    } else if (!this.ledger.isFinished(offset)) {
      this.ledger.learn();
      this.index.add(dueMs, offset, offset);
    }
  }

  #pass(first: number, end: number): void {
    this.#passed.add(first, end);
    this.ledger.pass(first, end);
  }
}

function* grouped(records: readonly FactRecord[]): Generator<readonly FactRecord[]> {
  let some: FactRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    if (some.length > 0 && bytes + record.value.length > APPEND_BYTES) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(record);
    bytes += record.value.length;
  }
  if (some.length > 0) yield some;
}
