/** Patterns of topic names: RE2's syntax, held against JavaScript's where the two are the same. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import type { Prng } from '../../src/base/prng.js';
import { TopicPattern } from '../../src/broker/group/topic-pattern.js';
import { testRuns, withSeed } from '../support/seed.js';

function matches(pattern: string, name: string): boolean {
  return new TopicPattern(pattern).matches(name);
}

test('pattern: what RE2 understands is understood, over the whole name', () => {
  const fitting: readonly [pattern: string, ...names: string[]][] = [
    ['orders', 'orders'],
    ['', ''],
    ['.*', 'orders', ''],
    ['^orders-\\d{2,3}$', 'orders-12', 'orders-123'],
    ['(?i)ORDERS[-_.]x', 'Orders-X', 'orders.x'],
    ['a(?i:B)c', 'abc', 'aBc'],
    ['(?P<name>a|b)+', 'abba'],
    ['(?<name>a)', 'a'],
    ['(?:a|bc)?d', 'd', 'ad', 'bcd'],
    ['[[:alpha:]]+[^[:digit:]]', 'abc'],
    ['[]a]+', 'a]'],
    ['[a-]+', 'a-a'],
    ['\\Qa.b\\E\\.c', 'a.b.c'],
    ['\\x61\\x{62}\\143', 'abc'],
    ['\\pL+\\p{Nd}', 'abc1'],
    ['\\w+?\\W\\D\\S', 'a-bc'],
    ['\\Aa\\b-\\Bz?\\z', 'a-'],
    ['(?s-i)a.b(?m)', 'axb'],
    ['x{0}y', 'y'],
    ['(?i)[^a]', 'b'],
    ['a{,2}', 'a{,2}'],
  ];
  for (const [pattern, ...names] of fitting) {
    for (const name of names) assert.ok(matches(pattern, name), `${pattern} fits ${name}`);
  }
  const others: readonly [pattern: string, name: string][] = [
    ['orders', 'orders-1'],
    ['rders', 'orders'],
    ['^orders-\\d{2,3}$', 'orders-1'],
    ['a(?i:B)c', 'aBC'],
    ['(?i)[^a]', 'A'],
    ['a\\bb', 'ab'],
    ['a|b', 'ab'],
    ['\\PL', 'a'],
    ['[^\\d]', '1'],
  ];
  for (const [pattern, name] of others) {
    assert.ok(!matches(pattern, name), `${pattern} does not fit ${name}`);
  }
});

test('pattern: what RE2 does not understand is refused', () => {
  const refused = [
    '(',
    ')',
    'a)',
    '[a',
    '[z-a]',
    '[\\d-z',
    '*a',
    '+',
    'a**',
    'a*+',
    '{2}',
    'a{2}{3}',
    'a{3,2}',
    'a{1001}',
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(a)\\1',
    '\\k',
    '\\p{Nothing}',
    '[[:nothing:]]',
    '\\',
    '\\x{110000}',
    '(?x)a',
    'a'.repeat(5_000),
    '('.repeat(300) + ')'.repeat(300),
    '((a{1000}){1000}){1000}',
  ];
  for (const pattern of refused) {
    const isRefused = (error: unknown): boolean => hasCode(error, 'PATTERN_INVALID');
    assert.throws(() => new TopicPattern(pattern), isRefused, pattern.slice(0, 40));
  }
});

test('pattern: one that would keep a search with steps back busy for ever is soon done', () => {
  const name = 'a'.repeat(249);
  for (const pattern of ['(a*)*b', '(a|a)*b', '(a|aa)+b', '((a+)+)+b', 'a{0,200}a{0,200}b']) {
    assert.equal(matches(pattern, name), false, pattern);
    assert.equal(matches(pattern, 'aab'), true, pattern);
  }
});

function drawPattern(prng: Prng, depth: number): string {
  const atoms = ['a', 'b', '.', '[ab]', '[^b]', '\\w', '-', '\\.'];
  if (depth === 0) return prng.pick(atoms);
  const inside = (): string => drawPattern(prng, depth - 1);
  switch (prng.integer(6)) {
    case 0:
      return `(?:${inside()}|${inside()})`;
    case 1:
      return `(${inside()})${prng.pick(['*', '+', '?', '*?', '+?', '??'])}`;
    case 2:
      return `(${inside()}){${prng.integer(3)},${3 + prng.integer(2)}}`;
    case 3:
      return `${prng.pick(['^', '$', '\\b', '\\B', ''])}${inside()}`;
    default:
      return inside() + inside();
  }
}

test('pattern: of names, it takes those that a search with steps back takes', async () => {
  await withSeed((prng) => {
    for (let run = 0; run < testRuns(400); run += 1) {
      const source = drawPattern(prng, 3);
      const [pattern, reference] = [new TopicPattern(source), new RegExp(`^(?:${source})$`)];
      for (let count = 0; count < 20; count += 1) {
        const length = prng.integer(7);
        const name = Array.from({ length }, () => prng.pick(['a', 'b', '-', '.'])).join('');
        assert.equal(pattern.matches(name), reference.test(name), `${source} on '${name}'`);
      }
    }
  });
});
