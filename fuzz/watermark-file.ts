/**
 * The watermark file with changes in either slot, one part of the `side-files` target.
 */

import assert from 'node:assert/strict';
import { writeUint32 } from '../src/base/bytes.js';
import { crc32c } from '../src/base/crc32c.js';
import type { Prng } from '../src/base/prng.js';
import {
  encodeWatermark,
  judgeWatermark,
  WATERMARK_BYTES,
  WATERMARK_FILE_BYTES,
  WATERMARK_SLOT_DISTANCE,
  type Watermark,
  watermarkLayout,
} from '../src/storage/watermark.js';
import type { FuzzEvent } from './event.js';
import { isSameBytes, mutate, mutateWithin } from './mutate.js';

const CRC_POSITION = watermarkLayout.at(-1) ?? 0;

/** Two slots as a log leaves them, one of them or the whole file changed. */
export function tryWatermarkFile(event: FuzzEvent): void {
  const { prng } = event;
  const slots = [drawWatermark(prng), drawWatermark(prng)];
  const original = new Uint8Array(WATERMARK_FILE_BYTES);
  for (const [slot, mark] of slots.entries()) {
    encodeWatermark(mark, original, slot * WATERMARK_SLOT_DISTANCE);
  }
  if (prng.boolean(0.2)) {
    tryRestamped(event, original);
    return;
  }
  const bytes = change(prng, original);
  event.input(bytes.subarray(0, WATERMARK_BYTES), 'the first slot of a watermark');
  const verdict = judgeWatermark(bytes);
  event.met(`watermark ${verdict.kind}`);
  const whole = slots.filter((_, slot) => isWhole(slot, original, bytes));
  const newest = Math.max(...whole.map(({ sequence }) => sequence));
  if (verdict.kind !== 'present') {
    assert.equal(verdict.kind, 'unreadable');
    assert.equal(whole.length, 0, 'a whole slot was not believed');
    return;
  }
  const mark = slots[verdict.slot];
  assert.deepEqual(verdict.watermark, mark, 'a slot is what was written');
  assert.equal(verdict.watermark.sequence, newest, 'the newer whole slot counts');
  if (verdict.damagedSlot) event.met('watermark with a damaged slot');
}

/** A checksum made to fit: what is accepted is written as it was read. */
function tryRestamped(event: FuzzEvent, original: Uint8Array): void {
  const bytes = mutateWithin(event.prng, original.subarray(0, WATERMARK_BYTES), 0, CRC_POSITION);
  writeUint32(bytes, CRC_POSITION, crc32c(bytes, 0, CRC_POSITION));
  event.input(bytes, 'a watermark slot under a checksum that fits');
  const verdict = judgeWatermark(bytes);
  event.met(`watermark restamped ${verdict.kind}`);
  if (verdict.kind !== 'present') return;
  const again = new Uint8Array(WATERMARK_BYTES);
  encodeWatermark(verdict.watermark, again, 0);
  assert.ok(isSameBytes(again, bytes), 'a watermark means what its bytes say');
}

function change(prng: Prng, original: Uint8Array): Uint8Array {
  if (prng.boolean(0.2)) return mutate(prng, original);
  const start = prng.pick([0, WATERMARK_SLOT_DISTANCE]);
  return mutateWithin(prng, original, start, start + WATERMARK_BYTES);
}

function isWhole(slot: number, original: Uint8Array, bytes: Uint8Array): boolean {
  const start = slot * WATERMARK_SLOT_DISTANCE;
  const end = start + WATERMARK_BYTES;
  return isSameBytes(original.subarray(start, end), bytes.subarray(start, end));
}

function drawWatermark(prng: Prng): Watermark {
  const startOffset = prng.integer(2 ** 40);
  return {
    sequence: prng.integer(2 ** 50),
    bootId: Buffer.from(prng.bytes(16)).toString('hex'),
    nonce: BigInt(prng.integer(2 ** 52)) - 2n ** 51n,
    epoch: prng.integer(1000),
    isClean: prng.boolean(),
    isEverCompacted: prng.boolean(),
    isPoisoned: prng.boolean(),
    hasProducers: prng.boolean(),
    segmentBase: prng.integer(2 ** 40),
    position: prng.integer(2 ** 31),
    durableOffset: startOffset + prng.integer(1000),
    unsyncedBytesMax: prng.integer(2 ** 30),
    startOffset,
    firstDirtyOffset: startOffset,
    epochsCrc: prng.integer(2 ** 32),
  };
}
