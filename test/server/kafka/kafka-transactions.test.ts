/** Transactions of clients, over real sockets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaErrors } from '../../../src/server/kafka/error-codes.js';
import { joinGroup, syncGroup } from '../../../src/server/kafka/messages/groups.js';
import { listTransactions } from '../../../src/server/kafka/messages/transactions.js';
import { SimBroker } from '../../support/broker-fixture.js';
import { type KafkaClient, type ServerUnderTest, withServer } from '../../support/kafka-client.js';
import { committedOffset, readCommitted, WireProducer } from '../../support/kafka-transactions.js';

const { NONE } = kafkaErrors;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A topic `t`, one connection, and a producer that has its id. */
async function withProducer(
  work: (producer: WireProducer, one: KafkaClient, under: ServerUnderTest) => Promise<void>,
): Promise<void> {
  await withServer(async (under) => {
    await under.broker.createTopic('t');
    const one = await under.client();
    const producer = new WireProducer(one);
    assert.equal(await producer.init(), NONE);
    await work(producer, one, under);
  });
}

test('transactions: what is committed is seen, what is aborted never', async () => {
  await withProducer(async (producer, one) => {
    assert.equal(await producer.add('t'), NONE);
    assert.equal(await producer.send('t', 'a'), NONE);
    assert.deepEqual(await readCommitted(one, 't'), []);
    assert.equal(await producer.end(true), NONE);
    assert.deepEqual(await readCommitted(one, 't'), ['a']);
    assert.equal(await producer.add('t'), NONE);
    assert.equal(await producer.send('t', 'never'), NONE);
    assert.equal(await producer.end(false), NONE);
    // With the same epoch, and the next number.
    assert.equal(await producer.add('t'), NONE);
    assert.equal(await producer.send('t', 'b'), NONE);
    assert.equal(await producer.end(true), NONE);
    assert.deepEqual(await readCommitted(one, 't'), ['a', 'b']);
  });
});

test('transactions: several partitions and offsets are one', async () => {
  await withProducer(async (producer, one, { broker }) => {
    await broker.createTopic('u', { partitions: 2 });
    await (await broker.topic('t')).send({ value: 'in' });
    assert.equal(await producer.add('u', [0, 1]), NONE);
    assert.equal(await producer.send('u', 'a', 0), NONE);
    assert.equal(await producer.send('u', 'b', 1), NONE);
    assert.equal(await producer.addOffsets(), NONE);
    assert.equal(await producer.commitOffset('t', 1), NONE);
    assert.equal(await committedOffset(one, 't'), -1);
    assert.deepEqual(await readCommitted(one, 'u'), []);
    assert.equal(await producer.end(true), NONE);
    assert.equal(await committedOffset(one, 't'), 1);
    assert.deepEqual(await readCommitted(one, 'u'), ['a']);
    // Again, with another offset and the same epoch; and one that is taken back.
    assert.equal(await producer.addOffsets(), NONE);
    assert.equal(await producer.commitOffset('t', 0), NONE);
    assert.equal(await producer.end(true), NONE);
    assert.equal(await committedOffset(one, 't'), 0);
    assert.equal(await producer.addOffsets(), NONE);
    assert.equal(await producer.commitOffset('t', 1), NONE);
    assert.equal(await producer.end(false), NONE);
    assert.equal(await committedOffset(one, 't'), 0);
  });
});

test('transactions: a batch is taken in an open one, for a partition it names', async () => {
  await withProducer(async (producer, _, { broker }) => {
    await broker.createTopic('u');
    assert.equal(await producer.send('t', 'a'), kafkaErrors.INVALID_TXN_STATE);
    assert.equal(await producer.add('t'), NONE);
    assert.equal(await producer.send('u', 'a'), kafkaErrors.INVALID_TXN_STATE);
    assert.equal(await producer.send('t', 'a'), NONE);
    assert.equal(await producer.end(true), NONE);
    assert.equal(await producer.send('t', 'b'), kafkaErrors.INVALID_TXN_STATE);
    producer.producerId = 999_999;
    assert.equal(await producer.send('t', 'b'), kafkaErrors.INVALID_TXN_STATE);
    assert.equal(await producer.add('t'), kafkaErrors.INVALID_PRODUCER_ID_MAPPING);
  });
});

