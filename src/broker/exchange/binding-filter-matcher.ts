/**
 * A filter policy, compiled once for the many messages that it looks at.
 *
 * Every rule must hold; of a rule's conditions one must, for the attribute's value or for one of
 * the values of a list. A message without attributes passes no policy, not even one that asks for
 * an attribute to be absent (SNS, `key matching`). An attribute exists when it has a value that is
 * neither null nor empty. `anything-but` wants a value that is not listed, so a list passes when
 * one of its values does, as in the examples of SNS; null is no such value.
 */

import {
  type AttributeScalar,
  type Attributes,
  type AttributeValue,
  isList,
} from './binding-attributes.js';
import type { FilterCondition, FilterPolicy, FilterRule } from './binding-filter.js';
import {
  type HandleSet,
  nameHandle,
  prefixHandle,
  rangeHandles,
  suffixHandle,
  valueHandle,
} from './binding-handle.js';
import type { AttributeMatcher } from './binding-matcher.js';
import { isInRange } from './binding-numeric.js';

type ValueCondition = Exclude<FilterCondition, { readonly kind: 'exact' | 'exists' }>;

interface CompiledRule {
  readonly name: string;
  readonly exact: ReadonlySet<AttributeScalar>;
  /** Other conditions on a value. */
  readonly others: readonly ValueCondition[];
  readonly wantsPresence: boolean;
  readonly wantsAbsence: boolean;
}

export function compileFilter({ rules }: FilterPolicy): AttributeMatcher {
  const compiled = rules.map(compileRule);
  return {
    handleSets: compiled.flatMap((rule) => handleSetOf(rule)),
    matches: (attributes) => passes(compiled, attributes),
  };
}

function compileRule({ name, conditions }: FilterRule): CompiledRule {
  const exact = new Set<AttributeScalar>();
  const others: ValueCondition[] = [];
  const existence = new Set<boolean>();
  for (const condition of conditions) {
    if (condition.kind === 'exact') exact.add(condition.value);
    else if (condition.kind === 'exists') existence.add(condition.isThere);
    else others.push(condition);
  }
  const [wantsPresence, wantsAbsence] = [existence.has(true), existence.has(false)];
  return { name, exact, others, wantsPresence, wantsAbsence };
}

/** None when the rule can hold without the attribute. */
function handleSetOf({ name, exact, others, ...wants }: CompiledRule): readonly HandleSet[] {
  if (wants.wantsAbsence) return [];
  const values = [...exact].map((value) => valueHandle(name, value));
  const handles = [...values, ...others.flatMap((condition) => handlesOf(name, condition))];
  const isByName = wants.wantsPresence || handles.some(({ kind }) => kind === 'name');
  return [isByName ? [nameHandle(name)] : handles];
}

function handlesOf(name: string, condition: ValueCondition): HandleSet {
  switch (condition.kind) {
    case 'prefix':
      return [prefixHandle(name, condition.text)];
    case 'suffix':
      return [suffixHandle(name, condition.text)];
    case 'numeric':
      return rangeHandles(name, condition.range);
    default:
      return [nameHandle(name)];
  }
}

function passes(rules: readonly CompiledRule[], attributes: Attributes): boolean {
  if (attributes.size === 0) return false;
  for (const rule of rules) if (!holds(rule, attributes.get(rule.name))) return false;
  return true;
}

function holds(rule: CompiledRule, found: AttributeValue | undefined): boolean {
  if (isThere(found) ? rule.wantsPresence : rule.wantsAbsence) return true;
  if (found === undefined) return false;
  if (!isList(found)) return admits(rule, found);
  for (const value of found) if (admits(rule, value)) return true;
  return false;
}

function isThere(found: AttributeValue | undefined): boolean {
  if (found === undefined || found === null) return false;
  return isList(found) || typeof found === 'string' ? found.length > 0 : true;
}

function admits(rule: CompiledRule, value: AttributeScalar): boolean {
  if (rule.exact.has(value)) return true;
  for (const condition of rule.others) if (isMet(condition, value)) return true;
  return false;
}

function isMet(condition: ValueCondition, value: AttributeScalar): boolean {
  switch (condition.kind) {
    case 'numeric':
      return typeof value === 'number' && isInRange(condition.range, value);
    case 'anything-but':
      return value !== null && !condition.values.includes(value);
    case 'prefix':
      return typeof value === 'string' && value.startsWith(condition.text);
    case 'suffix':
      return typeof value === 'string' && value.endsWith(condition.text);
    case 'equals-ignore-case':
      return typeof value === 'string' && value.toLowerCase() === condition.text.toLowerCase();
    case 'anything-but-prefix':
      return value !== null && !isEdge(value, condition.texts, 'start');
    case 'anything-but-suffix':
      return value !== null && !isEdge(value, condition.texts, 'end');
  }
}

/** Whether a value is a text that starts or ends with one of the texts. */
function isEdge(value: AttributeScalar, texts: readonly string[], edge: 'start' | 'end'): boolean {
  if (typeof value !== 'string') return false;
  return texts.some((text) => (edge === 'start' ? value.startsWith(text) : value.endsWith(text)));
}
