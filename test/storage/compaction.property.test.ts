/**
 * Random histories, cleaned again and again, against a model of what a compacted log must hold.
 *
 * The model knows every record that was ever appended. After each pass, records keep their place
 * and their bytes, the last value of every key is there, everything the passes know to be
 * superseded is gone, and what a reader makes of the log is a Map that fits.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import type { RecordInput } from '../../src/storage/record.js';
import type { PlainRecord } from '../support/batch-fixtures.js';
import {
  CleanableLog,
  codecsHere,
  HOUR_MS,
  NOW_MS,
  transactional,
} from '../support/compaction-fixture.js';
import { withSeed } from '../support/seed.js';

interface Producer {
  readonly id: number;
  sequence: number;
  /** Indexes into the history of records whose transaction has not ended. */
  open: Written[];
}

interface Written {
  readonly record: PlainRecord;
  isAborted: boolean;
}

const KEYS = 12;
const codecs = codecsHere();

test('random histories: cleaning loses no last value, moves nothing, and comes to an end', () =>
  withSeed((prng) => {
    for (let round = 0; round < 40; round += 1) new History(prng).run();
  }));

class History {
  readonly #prng: Prng;
  readonly #log = new CleanableLog();
  readonly #written: Written[] = [];
  readonly #producers: Producer[] = [1, 2, 3].map((id) => ({ id, sequence: 0, open: [] }));
  #nowMs = NOW_MS;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  run(): void {
    const prng = this.#prng;
    const passes = 1 + prng.integer(5);
    for (let pass = 0; pass < passes; pass += 1) {
      const segments = 1 + prng.integer(3);
      for (let segment = 0; segment < segments; segment += 1) this.#segment();
      this.#pass();
      if (prng.boolean()) this.#nowMs += prng.integer(3 * HOUR_MS);
    }
    this.#settle();
  }

  #segment(): void {
    const batches = 1 + this.#prng.integer(5);
    for (let batch = 0; batch < batches; batch += 1) this.#batch();
    this.#log.seal();
  }

  #batch(): void {
    const prng = this.#prng;
    const codec = prng.pick(codecs);
    const inputs: RecordInput[] = [];
    const count = 1 + prng.integer(8);
    for (let record = 0; record < count; record += 1) inputs.push(this.#record());
    const kind = prng.integer(4);
    const producer = prng.pick(this.#producers);
    if (kind === 0 && producer.open.length > 0) this.#end(producer);
    else if (kind <= 1) {
      const written = this.#add(inputs, transactional(producer.id, producer.sequence), codec);
      producer.open.push(...written);
      producer.sequence += count;
    } else if (kind === 2) {
      const idempotent = { producerId: 9, producerEpoch: 0, baseSequence: 0 };
      this.#add(inputs, idempotent, codec);
    } else this.#add(inputs, undefined, codec);
  }

  #record(): RecordInput {
    const prng = this.#prng;
    const key = prng.boolean(0.03) ? undefined : `key-${prng.integer(KEYS)}`;
    const value = prng.boolean(0.2)
      ? null
      : Buffer.from(prng.bytes(prng.integer(200))).toString('hex');
    const headers = prng.boolean(0.2) ? [{ key: 'h', value: 'v' }] : [];
    const timestamp = this.#nowMs - prng.integer(prng.boolean(0.2) ? 100 * HOUR_MS : 100);
    return { ...(key === undefined ? {} : { key }), value, headers, timestamp };
  }

  #add(...[inputs, producer, codec]: Parameters<CleanableLog['add']>): Written[] {
    const baseOffset = this.#log.nextOffset;
    this.#log.add(inputs, producer, codec);
    const written = inputs.map(({ key, value, headers, timestamp }, index) => ({
      isAborted: false,
      record: {
        offset: baseOffset + index,
        timestamp: timestamp ?? 0,
        key: typeof key === 'string' ? key : null,
        value: typeof value === 'string' ? value : null,
        headers: (headers ?? []).map((header) => ({ key: `${header.key}`, value: 'v' })),
      },
    }));
    this.#written.push(...written);
    return written;
  }

  #end(producer: Producer): void {
    const isAborted = this.#prng.boolean();
    for (const written of producer.open) written.isAborted = isAborted;
    producer.open = [];
    this.#log.end(producer.id, isAborted ? 'abort' : 'commit', this.#nowMs);
  }

  /** Nothing at or beyond the start of an open transaction is cleaned. */
  get #stableOffset(): number {
    const open = this.#producers.flatMap((producer) => producer.open);
    return open.reduce((least, { record }) => Math.min(least, record.offset), this.#log.nextOffset);
  }

  #pass(): void {
    const prng = this.#prng;
    const upperOffset = Math.max(this.#log.firstDirtyOffset, this.#stableOffset);
    this.#log.pass({
      upperOffset,
      nowMs: this.#nowMs,
      groupSize: 1 + prng.integer(3),
      mapBytes: prng.boolean(0.3) ? 700 : 8192,
      producerExpiryMs: prng.integer(2 * HOUR_MS),
      tombstoneRetentionMs: HOUR_MS,
    });
    this.#check();
  }

  #check(): void {
    const cleanEnd = this.#log.firstDirtyOffset;
    const records = this.#log.records();
    const byOffset = new Map(this.#written.map((written) => [written.record.offset, written]));
    let last = -1;
    for (const record of records) {
      assert.ok(record.offset > last, 'offsets rise');
      last = record.offset;
      assert.deepEqual(record, byOffset.get(record.offset)?.record, 'a record is as it was');
    }
    const present = new Set(records.map(({ offset }) => offset));
    const latest = new Map<string | null, PlainRecord>();
    for (const { record, isAborted } of this.#written) {
      const isClean = record.offset < cleanEnd;
      if (isClean && !isAborted) latest.set(record.key, record);
      if (!isClean) assert.ok(present.has(record.offset), 'what is dirty is all there');
      else if (isAborted || record.key === null) {
        assert.ok(!present.has(record.offset), `${record.offset} is aborted or has no key`);
      }
    }
    for (const [key, record] of latest) {
      if (key === null) continue;
      const kept = records.filter((other) => other.key === key && other.offset < cleanEnd);
      const offsets = kept.map(({ offset }) => offset);
      if (record.value === null && kept.length === 0) continue;
      assert.deepEqual(offsets, [record.offset], `only the last one of ${key} is there`);
    }
    assert.deepEqual(this.#log.leftovers(), []);
    this.#checkSegments();
  }

  /** Every segment covers its range to the end, and the log's batches are where it says. */
  #checkSegments(): void {
    const ends = new Set(this.#log.batches().map(({ batch }) => batch.nextOffset));
    for (const { endOffset } of this.#log.segments) assert.ok(ends.has(endOffset), `${endOffset}`);
  }

  /** With all transactions ended and time gone by, cleaning comes to rest. */
  #settle(): void {
    for (const producer of this.#producers) if (producer.open.length > 0) this.#end(producer);
    this.#add([{ key: 'last', value: 'x', timestamp: this.#nowMs }]);
    this.#log.seal();
    for (let pass = 0; this.#log.firstDirtyOffset < this.#log.nextOffset; pass += 1) {
      assert.ok(pass < 100, 'passes get on');
      this.#log.pass({ nowMs: this.#nowMs, mapBytes: 700 });
      this.#check();
    }
    for (const groupSize of [1, 100, 1, 1]) {
      this.#nowMs += 100 * HOUR_MS;
      this.#log.pass({ nowMs: this.#nowMs, groupSize, producerExpiryMs: 1 });
      this.#check();
    }
    const before = this.#log.batches().map(({ bytes }) => bytes.toString('hex'));
    const again = this.#log.pass({ nowMs: this.#nowMs, producerExpiryMs: 1 });
    assert.ok(
      again.every(({ outcome }) => outcome === 'unchanged'),
      'nothing is left to do',
    );
    assert.deepEqual(
      this.#log.batches().map(({ bytes }) => bytes.toString('hex')),
      before,
    );
    const withData = new Set<number>();
    for (const { batch, records } of this.#log.batches()) {
      assert.ok(batch.isControl || records.every((record) => record.value !== null), 'tombstones');
      if (!batch.isTransactional) continue;
      if (!batch.isControl) withData.add(batch.producerId);
      else if (!withData.delete(batch.producerId) && batch.count > 0) {
        assert.fail(`the marker at ${batch.baseOffset} outlived its transaction`);
      }
    }
  }
}
