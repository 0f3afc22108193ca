/**
 * Ranges of numbers in filter policies: `["=", 5]`, `["<", 0]` or `[">", 0, "<=", 150]`.
 *
 * A lower bound comes before an upper one and below it. Only numbers lie in a range: a text of
 * digits does not. SNS promises five digits after the point; here every digit of a double counts.
 */

import { invalidFilter } from './exchange-errors.js';

export interface NumericRange {
  readonly lower: number;
  readonly isLowerIn: boolean;
  readonly upper: number;
  readonly isUpperIn: boolean;
}

type Operator = '=' | '<' | '<=' | '>' | '>=';

const OPERATORS: readonly Operator[] = ['=', '<', '<=', '>', '>='];
/** Bounds lie within a billion on either side, as in SNS. */
const BOUND_MAX = 1e9;
const EVERYTHING: NumericRange = {
  lower: Number.NEGATIVE_INFINITY,
  isLowerIn: false,
  upper: Number.POSITIVE_INFINITY,
  isUpperIn: false,
};

/** Throws FILTER_POLICY_INVALID. */
export function parseNumericRange(attribute: string, given: unknown): NumericRange {
  if (!Array.isArray(given) || (given.length !== 2 && given.length !== 4)) {
    throw invalidFilter('numeric takes one operator and number, or two', attribute, given);
  }
  const [first, one, second, other]: readonly unknown[] = given;
  const operator = operatorOf(attribute, first);
  const range = bounded(EVERYTHING, operator, boundOf(attribute, one));
  if (given.length === 2) return range;
  const last = operatorOf(attribute, second);
  if (!operator.startsWith('>') || !last.startsWith('<')) {
    throw invalidFilter('numeric takes > or >= first, then < or <=', attribute);
  }
  const both = bounded(range, last, boundOf(attribute, other));
  if (both.lower >= both.upper) {
    throw invalidFilter('the lower bound is below the upper one', attribute, both.lower);
  }
  return both;
}

export function isInRange(range: NumericRange, value: number): boolean {
  if (value < range.lower || (value === range.lower && !range.isLowerIn)) return false;
  return value < range.upper || (value === range.upper && range.isUpperIn);
}

function bounded(range: NumericRange, operator: Operator, bound: number): NumericRange {
  switch (operator) {
    case '=':
      return { lower: bound, isLowerIn: true, upper: bound, isUpperIn: true };
    case '<':
      return { ...range, upper: bound };
    case '<=':
      return { ...range, upper: bound, isUpperIn: true };
    case '>':
      return { ...range, lower: bound };
    case '>=':
      return { ...range, lower: bound, isLowerIn: true };
  }
}

function operatorOf(attribute: string, given: unknown): Operator {
  const operator = OPERATORS.find((known) => known === given);
  if (operator !== undefined) return operator;
  throw invalidFilter('an operator of numeric is =, <, <=, > or >=', attribute, given);
}

function boundOf(attribute: string, given: unknown): number {
  if (typeof given === 'number' && Math.abs(given) <= BOUND_MAX) return given;
  throw invalidFilter(`a bound of numeric is a number within ${BOUND_MAX}`, attribute, given);
}
