/**
 * Assignors on cases whose outcome is known, Kafka's where it has one.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AssignorMember } from '../../src/broker/group/assignor.js';
import { type AssignorName, assignors } from '../../src/broker/group/assignors.js';
import { nameOf } from '../support/group-fixture.js';

interface Given {
  topics?: string[];
  owned?: string[];
  generation?: number;
  instanceId?: string;
}

function assign(
  name: AssignorName,
  counts: Readonly<Record<string, number>>,
  members: Readonly<Record<string, Given>>,
): Record<string, string> {
  const given = Object.entries(members).map(([memberId, each]): AssignorMember => {
    const { topics = Object.keys(counts), owned = [], generation = 1, instanceId } = each;
    const partitions = owned.map((text) => {
      const dash = text.lastIndexOf('-');
      return { topic: text.slice(0, dash), partition: Number(text.slice(dash + 1)) };
    });
    return { memberId, topics, owned: partitions, generation, instanceId };
  });
  const partitionCounts = new Map(Object.entries(counts));
  const assignment = assignors[name].assign({ members: given, partitionCounts });
  return Object.fromEntries(
    [...assignment].map(([memberId, partitions]) => [memberId, partitions.map(nameOf).join(' ')]),
  );
}

test('range: each topic in blocks, the first members get one more', () => {
  assert.deepEqual(assign('range', { a: 3, b: 3 }, { m1: {}, m2: {} }), {
    m1: 'a-0 a-1 b-0 b-1',
    m2: 'a-2 b-2',
  });
});

test('range: a member counts only in the topics that it subscribes to', () => {
  const members = { m1: { topics: ['a'] }, m2: { topics: ['a', 'b'] }, m3: { topics: ['b'] } };
  assert.deepEqual(assign('range', { a: 3, b: 2 }, members), {
    m1: 'a-0 a-1',
    m2: 'a-2 b-0',
    m3: 'b-1',
  });
});

test('range: static members are ordered by instance id, before the others', () => {
  const members = { z1: { instanceId: 'one' }, a2: { instanceId: 'two' }, a0: {} };
  assert.deepEqual(assign('range', { a: 3 }, members), { z1: 'a-0', a2: 'a-1', a0: 'a-2' });
});

test('roundrobin: one by one over all topics', () => {
  assert.deepEqual(assign('roundrobin', { a: 3, b: 3 }, { m1: {}, m2: {} }), {
    m1: 'a-0 a-2 b-1',
    m2: 'a-1 b-0 b-2',
  });
});

test('roundrobin: whoever does not subscribe is passed over', () => {
  const members = {
    m1: { topics: ['a'] },
    m2: { topics: ['a', 'b'] },
    m3: { topics: ['a', 'b', 'c'] },
  };
  assert.deepEqual(assign('roundrobin', { a: 1, b: 2, c: 3 }, members), {
    m1: 'a-0',
    m2: 'b-0',
    m3: 'b-1 c-0 c-1 c-2',
  });
});

test('sticky: what a member that left had goes to the others, which keep theirs', () => {
  const members = { m1: { owned: ['a-0', 'a-3'] }, m3: { owned: ['a-2', 'a-5'] } };
  assert.deepEqual(assign('sticky', { a: 6 }, members), {
    m1: 'a-0 a-1 a-3',
    m3: 'a-2 a-4 a-5',
  });
});

test('sticky: a new member gets its share from those who have the most', () => {
  const members = { m1: { owned: ['a-0', 'a-1', 'a-2'] }, m2: { owned: ['a-3'] }, m3: {} };
  const outcome = assign('sticky', { a: 4 }, members);
  assert.deepEqual(outcome, { m1: 'a-0 a-1', m2: 'a-3', m3: 'a-2' });
});

test('sticky: of two claims the one of the newer generation counts', () => {
  const members = {
    m1: { owned: ['a-0', 'a-1'], generation: 3 },
    m2: { owned: ['a-1', 'a-0'], generation: 4 },
  };
  assert.deepEqual(assign('sticky', { a: 2 }, members), { m1: 'a-1', m2: 'a-0' });
});

test('sticky: a load goes on by way of a member in between', () => {
  const members = {
    m1: { topics: ['a'], owned: ['a-0', 'a-1', 'a-2'] },
    m2: { topics: ['a', 'b'], owned: ['b-0', 'b-1'] },
    m3: { topics: ['b'], owned: ['b-2'] },
  };
  assert.deepEqual(assign('sticky', { a: 3, b: 3 }, members), {
    m1: 'a-0 a-1',
    m2: 'a-2 b-0',
    m3: 'b-1 b-2',
  });
});

test('cooperative-sticky: what moves is first given to nobody', () => {
  const counts = { a: 4 };
  const first = { m1: { owned: ['a-0', 'a-1', 'a-2', 'a-3'] }, m2: {} };
  assert.deepEqual(assign('cooperative-sticky', counts, first), { m1: 'a-0 a-1', m2: '' });
  const second = { m1: { owned: ['a-0', 'a-1'] }, m2: {} };
  assert.deepEqual(assign('cooperative-sticky', counts, second), {
    m1: 'a-0 a-1',
    m2: 'a-2 a-3',
  });
});

test('cooperative-sticky: what two members claim is given to neither', () => {
  const members = { m1: { owned: ['a-0'], generation: 2 }, m2: { owned: ['a-0'], generation: 1 } };
  assert.deepEqual(assign('cooperative-sticky', { a: 1 }, members), { m1: '', m2: '' });
});

for (const name of Object.keys(assignors).filter((each) => each in assignors)) {
  test(`${name}: topics that do not exist and partitions that are gone are not given`, () => {
    const members = { m1: { topics: ['a', 'gone'], owned: ['gone-0', 'a-7', 'a-0'] } };
    assert.deepEqual(assign(name as AssignorName, { a: 2 }, members), { m1: 'a-0 a-1' });
  });
}
