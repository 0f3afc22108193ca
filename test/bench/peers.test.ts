/**
 * What the comparison with peers decides: what was read, what is missing, when a budget is kept.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingOf } from '../../bench/adapters/peer-package.js';
import { judge } from '../../bench/budgets.js';
import { casesNamed } from '../../bench/cases.js';
import { ReadSum } from '../../bench/read-sum.js';
import { formatSkip, type Row } from '../../bench/row.js';

const values = [Buffer.from('first'), Buffer.from('second'), Buffer.from('third')];

test('peers: a record that is missing, doubled or out of order changes the sum', () => {
  const [first = Buffer.alloc(0), second = Buffer.alloc(0), third = Buffer.alloc(0)] = values;
  const whole = ReadSum.of(values).text();
  assert.notEqual(ReadSum.of([first, second]).text(), whole);
  assert.notEqual(ReadSum.of([first, second, second]).text(), whole);
  assert.notEqual(ReadSum.of([first, third, second]).text(), whole);
  assert.throws(() => ReadSum.of([first]).check(values), /read 1-5-.* and not 3-16-/);
});

test('peers: a sum takes ranges of larger bytes as it takes the values', () => {
  const bytes = Buffer.from('firstsecondthird');
  const sum = new ReadSum();
  sum.take(bytes, 0, 5);
  sum.take(bytes, 5, 11);
  sum.take(bytes, 11, 16);
  sum.check(values);
});

test('peers: what is not installed is named, packages before programs', () => {
  const needs = { packages: ['no-such-package'], program: 'no-such-program' };
  assert.match(missingOf(needs) ?? '', /^no-such-package not installed/);
  assert.equal(missingOf({ ...needs, packages: [] }), 'no-such-program is not installed');
  assert.equal(missingOf({ packages: [] }), undefined);
});

test('peers: five times the best keeps the budget, and so does being near raw', () => {
  const row = (ratio: number, toRaw: number): Row => ({
    case: 'peers-append-durable-best',
    valueBytes: 100,
    batch: 1000,
    callers: 41,
    acks: 'durable',
    unit: 'records/s',
    ours: 1,
    raw: 1,
    ratio,
    low: ratio,
    high: ratio,
    rounds: 7,
    toRaw,
  });
  const spread = { low: 1, high: 1 };
  assert.equal(judge(row(5, 0.1), spread)?.met, true);
  assert.equal(judge(row(2, 0.85), spread)?.met, true);
  assert.equal(judge(row(4.9, 0.84), spread)?.met, false);
});

test('peers: a smoke leaves out what needs more than a clone, unless it is named', () => {
  const names = (list: readonly string[], isSmoke: boolean): readonly string[] =>
    casesNamed(list, isSmoke).map(({ name }) => name);
  assert.ok(!names([], true).includes('peers-append'));
  assert.ok(names([], false).includes('peers-append'));
  assert.deepEqual(names(['peers-lone'], true), ['peers-lone']);
});

test('peers: what was skipped is said in a line, with its reason', () => {
  const skip = { case: 'peers-read', against: 'lmdb', valueBytes: 100, skipped: 'not there' };
  assert.match(formatSkip(skip), /^peers-read +lmdb: skipped, not there$/);
});
