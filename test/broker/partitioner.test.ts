// Partitions are chosen as Kafka's clients choose them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../src/base/prng.js';
import { murmur2, murmur2Ascii } from '../../src/broker/producer/murmur2.js';
import { keyPartition, StickyPartition } from '../../src/broker/producer/partitioner.js';

/** From Kafka's own test of `Utils.murmur2`. */
const kafkaHashes: readonly (readonly [key: string, hash: number])[] = [
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
];

test('partitioner: keys hash as in Kafka', () => {
  for (const [key, hash] of kafkaHashes) assert.equal(murmur2(Buffer.from(key)), hash, key);
});

test('partitioner: text is hashed as its bytes are, whatever its length', () => {
  for (let length = 0; length < 80; length += 1) {
    const text = Array.from({ length }, (_, index) => String.fromCharCode((index * 37) % 128)).join(
      '',
    );
    assert.equal(murmur2Ascii(text), murmur2(Buffer.from(text)), `${length} characters`);
    for (const stranger of ['ü', '€', '\u{1f600}']) {
      const other = text.slice(0, length >> 1) + stranger + text.slice(length >> 1);
      assert.equal(murmur2Ascii(other), undefined);
      const hash = murmur2(Buffer.from(other));
      assert.equal(keyPartition(other, 1009), (hash & 0x7fff_ffff) % 1009);
    }
  }
});

test('partitioner: a key is its UTF-8 bytes, and its partition is not negative', () => {
  assert.equal(keyPartition('21', 10), (-973_932_308 & 0x7fff_ffff) % 10);
  assert.equal(keyPartition('grün', 97), keyPartition(Buffer.from('grün'), 97));
  for (let number = 0; number < 1_000; number += 1) {
    const partition = keyPartition(`key ${number}`, 7);
    assert(partition >= 0 && partition < 7);
  }
});

test('partitioner: a sticky partition changes with each batch, and reaches all', () => {
  const sticky = new StickyPartition(new Prng(7));
  const seen = new Set<number>();
  for (let batch = 0; batch < 100; batch += 1) {
    const partition = sticky.choose(5);
    assert.equal(sticky.choose(5), partition);
    seen.add(partition);
    sticky.handedOver((partition + 1) % 5, 5);
    assert.equal(sticky.choose(5), partition, 'a batch of another partition changes nothing');
    sticky.handedOver(partition, 5);
    assert.notEqual(sticky.choose(5), partition);
  }
  assert.equal(seen.size, 5);
});
