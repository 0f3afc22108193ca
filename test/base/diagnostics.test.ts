import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { logDiagnostics } from '../../src/base/diagnostics.js';

test('diagnostics: the names of the channels are permanent', () => {
  assert.deepEqual(
    Object.values(logDiagnostics).map(({ name }) => name),
    [
      'millrace:log:open',
      'millrace:log:close',
      'millrace:log:roll',
      'millrace:log:flush',
      'millrace:log:recover',
      'millrace:log:poison',
      'millrace:log:damage',
      'millrace:log:slow-flush',
      'millrace:log:retain',
      'millrace:log:retain-failed',
      'millrace:log:clock-jump',
      'millrace:log:clean',
      'millrace:log:clean-failed',
      'millrace:log:reserve',
    ],
  );
});

test('diagnostics: a subscriber by name gets the payload, until it leaves', () => {
  const { flush } = logDiagnostics;
  const payload = { path: 'log', durableEnd: 5, batchCount: 1, bytes: 100, durationMs: 1 };
  const received: unknown[] = [];
  const subscriber = (message: unknown) => void received.push(message);
  assert.ok(!flush.isObserved);
  flush.publish(payload);
  channel('millrace:log:flush').subscribe(subscriber);
  assert.ok(flush.isObserved);
  assert.ok(!logDiagnostics.roll.isObserved);
  flush.publish(payload);
  channel('millrace:log:flush').unsubscribe(subscriber);
  assert.ok(!flush.isObserved);
  flush.publish(payload);
  assert.deepEqual(received, [payload]);
});
