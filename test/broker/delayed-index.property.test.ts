// The index of delayed messages against a sorted list: pages, the heap, runs, merges, restarts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MillraceError } from '../../src/base/errors.js';
import type { Prng } from '../../src/base/prng.js';
import { DUE_MS_MAX } from '../../src/broker/delayed/delayed-entry.js';
import { DelayedHeap } from '../../src/broker/delayed/delayed-heap.js';
import { DelayedIndex } from '../../src/broker/delayed/delayed-index.js';
import { PAGE_ENTRIES, PageReader, PageWriter } from '../../src/broker/delayed/delayed-page.js';
import type { DelayedRun, PageStore } from '../../src/broker/delayed/delayed-run.js';
import { testRuns, testSeed, withSeed } from '../support/seed.js';

interface Entry {
  readonly dueMs: number;
  readonly id: number;
  readonly location: number;
}

const entries = fc.array(
  fc
    .record({
      dueMs: fc.oneof(fc.nat(50), fc.nat(2 ** 31), fc.constant(DUE_MS_MAX)),
      id: fc.oneof(fc.nat(50), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 2_000 })),
      movedBy: fc.oneof(fc.constant(0), fc.nat(1_000)),
    })
    .map(({ dueMs, id, movedBy }): Entry => ({ dueMs, id, location: id + movedBy })),
  { maxLength: 300 },
);

function inOrder(one: Entry, other: Entry): number {
  return one.dueMs - other.dueMs || one.id - other.id || other.location - one.location;
}

test('delayed page: entries are read as they were written', () => {
  fc.assert(
    fc.property(entries, (given) => {
      const sorted = [...given].sort(inOrder);
      if (sorted.length === 0) return;
      const writer = new PageWriter(PAGE_ENTRIES);
      for (const { dueMs, id, location } of sorted) writer.add(dueMs, id, location);
      assert.equal(writer.firstDueMs, sorted[0]?.dueMs);
      const reader = new PageReader(writer.finish());
      const read: Entry[] = [];
      while (reader.next()) {
        const { dueMs, id, location } = reader;
        read.push({ dueMs, id, location });
      }
      assert.deepEqual(read, sorted);
      assert.equal(writer.count, 0);
    }),
    { seed: testSeed() },
  );
});

test('delayed page: whatever the bytes are, reading ends, or tells that they are damaged', () => {
  const writer = new PageWriter(PAGE_ENTRIES);
  for (let id = 0; id < 40; id += 1) writer.add(id * 1_000, id * 7, id * 7 + (id % 3));
  const page = writer.finish();
  fc.assert(
    fc.property(fc.nat(page.length - 1), fc.nat(255), fc.nat(page.length), (at, byte, end) => {
      const bytes = Buffer.from(page.subarray(0, end));
      if (at < bytes.length) bytes[at] = byte;
      try {
        const reader = new PageReader(bytes);
        for (let count = 0; reader.next(); count += 1) assert(count < PAGE_ENTRIES);
      } catch (error) {
        assert(error instanceof MillraceError, String(error));
        assert(['LOG_CORRUPT', 'FORMAT_UNSUPPORTED'].includes(error.code));
      }
    }),
    { seed: testSeed() },
  );
});

test('delayed heap: the earliest entry comes first', () => {
  fc.assert(
    fc.property(entries, (given) => {
      const heap = new DelayedHeap();
      for (const { dueMs, id, location } of given) heap.push(dueMs, id, location);
      const sorted = heap.drain();
      const taken: Entry[] = [];
      for (; !sorted.isEmpty; sorted.step()) {
        const { dueMs, id, location } = sorted;
        taken.push({ dueMs, id, location });
      }
      assert.deepEqual(taken, [...given].sort(inOrder));
      assert.equal(heap.count, 0);
    }),
    { seed: testSeed() },
  );
});

/** Pages in memory; nothing below the start can be read. */
class MemoryPages implements PageStore {
  readonly #pages: (Uint8Array | undefined)[] = [];
  startOffset = 0;
  reads = 0;
  isFailing = false;

  get endOffset(): number {
    return this.#pages.length;
  }

  async append(page: Uint8Array): Promise<number> {
    if (this.isFailing) throw new Error('planned');
    return this.#pages.push(page) - 1;
  }

  async flush(): Promise<void> {
    if (this.isFailing) throw new Error('planned');
  }

  async read(offset: number): Promise<Uint8Array> {
    this.reads += 1;
    const page = this.#pages[offset];
    assert(page !== undefined, `page ${offset} is needed`);
    return page;
  }

  async deleteBefore(offset: number): Promise<void> {
    for (; this.startOffset < offset; this.startOffset += 1) {
      this.#pages[this.startOffset] = undefined;
    }
  }
}

