// Wall time that a jump does not carry away: doubted, believed after a grace period, taken back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClockJump, TrustedClock } from '../../src/base/trusted-clock.js';
import { withSeed } from '../support/seed.js';
import { SimClock } from '../support/sim-clock.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNLIMITED = Number.POSITIVE_INFINITY;

function fixture() {
  const clock = new SimClock();
  const jumps: ClockJump['kind'][] = [];
  const trusted = new TrustedClock(clock, ({ kind }) => jumps.push(kind));
  return { clock, jumps, trusted, lateMs: () => clock.nowMs() - trusted.nowMs(UNLIMITED) };
}

test('trusted clock: without a jump it is the wall clock', () => {
  const { clock, jumps, lateMs } = fixture();
  for (const ms of [0, 1, MINUTE, DAY, 400 * DAY]) {
    clock.advance(ms);
    assert.equal(lateMs(), 0);
  }
  assert.deepEqual(jumps, []);
});

test('trusted clock: a jump is believed when it has held for an hour, and not before', () => {
  const { clock, jumps, lateMs } = fixture();
  clock.jumpWall(400 * DAY);
  assert.equal(lateMs(), 400 * DAY);
  clock.advance(HOUR - 1);
  assert.equal(lateMs(), 400 * DAY);
  clock.advance(1);
  assert.equal(lateMs(), 0);
  assert.deepEqual(jumps, ['doubted', 'believed']);
});

test('trusted clock: a jump that is taken back never counted', () => {
  const { clock, jumps, lateMs } = fixture();
  clock.jumpWall(DAY);
  assert.equal(lateMs(), DAY);
  clock.advance(HOUR - 1);
  clock.jumpWall(-DAY);
  assert.equal(lateMs(), 0);
  clock.advance(HOUR);
  assert.equal(lateMs(), 0);
  assert.deepEqual(jumps, ['doubted']);
});

test('trusted clock: going back is adopted at once', () => {
  const { clock, jumps, lateMs } = fixture();
  clock.jumpWall(-DAY);
  assert.equal(lateMs(), 0);
  assert.deepEqual(jumps, ['went-back']);
});

test('trusted clock: a minute is believed at once, a millisecond more is not', () => {
  const { clock, lateMs } = fixture();
  clock.jumpWall(MINUTE);
  assert.equal(lateMs(), 0);
  clock.jumpWall(MINUTE + 1);
  assert.equal(lateMs(), MINUTE + 1);
});

test('trusted clock: what is doubted waits no longer than the limit that it is for', () => {
  const { clock, trusted } = fixture();
  clock.jumpWall(DAY);
  assert.equal(clock.nowMs() - trusted.nowMs(10 * MINUTE), DAY);
  clock.advance(10 * MINUTE);
  assert.equal(clock.nowMs() - trusted.nowMs(10 * MINUTE), 0);
});

test('trusted clock: a machine that sleeps again and again is late, and never for ever', () => {
  const { clock, lateMs } = fixture();
  let latestMs = 0;
  for (let night = 0; night < 50; night += 1) {
    clock.jumpWall(8 * HOUR);
    for (let waking = 0; waking < 4; waking += 1) {
      latestMs = Math.max(latestMs, lateMs());
      clock.advance(5 * MINUTE);
    }
  }
  // An hour of waking time holds three nights.
  assert.equal(latestMs, 3 * 8 * HOUR);
  clock.advance(HOUR);
  assert.equal(lateMs(), 0);
});

test('trusted clock: more jumps than it notes are believed in the end', () => {
  const { clock, lateMs } = fixture();
  for (let jump = 0; jump < 100; jump += 1) {
    clock.jumpWall(HOUR);
    lateMs();
    clock.advance(1000);
  }
  clock.advance(HOUR);
  assert.equal(lateMs(), 0);
});

test('trusted clock: of a jump that is taken back in part, the rest has held', () => {
  for (const backMs of [500, DAY / 2, DAY - 2 * MINUTE]) {
    const { clock, lateMs } = fixture();
    clock.jumpWall(DAY);
    lateMs();
    clock.advance(HOUR - 1);
    clock.jumpWall(-backMs);
    assert.equal(lateMs(), DAY - backMs);
    clock.advance(1);
    assert.equal(lateMs(), 0);
  }
});

test('trusted clock: what was taken back and comes again has to hold anew', () => {
  const { clock, lateMs } = fixture();
  clock.jumpWall(DAY);
  lateMs();
  clock.advance(HOUR - 1);
  clock.jumpWall(-DAY);
  lateMs();
  clock.jumpWall(DAY);
  clock.advance(1);
  assert.equal(lateMs(), DAY);
});

test('trusted clock: never ahead of the wall clock, right after an hour of peace', async () => {
  await withSeed(async (prng) => {
    for (let round = 0; round < 50; round += 1) {
      const { clock, lateMs } = fixture();
      for (let step = 0; step < 100; step += 1) {
        if (prng.boolean(0.4)) clock.jumpWall(prng.integer(2 * DAY) - DAY);
        clock.advance(prng.integer(20 * MINUTE));
        assert.ok(lateMs() >= 0);
      }
      clock.advance(HOUR);
      assert.equal(lateMs(), 0);
    }
  });
});
