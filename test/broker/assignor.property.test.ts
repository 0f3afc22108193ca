/**
 * Assignors on random groups: complete, balanced, the same for every leader, and no move too many.
 *
 * How even it can be is known from a search that does not know the assignors: for small groups all
 * assignments are tried.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Assignment, AssignorInput, AssignorMember } from '../../src/broker/group/assignor.js';
import { type AssignorName, assignors } from '../../src/broker/group/assignors.js';
import type { TopicPartition } from '../../src/broker/group/group-topics.js';
import { nameOf } from '../support/group-fixture.js';
import { testRuns, testSeed } from '../support/seed.js';

const TOPICS = ['a', 'b', 'c'];
const NAMES: readonly AssignorName[] = ['range', 'roundrobin', 'sticky', 'cooperative-sticky'];

interface Shape {
  readonly membersMax: number;
  readonly partitionsMax: number;
  readonly isUniform: boolean;
}

function inputs({ membersMax, partitionsMax, isUniform }: Shape): fc.Arbitrary<AssignorInput> {
  const topics = isUniform ? fc.constant(TOPICS) : fc.subarray(TOPICS);
  const place = fc.record({
    topic: fc.constantFrom(...TOPICS, 'gone'),
    partition: fc.nat(partitionsMax),
  });
  const member = fc.record({
    topics,
    owned: fc.uniqueArray(place, { maxLength: 6, selector: nameOf }),
    generation: fc.integer({ min: -1, max: 3 }),
    isStatic: fc.boolean(),
  });
  const counts = fc.tuple(...TOPICS.map(() => fc.nat(partitionsMax)));
  return fc
    .tuple(fc.array(member, { minLength: 1, maxLength: membersMax }), counts)
    .map(([members, numbers]) => ({
      members: members.map(({ isStatic, ...rest }, index) => ({
        ...rest,
        memberId: `m${index}`,
        instanceId: isStatic ? `i${index}` : undefined,
      })),
      partitionCounts: new Map(
        TOPICS.flatMap((topic, index) => {
          const count = numbers[index] ?? 0;
          return count === 0 ? [] : [[topic, count] as const];
        }),
      ),
    }));
}

const any = inputs({ membersMax: 7, partitionsMax: 9, isUniform: false });

function wantedPartitions({ members, partitionCounts }: AssignorInput): string[] {
  const wanted = new Set(members.flatMap(({ topics }) => topics));
  return [...partitionCounts]
    .filter(([topic]) => wanted.has(topic))
    .flatMap(([topic, count]) => Array.from({ length: count }, (_, at) => `${topic}-${at}`))
    .sort();
}

function check(input: AssignorInput, assignment: Assignment): void {
  assert.deepEqual([...assignment.keys()].sort(), input.members.map((m) => m.memberId).sort());
  for (const { memberId, topics } of input.members) {
    for (const { topic } of assignment.get(memberId) ?? []) assert(topics.includes(topic));
  }
  const given = [...assignment.values()].flat().map(nameOf);
  assert.equal(new Set(given).size, given.length, 'no partition is given twice');
}

const loadsOf = (assignment: Assignment) =>
  [...assignment.values()].map(({ length }) => length).sort((left, right) => left - right);

test('every assignor: each partition to one subscriber, whatever the order of the input', () => {
  fc.assert(
    fc.property(any, fc.constantFrom(...NAMES), (input, name) => {
      const assignment = assignors[name].assign(input);
      check(input, assignment);
      const given = [...assignment.values()].flat().map(nameOf).sort();
      if (name !== 'cooperative-sticky') assert.deepEqual(given, wantedPartitions(input));
      const turned = { ...input, members: [...input.members].reverse() };
      const other = assignors[name].assign(turned);
      for (const [memberId, partitions] of assignment) {
        assert.deepEqual(other.get(memberId), partitions);
      }
    }),
    { seed: testSeed(), numRuns: testRuns(600) },
  );
});

test('range: within a topic, the subscribers differ by one at most', () => {
  fc.assert(
    fc.property(any, (input) => {
      const assignment = assignors.range.assign(input);
      for (const topic of input.partitionCounts.keys()) {
        const loads = input.members
          .filter(({ topics }) => topics.includes(topic))
          .map(
            ({ memberId }) =>
              assignment.get(memberId)?.filter((at) => at.topic === topic).length ?? 0,
          );
        assert(Math.max(...loads, 0) - Math.min(...loads, Number.POSITIVE_INFINITY) <= 1);
      }
    }),
    { seed: testSeed(), numRuns: testRuns(300) },
  );
});

test('roundrobin and sticky: with equal subscriptions, members differ by one at most', () => {
  const uniform = inputs({ membersMax: 9, partitionsMax: 12, isUniform: true });
  fc.assert(
    fc.property(uniform, fc.constantFrom('roundrobin', 'sticky'), (input, name) => {
      const loads = loadsOf(assignors[name as AssignorName].assign(input));
      assert((loads.at(-1) ?? 0) - (loads[0] ?? 0) <= 1);
    }),
    { seed: testSeed(), numRuns: testRuns(400) },
  );
});

/** What each member had that counts: claims of the newest generation that nobody else makes. */
function keepable(input: AssignorInput): Map<string, AssignorMember> {
  const claims = new Map<string, AssignorMember[]>();
  for (const member of input.members) {
    for (const { topic, partition } of member.owned) {
      if (partition >= (input.partitionCounts.get(topic) ?? 0)) continue;
      const name = nameOf({ topic, partition });
      claims.set(name, [...(claims.get(name) ?? []), member]);
    }
  }
  const kept = new Map<string, AssignorMember>();
  for (const [name, claimants] of claims) {
    const newest = Math.max(...claimants.map(({ generation }) => generation));
    const [winner, ...others] = claimants.filter(({ generation }) => generation === newest);
    if (winner === undefined || others.length > 0) continue;
    if (winner.topics.includes(name.slice(0, name.lastIndexOf('-')))) kept.set(name, winner);
  }
  return kept;
}

