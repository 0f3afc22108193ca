// Patterns of topic exchanges: what they match, and that they are gone when they are taken out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TopicTrie } from '../../src/broker/exchange/exchange-trie.js';

function matching(patterns: readonly string[], key: string): readonly string[] {
  const trie = new TopicTrie<string>();
  for (const pattern of patterns) trie.set(pattern, pattern);
  const found: string[] = [];
  trie.match(key, found);
  assert.equal(new Set(found).size, found.length, 'a pattern matches once');
  return patterns.filter((pattern) => found.includes(pattern));
}

const PATTERNS = ['', '#', '*', '*.*', 'a', 'a.*', 'a.#', '#.b', 'a.#.b', '#.#', '*.#.*', 'a*'];

const table: readonly (readonly [key: string, patterns: readonly string[]])[] = [
  ['', ['', '#', '#.#']],
  ['a', ['#', '*', 'a', 'a.#', '#.#']],
  ['b', ['#', '*', '#.b', '#.#']],
  ['a.b', ['#', '*.*', 'a.*', 'a.#', '#.b', 'a.#.b', '#.#', '*.#.*']],
  ['a.c', ['#', '*.*', 'a.*', 'a.#', '#.#', '*.#.*']],
  ['a.b.b', ['#', 'a.#', '#.b', 'a.#.b', '#.#', '*.#.*']],
  ['a.x.y.b', ['#', 'a.#', '#.b', 'a.#.b', '#.#', '*.#.*']],
  ['c.x.y', ['#', '#.#', '*.#.*']],
  ['a.', ['#', '*.*', 'a.*', 'a.#', '#.#', '*.#.*']],
  ['.', ['#', '*.*', '#.#', '*.#.*']],
  ['a*', ['#', '*', '#.#', 'a*']],
];

test('trie: a word, one word and any number of words', () => {
  for (const [key, expected] of table) assert.deepEqual(matching(PATTERNS, key), expected, key);
});

test('trie: wildcards in a key are words like others', () => {
  assert.deepEqual(matching(['a.*', 'a.b', 'a.#'], 'a.#'), ['a.*', 'a.#']);
  assert.deepEqual(matching(['*', '#', 'a'], '*'), ['*', '#']);
});

test('trie: a pattern that is taken out is gone, and only it', () => {
  const trie = new TopicTrie<string>();
  for (const pattern of PATTERNS) trie.set(pattern, pattern);
  trie.delete('no.such.pattern');
  for (const [index, gone] of PATTERNS.entries()) {
    trie.delete(gone);
    assert.equal(trie.get(gone), undefined);
    for (const left of PATTERNS.slice(index + 1)) assert.equal(trie.get(left), left);
    const found: string[] = [];
    trie.match('a.b', found);
    const expected = matching(PATTERNS.slice(index + 1), 'a.b');
    assert.deepEqual(found.sort(), [...expected].sort());
  }
});

test('trie: patterns of many # end, whatever the key', () => {
  const repeated = (text: string, count: number) => Array.from({ length: count }, () => text);
  const key = repeated('a', 128).join('.');
  const pattern = [...repeated('#.a', 60), 'b'].join('.');
  assert.deepEqual(matching([pattern, '#.#.#.#.#', '#.b'], key), ['#.#.#.#.#']);
  assert.deepEqual(matching([pattern], `${key.slice(4)}.b`), [pattern]);
});
