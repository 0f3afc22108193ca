/**
 * The bytes of Kafka's consumer protocol, against bytes written by hand, and against bytes that
 * nobody should have written.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../src/broker/group/group-subscription-format.js';
import { nameOf } from '../support/group-fixture.js';
import { testRuns, testSeed } from '../support/seed.js';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

const topic = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' });
const partition = fc.record({ topic, partition: fc.nat(2 ** 31 - 1) });
const partitions = fc.uniqueArray(partition, { maxLength: 12, selector: nameOf });
const subscription = fc.record({
  topics: fc.array(topic, { maxLength: 6 }),
  owned: partitions,
  generation: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
});

const names = (list: readonly { topic: string; partition: number }[] | undefined) =>
  list?.map(nameOf).sort();

test('subscription: what is written is read again', () => {
  fc.assert(
    fc.property(subscription, (given) => {
      const found = decodeSubscription(encodeSubscription(given));
      assert.deepEqual(found?.topics, given.topics);
      assert.deepEqual(names(found?.owned), names(given.owned));
      assert.equal(found?.generation, given.generation);
    }),
    { seed: testSeed(), numRuns: testRuns(300) },
  );
});

test('assignment: what is written is read again', () => {
  fc.assert(
    fc.property(partitions, (given) => {
      assert.deepEqual(names(decodeAssignment(encodeAssignment(given))), names(given));
    }),
    { seed: testSeed(), numRuns: testRuns(300) },
  );
});

test('assignment: no bytes are no partitions', () => {
  assert.deepEqual(decodeAssignment(new Uint8Array(0)), []);
});

test('subscription: version 0 has topics and user data only', () => {
  const bytes = hex('0000 00000001 0001 74 ffffffff');
  assert.deepEqual(decodeSubscription(bytes), { topics: ['t'], owned: [], generation: -1 });
});

test('subscription: version 1 has owned partitions, version 2 a generation', () => {
  const one = '00000001 0001 74 ffffffff 00000001 0001 74 00000002 00000000 00000003';
  const owned = [
    { topic: 't', partition: 0 },
    { topic: 't', partition: 3 },
  ];
  const first = decodeSubscription(hex(`0001 ${one}`));
  assert.deepEqual(first, { topics: ['t'], owned, generation: -1 });
  const second = decodeSubscription(hex(`0002 ${one} 00000007`));
  assert.deepEqual(second, { topics: ['t'], owned, generation: 7 });
});

test('subscription: an eager client says in its user data what it had', () => {
  const userData = '00000001 0001 74 00000001 00000005 00000009';
  const bytes = hex(`0001 00000001 0001 74 00000013 ${userData} 00000000`);
  assert.deepEqual(decodeSubscription(bytes), {
    topics: ['t'],
    owned: [{ topic: 't', partition: 5 }],
    generation: 9,
  });
});

test('subscription: user data of another kind says nothing', () => {
  const bytes = hex('0001 00000001 0001 74 00000003 abcdef 00000000');
  assert.deepEqual(decodeSubscription(bytes), { topics: ['t'], owned: [], generation: -1 });
});

test('subscription: of a newer version the known fields are read', () => {
  const bytes = hex('0009 00000001 0001 74 ffffffff 00000000 00000002 ffff 0badcafe');
  assert.equal(decodeSubscription(bytes)?.generation, 2);
});

test('bytes that claim more than there is are refused before memory is given', () => {
  for (const bytes of [
    hex(''),
    hex('00'),
    hex('ffff 00000000'),
    hex('0000 7fffffff'),
    hex('0000 00000001 7fff 74'),
    hex('0000 00000001 ffff'),
    hex('0000 00000000 7fffffff'),
    hex('0001 00000000 ffffffff 7fffffff 0001 74'),
    hex('0001 00000000 ffffffff 00000001 0001 74 00000001 ffffffff'),
  ]) {
    assert.equal(decodeSubscription(bytes), undefined, bytes.toString('hex'));
  }
  assert.equal(decodeAssignment(hex('0000 00000001 0001 74 7fffffff 00000000')), undefined);
});

test('any bytes: read, or refused, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), subscription, fc.nat(80), (noise, given, cut) => {
      decodeSubscription(noise);
      decodeAssignment(noise);
      const bytes = encodeSubscription(given);
      decodeSubscription(bytes.subarray(0, cut));
      const damaged = Buffer.from(bytes);
      if (damaged.length > 0) damaged[cut % damaged.length] = noise[0] ?? 0;
      decodeSubscription(damaged);
    }),
    { seed: testSeed(), numRuns: testRuns(1000) },
  );
});
