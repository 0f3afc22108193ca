/**
 * The two indexes of a segment against plain arrays: decoding changed files, and looking up.
 *
 * A decoder written here from the format's description says which bytes are an index; what it
 * accepts must come out as the same entries and, written again, as the same bytes. The indexes have
 * no checksum of their own, so bytes that still rise are accepted; the seal tells those apart.
 */

import assert from 'node:assert/strict';
import type { Prng } from '../src/base/prng.js';
import { OffsetIndex } from '../src/index/offset-index.js';
import { TimeIndex } from '../src/index/time-index.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { isSameBytes, mutate } from './mutate.js';

type Entry = readonly [first: number, second: number];

const LOOKUPS = 8;
const SPARE_BYTES = 64 * 1024;

export function tryOffsetIndex(event: FuzzEvent): void {
  const entries = drawRising(event.prng, 2 ** 31 - 1, 2 ** 31 - 1);
  const index = new OffsetIndex(event.prng.integer(4));
  for (const [relative, position] of entries) index.append(relative, position);
  checkOffsets(event, index, entries);
  const segmentBytes = (entries.at(-1)?.[1] ?? 0) + 1 + event.prng.integer(100);
  const bytes = event.prng.boolean(0.1) ? index.encode() : mutate(event.prng, index.encode());
  event.input(bytes, `.index of a segment of ${segmentBytes} bytes`);
  const decoded = boundedMemory(4 * bytes.length + SPARE_BYTES, () =>
    OffsetIndex.decode(bytes, segmentBytes),
  );
  const expected = decodeOffsets(bytes, segmentBytes);
  event.met(decoded === 'invalid' ? 'invalid' : 'accepted');
  assert.equal(decoded === 'invalid', expected === 'invalid', 'the model agrees');
  if (decoded === 'invalid' || expected === 'invalid') return;
  assert.ok(isSameBytes(decoded.encode(), bytes), 'an index is written as it was read');
  checkOffsets(event, decoded, expected);
  const cutAt = event.prng.integer(segmentBytes + 1);
  decoded.truncate(cutAt);
  checkOffsets(
    event,
    decoded,
    expected.filter(([, position]) => position < cutAt),
  );
}

export function tryTimeIndex(event: FuzzEvent): void {
  const entries = drawRising(event.prng, 2 ** 53 - 1, 2 ** 31 - 1);
  const index = new TimeIndex(event.prng.integer(4));
  for (const [timestamp, relative] of entries) {
    index.appendIfLarger(timestamp, relative);
    // What is not newer than all before makes no entry.
    if (event.prng.boolean(0.2)) index.appendIfLarger(timestamp, relative);
  }
  checkTimes(event, index, entries);
  const bytes = event.prng.boolean(0.1) ? index.encode() : mutate(event.prng, index.encode());
  event.input(bytes, '.timeindex');
  const decoded = boundedMemory(4 * bytes.length + SPARE_BYTES, () => TimeIndex.decode(bytes));
  const expected = decodeTimes(bytes);
  event.met(decoded === 'invalid' ? 'invalid' : 'accepted');
  assert.equal(decoded === 'invalid', expected === 'invalid', 'the model agrees');
  if (decoded === 'invalid' || expected === 'invalid') return;
  assert.ok(isSameBytes(decoded.encode(), bytes), 'an index is written as it was read');
  checkTimes(event, decoded, expected);
}

/** Both, one by the first draw. */
export const fuzz = fuzzWith((event) => {
  if (event.prng.boolean()) tryOffsetIndex(event);
  else tryTimeIndex(event);
});

/** Pairs that rise in both places, from close together to far apart. */
function drawRising(prng: Prng, firstMax: number, secondMax: number): Entry[] {
  const entries: Entry[] = [];
  const step = prng.pick([1, 3, 1000, 100_000_000]);
  let first = prng.integer(step) - 1;
  let second = prng.integer(step) - 1;
  for (let left = prng.integer(40); left > 0; left -= 1) {
    first += 1 + prng.integer(step);
    second += 1 + prng.integer(step);
    if (first > firstMax || second > secondMax) break;
    entries.push([first, second]);
  }
  return entries;
}

function checkOffsets(event: FuzzEvent, index: OffsetIndex, entries: readonly Entry[]): void {
  assert.equal(index.count, entries.length);
  assert.equal(index.lastPosition, entries.at(-1)?.[1] ?? 0);
  for (let done = 0; done < LOOKUPS; done += 1) {
    const relative = drawNear(event.prng, entries, 0);
    assert.equal(
      index.floor(relative),
      lastSlot(entries, ([first]) => first <= relative),
    );
    const position = drawNear(event.prng, entries, 1);
    const expected = lastSlot(entries, ([, second]) => second <= position);
    assert.equal(index.floorByPosition(position), expected);
  }
}

function checkTimes(event: FuzzEvent, index: TimeIndex, entries: readonly Entry[]): void {
  assert.equal(index.count, entries.length);
  assert.equal(index.lastTimestamp, entries.at(-1)?.[0] ?? -1);
  for (let done = 0; done < LOOKUPS; done += 1) {
    const timestamp = drawNear(event.prng, entries, 0);
    assert.equal(
      index.before(timestamp),
      lastSlot(entries, ([first]) => first < timestamp),
    );
  }
}

/** A number at an entry, or right beside it. */
function drawNear(prng: Prng, entries: readonly Entry[], place: 0 | 1): number {
  const near = entries.length === 0 ? 0 : prng.pick(entries)[place];
  return near + prng.pick([-1, 0, 1]);
}

function lastSlot(entries: readonly Entry[], holds: (entry: Entry) => boolean): number {
  let found = -1;
  for (const [slot, entry] of entries.entries()) if (holds(entry)) found = slot;
  return found;
}

function decodeOffsets(bytes: Uint8Array, segmentBytes: number): Entry[] | 'invalid' {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Entry[] = [];
  if (bytes.length % 8 !== 0) return 'invalid';
  for (let at = 0; at < bytes.length; at += 8)
    entries.push([view.getInt32(at), view.getInt32(at + 4)]);
  const isWithin = entries.every(([, position]) => position < segmentBytes);
  return isWithin && isRising(entries) ? entries : 'invalid';
}

function decodeTimes(bytes: Uint8Array): Entry[] | 'invalid' {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Entry[] = [];
  if (bytes.length % 12 !== 0) return 'invalid';
  for (let at = 0; at < bytes.length; at += 12) {
    const timestamp = Number(view.getBigInt64(at));
    if (!Number.isSafeInteger(timestamp)) return 'invalid';
    entries.push([timestamp, view.getInt32(at + 8)]);
  }
  return isRising(entries) ? entries : 'invalid';
}

function isRising(entries: readonly Entry[]): boolean {
  let [lastFirst, lastSecond] = [-1, -1];
  return entries.every(([first, second]) => {
    const rises = first > lastFirst && second > lastSecond;
    [lastFirst, lastSecond] = [first, second];
    return rises;
  });
}
