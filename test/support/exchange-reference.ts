/**
 * Routing as one would write it down first: every binding is looked at for every message.
 *
 * It shares no code with the tables of exchanges. The rules are those of RabbitMQ's exchanges and
 * of SNS's filter policies, each said once, in the plainest way.
 */

import type { Attributes, AttributeValue } from '../../src/broker/exchange/binding-attributes.js';
import type { BindingInput, BindingTarget } from '../../src/broker/exchange/binding-definition.js';
import type { ExchangeInput } from '../../src/broker/exchange/exchange-definition.js';

export class ReferenceRouter {
  readonly exchanges = new Map<string, ExchangeInput>();
  bindings: BindingInput[] = [];

  bind(binding: BindingInput): void {
    if (!this.bindings.some((other) => isSame(other, binding))) this.bindings.push(binding);
  }

  unbind(binding: BindingInput): void {
    this.bindings = this.bindings.filter((other) => !isSame(other, binding));
  }

  delete(name: string): void {
    this.exchanges.delete(name);
    this.bindings = this.bindings.filter(({ exchange }) => exchange !== name);
    this.forget({ kind: 'exchange', name });
  }

  forget(gone: BindingTarget): void {
    this.bindings = this.bindings.filter(
      ({ target }) => target.kind !== gone.kind || target.name !== gone.name,
    );
  }

  /** Queues and topics as `kind/name`, sorted. */
  route(from: string, key: string, attributes: Attributes): string[] {
    const seen = new Set([from]);
    const pending = [from];
    const reached = new Set<string>();
    const visit = (exchange: string): void => {
      if (seen.has(exchange) || !this.exchanges.has(exchange)) return;
      seen.add(exchange);
      pending.push(exchange);
    };
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      const exchange = this.exchanges.get(name);
      const matching = this.bindings.filter(
        (binding) => binding.exchange === name && this.#matches(binding, key, attributes),
      );
      for (const { target } of matching) {
        if (target.kind === 'exchange') visit(target.name);
        else reached.add(`${target.kind}/${target.name}`);
      }
      if (matching.length === 0 && exchange?.alternate !== undefined) visit(exchange.alternate);
    }
    return [...reached].sort();
  }

  #matches(binding: BindingInput, key: string, attributes: Attributes): boolean {
    const { kind } = this.exchanges.get(binding.exchange) ?? {};
    const bound = binding.routingKey ?? '';
    if (kind === 'direct' && bound !== key) return false;
    if (kind === 'topic' && !topicMatches(words(bound), words(key))) return false;
    if (kind === 'headers' && !headersMatch(binding, attributes)) return false;
    return binding.filter === undefined || policyPasses(binding.filter, attributes);
  }
}

function isSame(one: BindingInput, other: BindingInput): boolean {
  return textOf(one) === textOf(other);
}

function textOf({ exchange, target, routingKey, match, headers, filter }: BindingInput): string {
  const sorted = (given: object) => Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = [exchange, target.kind, target.name, routingKey ?? '', match ?? 'all'];
  return JSON.stringify([...parts, sorted(headers ?? {}), sorted(filter ?? {})]);
}

function words(key: string): string[] {
  return key === '' ? [] : key.split('.');
}

function topicMatches(pattern: readonly string[], key: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return key.length === 0;
  if (first === '#' && topicMatches(rest, key)) return true;
  const [word, ...others] = key;
  if (word === undefined) return false;
  if (first === '#') return topicMatches(pattern, others);
  return (first === '*' || first === word) && topicMatches(rest, others);
}

function headersMatch({ match = 'all', headers = {} }: BindingInput, found: Attributes): boolean {
  const asked = Object.entries(headers).filter(
    ([name]) => match.endsWith('-with-x') || !name.startsWith('x-'),
  );
  const holds = ([name, value]: readonly [string, unknown]) =>
    found.has(name) && (value === null || found.get(name) === value);
  return match.startsWith('all') ? asked.every(holds) : asked.some(holds);
}

export function policyPasses(
  policy: Readonly<Record<string, readonly unknown[]>>,
  attributes: Attributes,
): boolean {
  const rules = Object.entries(policy);
  if (rules.length === 0) return true;
  if (attributes.size === 0) return false;
  return rules.every(([name, conditions]) =>
    conditions.some((condition) => conditionHolds(condition, attributes.get(name))),
  );
}

function conditionHolds(condition: unknown, found: AttributeValue | undefined): boolean {
  const values: readonly unknown[] = Array.isArray(found) ? found : [found];
  const operators = new Map<string, unknown>(
    typeof condition === 'object' && condition !== null ? Object.entries(condition) : [],
  );
  if (operators.has('exists')) {
    const isThere = found !== undefined && found !== null && found !== '';
    return operators.get('exists') === (isThere && values.length > 0);
  }
  if (found === undefined) return false;
  const [entry] = operators;
  if (entry === undefined) return values.includes(condition);
  return values.some((value) => operatorHolds(entry[0], entry[1], value));
}

function operatorHolds(operator: string, operand: unknown, value: unknown): boolean {
  const operands: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
  if (operator === 'numeric') {
    return typeof value === 'number' && numbersHold(operands, value);
  }
  if (operator === 'anything-but') {
    if (value === null) return false;
    const [nested] = Object.entries(Object(typeof operand === 'object' ? operand : {}));
    if (Array.isArray(operand) || nested === undefined) return !operands.includes(value);
    const edges: readonly unknown[] = Array.isArray(nested[1]) ? nested[1] : [nested[1]];
    return !edges.some((edge) => operatorHolds(nested[0], edge, value));
  }
  if (typeof value !== 'string' || typeof operand !== 'string') return false;
  if (operator === 'prefix') return value.slice(0, operand.length) === operand;
  if (operator === 'suffix') return value.slice(value.length - operand.length) === operand;
  return value.toUpperCase() === operand.toUpperCase();
}

function numbersHold(terms: readonly unknown[], value: number): boolean {
  for (let at = 0; at < terms.length; at += 2) {
    const bound = Number(terms[at + 1]);
    const isMet = {
      '=': value === bound,
      '<': value < bound,
      '<=': value <= bound,
      '>': value > bound,
      '>=': value >= bound,
    }[String(terms[at])];
    if (isMet !== true) return false;
  }
  return true;
}
