import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { type ErrorCode, type ErrorFacts, MillraceError } from '../../src/base/errors.js';
import {
  type GivenOptions,
  limitOf,
  optionTable,
  resolveForeign,
  resolveOptions,
} from '../../src/base/options.js';

const table = optionTable({
  segmentBytes: { unit: 'bytes', default: 1_024, min: 512, max: 4_096, doc: 'Size of a segment.' },
  retentionMs: { unit: 'ms', default: -1, min: -1, max: 2 ** 40, doc: 'How long.' },
  preallocate: { default: true, doc: 'Whether.' },
  cleanup: { values: ['delete', 'compact'], default: 'delete', doc: 'What goes.' },
  name: { default: '', bytesMax: 8, doc: 'What it is called.' },
});

test('options: what is given wins, the rest are the defaults, and the result is frozen', () => {
  const resolved = resolveOptions(table, { segmentBytes: 512, cleanup: 'compact' }, 'open');
  assert.deepEqual(resolved, {
    segmentBytes: 512,
    retentionMs: -1,
    preallocate: true,
    cleanup: 'compact',
    name: '',
  });
  assert.ok(Object.isFrozen(resolved));
  const typed: { segmentBytes: number; preallocate: boolean; cleanup: 'delete' | 'compact' } =
    resolved;
  assert.equal(typed.cleanup, 'compact');
});

test('options: undefined, alone or as a value, means the default', () => {
  const defaults = resolveOptions(table, undefined, 'open');
  assert.deepEqual(resolveOptions(table, {}, 'open'), defaults);
  const given = { segmentBytes: undefined, name: undefined };
  assert.deepEqual(resolveOptions(table, given, 'open'), defaults);
});

test('options: false, the empty string and both bounds are values', () => {
  const given = { preallocate: false, name: '', segmentBytes: 4_096, retentionMs: 2 ** 40 };
  assert.deepEqual(
    { ...resolveOptions(table, given, 'open'), cleanup: undefined },
    {
      ...given,
      cleanup: undefined,
    },
  );
});

test('options: an unknown name is refused, with the nearest name when one is near', () => {
  const cases: readonly [string, string | undefined][] = [
    ['segmentByte', 'segmentBytes'],
    ['segment_bytes', 'segmentBytes'],
    ['SegmentBytes', 'segmentBytes'],
    ['retentionHours', 'retentionMs'],
    ['compressionType', undefined],
    ['cleanUp', 'cleanup'],
    ['constructor', undefined],
    ['toString', undefined],
  ];
  for (const [option, nearest] of cases) {
    assert.deepEqual(refusal({ [option]: 1 }), {
      code: 'OPTION_UNKNOWN',
      facts: { option, nearest, where: 'open' },
    });
  }
});

test('options: a very long name is cut in the error', () => {
  const { code, facts } = refusal({ ['x'.repeat(100_000)]: 1 });
  assert.equal(code, 'OPTION_UNKNOWN');
  assert.equal(facts['option'], `${'x'.repeat(64)}...`);
});

test('options: a wrong value is refused, with what is expected and what was given', () => {
  const size = 'a whole number from 512 to 4096 (bytes)';
  const cases: readonly [string, unknown, string, unknown][] = [
    ['segmentBytes', 511, size, 511],
    ['segmentBytes', 4_097, size, 4_097],
    ['segmentBytes', 1_000.5, size, 1_000.5],
    ['segmentBytes', Number.NaN, size, Number.NaN],
    ['segmentBytes', '1024', size, '"1024"'],
    ['segmentBytes', 1024n, size, 'a bigint'],
    ['segmentBytes', null, size, null],
    ['preallocate', 1, 'true or false', 1],
    ['preallocate', null, 'true or false', null],
    ['cleanup', 'Delete', 'one of delete, compact', '"Delete"'],
    ['cleanup', ['delete'], 'one of delete, compact', 'an array'],
    ['name', 'ä'.repeat(5), 'a string of at most 8 bytes', '"äääää"'],
    ['name', { toString: () => 'x' }, 'a string of at most 8 bytes', 'object'],
    ['name', Symbol('x'), 'a string of at most 8 bytes', 'symbol'],
  ];
  for (const [option, value, expected, actual] of cases) {
    assert.deepEqual(refusal({ [option]: value }), {
      code: 'OPTION_INVALID',
      facts: { option, expected, actual, where: 'open' },
    });
  }
});

