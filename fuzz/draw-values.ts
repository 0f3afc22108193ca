/**
 * Values that nobody expects, drawn by fast-check from their shapes.
 */

import fc from 'fast-check';
import type { Prng } from '../src/base/prng.js';

/** One value; the same for the same draws. */
export function drawFrom<Value>(prng: Prng, arbitrary: fc.Arbitrary<Value>): Value {
  const seed = prng.integer(2 ** 31);
  const [value] = fc.sample(arbitrary, { seed, numRuns: 1 });
  if (value === undefined && !(0 in [value])) throw new RangeError('a value was drawn');
  return value as Value;
}

/** Names that objects have of their own, and ways out of a folder. */
const NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '../../etc/passwd',
  '..',
  'a/b',
  'nul\0byte',
  '\ud800',
  '',
];

export const name = fc.oneof(
  fc.constantFrom(...NAMES),
  fc.string({ unit: 'binary', maxLength: 300 }),
);

export const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(0, -0, -1, 2 ** 31, 2 ** 53 - 1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY),
);

const scalar = fc.oneof(name, number, fc.boolean(), fc.constant(null));

/** Whatever JSON and msgpack can say, `__proto__` as a name included. */
export const plain: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(name, tie('value'), { maxKeys: 5 }),
  ),
})).value;

/** What a program may pass, and no file can say. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  plain,
  fc.constant(undefined),
  fc.bigInt(),
  fc.constant(Symbol('option')),
  fc.constant(() => 1),
  fc.uint8Array({ maxLength: 20 }),
  fc.date({ noInvalidDate: false }),
);
