/**
 * The parts of a consumer that can be looked at alone: ring, start, topics, commits that wait.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { createError } from '../../src/base/errors.js';
import { AutomaticCommits } from '../../src/broker/consumer/consumer-automatic.js';
import { commitHeld } from '../../src/broker/consumer/consumer-commit.js';
import type { PartitionLease } from '../../src/broker/consumer/consumer-lease.js';
import { resolveConsumerOptions } from '../../src/broker/consumer/consumer-options.js';
import { PrefetchRing, RingLine } from '../../src/broker/consumer/consumer-ring.js';
import { offsetWithin, startingPoint } from '../../src/broker/consumer/consumer-start.js';
import { ConsumerTopics } from '../../src/broker/consumer/consumer-topics.js';
import type { OffsetToCommit } from '../../src/broker/group/group-commits.js';
import { settle } from '../support/consumer-fixture.js';
import { SimClock } from '../support/sim-clock.js';

suite('prefetch ring', () => {
  test('never holds more than its bounds, but for one batch alone; nobody waits for ever', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 12 }), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }),
        async (partitions, holds) => {
          const ring = new PrefetchRing<{ bytes: number; of: number }>({
            bytesMax: 50,
            countMax: 5,
          });
          const stop = new AbortController();
          const writers = partitions.map(async (sizes, of) => {
            const line = new RingLine<{ bytes: number; of: number }>();
            for (const bytes of sizes) {
              const hasRoom = ring.tryReserve(bytes) || (await ring.reserve(bytes, stop.signal));
              assert.equal(hasRoom, true);
              ring.put(line, { bytes, of });
            }
          });
          const seen = partitions.map((): number[] => []);
          const held: number[] = [];
          const total = partitions.flat().length;
          for (let count = 0, turn = 0; count < total; turn += 1) {
            assert.ok(turn < 2_000, 'it comes to an end');
            assert.ok(ring.count <= 5);
            assert.ok(ring.bytes <= 50 || ring.count === 1, `${ring.bytes} of ${ring.count}`);
            const item = ring.take();
            if (item === undefined || holds[turn] !== true) {
              for (const bytes of held.splice(0)) ring.release(bytes);
            }
            await Promise.resolve();
            if (item === undefined) continue;
            held.push(item.bytes);
            seen[item.of]?.push(item.bytes);
            count += 1;
          }
          await Promise.all(writers);
          assert.deepEqual(seen, partitions);
        },
      ),
      { numRuns: 200 },
    ));

  test('who is cancelled leaves the line, and those behind go on', async () => {
    const ring = new PrefetchRing<{ bytes: number }>({ bytesMax: 10, countMax: 10 });
    assert.equal(ring.tryReserve(6), true);
    const stop = new AbortController();
    const large = ring.reserve(9, stop.signal);
    const small = ring.reserve(2, new AbortController().signal);
    assert.equal(ring.tryReserve(1), false, 'nobody passes those who wait');
    stop.abort();
    assert.equal(await large, false);
    assert.equal(await small, true);
    assert.equal(ring.bytes, 8);
    assert.equal(await ring.reserve(1, stop.signal), false);
    const line = new RingLine<{ bytes: number }>();
    ring.put(line, { bytes: 6 });
    ring.put(line, { bytes: 2 });
    ring.drop(line);
    assert.equal(ring.bytes, 0);
    assert.equal(ring.take(), undefined);
  });
});

suite('consumer start', () => {
  test('what is not in the log is decided by the policy: a table', () => {
    const bounds = { startOffset: 10, endOffset: 20 };
    const cases = [
      ['nearest', 5, 10],
      ['nearest', 25, 20],
      ['earliest', 5, 10],
      ['earliest', 25, 10],
      ['latest', 5, 20],
      ['latest', 25, 20],
      ['fail', 5, undefined],
      ['fail', 25, undefined],
    ] as const;
    for (const [policy, wanted, expected] of cases) {
      assert.equal(offsetWithin(wanted, bounds, policy), expected, `${policy} ${wanted}`);
      for (const there of [10, 15, 20]) assert.equal(offsetWithin(there, bounds, policy), there);
    }
    assert.equal(startingPoint('latest', true), 'earliest');
    assert.equal(startingPoint('latest', false), 'latest');
    assert.equal(startingPoint(7, true), 7);
  });

  test('options: each bad one is named', () => {
    const bad: readonly [object, string][] = [
      [{ from: -1 }, 'from'],
      [{ prefetchBytes: 1 }, 'prefetchBytes'],
      [{ instanceId: 'x' }, 'instanceId'],
      [{ group: 'g', partitions: [1], assignor: 'range' }, 'assignor'],
      [{ group: 'g', commit: 'manual', commitIntervalMs: 5 }, 'commitIntervalMs'],
      [{ commitIntervalMs: 5 }, 'commitIntervalMs'],
      [{ group: 'g', heartbeatIntervalMs: 10, sessionTimeoutMs: 10 }, 'heartbeatIntervalMs'],
      [{ partitions: [] }, 'partitions'],
      [{ partitions: [1.5] }, 'partitions'],
      [{ group: 'g', assignor: 'x' }, 'assignor'],
    ];
    for (const [given, option] of bad) {
      assert.throws(
        () => resolveConsumerOptions(given),
        (error: { code: string; facts: object }) => {
          assert.equal(error.code, 'OPTION_INVALID');
          assert.equal(Object(error.facts).option, option);
          return true;
        },
      );
    }
    assert.throws(() => resolveConsumerOptions({ group: '' }), { code: 'GROUP_INVALID' });
    const unknown = Object({ froom: 1 });
    assert.throws(() => resolveConsumerOptions(unknown), { code: 'OPTION_UNKNOWN' });
  });

  test('patterns keep no place, and see no topic twice', () => {
    const catalog = { names: () => ['a1', 'a2', 'b'], has: (name: string) => name !== 'c' };
    const topics = new ConsumerTopics([/a/gy, 'a1', 'c']);
    assert.deepEqual(topics.in(catalog), ['a1', 'a2']);
    assert.deepEqual(topics.in(catalog), ['a1', 'a2']);
    assert.equal(new ConsumerTopics(['b']).hasPatterns, false);
  });
});

suite('consumer commits', () => {
  test('one is on its way at a time; what comes meanwhile goes with the next', async () => {
    const { commits, calls, answer } = recorded();
    commits.note(lease(0), 1);
    await settle();
    commits.note(lease(0), 2);
    commits.note(lease(0), 3);
    commits.note(lease(1), 9);
    await settle();
    assert.deepEqual(calls, [['0:1']]);
    answer();
    await settle();
    assert.deepEqual(calls, [['0:1'], ['0:3', '1:9']]);
    const flushed = commits.flush();
    answer();
    await flushed;
  });

  test('commits lie apart; the first goes at once, and flush does not wait', async () => {
    const { commits, calls, answer, clock } = recorded(100);
    commits.note(lease(0), 1);
    await settle();
    answer();
    await settle();
    for (const offset of [2, 3]) {
      commits.note(lease(0), offset);
      clock.advance(30);
      await settle();
    }
    assert.deepEqual(calls, [['0:1']]);
    clock.advance(40);
    await settle();
    assert.deepEqual(calls, [['0:1'], ['0:3']]);
    answer();
    await settle();
    commits.note(lease(0), 4);
    const flushed = commits.flush();
    await settle();
    assert.deepEqual(calls.at(-1), ['0:4']);
    answer();
    await flushed;
  });

  test('what can be tried again is, with what is newest; flush does not wait', async () => {
    const { commits, calls, answer, clock } = recorded();
    commits.note(lease(0), 1);
    await settle();
    commits.note(lease(0), 2);
    answer(createError('DISK_FULL', {}));
    await settle();
    assert.equal(calls.length, 1);
    clock.advance(1_000);
    await settle();
    assert.deepEqual(calls, [['0:1'], ['0:2']]);
    const flushing = commits.flush();
    answer(createError('DISK_FULL', {}));
    await assert.rejects(flushing, { code: 'DISK_FULL' });
    await settle();
    assert.deepEqual(calls.at(-1), ['0:2'], 'it goes on by itself');
    answer();
    await commits.flush();
    commits.check();
    assert.equal(calls.length, 3);
  });

  test('an error for good is told once; what is not held any more is forgotten', async () => {
    const { commits, calls, answer } = recorded();
    const mine = lease(0);
    commits.note(mine, 1);
    await settle();
    answer(createError('LOG_POISONED', {}));
    await settle();
    assert.throws(() => commits.check(), { code: 'LOG_POISONED' });
    commits.check();
    mine.isHeld = false;
    commits.note(lease(1), 4);
    await settle();
    assert.deepEqual(calls, [['0:1'], ['1:4']]);
    commits.close();
    answer(createError('DISK_FULL', {}));
    await settle();
    commits.note(lease(1), 5);
    await settle();
    assert.equal(calls.length, 2, 'nothing more once it is closed');
  });

  test('a commit is tried again between generations, while the partitions are held', async () => {
    const clock = new SimClock();
    const errors = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION'] as const;
    let held = { isHeld: true };
    const attempts: number[] = [];
    const parts = {
      clock,
      groupId: 'g',
      timeoutMs: 100,
      leaseOf: () => held,
      commit: async () => {
        const code = errors[attempts.length];
        attempts.push(clock.monotonicMs());
        if (code !== undefined) throw createError(code, {});
      },
    };
    const offsets = [{ topic: 't', partition: 0, offset: 1 }];
    const committed = commitHeld(parts, offsets);
    for (let turn = 0; turn < 3; turn += 1) {
      await settle();
      clock.advance(20);
    }
    await committed;
    assert.equal(attempts.length, 3);
    attempts.length = 0;
    const lost = commitHeld(parts, offsets);
    await settle();
    held.isHeld = false;
    // The partition has come back, and whoever had it meanwhile is further perhaps.
    held = { isHeld: true };
    clock.advance(20);
    await assert.rejects(lost, { code: 'ILLEGAL_GENERATION' });
    assert.equal(attempts.length, 1);
  });
});

type TestLease = { -readonly [Name in keyof PartitionLease]: PartitionLease[Name] };
const leases = new Map<number, TestLease>();

function lease(partition: number): TestLease {
  const known = leases.get(partition);
  if (known?.isHeld === true) return known;
  const made: TestLease = Object({ topic: 't', partition, isHeld: true });
  leases.set(partition, made);
  return made;
}

function recorded(intervalMs = 0) {
  const clock = new SimClock();
  const calls: string[][] = [];
  const waiting: ((error?: Error) => void)[] = [];
  const commit = (offsets: readonly OffsetToCommit[]): Promise<void> => {
    calls.push(offsets.map(({ partition, offset }) => `${partition}:${offset}`));
    return new Promise((resolve, reject) => {
      waiting.push((error) => (error === undefined ? resolve() : reject(error)));
    });
  };
  const commits = new AutomaticCommits({ clock, group: 'g', intervalMs, commit });
  return { commits, calls, clock, answer: (error?: Error) => waiting.shift()?.(error) };
}
