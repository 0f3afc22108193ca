/**
 * `exchange-route`: routes per second through an exchange with 10,000 bindings to as many queues.
 *
 * Raw is what one would write first: a predicate per binding, a regular expression for a pattern,
 * and every message asks them all. Both sides have to find the same number of queues. Rows by kind
 * of exchange; `exchange-route-filter` and `exchange-route-range` are fanout exchanges whose
 * bindings have filter policies, with one value of their own or with a range of numbers only.
 */

import { ok } from 'node:assert/strict';
import type { Attributes, AttributeValue } from '../src/broker/exchange/binding-attributes.js';
import type { BindingInput } from '../src/broker/exchange/binding-definition.js';
import type { ExchangeKind } from '../src/broker/exchange/exchange-definition.js';
import { ExchangeRegistry } from '../src/broker/exchange/exchange-registry.js';
import type { CaseContext } from './case-context.js';
import { compare, interleave } from './statistics.js';

interface Message {
  readonly routingKey: string;
  readonly attributes: Attributes;
}

/** Whether the binding matches, found out without any table. */
type Predicate = (message: Message) => boolean;

interface Kind {
  readonly name: string;
  readonly kind: ExchangeKind;
  readonly bind: (queue: number) => Partial<BindingInput>;
  readonly predicate: (queue: number) => Predicate;
}

const BINDINGS = 10_000;
const MESSAGES = 1_000;
const SCANNED = 100;

const kinds: readonly Kind[] = [
  {
    name: 'direct',
    kind: 'direct',
    bind: (queue) => ({ routingKey: `tenant${queue}.order.paid` }),
    predicate: (queue) => {
      const bound = `tenant${queue}.order.paid`;
      return ({ routingKey }) => routingKey === bound;
    },
  },
  {
    name: 'topic',
    kind: 'topic',
    bind: (queue) => ({ routingKey: pattern(queue) }),
    predicate: (queue) => {
      const words = pattern(queue).replaceAll('.', '\\.').replaceAll('*', '[^.]*');
      const rest = words.replace('\\.#', '(\\..*)?').replace('#\\.', '(.*\\.)?');
      const bound = new RegExp(`^${rest}$`);
      return ({ routingKey }) => bound.test(routingKey);
    },
  },
  {
    name: 'headers',
    kind: 'headers',
    bind: (tenant) => ({ headers: { kind: 'order', tenant, isPaid: true } }),
    predicate: (queue) => (message) =>
      message.attributes.get('kind') === 'order' &&
      message.attributes.get('tenant') === queue &&
      message.attributes.get('isPaid') === true,
  },
  {
    name: 'filter',
    kind: 'fanout',
    bind: (tenant) => ({
      filter: { kind: ['order', 'refund'], tenant: [tenant], amount: [{ numeric: ['>', 100] }] },
    }),
    predicate: (queue) => (message) =>
      message.attributes.get('kind') === 'order' &&
      message.attributes.get('tenant') === queue &&
      Number(message.attributes.get('amount')) > 100,
  },
  {
    name: 'range',
    kind: 'fanout',
    bind: (queue) => ({ filter: { tenant: [{ numeric: ['>=', queue, '<', queue + 1] }] } }),
    predicate: (queue) => (message) => {
      const tenant = Number(message.attributes.get('tenant'));
      return tenant >= queue && tenant < queue + 1;
    },
  },
];

export async function exchangeRoute(context: CaseContext): Promise<void> {
  const bindings = context.size(BINDINGS, 100);
  const messages = makeMessages(context.size(MESSAGES, 20), bindings);
  const targetMs = context.size(200, 1);
  for (const kind of kinds) {
    const registry = bound(kind, bindings);
    const predicates = Array.from({ length: bindings }, (_, queue) => kind.predicate(queue));
    const route = (message: Message) => registry.route('exchange', message).length;
    const scan = (message: Message) => predicates.filter((matches) => matches(message)).length;
    for (const message of messages.slice(0, SCANNED)) {
      ok(route(message) === scan(message), 'both find the same queues');
    }
    const pairs = await interleave(
      context.rounds(7),
      context.warmUps,
      async () => rateOf(route, messages, targetMs),
      async () => rateOf(scan, messages.slice(0, SCANNED), targetMs),
    );
    const subject = { case: `exchange-route-${kind.name}`, valueBytes: 0, batch: 1, callers: 1 };
    context.report({ ...subject, acks: '-', unit: 'routes/s' }, compare(pairs), { bindings });
  }
}

function pattern(queue: number): string {
  const forms = [
    `*.order.t${queue}.#`,
    `eu.order.t${queue}.*`,
    `eu.*.t${queue}.#`,
    `#.t${queue}.paid`,
  ];
  return forms[queue % forms.length] ?? '#';
}

function bound(kind: Kind, bindings: number): ExchangeRegistry {
  const registry = new ExchangeRegistry(() => false);
  registry.apply(registry.planDeclare({ name: 'exchange', kind: kind.kind }));
  for (let queue = 0; queue < bindings; queue += 1) {
    const target = { kind: 'queue', name: `q${queue}` } as const;
    const asked = { exchange: 'exchange', target, ...kind.bind(queue) };
    registry.apply(registry.planBind(asked));
  }
  return registry;
}

/** Each is for one of the queues, of whatever kind the exchange is. */
function makeMessages(count: number, bindings: number): readonly Message[] {
  return Array.from({ length: count }, (_, index) => {
    const tenant = (index * 7_919) % bindings;
    const attributes = new Map<string, AttributeValue>([
      ['kind', 'order'],
      ['tenant', tenant],
      ['isPaid', true],
      ['amount', 101 + index],
      ['trace', `trace ${index}`],
    ]);
    const isDirect = index % 2 === 0;
    const routingKey = isDirect ? `tenant${tenant}.order.paid` : `eu.order.t${tenant}.paid`;
    return { routingKey, attributes };
  });
}

function rateOf(
  route: (message: Message) => number,
  messages: readonly Message[],
  targetMs: number,
): number {
  let [routed, found] = [0, 0];
  const startedMs = performance.now();
  let nowMs = startedMs;
  while (nowMs - startedMs < targetMs) {
    for (const message of messages) found += route(message);
    routed += messages.length;
    nowMs = performance.now();
  }
  ok(found > 0, 'messages reach queues');
  return (routed / (nowMs - startedMs)) * 1000;
}
