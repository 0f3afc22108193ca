import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../src/base/token-bucket.js';
import { SimClock } from '../support/sim-clock.js';

test('token bucket: a burst goes at once, then the rate holds', () => {
  const clock = new SimClock();
  const bucket = new TokenBucket(clock, 10, 5);
  bucket.take(5);
  assert.equal(bucket.delayMs, 1);
  clock.advance(100);
  assert.equal(bucket.delayMs, 0);
});

test('token bucket: what is taken beyond the bucket is owed', () => {
  const clock = new SimClock();
  const bucket = new TokenBucket(clock, 10, 5);
  bucket.take(25);
  assert.equal(bucket.delayMs, 2_000);
  clock.advance(2_001);
  assert.equal(bucket.delayMs, 0);
});

test('token bucket: time without use fills it once', () => {
  const clock = new SimClock();
  const bucket = new TokenBucket(clock, 10, 5);
  clock.advance(60_000);
  bucket.take(6);
  assert(bucket.delayMs > 0);
});