test('transactions: a partition that is absent keeps the others out', async () => {
  await withProducer(async (producer) => {
    assert.equal(await producer.add('t', [0, 7]), kafkaErrors.OPERATION_NOT_ATTEMPTED);
    assert.equal(await producer.add('absent'), kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
    assert.equal((await producer.describe())?.transactionState, 'Empty');
  });
});

test('transactions: an end may be asked for again, but not another one', async () => {
  await withProducer(async (producer) => {
    assert.equal(await producer.end(true), kafkaErrors.INVALID_TXN_STATE);
    await producer.add('t');
    assert.equal(await producer.end(true), NONE);
    assert.equal(await producer.end(true), NONE);
    assert.equal(await producer.end(false), kafkaErrors.INVALID_TXN_STATE);
    await producer.add('t');
    assert.equal(await producer.end(false), NONE);
    assert.equal(await producer.end(false), NONE);
    assert.equal(await producer.end(true), kafkaErrors.INVALID_TXN_STATE);
  });
});

test('transactions: who takes the id fences the one before, and undoes its work', async () => {
  await withProducer(async (producer, one, { client }) => {
    await producer.add('t');
    await producer.send('t', 'zombie');
    const next = new WireProducer(await client());
    assert.equal(await next.init(), NONE);
    assert.equal(next.producerId, producer.producerId);
    assert.equal(next.producerEpoch, producer.producerEpoch + 1);
    assert.equal(await producer.send('t', 'zombie'), kafkaErrors.INVALID_PRODUCER_EPOCH);
    assert.equal(await producer.add('t'), kafkaErrors.PRODUCER_FENCED);
    assert.equal(await producer.add('t', [0], 1), kafkaErrors.INVALID_PRODUCER_EPOCH);
    assert.equal(await producer.end(true), kafkaErrors.PRODUCER_FENCED);
    assert.equal(await producer.end(true, 1), kafkaErrors.INVALID_PRODUCER_EPOCH);
    assert.equal(await producer.init({ asksAgain: true }), kafkaErrors.PRODUCER_FENCED);
    await next.add('t');
    assert.equal(await next.send('t', 'a'), NONE);
    assert.equal(await next.end(true), NONE);
    assert.deepEqual(await readCommitted(one, 't'), ['a']);
  });
});

test('transactions: a producer that asks anew gets the next epoch, once', async () => {
  await withProducer(async (producer, one) => {
    const { producerId, producerEpoch } = producer;
    assert.equal(await producer.init({ asksAgain: true }), NONE);
    assert.equal(producer.producerEpoch, producerEpoch + 1);
    // As when the answer was lost.
    const again = new WireProducer(one);
    Object.assign(again, { producerId, producerEpoch });
    assert.equal(await again.init({ asksAgain: true }), NONE);
    assert.equal(again.producerEpoch, producerEpoch + 1);
  });
});

test('transactions: the time that one may take is checked, and kept to', async () => {
  await withProducer(async (producer, one, { sim }) => {
    const refused = kafkaErrors.INVALID_TRANSACTION_TIMEOUT;
    assert.equal(await producer.init({ timeoutMs: 0 }), refused);
    assert.equal(await producer.init({ timeoutMs: 15 * 60_000 + 1 }), refused);
    assert.equal(await producer.init({ timeoutMs: 5_000 }), NONE);
    await producer.add('t');
    await producer.send('t', 'late');
    sim.clock.advance(4_999);
    assert.equal((await producer.describe())?.transactionState, 'Ongoing');
    sim.clock.advance(1);
    for (;;) if ((await producer.describe())?.transactionState === 'CompleteAbort') break;
    assert.equal(await producer.end(true), kafkaErrors.PRODUCER_FENCED);
    assert.equal(await producer.send('t', 'late'), kafkaErrors.INVALID_PRODUCER_EPOCH);
    assert.equal(await producer.init({ asksAgain: true }), NONE);
    await producer.add('t');
    await producer.send('t', 'a');
    await producer.end(true);
    assert.deepEqual(await readCommitted(one, 't'), ['a']);
  });
});

test('transactions: offsets are held for the transaction, and members are asked for', async () => {
  await withProducer(async (producer, one, { client, sim, broker }) => {
    await (await broker.topic('t')).send([{ value: 'a' }, { value: 'b' }]);
    const group = { groupId: 'g', protocolType: 'consumer' };
    const times = { sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 60_000 };
    const protocols = [{ name: 'range', metadata: Buffer.from('') }];
    const other = await client();
    const { memberId } = await other.ask(joinGroup, 7, { ...group, ...times, protocols });
    const joining = other.ask(joinGroup, 7, { ...group, ...times, protocols, memberId });
    sim.clock.advance(10_000);
    const { generationId } = await joining;
    const assignments = [{ memberId, assignment: Buffer.from('') }];
    await other.ask(syncGroup, 5, { ...group, generationId, memberId, assignments } as never);
    await producer.addOffsets();
    const stranger = { generationId, memberId: 'stranger' };
    assert.equal(await producer.commitOffset('t', 1, stranger), kafkaErrors.UNKNOWN_MEMBER_ID);
    const late = { generationId: generationId + 1, memberId };
    assert.equal(await producer.commitOffset('t', 1, late), kafkaErrors.ILLEGAL_GENERATION);
    assert.equal(await producer.commitOffset('t', 1, { generationId, memberId }), NONE);
    const second = new WireProducer(await client(), 'second');
    await second.init();
    await second.addOffsets();
    const held = kafkaErrors.COORDINATOR_LOAD_IN_PROGRESS;
    assert.equal(await second.commitOffset('t', 2), held);
    assert.equal(await producer.end(true), NONE);
    // Who names no member may always, as in Kafka.
    assert.equal(await second.commitOffset('t', 2), NONE);
    assert.equal(await second.end(true), NONE);
    assert.equal(await committedOffset(one, 't'), 2);
  });
});

test('transactions: they are listed and described', async () => {
  await withProducer(async (producer, one) => {
    await producer.add('t');
    const { transactionStates } = await one.ask(listTransactions, 1, {});
    const { producerId } = producer;
    const expected = { transactionalId: 'tx', producerId, transactionState: 'Ongoing' };
    assert.deepEqual(
      transactionStates.map((state) => ({ ...state })),
      [expected],
    );
    const others = await one.ask(listTransactions, 1, { stateFilters: ['Empty', 'Strange'] });
    assert.deepEqual(
      [others.transactionStates.length, others.unknownStateFilters],
      [0, ['Strange']],
    );
    const described = await producer.describe();
    assert.equal(described?.transactionTimeoutMs, 60_000);
    assert.deepEqual(
      described?.topics.map(({ topic }) => topic),
      ['t'],
    );
    const absent = await new WireProducer(one, 'absent').describe();
    assert.equal(absent?.errorCode, kafkaErrors.TRANSACTIONAL_ID_NOT_FOUND);
  });
});

test('transactions: ids are kept over a restart, and what was open is undone', async () => {
  const sim = new SimBroker();
  const kept = { producerId: 0, producerEpoch: 0 };
  const names = ['idle', 'open', 'committed'];
  await withServer(
    async ({ client, broker }) => {
      await broker.createTopic('t');
      const one = await client();
      for (const name of names) {
        const producer = new WireProducer(one, name);
        await producer.init();
        Object.assign(kept, { [name]: [producer.producerId, producer.producerEpoch] });
        if (name === 'idle') continue;
        await producer.add('t');
        await producer.send('t', name);
        if (name === 'committed') await producer.end(true);
      }
    },
    {},
    { sim },
  );
  await withServer(
    async ({ client }) => {
      const one = await client();
      const [idle, open, committed] = names.map((name) => {
        const producer = new WireProducer(one, name);
        const [producerId, producerEpoch] = Object(kept)[name];
        return Object.assign(producer, { producerId, producerEpoch });
      });
      assert.ok(idle !== undefined && open !== undefined && committed !== undefined);
      assert.equal(await committed.end(true), NONE);
      const { UNKNOWN_PRODUCER_ID: undone } = kafkaErrors;
      assert.equal(await open.add('t'), undone);
      assert.equal(await open.end(true), undone);
      assert.equal(await open.end(false), NONE);
      assert.equal(await open.commitOffset('t', 0), kafkaErrors.ILLEGAL_GENERATION);
      assert.equal(await open.add('t'), undone);
      assert.equal(await open.init({ asksAgain: true }), NONE);
      for (const producer of [idle, open]) {
        assert.equal(await producer.add('t'), NONE);
        assert.equal(await producer.send('t', `${producer.transactionalId} again`), NONE);
        assert.equal(await producer.end(true), NONE);
      }
      const expected = ['committed', 'idle again', 'open again'];
      assert.deepEqual(await readCommitted(one, 't'), expected);
    },
    {},
    { sim: sim.kill() },
  );
});

test('transactions: an id that nobody uses for a week is forgotten, for good', async () => {
  const sim = new SimBroker();
  await withServer(
    async ({ client, broker, sim: { clock } }) => {
      await broker.createTopic('t');
      const first = new WireProducer(await client());
      await first.init();
      // Silent connections are ended, so each time another one.
      const known = async () => (await new WireProducer(await client()).describe())?.errorCode;
      clock.advance(6 * DAY_MS);
      const { producerId, producerEpoch } = first;
      const again = Object.assign(new WireProducer(await client()), { producerId, producerEpoch });
      assert.equal(await again.add('t'), NONE);
      assert.equal(await again.end(true), NONE);
      clock.advance(6 * DAY_MS);
      assert.equal(await known(), NONE);
      clock.advance(2 * DAY_MS);
      assert.equal(await known(), kafkaErrors.TRANSACTIONAL_ID_NOT_FOUND);
    },
    {},
    { sim },
  );
  await withServer(
    async ({ client }) => {
      const producer = new WireProducer(await client());
      assert.equal((await producer.describe())?.errorCode, kafkaErrors.TRANSACTIONAL_ID_NOT_FOUND);
    },
    {},
    { sim: sim.kill() },
  );
});
