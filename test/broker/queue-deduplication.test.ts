/**
 * Deduplication ids of a queue outlive its messages: over restarts, acknowledgements and delays.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { FoundIds } from '../../src/broker/producer/deduplication-loading.js';
import type { Queue } from '../../src/broker/queue/queue.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import { SimBroker } from '../support/broker-fixture.js';
import { settled } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

const windowMs = 20_000;
const options = { deduplicationWindowMs: windowMs } as const;

async function texts(queue: Queue<Buffer, string | Uint8Array>, max = 100): Promise<string[]> {
  const messages = await queue.receive({ max });
  return messages.map(({ value }) => String(value));
}

/** Runs with a broker on an imaginary disk, and closes it. */
async function withBroker(
  run: (broker: Broker, process: SimBroker) => Promise<void>,
  process = new SimBroker(),
): Promise<SimBroker> {
  const broker = await process.open();
  await run(broker, process);
  await broker.close();
  return process.kill();
}

/** Time goes on, and what follows from it happens. */
async function pass({ clock }: SimBroker, ms: number): Promise<void> {
  await settled();
  clock.advance(ms);
  for (let turn = 0; turn < 3; turn += 1) await settled();
}

/** Everything that is in the queue is acknowledged, and gone from the disk. */
async function finishAll(queue: Queue<Buffer, string | Uint8Array>, process: SimBroker) {
  await queue.acknowledge(await queue.receive({ max: 1_000 }));
  await pass(process, 2_000);
  for (let partition = 0; partition < queue.hosted.topic.partitions; partition += 1) {
    const log = queue.hosted.topic.openPartition(partition);
    assert.equal(log?.startOffset ?? 0, log?.durableOffset ?? 0, 'what is finished is deleted');
  }
}

suite('queue deduplication of finished messages', () => {
  test('an id of an acknowledged message is known after a restart, for its window', async () => {
    let next = await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs', { ...options, priorities: 2 });
      await jobs.send('a', { deduplicationId: 'x' });
      await jobs.send('b', { deduplicationId: 'y', priority: 1 });
      await jobs.send('c');
      await finishAll(jobs, process);
    });
    next = await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      const again = await jobs.send('a', { deduplicationId: 'x', priority: 1 });
      assert.deepEqual([again.id, again.isDuplicate], ['0-0', true]);
      await pass(process, windowMs / 2);
    }, next);
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      assert.equal((await jobs.send('b', { deduplicationId: 'y' })).isDuplicate, true);
      assert.deepEqual(await texts(jobs), []);
      await pass(process, windowMs);
      assert.equal((await jobs.send('b', { deduplicationId: 'y' })).isDuplicate, false);
    }, next);
  });

  test('ids count also when messages are finished in a later life without sends', async () => {
    let next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { ...options, deduplication: 'content' });
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }]);
    });
    next = await withBroker(async (broker, process) => {
      await finishAll(await broker.queue('jobs'), process);
    }, next);
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      const again = await jobs.sendBatch([{ value: 'a' }, { value: 'c' }]);
      assert.deepEqual(
        again.map(({ isDuplicate }) => isDuplicate),
        [true, false],
      );
    }, next);
  });

  test('a queue without ids makes no state for them', async () => {
    const next = await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      await jobs.sendBatch([{ value: 'a' }, { value: 'b', delayMs: 1_000 }]);
      await pass(process, 1_000);
      await finishAll(jobs, process);
    });
    const names = await next.disk.fileSystem.list(next.path());
    assert.ok(!names.includes('__deduplication-0'), names.join(' '));
  });

  test('as many ids as the window holds are kept, and none of a queue that is gone', async () => {
    let next = await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs', { ...options, deduplicationIdsMax: 3 });
      for (const id of ['1', '2', '3', '4', '5']) {
        await jobs.send(id, { deduplicationId: id });
        await finishAll(jobs, process);
      }
    });
    next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      const known: string[] = [];
      for (const id of ['5', '4', '3']) {
        if ((await jobs.send(id, { deduplicationId: id })).isDuplicate) known.push(id);
      }
      assert.deepEqual(known, ['5', '4', '3']);
      assert.equal((await jobs.send('2', { deduplicationId: '2' })).isDuplicate, false);
      await jobs.delete();
      const anew = await broker.queue('jobs');
      assert.equal((await anew.send('5', { deduplicationId: '5' })).isDuplicate, false);
    }, next);
    await next.open().then((broker) => broker.close());
  });

  test('ids are looked for behind what is deleted while they are', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', options);
      for (const id of ['1', '2', '3']) await jobs.send(id, { deduplicationId: id });
      const log = await jobs.hosted.topic.partition(0);
      const { topicId } = jobs.hosted.topic.definition;
      for (const isPart of [false, true]) {
        let isDeleting = true;
        // The start moves when the read has begun.
        const read: PartitionLog['read'] = (given) => {
          if (!isDeleting) return log.read(given);
          isDeleting = false;
          const batches = log.read(given);
          const next = batches.next.bind(batches);
          const deleting = log.deleteRecordsBefore(log.startOffset + 1);
          return Object.assign(batches, { next: () => deleting.then(next) });
        };
        const { startOffset, durableOffset: end } = log;
        const moving = new Proxy(log, {
          get: (_, name) => {
            const member: unknown = Reflect.get(log, name, log);
            if (name === 'read') return read;
            return typeof member === 'function' ? member.bind(log) : member;
          },
        });
        const found = new FoundIds({ topicId, sinceMs: 0, idsMax: 10, numberOf: () => undefined });
        const part = { from: startOffset, end, countMax: 10 };
        await (isPart ? found.readPart(moving, 0, part) : found.read(moving, 0, startOffset));
        assert.equal(isDeleting, false);
        const ids = found.inOrder().map(({ id }) => id);
        assert.deepEqual(ids, isPart ? ['3'] : ['2', '3']);
      }
    });
  });

  test('whatever moment the power goes while ids are kept, each is stored once', async () => {
    await withSeed(async (prng, seed) => {
      const process = await withBroker(async (broker) => {
        const jobs = await broker.queue('jobs', options);
        await jobs.send('a', { deduplicationId: 'x' });
      });
      const cuts: { readonly next: SimBroker; readonly about: string }[] = [];
      const broker = await process.open();
      const jobs = await broker.queue('jobs');
      process.disk.onCall = (number, name, path) => {
        for (const choice of enumerateCrashes(process.disk, 2, seed + number)) {
          const about = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
          cuts.push({ next: process.crash(choice), about });
        }
      };
      await finishAll(jobs, process);
      process.disk.onCall = undefined;
      await broker.close();
      assert.ok(cuts.length > 10, `${cuts.length} cuts`);
      for (const { next, about } of prng.shuffle(cuts).slice(0, 30)) {
        await withBroker(async (after) => {
          const queue = await after.queue('jobs');
          const again = await queue.send('b', { deduplicationId: 'x' });
          assert.equal(again.isDuplicate, true, about);
        }, next);
      }
    });
  });
});