test('options: what is no object is refused as a whole', () => {
  for (const given of [null, 'segmentBytes', 5, [], () => {}]) {
    const { code, facts } = refusal(given);
    assert.equal(code, 'OPTION_INVALID');
    assert.equal(facts['option'], 'options');
  }
});

test('options: a name that the prototype has is no option, and __proto__ changes nothing', () => {
  const inherited = Object.create({ segmentBytes: 600 });
  assert.equal(resolveOptions(table, inherited, 'open').segmentBytes, 1_024);
  assert.equal(refusal(JSON.parse('{"__proto__": {"segmentBytes": 600}}')).code, 'OPTION_UNKNOWN');
});

test('options: a table whose default is outside its own bounds does not load', () => {
  const wrong = { unit: 'ms', default: 5, min: 0, max: 4, doc: 'Too small.' };
  assert.throws(() => optionTable({ wrong }), InvariantViolation);
  assert.throws(() => optionTable({ mode: { values: ['a'], default: 'b', doc: 'No.' } }), {
    name: 'InvariantViolation',
  });
  assert.throws(() => optionTable({ silent: { default: true, doc: '' } }), InvariantViolation);
});

const cleaning = optionTable({
  limitBytes: {
    unit: 'bytes',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: 100,
    doc: 'Most.',
  },
  spareBytes: { unit: 'bytes', isAutomatic: true, default: 'auto', min: 0, max: 9, doc: 'Kept.' },
  ratio: { unit: 'share', isFraction: true, default: 0.5, min: 0, max: 1, doc: 'How much.' },
  groups: { default: [], namesMax: 3, nameBytesMax: 4, doc: 'Which.' },
});

test('options: a limit is a whole number or the word unlimited', () => {
  for (const [limitBytes, limit] of [
    ['unlimited', Number.POSITIVE_INFINITY],
    [1, 1],
    [100, 100],
  ] as const) {
    assert.equal(limitOf(resolveOptions(cleaning, { limitBytes }, 'open').limitBytes), limit);
  }
  for (const limitBytes of [0, 101, 1.5, -1, Number.POSITIVE_INFINITY, 'Unlimited', '7', null]) {
    assert.throws(() => resolveForeign(cleaning, { limitBytes }, 'open'), MillraceError);
  }
});

test('options: what is automatic is a whole number or the word auto', () => {
  for (const spareBytes of ['auto', 0, 9] as const) {
    assert.equal(resolveOptions(cleaning, { spareBytes }, 'open').spareBytes, spareBytes);
  }
  for (const spareBytes of [-1, 10, 1.5, 'unlimited', 'Auto', null]) {
    assert.throws(() => resolveForeign(cleaning, { spareBytes }, 'open'), /or 'auto'/);
  }
});

test('options: a fraction is any number within its bounds', () => {
  for (const ratio of [0, 0.123, 1]) {
    assert.equal(resolveOptions(cleaning, { ratio }, 'open').ratio, ratio);
  }
  for (const ratio of [-0.001, 1.001, Number.NaN, '0.5', 'unlimited']) {
    assert.throws(() => resolveForeign(cleaning, { ratio }, 'open'), MillraceError);
  }
});

test('options: names are sorted, frozen and ours', () => {
  const given = ['b', 'a', 'c'];
  const { groups } = resolveOptions(cleaning, { groups: given }, 'open');
  given[0] = 'x';
  assert.deepEqual(groups, ['a', 'b', 'c']);
  assert.ok(Object.isFrozen(groups));
  assert.deepEqual(given, ['x', 'a', 'c']);
});

test('options: names that are empty, long, double, too many or no texts are refused', () => {
  const wrong = [
    [''],
    ['12345'],
    ['ääa'],
    ['a', 'a'],
    ['1', '2', '3', '4'],
    [1],
    'a',
    [undefined, 'a'],
    null,
  ];
  for (const groups of wrong) {
    assert.throws(() => resolveForeign(cleaning, { groups }, 'open'), MillraceError);
  }
});

function refusal(given: unknown): { code: ErrorCode; facts: ErrorFacts } {
  try {
    resolveOptions(table, given as GivenOptions<typeof table>, 'open');
  } catch (error) {
    assert.ok(error instanceof MillraceError);
    return { code: error.code, facts: error.facts };
  }
  return assert.fail('the options were accepted');
}
