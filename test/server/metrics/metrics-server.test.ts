/** The numbers that a server tells of itself, over HTTP. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createError } from '../../../src/base/errors.js';
import { serveLog } from '../../../src/cli/serve-log.js';
import { metadata } from '../../../src/server/kafka/messages/cluster.js';
import { MetricsServer } from '../../../src/server/metrics/metrics-server.js';
import { prometheusText } from '../../../src/server/metrics/prometheus-text.js';
import { rejection } from '../../support/fixtures.js';
import { until, withServer } from '../../support/kafka-client.js';
import { SimClock } from '../../support/sim-clock.js';
import { commitAlone, makeWorld } from '../../support/transaction-fixture.js';

test('metrics: values of labels are escaped, families say what they are', () => {
  const samples = [{ labels: { topic: 'a"b\\c\nd', partition: '0' }, value: 3 }];
  const text = prometheusText([{ name: 'x', help: 'one\nline', type: 'gauge', samples }]);
  const expected = ['# HELP x one\\nline', '# TYPE x gauge'];
  expected.push('x{topic="a\\"b\\\\c\\nd",partition="0"} 3', '');
  assert.deepEqual(text.split('\n'), expected);
});

test('metrics: topics and groups have the names that kafka_exporter gives them', async () => {
  await withServer(
    async ({ client, broker, server }) => {
      await makeWorld(broker);
      await commitAlone(broker, 2);
      const one = await client();
      await one.ask(metadata, 9, { topics: [] });
      const other = await client();
      await until(() => server.connectionCount === 2);
      assert.equal(await (await client()).frame(), undefined, 'beyond the limit');
      other.socket.write(Buffer.from('ffffffff00', 'hex'));
      assert.equal(await other.frame(), undefined);
      const lines = prometheusText(await server.metrics()).split('\n');
      for (const line of [
        'kafka_brokers 1',
        'kafka_topic_partitions{topic="out"} 2',
        'kafka_topic_partition_current_offset{partition="0",topic="in"} 6',
        'kafka_topic_partition_oldest_offset{partition="0",topic="in"} 0',
        'kafka_topic_partition_current_offset{partition="1",topic="out"} 0',
        'kafka_consumergroup_current_offset{consumergroup="g",partition="0",topic="in"} 2',
        'kafka_consumergroup_lag{consumergroup="g",partition="0",topic="in"} 4',
        'kafka_consumergroup_lag_sum{consumergroup="g",topic="in"} 4',
        'kafka_consumergroup_members{consumergroup="g"} 0',
        'millrace_kafka_requests_total{api="Metadata"} 1',
        'millrace_kafka_connections_total 2',
        'millrace_kafka_refusals_total{reason="connections"} 1',
        'millrace_kafka_refusals_total{reason="failed"} 1',
      ]) {
        assert.ok(lines.includes(line), line);
      }
      const bytes = lines.find((line) => line.startsWith('millrace_kafka_response_bytes_total'));
      assert.ok(Number(bytes?.split(' ')[1]) > 40, bytes);
    },
    { connections: 2 },
  );
});

test('metrics: they are collected once for all who ask meanwhile; health is told', async () => {
  let collected = 0;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const metrics = await MetricsServer.listen({ host: '127.0.0.1', port: 0 }, async () => {
    collected += 1;
    await held;
    if (collected > 1) throw createError('BROKER_CLOSED', {});
    return [];
  });
  const url = `http://127.0.0.1:${metrics.port}`;
  try {
    const asked = [fetch(`${url}/metrics`), fetch(`${url}/metrics`)];
    await until(() => collected > 0);
    const health = await fetch(`${url}/health?now`);
    assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }]);
    release();
    for (const answer of await Promise.all(asked)) assert.equal(answer.status, 200);
    assert.equal(collected, 1);
    assert.equal((await fetch(`${url}/metrics`)).status, 500, 'a failure is told');
    assert.equal((await fetch(`${url}/metrics2`)).status, 404);
    assert.equal((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status, 405);
    const same = { host: '127.0.0.1', port: metrics.port };
    await rejection(
      MetricsServer.listen(same, async () => []),
      'ADDRESS_IN_USE',
    );
  } finally {
    await metrics.close();
  }
});

test('log: a flood is told in few lines, and how many were left out', () => {
  const clock = new SimClock();
  const lines: string[] = [];
  const output = {
    note: (type: string, facts: object) => void lines.push(`${type} ${JSON.stringify(facts)}`),
    error: (error: unknown) => void lines.push(String(error)),
  };
  const { refused, failed } = serveLog(output, clock);
  for (let count = 0; count < 1_000; count += 1) refused?.('connections', '10.0.0.1');
  assert.equal(lines.length, 20);
  assert.equal(lines[0], 'refused {"reason":"connections","host":"10.0.0.1"}');
  clock.advance(1_000);
  failed?.(createError('FRAME_INVALID', {}));
  assert.equal(lines[20], 'left-out {"lines":980}');
  assert.match(String(lines[21]), /FRAME_INVALID/);
  failed?.(createError('FRAME_INVALID', {}));
  assert.equal(lines.length, 22);
});