suite('queue deduplication of delayed messages', () => {
  test('an id that waits is known, and one that has entered', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      const first = await jobs.send('a', { deduplicationId: 'x', delayMs: 1_000 });
      const again = await jobs.send('b', { deduplicationId: 'x', delayMs: 5_000 });
      const now = await jobs.send('c', { deduplicationId: 'x' });
      assert.deepEqual([again.id, again.isDuplicate], [first.id, true]);
      assert.deepEqual([now.id, now.isDuplicate], [first.id, true]);
      await pass(process, 1_000);
      const [entered] = await jobs.receive();
      assert.deepEqual([entered?.value?.toString(), entered?.id], ['a', first.id]);
      assert.equal((await jobs.send('d', { deduplicationId: 'x' })).isDuplicate, true);
    });
  });

  test('an id that has entered is known after a restart', async () => {
    const next = await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('a', { deduplicationId: 'x', delayMs: 1_000 });
      await pass(process, 1_000);
      assert.deepEqual(await texts(jobs), ['a']);
    });
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      assert.equal((await jobs.send('b', { deduplicationId: 'x' })).isDuplicate, true);
    }, next);
  });

  test('an id that waits is known after a restart too', async () => {
    const next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('a', { deduplicationId: 'x', delayMs: 60_000 });
    });
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      assert.equal((await jobs.send('b', { deduplicationId: 'x' })).isDuplicate, true);
      await pass(process, 60_000);
      assert.deepEqual(await texts(jobs), ['a']);
    }, next);
  });

  test('an id keeps its message when that has entered, is finished, after a restart', async () => {
    let id = '';
    const next = await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs', options);
      await jobs.send('a', { deduplicationId: 'w', delayMs: 1_000 });
      ({ id } = await jobs.send('b', { deduplicationId: 'x', delayMs: 1_000 }));
      await pass(process, 1_000);
      await finishAll(jobs, process);
    });
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      const again = await jobs.send('b', { deduplicationId: 'x' });
      assert.deepEqual([again.id, again.isDuplicate], [id, true]);
    }, next);
  });
});
