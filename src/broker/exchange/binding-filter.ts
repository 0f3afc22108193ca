/**
 * Filter policies on attributes, as SNS has them, from untrusted JSON to checked rules.
 *
 *     { "kind": ["order", { "prefix": "refund." }],            one of these, and
 *       "store": [{ "anything-but": ["test"] }],               none of these, and
 *       "amount": [{ "numeric": [">", 0, "<=", 150] }],        in this range, and
 *       "trial": [{ "exists": false }] }                       not there
 *
 * Rules and bounds are those of docs.aws.amazon.com/sns/latest/dg, `subscription filter policies`
 * and `filter policy constraints`: 5 attributes, 150 combinations (the lengths of the lists
 * multiplied), 256 KiB. What else SNS knows (`wildcard`, `cidr`, `$or`, nesting) is refused: a
 * policy that is not understood must not let everything through.
 */

import { limits } from '../../base/limits.js';
import { isName } from '../../base/options.js';
import { type AttributeScalar, isScalar } from './binding-attributes.js';
import { type NumericRange, parseNumericRange } from './binding-numeric.js';
import { invalidFilter } from './exchange-errors.js';

/** A policy as a program gives it: a list of conditions for each attribute, as JSON has them. */
export type FilterPolicyInput = Readonly<Record<string, readonly unknown[]>>;

const textOperators = ['prefix', 'suffix', 'equals-ignore-case'] as const;
export type TextOperator = (typeof textOperators)[number];

export type FilterCondition =
  | { readonly kind: 'exact'; readonly value: AttributeScalar }
  | { readonly kind: TextOperator; readonly text: string }
  | { readonly kind: 'anything-but'; readonly values: readonly AttributeScalar[] }
  | { readonly kind: 'anything-but-prefix'; readonly texts: readonly string[] }
  | { readonly kind: 'anything-but-suffix'; readonly texts: readonly string[] }
  | { readonly kind: 'numeric'; readonly range: NumericRange; readonly terms: readonly unknown[] }
  | { readonly kind: 'exists'; readonly isThere: boolean };

/** One attribute, and the conditions of which one must hold. */
export interface FilterRule {
  readonly name: string;
  readonly conditions: readonly FilterCondition[];
}

export interface FilterPolicy {
  /** By name; at least one. */
  readonly rules: readonly FilterRule[];
  /** The policy as JSON with its names in order. */
  readonly text: string;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The rules of a policy, with copies of what it holds; undefined for `{}`, which filters nothing.
 * Throws FILTER_POLICY_INVALID.
 */
export function parseFilterPolicy(given: unknown): FilterPolicy | undefined {
  if (!isPlain(given)) throw invalidFilter('a policy is an object of lists', '', given);
  const names = Object.keys(given);
  if (names.length === 0) return undefined;
  if (names.length > limits.filterAttributesMax) {
    throw invalidFilter(`it has more than ${limits.filterAttributesMax} attributes`, '');
  }
  names.sort();
  const policy = new Map(Object.entries(Object(given)));
  const lists = names.map((name) => listFor(name, policy.get(name)));
  const combinations = lists.reduce((product, { length }) => product * length, 1);
  if (combinations > limits.filterCombinationsMax) {
    const reason = `it has more than ${limits.filterCombinationsMax} combinations`;
    throw invalidFilter(reason, '', combinations);
  }
  const rules = names.map((name, index) => parseRule(name, lists[index] ?? []));
  return Object.freeze({ rules: Object.freeze(rules), text: textOf(rules) });
}

/** The policy whose JSON this is. Throws FILTER_POLICY_INVALID. */
export function parseFilterText(text: string): FilterPolicy | undefined {
  if (text.length > limits.filterPolicyBytesMax) throw policyTooLarge();
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw invalidFilter('a policy is JSON', '', text);
  }
  return parseFilterPolicy(given);
}

function listFor(name: string, conditions: unknown): readonly unknown[] {
  if (Array.isArray(conditions) && conditions.length > 0) return conditions;
  throw invalidFilter('conditions are a list that is not empty', name, conditions);
}

