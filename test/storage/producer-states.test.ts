// What a log knows of its producers: bounds, taking back, and the bytes of a snapshot.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/base/crc32c.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotEntry,
} from '../../src/storage/producer-snapshot.js';
import { type NotedEnds, ProducerStates } from '../../src/storage/producer-states.js';
import { withSeed } from '../support/seed.js';

const NOTHING_WRITTEN: NotedEnds = { durable: 0, written: 0 };

function noteBatch(
  states: ProducerStates,
  producer: number,
  offset: number,
  ends: NotedEnds = NOTHING_WRITTEN,
  isTransactional = false,
): void {
  const producerId = BigInt(producer);
  const sequences = { baseSequence: offset, lastSequence: offset };
  const stored = { ...sequences, baseOffset: offset, lastOffset: offset };
  states.noteBatch({ producerId, producerEpoch: 0, isTransactional }, stored, 1000, ends);
}

function noteMarker(
  states: ProducerStates,
  producer: number,
  offset: number,
  isAborted: boolean,
  ends: NotedEnds = NOTHING_WRITTEN,
): void {
  const producerId = BigInt(producer);
  const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 0, isAborted, offset };
  states.noteMarker(marker, 1000, ends);
}

test('states: the one that wrote longest ago makes room, unless its transaction is open', () => {
  const states = new ProducerStates(3);
  for (const producer of [1, 2, 3]) {
    assert.ok(states.makeRoom(BigInt(producer)));
    noteBatch(states, producer, producer, NOTHING_WRITTEN, producer === 1);
  }
  assert.ok(states.makeRoom(2n));
  noteBatch(states, 2, 4);
  assert.ok(states.makeRoom(4n));
  noteBatch(states, 4, 5, NOTHING_WRITTEN, true);
  const ids = (): bigint[] => states.describe(1000).map(({ producerId }) => producerId);
  assert.deepEqual(ids(), [1n, 2n, 4n]);
  noteBatch(states, 2, 6, NOTHING_WRITTEN, true);
  assert.equal(states.makeRoom(5n), false);
  assert.ok(states.makeRoom(4n));
});

test('states: what is taken back is as if it had not been, whatever it was', async () => {
  await withSeed((prng) => {
    for (let round = 0; round < 200; round += 1) {
      const states = new ProducerStates();
      const seen: { end: number; text: string }[] = [{ end: 0, text: textOf(states) }];
      let offset = 0;
      let written = 0;
      let durable = 0;
      for (let step = 0; step < 30; step += 1) {
        const drawn = prng.integer(10);
        const producer = prng.integer(4);
        const ends = { durable, written };
        if (drawn < 6) {
          noteBatch(states, producer, offset, ends, prng.boolean(0.6));
          offset += 1;
        } else if (drawn < 8) {
          noteMarker(states, producer, offset, prng.boolean(), ends);
          offset += 1;
        } else if (drawn === 8) {
          written += prng.integer(offset - written + 1);
          durable += prng.integer(written - durable + 1);
        } else {
          states.cutTo(written);
          offset = written;
          while ((seen.at(-1)?.end ?? 0) > written) seen.pop();
          assert.equal(textOf(states), seen.at(-1)?.text);
        }
        if (drawn < 8) seen.push({ end: offset, text: textOf(states) });
      }
    }
  });
});

/** Everything that a reader or a producer can notice. */
function textOf(states: ProducerStates): string {
  const { transactions } = states;
  const producers = states
    .describe(1000)
    .map((known) => Object.values(known).join())
    .sort();
  const aborted = transactions.aborted.all.map((entry) => Object.values(entry).join());
  const all = Number.MAX_SAFE_INTEGER;
  return [...producers, '|', ...aborted, '|', transactions.stableOffset(all)].join(' ');
}

test('states: a reader stops where a transaction starts whose marker it cannot see', () => {
  const states = new ProducerStates();
  noteBatch(states, 1, 0, NOTHING_WRITTEN, true);
  noteBatch(states, 2, 1, NOTHING_WRITTEN, true);
  noteMarker(states, 1, 2, false, { durable: 2, written: 2 });
  const { transactions } = states;
  assert.deepEqual(
    [0, 1, 2, 3, 9].map((end) => transactions.stableOffset(end)),
    [0, 0, 0, 1, 1],
  );
  noteMarker(states, 2, 3, true, { durable: 2, written: 3 });
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((end) => transactions.stableOffset(end)),
    [0, 0, 0, 1, 4],
  );
});

test('states: aborted transactions are forgotten with what they were in', () => {
  const { transactions } = new ProducerStates();
  const { aborted } = transactions;
  for (let offset = 0; offset < 40; offset += 4) {
    transactions.begin(1n, offset);
    transactions.end(1n, offset + 1, offset % 8 === 0, 0);
  }
  const starts = (): number[] => aborted.all.map(({ firstOffset }) => firstOffset);
  assert.deepEqual(starts(), [0, 8, 16, 24, 32]);
  aborted.dropBefore(17);
  assert.deepEqual(starts(), [16, 24, 32]);
  aborted.dropBefore(18);
  aborted.cutTo(33);
  assert.deepEqual(starts(), [24]);
  assert.deepEqual(aborted.endingIn(0, 25), []);
  assert.deepEqual(aborted.endingIn(25, 26), aborted.all);
});

const entry: SnapshotEntry = {
  producerId: 42n,
  producerEpoch: 3,
  lastSequence: 17,
  lastOffset: 1234,
  offsetDelta: 2,
  timestamp: 1_700_000_000_000,
  coordinatorEpoch: 5,
  transactionOffset: 1200,
};

test("snapshot: the bytes are Kafka's", () => {
  const bytes = encodeSnapshot([entry]);
  const crc = crc32c(bytes, 6, bytes.length).toString(16).padStart(8, '0');
  const expected =
    `0001 ${crc} 00000001 000000000000002a 0003 00000011 00000000000004d2 00000002 ` +
    '0000018bcfe56800 00000005 00000000000004b0';
  assert.equal(Buffer.from(bytes).toString('hex'), expected.replaceAll(' ', ''));
});

test('snapshot: comes back as it was, and a flipped bit is noticed', () => {
  const marked = { ...entry, lastSequence: -1, lastOffset: -1, offsetDelta: 0 };
  const entries = [entry, { ...marked, producerId: 7n, transactionOffset: undefined }];
  const bytes = encodeSnapshot(entries);
  assert.deepEqual(decodeSnapshot(bytes), entries);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const copy = Uint8Array.from(bytes);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(decodeSnapshot(copy), 'invalid', `bit ${bit}`);
  }
  for (let count = 0; count < bytes.length; count += 1) {
    assert.equal(decodeSnapshot(bytes.subarray(0, count)), 'invalid');
  }
});

test('snapshot: what a log knew comes back from it', () => {
  const states = new ProducerStates();
  noteBatch(states, 1, 5, NOTHING_WRITTEN, true);
  noteBatch(states, 2, 6);
  noteMarker(states, 2, 7, false);
  const bytes = states.encode(1000);
  const loaded = new ProducerStates();
  const entries = bytes === undefined ? 'invalid' : decodeSnapshot(bytes);
  assert.notEqual(entries, 'invalid');
  if (entries !== 'invalid') loaded.load(entries);
  assert.deepEqual(loaded.describe(1000), states.describe(1000));
  assert.equal(loaded.transactions.stableOffset(100), 5);
  assert.equal(states.encode(1000 + 25 * 60 * 60 * 1000)?.length, 10 + 46);
});
