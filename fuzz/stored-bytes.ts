/**
 * What the broker stores as bytes of its own, for the target of stored values: how some are drawn,
 * and what reading and writing them again gives.
 */

import type { Prng } from '../src/base/prng.js';
import {
  DELAYED_HEADER,
  delayedHeader,
  readDelayedHeader,
} from '../src/broker/delayed/delayed-header.js';
import { PAGE_ENTRIES, PageReader, PageWriter } from '../src/broker/delayed/delayed-page.js';
import { type DelayedFact, factRecord, readFact } from '../src/broker/delayed/delayed-state.js';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../src/broker/group/group-subscription-format.js';
import {
  encodeEntry,
  keyText,
  lifeEntry,
  readEntry,
} from '../src/broker/share/share-journal-format.js';
import { Batch } from '../src/storage/batch.js';
import { createBatchMemory } from '../src/storage/batch-memory.js';
import type { RecordInput } from '../src/storage/record.js';
import { batchOf } from '../test/support/batch-fixtures.js';
import { drawPart } from './stored-forms.js';

export interface StoredBytes {
  readonly name: string;
  readonly draw: (prng: Prng) => Uint8Array;
  /** The bytes that say what was read; undefined for what is none, where that is no error. */
  readonly again: (bytes: Uint8Array) => Uint8Array | undefined;
}

export const storedBytes: readonly StoredBytes[] = [
  {
    name: 'delivery journal',
    draw: (prng) => contentOf(journalEntry(drawPart(prng), prng.integer(9))),
    again: journalAgain,
  },
  {
    name: 'life of a process',
    draw: (prng) => contentOf(lifeEntry(prng.integer(2 ** 40))),
    again: (bytes) => {
      const entry = readEntry(recordOf({ key: 'life', value: bytes }));
      return entry.kind === 'life' ? contentOf(lifeEntry(entry.life)) : undefined;
    },
  },
  { name: 'fact', draw: (prng) => factBytes(drawFact(prng)), again: factAgain },
  {
    name: 'delayed header',
    draw: (prng) => {
      const id = prng.boolean() ? undefined : prng.integer(OFFSET);
      const place = { dueMs: prng.integer(2 ** 45), partition: prng.integer(2 ** 16), id };
      return contentOf(delayedHeader(place));
    },
    again: (value) => {
      const headers = [{ key: DELAYED_HEADER, value: Buffer.from(value) }];
      return contentOf(delayedHeader(readDelayedHeader(headers, OFFSET)));
    },
  },
  { name: 'page', draw: drawPage, again: pageAgain },
  {
    name: 'subscription',
    draw: (prng) =>
      encodeSubscription({
        topics: Array.from({ length: prng.integer(4) }, (_, index) => `topic ${index}`),
        owned: drawPartitions(prng),
        generation: prng.integer(100) - 1,
      }),
    again: (bytes) => {
      const read = decodeSubscription(bytes);
      return read === undefined ? undefined : encodeSubscription(read);
    },
  },
  {
    name: 'assignment',
    draw: (prng) => encodeAssignment(drawPartitions(prng)),
    again: (bytes) => {
      const read = decodeAssignment(bytes);
      return read === undefined ? undefined : encodeAssignment(read);
    },
  },
];

/** Where records of the fuzzer lie in their logs. */
const OFFSET = 1000;
const JOURNAL_KEY = { group: 'a group', topicId: 'ab'.repeat(16), partition: 3 };

function contentOf({ value }: { readonly value?: RecordInput['value'] }): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : (value ?? new Uint8Array(0));
}

/** The record as a log gives it out. */
function recordOf(input: RecordInput) {
  const bytes = batchOf([input], { baseOffset: OFFSET });
  const [record] = new Batch(createBatchMemory(bytes, 'fuzz', 0), 0);
  if (record === undefined) throw new RangeError('a batch of one record');
  return record;
}

function journalEntry(part: Parameters<typeof encodeEntry>[2], generation: number): RecordInput {
  return encodeEntry(keyText(JOURNAL_KEY), generation, part);
}

function journalAgain(bytes: Uint8Array): Uint8Array | undefined {
  const entry = readEntry(recordOf({ key: keyText(JOURNAL_KEY), value: bytes }));
  if (entry.kind !== 'state' || entry.stored === undefined) return undefined;
  return contentOf(journalEntry(entry.stored.part, entry.stored.generation));
}

/** The key of a fact decides how its value is read: it is the first byte here. */
const FACT_KEYS: readonly string[] = ['finished', 'covered', 'run', 'gone'];

function factBytes(fact: DelayedFact): Uint8Array {
  const { key, value } = factRecord(fact);
  return Uint8Array.from([FACT_KEYS.indexOf(key), ...value]);
}

function factAgain(bytes: Uint8Array): Uint8Array | undefined {
  const key = FACT_KEYS[(bytes[0] ?? 0) % FACT_KEYS.length] ?? 'gone';
  return factBytes(readFact(key, bytes.subarray(1), OFFSET));
}

function drawFact(prng: Prng): DelayedFact {
  switch (prng.integer(4)) {
    case 0:
      return { kind: 'gone', numbers: Array.from({ length: prng.integer(5) }, (_, at) => at + 1) };
    case 1:
      return {
        kind: 'covered',
        covered: prng.integer(2 ** 40),
        averageBytes: prng.integer(1000),
        floorMs: prng.integer(2 ** 40),
        start: prng.integer(1000),
      };
    case 2: {
      const pages = Array.from({ length: 1 + prng.integer(4) }, (_, at) => {
        return { offset: 10 * at + prng.integer(9), firstDueMs: 100 * at };
      });
      const entries = pages.length * 10;
      return {
        kind: 'run',
        run: { number: prng.integer(99), level: prng.integer(5), entries, pages },
      };
    }
    default: {
      const ranges = Array.from({ length: prng.integer(5) }, (_, at) => {
        return { first: 10 * at + 1, end: 10 * at + 2 + prng.integer(8) };
      });
      return prng.boolean()
        ? { kind: 'finished', ranges }
        : { kind: 'finished', floorMs: prng.integer(2 ** 40), ranges };
    }
  }
}

function drawPage(prng: Prng): Uint8Array {
  const writer = new PageWriter(PAGE_ENTRIES);
  let dueMs = prng.integer(2 ** 40);
  for (let left = 1 + prng.integer(20); left > 0; left -= 1) {
    const id = prng.integer(2 ** 30);
    writer.add(dueMs, id, prng.boolean(0.8) ? id : id + 1 + prng.integer(1000));
    dueMs += prng.integer(1000);
  }
  return writer.finish();
}

function pageAgain(bytes: Uint8Array): Uint8Array {
  const reader = new PageReader(bytes);
  const writer = new PageWriter(PAGE_ENTRIES);
  while (reader.next()) writer.add(reader.dueMs, reader.id, reader.location);
  return writer.finish();
}

function drawPartitions(prng: Prng) {
  return Array.from({ length: prng.integer(4) }, (_, partition) => ({
    topic: 'orders',
    partition,
  }));
}
