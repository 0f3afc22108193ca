import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/base/clock.js';
import { createError, hasCode } from '../../src/base/errors.js';
import {
  CleaningLoop,
  type CleaningPass,
  type PassReport,
  type PassUrgency,
} from '../../src/storage/cleaning-loop.js';
import { SimClock } from '../support/sim-clock.js';

const nothing: PassReport = {
  outcome: 'nothing',
  hasMore: false,
  bytesIn: 0,
  bytesOut: 0,
  recordsIn: 0,
  recordsOut: 0,
  keylessRecords: 0,
};
const cleaned: PassReport = {
  outcome: 'cleaned',
  hasMore: false,
  bytesIn: 1000,
  bytesOut: 400,
  recordsIn: 10,
  recordsOut: 4,
  keylessRecords: 1,
};

interface Pass {
  readonly urgency: PassUrgency;
  readonly signal: AbortSignal;
  readonly done: (report?: PassReport) => Promise<void>;
  readonly fail: (error: unknown) => Promise<void>;
}

/** A loop whose passes end when the test says so. */
class Fixture {
  readonly clock = new SimClock();
  readonly passes: Pass[] = [];
  readonly loop: CleaningLoop;

  constructor(pass?: CleaningPass) {
    this.loop = new CleaningLoop('/log', this.clock, pass ?? this.#pass);
  }

  get last(): Pass {
    const last = this.passes.at(-1);
    assert.ok(last !== undefined, 'a pass has begun');
    return last;
  }

  /** Moves the clock, and lets what falls due begin. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await setImmediate();
  }

  readonly #pass: CleaningPass = (signal, urgency) =>
    new Promise((resolve, reject) => {
      this.passes.push({
        urgency,
        signal,
        done: async (report = nothing) => {
          resolve(report);
          await setImmediate();
        },
        fail: async (error) => {
          reject(error);
          await setImmediate();
        },
      });
    });
}

function heard(t: TestContext, name: string): unknown[] {
  const messages: unknown[] = [];
  const listener = (message: unknown): void => void messages.push(message);
  channel(name).subscribe(listener);
  t.after(() => channel(name).unsubscribe(listener));
  return messages;
}

test('loop: an idle log is looked at after every rest, not before', async () => {
  const sim = new Fixture();
  await sim.advance(14_999);
  assert.equal(sim.passes.length, 0);
  await sim.advance(1);
  assert.deepEqual([sim.passes.length, sim.last.urgency], [1, 'due']);
  assert.equal(sim.loop.stats().state, 'running');
  await sim.advance(60_000);
  assert.equal(sim.passes.length, 1, 'never two at a time');
  await sim.last.done();
  assert.equal(sim.loop.stats().state, 'idle');
  await sim.advance(15_000);
  assert.equal(sim.passes.length, 2);
  await sim.last.done();
  await sim.loop.close();
  assert.equal(sim.clock.pendingCount, 0);
});

test('loop: a change starts a pass at once, and one during a pass another one', async () => {
  const sim = new Fixture();
  sim.loop.changed();
  await setImmediate();
  assert.equal(sim.passes.length, 1);
  sim.loop.changed();
  sim.loop.changed();
  await sim.last.done();
  assert.equal(sim.passes.length, 2);
  await sim.last.done();
  assert.equal(sim.passes.length, 2);
  assert.equal(sim.clock.pendingCount, 1);
  await sim.loop.close();
});

test('loop: who asks holds the process, also behind a pass that holds none', async () => {
  const sim = new SimClock();
  let holds = 0;
  const clock: Clock = {
    nowMs: () => sim.nowMs(),
    monotonicMs: () => sim.monotonicMs(),
    schedule: (delayMs, run, hold) => {
      const cancel = sim.schedule(delayMs, run);
      if (hold === undefined) return cancel;
      holds += 1;
      return () => {
        holds -= 1;
        cancel();
      };
    },
  };
  const ends: (() => void)[] = [];
  const pass: CleaningPass = () => new Promise((resolve) => ends.push(() => resolve(nothing)));
  const loop = new CleaningLoop('/log', clock, pass);
  loop.changed();
  await setImmediate();
  assert.deepEqual([ends.length, holds], [1, 0]);
  const asked = loop.ask();
  assert.equal(holds, 1);
  ends[0]?.();
  await setImmediate();
  assert.deepEqual([ends.length, holds], [2, 1]);
  ends[1]?.();
  await asked;
  assert.equal(holds, 0);
  await loop.close();
  await assert.rejects(loop.ask());
  assert.equal(holds, 0);
});

test('loop: a pass that left something over is followed by the next one', async () => {
  const sim = new Fixture();
  const asked = sim.loop.ask();
  await setImmediate();
  await sim.last.done({ ...cleaned, hasMore: true });
  assert.deepEqual([sim.passes.length, sim.last.urgency], [2, 'asked']);
  await sim.last.done(cleaned);
  assert.deepEqual(await asked, {
    outcome: 'cleaned',
    hasMore: false,
    bytesIn: 2000,
    bytesOut: 800,
    recordsIn: 20,
    recordsOut: 8,
    keylessRecords: 2,
  });
  const again = sim.loop.ask();
  await setImmediate();
  await sim.last.done({ ...nothing, hasMore: true });
  assert.equal((await again).outcome, 'nothing');
  assert.equal(sim.passes.length, 3);
  await sim.loop.close();
});

test('loop: who asks during a pass gets one that begins later', async () => {
  const sim = new Fixture();
  sim.loop.changed();
  await setImmediate();
  const results: string[] = [];
  const asked = [1, 2].map((name) => sim.loop.ask().then(() => void results.push(`${name}`)));
  await sim.last.done(cleaned);
  assert.deepEqual(results, []);
  assert.deepEqual([sim.passes.length, sim.last.urgency], [2, 'asked']);
  await sim.last.done();
  await Promise.all(asked);
  assert.deepEqual(results, ['1', '2']);
  await sim.loop.close();
});

test('loop: failures are retried with longer delays, for good, until one succeeds', async (t) => {
  const failures = heard(t, 'millrace:log:clean-failed');
  const successes = heard(t, 'millrace:log:clean');
  const sim = new Fixture();
  sim.loop.changed();
  await setImmediate();
  const delays: (number | undefined)[] = [];
  const error = createError('CLEANER_FAILED', { path: '/log' });
  for (let count = 1; count <= 12; count += 1) {
    await sim.last.fail(error);
    const { state, lastFailure } = sim.loop.stats();
    assert.equal(state, 'waiting');
    assert.equal(lastFailure?.error, error);
    assert.equal(lastFailure?.count, count);
    delays.push(sim.clock.nextDelayMs);
    sim.loop.changed();
    await sim.advance((sim.clock.nextDelayMs ?? 0) - 1);
    assert.equal(sim.passes.length, count, 'a change does not cut the delay short');
    await sim.advance(1);
    assert.equal(sim.passes.length, count + 1);
  }
  const seconds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300];
  assert.deepEqual(
    delays,
    seconds.map((each) => each * 1000),
  );
  assert.equal(failures.length, 12);
  assert.deepEqual(Object(failures[1]), {
    path: '/log',
    cause: error,
    count: 2,
    delayMs: 2_000,
    durationMs: 0,
  });
  await sim.last.done(cleaned);
  assert.equal(sim.loop.stats().lastFailure, undefined);
  assert.equal(successes.length, 1);
  sim.loop.changed();
  await setImmediate();
  await sim.last.fail(error);
  assert.equal(sim.clock.nextDelayMs, 1_000, 'a success begins the delays anew');
  await sim.loop.close();
});

test('loop: who asks does not wait for a delay, and gets the error of the pass', async () => {
  const sim = new Fixture();
  sim.loop.changed();
  await setImmediate();
  await sim.last.fail(new Error('first'));
  const asked = sim.loop.ask();
  await setImmediate();
  assert.deepEqual([sim.passes.length, sim.last.urgency], [2, 'asked']);
  const late = sim.loop.ask();
  const second = new Error('second');
  const rejected = assert.rejects(asked, second);
  await sim.last.fail(second);
  await rejected;
  assert.equal(sim.passes.length, 3, 'who asked meanwhile gets the next pass');
  const third = assert.rejects(late, { message: 'third' });
  await sim.last.fail(new Error('third'));
  await third;
  assert.equal(sim.clock.nextDelayMs, 4_000);
  await sim.loop.close();
});

test('loop: close aborts the pass that runs and waits for its end', async () => {
  const sim = new Fixture();
  const served = sim.loop.ask();
  await setImmediate();
  const late = sim.loop.ask();
  let isClosed = false;
  const refusals = [late, served].map((each) => assert.rejects(each, { code: 'LOG_CLOSED' }));
  const closed = sim.loop.close().then(() => {
    isClosed = true;
  });
  await setImmediate();
  assert.ok(sim.last.signal.aborted);
  assert.ok(hasCode(sim.last.signal.reason, 'LOG_CLOSED'));
  assert.equal(isClosed, false);
  await sim.last.fail(sim.last.signal.reason);
  await closed;
  await Promise.all(refusals);
  assert.deepEqual([sim.loop.stats().state, sim.loop.stats().lastFailure], ['stopped', undefined]);
  await sim.loop.close();
  await assert.rejects(sim.loop.ask(), { code: 'LOG_CLOSED' });
  sim.loop.changed();
  await sim.advance(3_600_000);
  assert.equal(sim.passes.length, 1);
});

test('loop: a pass that ends well while the log closes answers who waits for it', async () => {
  const sim = new Fixture();
  const asked = sim.loop.ask();
  await setImmediate();
  const closed = sim.loop.close();
  await sim.last.done({ ...cleaned, hasMore: true });
  await closed;
  assert.equal((await asked).hasMore, true);
  assert.equal(sim.passes.length, 1);
});

test('loop: a pass that throws at once fails like any other', async () => {
  const sim = new Fixture(() => {
    throw new Error('at once');
  });
  await assert.rejects(sim.loop.ask(), { message: 'at once' });
  assert.equal(sim.loop.stats().lastFailure?.count, 1);
  await sim.loop.close();
});
