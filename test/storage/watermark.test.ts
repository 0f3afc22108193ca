// The watermark: two slots, of which the newer whole one counts, and every change noticed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeSlot,
  encodeWatermark,
  judgeWatermark,
  WATERMARK_BYTES,
  WATERMARK_FILE_BYTES,
  WATERMARK_SLOT_DISTANCE,
  type Watermark,
} from '../../src/storage/watermark.js';

const watermark: Watermark = {
  sequence: 5,
  bootId: 'fedcba9876543210fedcba9876543210',
  nonce: -12_345n,
  epoch: 7,
  isClean: true,
  isEverCompacted: false,
  isPoisoned: false,
  hasProducers: true,
  segmentBase: 1000,
  position: 4096,
  durableOffset: 1100,
  unsyncedBytesMax: 1 << 24,
  startOffset: 20,
  firstDirtyOffset: 30,
  epochsCrc: 0xfedc_ba98,
};

function slotOf(changes: Partial<Watermark> = {}): Uint8Array {
  const bytes = new Uint8Array(WATERMARK_BYTES);
  encodeWatermark({ ...watermark, ...changes }, bytes, 0);
  return bytes;
}

function fileOf(first: Uint8Array | undefined, second: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(WATERMARK_FILE_BYTES);
  if (first !== undefined) bytes.set(first, 0);
  if (second !== undefined) bytes.set(second, WATERMARK_SLOT_DISTANCE);
  return bytes;
}

test('slot: comes back as it was, with every flag', () => {
  assert.deepEqual(decodeSlot(slotOf(), 0), watermark);
  for (const flags of [
    { isClean: false },
    { isEverCompacted: true },
    { isPoisoned: true, isClean: false },
  ]) {
    assert.deepEqual(decodeSlot(slotOf(flags), 0), { ...watermark, ...flags });
  }
});

test('slot: every single-bit flip is noticed', () => {
  const bytes = slotOf();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(decodeSlot(changed, 0), 'unreadable', `bit ${bit}`);
  }
});

test('judge: no file is absent; an empty one, zeros and damage are unreadable', () => {
  assert.deepEqual(judgeWatermark(undefined), { kind: 'absent' });
  assert.deepEqual(judgeWatermark(new Uint8Array(0)), { kind: 'unreadable' });
  assert.deepEqual(judgeWatermark(new Uint8Array(5000)), { kind: 'unreadable' });
  const garbage = new Uint8Array(WATERMARK_FILE_BYTES).fill(7);
  assert.deepEqual(judgeWatermark(garbage), { kind: 'unreadable' });
});

test('judge: the newer slot counts, wherever it lies', () => {
  const [older, newer] = [slotOf({ sequence: 5 }), slotOf({ sequence: 6 })];
  for (const [file, slot] of [
    [fileOf(older, newer), 1],
    [fileOf(newer, older), 0],
    [fileOf(newer, undefined), 0],
    [fileOf(undefined, newer), 1],
    [newer, 0],
  ] as const) {
    const verdict = judgeWatermark(file);
    assert.ok(verdict.kind === 'present');
    assert.deepEqual(
      [verdict.slot, verdict.watermark.sequence, verdict.damagedSlot],
      [slot, 6, false],
    );
  }
});

test('judge: a damaged slot is told, and the other one counts', () => {
  const damaged = slotOf({ sequence: 9 }).fill(1, 20, 30);
  const verdict = judgeWatermark(fileOf(damaged, slotOf()));
  assert.ok(verdict.kind === 'present');
  assert.deepEqual([verdict.slot, verdict.damagedSlot], [1, true]);
  const other = judgeWatermark(fileOf(slotOf(), damaged));
  assert.ok(other.kind === 'present');
  assert.deepEqual([other.slot, other.damagedSlot], [0, true]);
});
