/** The clock that tests move. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimClock } from './sim-clock.js';

test('timers run in the order of their times, each at its own time', () => {
  const clock = new SimClock(1000);
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name} at ${clock.monotonicMs()}`);
  clock.schedule(20, note('b'));
  clock.schedule(10, note('a'));
  clock.schedule(20, note('c'));
  clock.schedule(31, note('d'));
  assert.equal(clock.nextDelayMs, 10);
  clock.advance(30);
  assert.deepEqual(ran, ['a at 10', 'b at 20', 'c at 20']);
  assert.equal(clock.monotonicMs(), 30);
  assert.equal(clock.nowMs(), 1030);
  assert.equal(clock.pendingCount, 1);
});

test('a timer scheduled by a timer runs in the same advance when it falls due', () => {
  const clock = new SimClock();
  let count = 0;
  const again = (): void => {
    count += 1;
    clock.schedule(10, again);
  };
  clock.schedule(10, again);
  clock.advance(35);
  assert.equal(count, 3);
});

test('a cancelled timer does not run', () => {
  const clock = new SimClock();
  const cancel = clock.schedule(5, () => assert.fail('it was cancelled'));
  cancel();
  cancel();
  clock.advance(10);
  assert.equal(clock.nextDelayMs, undefined);
});

test('the wall clock jumps without the timers and the monotonic time', () => {
  const clock = new SimClock(1000);
  let ran = false;
  clock.schedule(10, () => {
    ran = true;
  });
  clock.jumpWall(-500);
  assert.equal(clock.nowMs(), 500);
  clock.jumpWall(3_600_000);
  assert.equal(clock.monotonicMs(), 0);
  assert.equal(ran, false);
  clock.advance(10);
  assert.equal(ran, true);
});
