import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { systemClock } from '../../src/base/clock.js';

test('clock: a scheduled run happens once, and not inside the call', async () => {
  const order: string[] = [];
  const keepAlive = setInterval(() => {}, 1_000);
  await new Promise<void>((resolve) => {
    systemClock.schedule(0, () => {
      order.push('run');
      resolve();
    });
    order.push('scheduled');
  });
  clearInterval(keepAlive);
  assert.deepEqual(order, ['scheduled', 'run']);
});

test('clock: a cancelled run never happens, and cancelling again is no error', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let runs = 0;
  const cancel = systemClock.schedule(5, () => {
    runs += 1;
  });
  cancel();
  cancel();
  t.mock.timers.tick(10);
  assert.equal(runs, 0);
});

test('clock: a delay longer than a timer can hold is waited out, and can be cancelled', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const timeoutMsMax = 2 ** 31 - 1;
  const ran: string[] = [];
  systemClock.schedule(2 * timeoutMsMax + 5, () => ran.push('kept'));
  const cancel = systemClock.schedule(2 * timeoutMsMax + 5, () => ran.push('cancelled'));
  for (const passedMs of [timeoutMsMax, timeoutMsMax, 4]) {
    t.mock.timers.tick(passedMs);
    assert.deepEqual(ran, []);
  }
  cancel();
  t.mock.timers.tick(1);
  assert.deepEqual(ran, ['kept']);
});

test('clock: a timer does not keep the process alive', () => {
  const module = new URL('../../src/base/clock.js', import.meta.url).href;
  const program = `import { systemClock } from ${JSON.stringify(module)};
    systemClock.schedule(2 ** 31, () => {});
    systemClock.schedule(3_600_000, () => {});`;
  const child = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 60_000,
  });
  assert.equal(child.status, 0);
});

test('clock: the wall clock is whole, the monotonic clock never falls', () => {
  assert.ok(Number.isSafeInteger(systemClock.nowMs()));
  let before = systemClock.monotonicMs();
  for (let round = 0; round < 1_000; round += 1) {
    const now = systemClock.monotonicMs();
    assert.ok(now >= before);
    before = now;
  }
});

test('clock: a delay that is negative or no number is refused', () => {
  for (const delayMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => systemClock.schedule(delayMs, () => {}), InvariantViolation);
  }
});
