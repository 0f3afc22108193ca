import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteRate } from '../../src/storage/cleaner-rate.js';

test('rate: each chunk is waited for, so that the rate holds', () => {
  const rate = new ByteRate(1_000_000, 500);
  let nowMs = 500;
  for (let chunk = 1; chunk <= 10; chunk += 1) {
    nowMs += 3;
    nowMs += rate.spend(50_000, nowMs);
    assert.equal(nowMs, 500 + 50 * chunk);
  }
});

test('rate: what was not used is lost, apart from a moment', () => {
  const rate = new ByteRate(1_000, 0);
  assert.equal(rate.spend(100, 3_600_000), 0);
  assert.equal(rate.spend(100, 3_600_000), 100);
  assert.equal(rate.spend(0, 3_600_100), 0);
});

test('rate: a chunk larger than the rate of a second waits for as long as it takes', () => {
  const rate = new ByteRate(1_000, 0);
  assert.equal(rate.spend(3_600_000, 0), 3_600_000);
});
