// The time of attempts: one timer for all, each over at its own time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttemptTimeouts, type Timed } from '../../src/broker/process/process-timeouts.js';
import { withSeed } from '../support/seed.js';
import { SimClock } from '../support/sim-clock.js';

class Probe implements Timed {
  dueMs = 0;
  before: Timed | undefined;
  after: Timed | undefined;
  readonly #over: (probe: Probe) => void;

  constructor(over: (probe: Probe) => void) {
    this.#over = over;
  }

  timeOut(): void {
    this.#over(this);
  }
}

test('timeouts: each is over at its time, unless it ended before; there is one timer', () =>
  withSeed((prng) => {
    const clock = new SimClock();
    const timeouts = new AttemptTimeouts(clock, 100);
    const over: Probe[] = [];
    const running = new Map<Probe, number>();
    for (let step = 0; step < 2_000; step += 1) {
      if (prng.boolean(0.5)) {
        const probe = new Probe((one) => over.push(one));
        timeouts.add(probe);
        running.set(probe, clock.monotonicMs() + 100);
      } else if (prng.boolean(0.6) && running.size > 0) {
        const probe = prng.pick([...running.keys()]);
        timeouts.remove(probe);
        timeouts.remove(probe);
        running.delete(probe);
      }
      clock.advance(prng.integer(12));
      const due = [...running].filter(([, dueMs]) => dueMs <= clock.monotonicMs());
      assert.deepEqual(
        over.splice(0),
        due.map(([probe]) => probe),
      );
      for (const [probe] of due) running.delete(probe);
      assert.ok(clock.pendingCount <= 1);
    }
    timeouts.close();
    assert.equal(clock.pendingCount, 0);
  }));

test('timeouts: without a limit there is no timer', () => {
  const clock = new SimClock();
  const timeouts = new AttemptTimeouts(clock, Number.POSITIVE_INFINITY);
  const probe = new Probe(() => assert.fail('nothing is over'));
  timeouts.add(probe);
  clock.advance(1e9);
  timeouts.remove(probe);
  assert.equal(clock.pendingCount, 0);
});
