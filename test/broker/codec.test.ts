// Codecs: what is stored for a value, what comes back, and what is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, type Codec, encodeValue } from '../../src/broker/topic/codec.js';
import { json, type StandardSchema } from '../../src/broker/topic/codec-json.js';
import { msgpack } from '../../src/broker/topic/codec-msgpack.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { rejection, thrown } from '../support/fixtures.js';

/** A schema as libraries make them: text of digits in, a number out. */
function digits(isAsync: boolean): StandardSchema<string, number> {
  const check = (value: unknown) => {
    if (typeof value === 'string' && /^\d+$/.test(value)) return { value: Number(value) };
    return { issues: [{ message: 'not digits', path: ['a', { key: 'b' }] }] };
  };
  const validate = (value: unknown) => (isAsync ? Promise.resolve(check(value)) : check(value));
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

function throughBytes<Output, Input>(codec: Codec<Output, Input>, value: Input): unknown {
  const encoded = encodeValue(codec, value);
  assert(!(encoded instanceof Promise));
  return codec.decode(Buffer.from(encoded));
}

test('codec: bytes and text come back as bytes', () => {
  assert.deepEqual(throughBytes(bytes, 'grün'), Buffer.from('grün'));
  assert.deepEqual(throughBytes(bytes, new Uint8Array([1, 2])), Buffer.from([1, 2]));
});

test('codec: json takes what JSON takes', () => {
  const value = { a: [1, 'two', null, true] };
  assert.deepEqual(throughBytes(json(), value), value);
  thrown(() => encodeValue(json(), undefined), 'VALUE_INVALID');
  thrown(() => encodeValue(json(), 1n), 'VALUE_INVALID');
  thrown(() => json().decode(Buffer.from('{')), 'VALUE_INVALID');
});

test('codec: a schema checks what is sent and makes what is read', () => {
  const codec = json(digits(false));
  assert.equal(throughBytes(codec, '12'), 12);
  const { facts } = thrown(() => encodeValue(codec, 'x'), 'VALUE_INVALID');
  assert.equal(facts['reason'], 'a.b: not digits');
  thrown(() => codec.decode(Buffer.from('"x"')), 'VALUE_INVALID');
});

test('codec: a schema may answer later', async () => {
  const codec = json(digits(true));
  assert.equal(await encodeValue(codec, '12'), '"12"');
  await rejection(Promise.resolve(encodeValue(codec, 'x')), 'VALUE_INVALID');
});

test('codec: msgpack keeps bytes, dates and numbers', () => {
  const value = { at: new Date(1_700_000_000_123), raw: Buffer.from([0, 255]), n: [1.5, -1] };
  assert.deepEqual(throughBytes(msgpack(), value), value);
});

test('codec: msgpack refuses what could not be read back, and what claims too much', () => {
  thrown(() => encodeValue(msgpack(), new Date(Number.NaN)), 'VALUE_INVALID');
  thrown(() => encodeValue(msgpack(), 2n ** 70n), 'VALUE_INVALID');
  let deep: unknown = 1;
  for (let level = 0; level < 70; level += 1) deep = [deep];
  thrown(() => encodeValue(msgpack(), deep), 'VALUE_INVALID');
  const claimsMuch = Buffer.from([0xdd, 0x7f, 0xff, 0xff, 0xff]);
  thrown(() => msgpack().decode(claimsMuch), 'VALUE_INVALID');
  thrown(() => msgpack().decode(Buffer.from([0xc1])), 'VALUE_INVALID');
});

test('codec: a codec of the program that fails is a value that is refused', async () => {
  const broker = await new SimBroker().open();
  const codec: Codec<string> = {
    name: 'own',
    encode: (value) => {
      if (value === 'bad') throw new Error('no');
      return `<${value}>`;
    },
    decode: (stored) => stored.toString().slice(1, -1),
  };
  const topic = await broker.topic('a', { codec });
  await topic.send({ value: 'good' });
  const { cause } = await rejection(topic.send({ value: 'bad' }), 'VALUE_INVALID');
  assert(cause instanceof Error);
  await topic.send({ key: 'k', value: null });
  const log = await topic.hosted.partition(0);
  assert.deepEqual(await valuesOfPartition(log), ['<good>', 'null']);
  await broker.close();
});

test('codec: sends keep their order when a codec answers later', async () => {
  const broker = await new SimBroker().open();
  const waiting: (() => void)[] = [];
  const codec: Codec<string> = {
    name: 'slow',
    encode: (value) => {
      if (value.startsWith('fast')) return value;
      return new Promise((resolve) => waiting.push(() => resolve(value)));
    },
    decode: (stored) => stored.toString(),
  };
  const topic = await broker.topic('a', { codec });
  const values = ['slow 1', 'fast 2', 'slow 3', 'fast 4'];
  const sends = values.map((value) => topic.send({ value }));
  for (const answer of waiting.reverse()) answer();
  await Promise.all(sends);
  assert.deepEqual(await valuesOfPartition(await topic.hosted.partition(0)), values);
  await broker.close();
});