/** The index, a plain list beside it, and what would be stored. */
class IndexWorld {
  readonly #prng: Prng;
  readonly #pages = new MemoryPages();
  readonly #pageEntries: number;
  readonly #finished = new Set<number>();
  readonly #waiting = new Map<number, Entry>();
  /** What waited when messages were last taken, in order; and what was learned since. */
  #ordered: Entry[] = [];
  #learned: Entry[] = [];
  #index: DelayedIndex;
  #runs: readonly DelayedRun[] = [];
  #floorMs = 0;
  /** In no run that is noted: learned again after a restart. */
  #uncovered: Entry[] = [];
  #flushing: Entry[] = [];
  #nextId = 0;
  #nowMs = 1_000;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#pageEntries = prng.pick([3, 20, PAGE_ENTRIES]);
    this.#index = this.#make();
  }

  async step(): Promise<void> {
    const prng = this.#prng;
    const kind = prng.integer(20);
    this.#pages.isFailing = prng.integer(8) === 0;
    if (kind < 7) this.#add(1 + prng.integer(prng.integer(10) === 0 ? 3 * this.#pageEntries : 30));
    else if (kind < 8) this.#copy();
    else if (kind < 9) this.#cancel();
    else if (kind < 13) await this.#take();
    else if (kind < 16) await failable(() => this.#flush());
    else if (kind < 18) await failable(() => this.#merge());
    else if (kind < 19) await this.#trim();
    else this.#restart();
    this.#pages.isFailing = false;
  }

  async end(): Promise<void> {
    this.#nowMs = DUE_MS_MAX;
    while (this.#waiting.size > 0) {
      const before = this.#waiting.size;
      await this.#take(true);
      assert(this.#waiting.size < before, 'what waits is taken');
    }
    assert.equal((await this.#index.take(DUE_MS_MAX, 10)).ids.length, 0);
  }

  #make(): DelayedIndex {
    const isFinished = (id: number): boolean => this.#finished.has(id);
    const limits = { pageEntries: this.#pageEntries, mergedRuns: 4, keptPages: 4 };
    return new DelayedIndex({ store: this.#pages, isFinished, limits });
  }

  #add(count: number): void {
    const spread = this.#prng.integer(3) === 0 ? 50 : 100_000;
    for (let added = 0; added < count; added += 1) {
      const id = this.#nextId;
      this.#nextId += 1 + this.#prng.integer(3);
      this.#learn({ dueMs: this.#nowMs + this.#prng.integer(spread) - 20, id, location: id });
    }
  }

  #learn(entry: Entry): void {
    this.#waiting.set(entry.id, entry);
    this.#learned.push(entry);
    this.#uncovered.push(entry);
    this.#index.add(entry.dueMs, entry.id, entry.location);
  }

  /** A message that waits is appended again, at another place. */
  #copy(): void {
    const known = [...this.#waiting.values()].slice(0, 20);
    const entry = known[this.#prng.integer(Math.max(1, known.length))];
    if (entry === undefined) return;
    this.#nextId += 1;
    this.#learn({ ...entry, location: this.#nextId });
    this.#nextId += 1;
  }

  #cancel(): void {
    const ids = [...this.#waiting.keys()];
    for (let count = 0; count < 10; count += 1) {
      const id = ids[this.#prng.integer(Math.max(1, ids.length))];
      if (id === undefined || !this.#waiting.delete(id)) continue;
      this.#finished.add(id);
    }
  }

  async #take(isEnd = false): Promise<void> {
    this.#nowMs += isEnd ? 0 : this.#prng.integer(5_000);
    const max = isEnd ? 5_000 : 1 + this.#prng.integer(200);
    const { dues, ids, locations } = await this.#index.take(this.#nowMs, max);
    const taken = ids.map((id, at) => ({ dueMs: dues[at], id, location: locations[at] }));
    const due = this.#due();
    assert.deepEqual(taken, due.slice(0, max));
    const kept = isEnd ? taken.length : this.#prng.integer(taken.length + 1);
    for (const [at, { dueMs = 0, id, location = 0 }] of taken.entries()) {
      if (at >= kept) this.#index.giveBack(dueMs, id, location);
      else {
        this.#finished.add(id);
        this.#waiting.delete(id);
      }
    }
    assert(this.#index.floorMs <= (due[kept]?.dueMs ?? Number.POSITIVE_INFINITY));
    this.#floorMs = Math.min(this.#index.floorMs, DUE_MS_MAX);
  }

  /** What waits and is due, in order. */
  #due(): Entry[] {
    const known = [...this.#ordered, ...this.#learned];
    this.#learned = [];
    // Most are in order already: sorting them again costs little.
    this.#ordered = known.filter((one) => this.#waiting.get(one.id) === one).sort(inOrder);
    const end = this.#ordered.findIndex(({ dueMs }) => dueMs > this.#nowMs);
    return end === -1 ? this.#ordered : this.#ordered.slice(0, end);
  }

  async #flush(): Promise<void> {
    if (!this.#index.isFlushing) {
      this.#flushing = this.#uncovered;
      this.#uncovered = [];
      this.#index.freeze();
    }
    const change = await this.#index.flushStep();
    if (change === undefined) return;
    this.#floorMs = Math.min(this.#index.floorMs, DUE_MS_MAX);
    this.#flushing = [];
    this.#index.adoptFlushed(change);
    this.#runs = this.#index.runs;
  }

  async #merge(): Promise<void> {
    const change = await this.#index.mergeStep();
    if (change === undefined) return;
    this.#index.adoptMerged(change);
    this.#runs = this.#index.runs;
  }

  async #trim(): Promise<void> {
    const removed = this.#index.emptyRuns();
    if (removed.length > 0) this.#index.adoptMerged({ removed, added: undefined });
    this.#runs = this.#index.runs;
    await this.#pages.deleteBefore(this.#index.firstNeeded);
  }

  #restart(): void {
    this.#index = this.#make();
    this.#index.restore(this.#runs, this.#floorMs);
    const again = [...this.#flushing, ...this.#uncovered];
    this.#flushing = [];
    this.#uncovered = again;
    for (const { dueMs, id, location } of again) {
      if (!this.#finished.has(id)) this.#index.add(dueMs, id, location);
    }
  }
}

async function failable(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error) || error.message !== 'planned') throw error;
  }
}

test('delayed index: what is due comes in order, once, whatever is merged', async () => {
  await withSeed(async (prng) => {
    for (let run = 0; run < testRuns(12); run += 1) {
      const world = new IndexWorld(prng);
      for (let step = 0; step < 400; step += 1) await world.step();
      await world.end();
    }
  });
});
