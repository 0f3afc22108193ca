/** What Kafka's performance tools print, read as numbers; in the form of their release 4.3. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConsumed, parseLatency, parseProduced } from '../../bench/kafka-tools.js';

const latencies =
  '12.30 ms avg latency, 250.00 ms max latency, 5 ms 50th, 30 ms 95th, 60 ms 99th, 70 ms 99.9th.';

test('kafka tools: the last line of a producer is the one of the whole time', () => {
  const shown =
    '400 records sent, 80.0 records/sec (0.01 MB/sec), 1.0 ms avg latency, 2.0 ms max latency.\n' +
    `1000 records sent, 523.6 records/sec (0.05 MB/sec), ${latencies}\n`;
  assert.deepEqual(parseProduced(shown, 1000), { recordsPerSecond: 523.6, p99Ms: 60 });
});

test('kafka tools: a producer that sent less than it should is no result', () => {
  const shown = `999 records sent, 523.6 records/sec (0.05 MB/sec), ${latencies}\n`;
  assert.throws(() => parseProduced(shown, 1000), /not all records were sent/);
});

test('kafka tools: a consumer is read by the names of its columns, without its joining', () => {
  const shown =
    'start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, ' +
    'rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n' +
    '2026-01-01 00:00:00:000, 2026-01-01 00:00:04:000, 1.9, 0.5, 20000, 5000.0, ' +
    '3000, 1000, 1.9, 20000.0\n';
  assert.equal(parseConsumed(shown, 20_000), 20_000);
  assert.throws(() => parseConsumed(shown, 20_001), /not all records were consumed/);
  assert.throws(() => parseConsumed('nothing', 1), /not all records were consumed/);
});

test('kafka tools: percentiles of the way from end to end, or none at all', () => {
  const shown = 'Avg latency: 1.2 ms\n\nPercentiles: 50th = 1, 99th = 7, 99.9th = 12\n';
  assert.deepEqual(parseLatency(shown), { p50Ms: 1, p99Ms: 7 });
  assert.throws(() => parseLatency('Avg latency: 1.2 ms'), /no percentiles/);
});