function movedBy(input: AssignorInput, assignment: Assignment): string[] {
  return [...keepable(input)]
    .filter(([name, { memberId }]) => !assignment.get(memberId)?.some((at) => nameOf(at) === name))
    .map(([name]) => name);
}

test('sticky: with equal subscriptions, exactly as few moves as the balance takes', () => {
  const uniform = inputs({ membersMax: 6, partitionsMax: 10, isUniform: true });
  fc.assert(
    fc.property(uniform, (input) => {
      const assignment = assignors.sticky.assign(input);
      const kept = keepable(input);
      const had = input.members
        .map((member) => [...kept.values()].filter((owner) => owner === member).length)
        .sort((left, right) => right - left);
      const partitions = wantedPartitions(input).length;
      const least = Math.floor(partitions / input.members.length);
      const withMore = partitions % input.members.length;
      const keepMost = had.reduce(
        (sum, count, place) => sum + Math.min(count, least + (place < withMore ? 1 : 0)),
        0,
      );
      assert.equal(kept.size - movedBy(input, assignment).length, keepMost);
    }),
    { seed: testSeed(), numRuns: testRuns(500) },
  );
});

/** The least sum of squared loads that any assignment has. */
function evenest(input: AssignorInput): number {
  const partitions = wantedPartitions(input);
  const takers = partitions.map((name) => {
    const topic = name.slice(0, name.lastIndexOf('-'));
    return input.members.flatMap(({ topics }, index) => (topics.includes(topic) ? [index] : []));
  });
  // Partitions of a topic are alike, so only loads matter: a set of load vectors, grown one by one.
  let loads = new Map([['', input.members.map(() => 0)]]);
  for (const able of takers) {
    const next = new Map<string, number[]>();
    for (const load of loads.values()) {
      for (const taker of able) {
        const grown = load.map((count, index) => (index === taker ? count + 1 : count));
        next.set(grown.join(), grown);
      }
    }
    loads = next;
  }
  return Math.min(...[...loads.values()].map(sumOfSquares));
}

const sumOfSquares = (loads: readonly number[]) =>
  loads.reduce((sum, count) => sum + count * count, 0);

test('sticky: as even as any assignment, and no move that could be taken back', () => {
  const small = inputs({ membersMax: 4, partitionsMax: 4, isUniform: false });
  fc.assert(
    fc.property(small, (input) => {
      const assignment = assignors.sticky.assign(input);
      const best = evenest(input);
      assert.equal(sumOfSquares(loadsOf(assignment)), best);
      const kept = keepable(input);
      for (const name of movedBy(input, assignment)) {
        const back = new Map([...assignment].map(([id, list]) => [id, list.map(nameOf)]));
        for (const [id, list] of back)
          back.set(
            id,
            list.filter((each) => each !== name),
          );
        back.get(kept.get(name)?.memberId ?? '')?.push(name);
        const loads = [...back.values()].map(({ length }) => length);
        assert(sumOfSquares(loads) > best, `${name} need not have moved`);
      }
    }),
    { seed: testSeed(), numRuns: testRuns(400) },
  );
});

test('sticky: its own outcome, given back, stays as it is', () => {
  fc.assert(
    fc.property(any, (input) => {
      const assignment = assignors.sticky.assign(input);
      const again = assignors.sticky.assign(owning(input, assignment));
      assert.deepEqual(again, assignment);
    }),
    { seed: testSeed(), numRuns: testRuns(300) },
  );
});

test('cooperative-sticky: nothing is given that another one claims, and it comes to an end', () => {
  fc.assert(
    fc.property(any, (input) => {
      let current = input;
      for (let round = 0; ; round += 1) {
        const assignment = assignors['cooperative-sticky'].assign(current);
        check(current, assignment);
        for (const { memberId, owned } of current.members) {
          for (const name of owned.map(nameOf)) {
            for (const [other, partitions] of assignment) {
              if (other !== memberId) assert(!partitions.some((at) => nameOf(at) === name));
            }
          }
        }
        const next = owning(current, assignment);
        const given = [...assignment.values()].flat().map(nameOf).sort();
        if (given.length === wantedPartitions(input).length) {
          assert.deepEqual(assignors['cooperative-sticky'].assign(next), assignment);
          return;
        }
        assert(round < 2, 'two rebalances settle it');
        current = next;
      }
    }),
    { seed: testSeed(), numRuns: testRuns(400) },
  );
});

/** The members as they are after they took the assignment. */
function owning(input: AssignorInput, assignment: Assignment): AssignorInput {
  const ownedBy = (memberId: string): TopicPartition[] => assignment.get(memberId) ?? [];
  return {
    ...input,
    members: input.members.map((member) => ({
      ...member,
      owned: ownedBy(member.memberId),
      generation: 9,
    })),
  };
}
