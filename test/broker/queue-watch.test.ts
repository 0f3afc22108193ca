/**
 * Waiting for the depth or the age of a queue, and the rates of its statistics.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { QueueRateMeter } from '../../src/broker/queue/queue-stats.js';
import { QueueWatch, WATCH_MS } from '../../src/broker/queue/queue-watch.js';
import { SimClock } from '../support/sim-clock.js';

class Watched {
  readonly clock = new SimClock();
  readonly level = { depth: 0, ageMs: 0 };
  looks = 0;
  agesAsked = 0;
  readonly watch = new QueueWatch('jobs', this.clock, async (needsAge) => {
    this.looks += 1;
    if (needsAge) this.agesAsked += 1;
    return { ...this.level };
  });

  /** One look later. */
  async pass(): Promise<void> {
    this.clock.advance(WATCH_MS);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }
}

suite('queue-watch', () => {
  test('resolves with how the queue is when it is deep enough, and not before', async () => {
    const watched = new Watched();
    let reached: unknown;
    const waiting = watched.watch.when({ depthAbove: 10 }).then((level) => {
      reached = level;
    });
    await watched.pass();
    watched.level.depth = 10;
    await watched.pass();
    assert.equal(reached, undefined);
    watched.level.depth = 11;
    await watched.pass();
    await waiting;
    assert.deepEqual(reached, { depth: 11, ageMs: 0 });
    assert.equal(watched.agesAsked, 0);
  });

  test('either of the two is enough', async () => {
    const watched = new Watched();
    const waiting = watched.watch.when({ depthAbove: 10, ageAboveMs: 5_000 });
    await watched.pass();
    watched.level.ageMs = 5_001;
    await watched.pass();
    assert.equal((await waiting).ageMs, 5_001);
  });

  test('what holds already resolves at once, and nobody looks without need', async () => {
    const watched = new Watched();
    watched.level.depth = 3;
    await watched.watch.when({ depthAbove: 2 });
    assert.equal(watched.clock.pendingCount, 0);
    const { looks } = watched;
    await watched.pass();
    assert.equal(watched.looks, looks);
  });

  test('a signal ends the wait, and the end of the queue does', async () => {
    const watched = new Watched();
    const controller = new AbortController();
    const left = watched.watch.when({ depthAbove: 1, signal: controller.signal });
    const stayed = watched.watch.when({ depthAbove: 1 });
    await watched.pass();
    controller.abort(new Error('enough'));
    await assert.rejects(left, /enough/);
    watched.watch.close(new Error('gone'));
    await assert.rejects(stayed, /gone/);
    assert.equal(watched.clock.pendingCount, 0);
    await assert.rejects(watched.watch.when({}), { code: 'OPTION_INVALID' });
  });
});

suite('queue-stats', () => {
  test('rates are averages of the last minute', () => {
    const meter = new QueueRateMeter(0);
    for (let second = 1; second <= 300; second += 1) {
      const sent = second <= 240 ? 0 : (second - 240) * 50;
      const counts = { delivered: second * 2, acknowledged: second };
      meter.note(second * 1_000, sent, counts);
    }
    const counts = { delivered: 600, acknowledged: 300 };
    const rates = meter.rates(300_000, 3_000, counts);
    assert.deepEqual(rates, {
      sentPerSecond: 50,
      deliveredPerSecond: 2,
      acknowledgedPerSecond: 1,
    });
  });

  test('after a long rest the rates are those since the last sample', () => {
    const meter = new QueueRateMeter(0);
    const rates = meter.rates(100_000, 100, { delivered: 0, acknowledged: 0 });
    assert.equal(rates.sentPerSecond, 1);
  });
});
