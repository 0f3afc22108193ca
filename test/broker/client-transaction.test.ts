// Transactions of clients: what is stored of them, and decisions that are found late.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { OpenStates } from '../../src/broker/state/open-states.js';
import { internalFolder } from '../../src/broker/topic/topic-name.js';
import { clientEntry, readClient } from '../../src/broker/transaction/client-entry.js';
import {
  decisionEntry,
  readDecision,
  type TransactionIdentity,
} from '../../src/broker/transaction/transaction-decision.js';
import { LogsFolder } from '../../src/storage/main.js';
import { batchOf } from '../support/batch-fixtures.js';
import { BROKER, SimBroker, valuesOfPartition } from '../support/broker-fixture.js';

const TOPIC_ID = 'a'.repeat(32);
const CLIENT = {
  transactionalId: 'a/b',
  producerId: 7,
  producerEpoch: 3,
  lastEpoch: -1,
  timeoutMs: 60_000,
  state: 'ongoing' as const,
  usedAtMs: 5,
};

test('client entry: it comes back as it was, and what is damaged or newer is told apart', () => {
  const entry = clientEntry(CLIENT);
  assert.deepEqual(readClient(entry), CLIENT);
  const [, ...parts] = entry.value ?? [];
  assert.throws(() => readClient({ ...entry, value: [2, ...parts] }), {
    code: 'FORMAT_UNSUPPORTED',
  });
  for (let place = 0; place < parts.length; place += 1) {
    const value = [1, ...parts.with(place, 'strange')];
    assert.throws(() => readClient({ ...entry, value }), { code: 'LOG_CORRUPT' });
  }
});

test('decision: that of a client names whose batches they are, and how far they go', () => {
  const decision = {
    producerId: 17,
    producerEpoch: 2,
    partitions: [{ topicId: TOPIC_ID, partition: 1, end: 9 }],
    groups: [],
    deliveries: [],
    writer: { producerId: 7, producerEpoch: 3 },
  };
  const { key, value } = decisionEntry(decision);
  assert.deepEqual(readDecision({ key, value }).decision, decision);
  const cut = { key, value: value?.slice(0, -1) ?? null };
  assert.throws(() => readDecision(cut), { code: 'LOG_CORRUPT' });
});

/** A transaction of one record, left open when `kind` is undefined. */
async function transact(
  broker: Broker,
  writer: TransactionIdentity,
  baseSequence: number,
  kind?: 'commit',
): Promise<void> {
  const { clients } = broker.engine.transactions;
  const topic = broker.engine.topics.get('t');
  await clients.get('tx').addPartitions(writer, [{ topic, partition: 0 }]);
  const producer = { ...writer, baseSequence, isTransactional: true };
  const bytes = batchOf([{ value: `${baseSequence}` }], { producer });
  const log = await topic.partition(0);
  await clients.append(writer, { topic, partition: 0, log, bytes, acks: 'durable' });
  if (kind !== undefined) await clients.get('tx').end(writer, kind);
}

/** What readers of committed records see when a decision lies there that ends at `end`. */
async function seenWith(end: number): Promise<string[]> {
  const sim = new SimBroker();
  const first = await sim.open();
  await first.createTopic('t');
  const writer = await first.engine.transactions.clients.init('tx', 60_000, undefined);
  await transact(first, writer, 0, 'commit');
  await transact(first, writer, 1);
  const { topicId } = first.engine.topics.get('t').definition;
  const next = sim.kill();
  const folder = await LogsFolder.open(BROKER, false, next.environment.storage);
  const states = new OpenStates(folder);
  const state = await states.open(internalFolder('transactions'));
  const partitions = [{ topicId, partition: 0, end }];
  const none = { groups: [], deliveries: [] };
  await state.append([
    decisionEntry({ producerId: 999, producerEpoch: 0, partitions, ...none, writer }),
  ]);
  await states.close();
  await folder.close();
  const broker = await next.open();
  const log = await broker.engine.topics.get('t').partition(0);
  const values = await valuesOfPartition(log, { isolation: 'committed' });
  assert.equal(log.stableOffset, log.durableOffset, 'nothing is left open');
  await broker.close();
  return values;
}

test('client transaction: a decision is carried out at the next open', async () => {
  // Record, marker, record.
  assert.deepEqual(await seenWith(3), ['0', '1']);
});

test('client transaction: a decision that is found late says nothing of the next one', async () => {
  assert.deepEqual(await seenWith(1), ['0']);
});