function parseRule(name: string, conditions: readonly unknown[]): FilterRule {
  if (!isName(name, limits.attributeNameBytesMax) || LONE_SURROGATE.test(name)) {
    const max = limits.attributeNameBytesMax;
    throw invalidFilter(`the name of an attribute is a text of 1 to ${max} bytes`, name);
  }
  return { name, conditions: conditions.map((condition) => parseCondition(name, condition)) };
}

function parseCondition(name: string, given: unknown): FilterCondition {
  if (isScalar(given)) {
    return { kind: 'exact', value: typeof given === 'string' ? textIn(name, given) : given };
  }
  const entries = isPlain(given) ? Object.entries(given) : [];
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1) {
    throw invalidFilter('a condition is a value, or an object with one operator', name, given);
  }
  const [operator, operand] = entry;
  const kind = textOperators.find((known) => known === operator);
  if (kind !== undefined) return { kind, text: textIn(name, operand) };
  if (operator === 'anything-but') return parseAnythingBut(name, operand);
  if (operator === 'numeric') {
    const terms: readonly unknown[] = Array.isArray(operand) ? operand.slice(0, 5) : [];
    return { kind: 'numeric', range: parseNumericRange(name, terms), terms };
  }
  if (operator !== 'exists') throw invalidFilter('there is no such operator', name, operator);
  if (typeof operand === 'boolean') return { kind: 'exists', isThere: operand };
  throw invalidFilter('exists is true or false', name, operand);
}

/** Texts and numbers, or the prefixes or suffixes of texts. */
function parseAnythingBut(name: string, given: unknown): FilterCondition {
  if (!isPlain(given)) {
    const values = listOf(name, given).map((value) => {
      if (typeof value === 'number' && isScalar(value)) return value;
      return textIn(name, value);
    });
    return { kind: 'anything-but', values };
  }
  const entries = Object.entries(given);
  const [operator, operand] = entries[0] ?? [];
  if (entries.length !== 1 || (operator !== 'prefix' && operator !== 'suffix')) {
    throw invalidFilter('anything-but takes values, a prefix or a suffix', name, operator);
  }
  const texts = listOf(name, operand).map((text) => textIn(name, text));
  return { kind: `anything-but-${operator}`, texts };
}

function listOf(name: string, given: unknown): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length >= 1 && list.length <= limits.filterCombinationsMax) return list;
  const max = limits.filterCombinationsMax;
  throw invalidFilter(`anything-but takes 1 to ${max} values`, name, list.length);
}

function textIn(name: string, given: unknown): string {
  const max = limits.attributeTextBytesMax;
  if (typeof given === 'string' && Buffer.byteLength(given) <= max) {
    if (!LONE_SURROGATE.test(given)) return given;
  }
  throw invalidFilter(`a text of at most ${max} bytes is expected`, name, given);
}

function textOf(rules: readonly FilterRule[]): string {
  const entries = rules.map(({ name, conditions }) => [name, conditions.map(jsonOf)]);
  const text = JSON.stringify(Object.fromEntries(entries));
  if (Buffer.byteLength(text) > limits.filterPolicyBytesMax) throw policyTooLarge();
  return text;
}

function jsonOf(condition: FilterCondition): unknown {
  switch (condition.kind) {
    case 'exact':
      return condition.value;
    case 'exists':
      return { exists: condition.isThere };
    case 'numeric':
      return { numeric: condition.terms };
    case 'anything-but':
      return { 'anything-but': condition.values };
    case 'anything-but-prefix':
      return { 'anything-but': { prefix: condition.texts } };
    case 'anything-but-suffix':
      return { 'anything-but': { suffix: condition.texts } };
    default:
      return { [condition.kind]: condition.text };
  }
}

function policyTooLarge(): Error {
  return invalidFilter(`a policy has at most ${limits.filterPolicyBytesMax} bytes`, '');
}

function isPlain(given: unknown): given is object {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}
