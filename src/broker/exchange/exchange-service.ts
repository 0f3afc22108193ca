/**
 * What the holder of a broker does about exchanges for other processes.
 *
 * Lists come in pages, so that a reply stays within a frame; headers and filters come as JSON.
 */

import { createError } from '../../base/errors.js';
import type { ExchangeRequest, HolderValue } from '../../storage/main.js';
import type { Exchange } from './exchange.js';
import { type ExchangeKind, exchangeKinds } from './exchange-definition.js';
import type { BindingDescription, ExchangeDescription } from './exchange-description.js';
import {
  type BindOptions,
  type MessageOptions,
  type PublishedMessage,
  type UnroutablePolicy,
  unroutablePolicies,
} from './exchange-options.js';

/** The exchanges that others may use; each method throws as that of the broker. */
export interface HeldExchanges {
  readonly exchanges: {
    list(): readonly ExchangeDescription[];
    describe(name: string): ExchangeDescription;
    create(
      name: string,
      kind: ExchangeKind,
      options: { readonly alternate?: string | undefined },
    ): Promise<unknown>;
    delete(name: string): Promise<void>;
    handle(name: string): Exchange;
  };
}

type Values = Readonly<Record<string, HolderValue>>;

/** Exchanges in one reply; bindings end when they take about so many bytes. */
const PAGE_EXCHANGES = 1_000;
const PAGE_BINDINGS_BYTES = 1024 * 1024;
const MESSAGE_OPTIONS: readonly string[] = [
  'priority',
  'delayMs',
  'at',
  'ttlMs',
  'deduplicationId',
  'group',
];

export async function serveExchanges(
  { exchanges }: HeldExchanges,
  request: ExchangeRequest,
): Promise<Values> {
  switch (request.kind) {
    case 'listExchanges':
      return exchangesPage(exchanges.list(), request.after);
    case 'describeExchange': {
      const bindings = exchanges.handle(request.exchange).bindings();
      const description = exchangeRow(exchanges.describe(request.exchange));
      return { exchange: description, ...bindingsPage(bindings, request.from) };
    }
    case 'createExchange': {
      const { exchange, exchangeKind, alternate } = request;
      const kind = chosen('kind', exchangeKind, exchangeKinds);
      await exchanges.create(exchange, kind, { alternate: alternate ?? undefined });
      return {};
    }
    case 'deleteExchange':
      await exchanges.delete(request.exchange);
      return {};
    case 'bindExchange':
      await bind(exchanges.handle(request.exchange), request);
      return {};
    case 'publish':
      return await publish(exchanges.handle(request.exchange), request);
  }
}

async function bind(
  exchange: Exchange,
  request: ExchangeRequest & { readonly kind: 'bindExchange' },
): Promise<void> {
  const { isUndone, targetKind, target: name, key, match, headers, filter } = request;
  const target = { kind: chosen('target', targetKind, targetKinds), name };
  const condition: BindOptions = Object.fromEntries([
    ['key', key],
    ...(match === null ? [] : [['match', match]]),
    ...(headers === null ? [] : [['headers', objectIn('headers', headers)]]),
    ...(filter === null ? [] : [['filter', objectIn('filter', filter)]]),
  ]);
  if (isUndone) await exchange.unbind(target, condition);
  else await exchange.bind(target, condition);
}

const targetKinds = ['queue', 'topic', 'exchange'] as const;

async function publish(
  exchange: Exchange,
  request: ExchangeRequest & { readonly kind: 'publish' },
): Promise<Values> {
  const { key, headers, records, options } = request;
  const onUnroutable: UnroutablePolicy = chosen(
    'onUnroutable',
    request.onUnroutable,
    unroutablePolicies,
  );
  for (const name of Object.keys(options)) {
    if (MESSAGE_OPTIONS.includes(name)) continue;
    throw createError('OPTION_UNKNOWN', { option: name.slice(0, 64), where: 'publish' });
  }
  const shared: MessageOptions = {
    ...options,
    key,
    headers: headers === null ? undefined : objectIn('headers', headers),
  };
  const messages = records.map(
    ({ key: recordKey, value }): PublishedMessage<Uint8Array | string> => {
      return { ...shared, recordKey: recordKey ?? undefined, value: value ?? '' };
    },
  );
  const { routed, unroutable } = await exchange.publishBatch(messages, { onUnroutable });
  return { routed, unroutable };
}

function exchangesPage(exchanges: readonly ExchangeDescription[], after: string): Values {
  const rest = exchanges.filter(({ name }) => name > after);
  const page = rest.slice(0, PAGE_EXCHANGES).map(exchangeRow);
  return { exchanges: page, hasMore: rest.length > PAGE_EXCHANGES };
}

function exchangeRow({ alternate, ...description }: ExchangeDescription): Values {
  return { ...description, alternate: alternate ?? null };
}

function bindingsPage(bindings: readonly BindingDescription[], from: number): Values {
  const page: Values[] = [];
  let bytes = 0;
  for (const binding of bindings.slice(from)) {
    const row = bindingRow(binding);
    page.push(row);
    bytes += JSON.stringify(row).length;
    if (bytes > PAGE_BINDINGS_BYTES) break;
  }
  return { bindings: page, hasMore: from + page.length < bindings.length };
}

function bindingRow({ target, key, match, headers, filter }: BindingDescription): Values {
  return {
    targetKind: target.kind,
    target: target.name,
    key,
    match: match ?? null,
    headers: match === undefined ? null : JSON.stringify(headers),
    filter: filter === undefined ? null : JSON.stringify(filter),
  };
}

/** Throws OPTION_INVALID for another text than one of these. */
function chosen<Choice extends string>(
  option: string,
  text: string,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  const actual = text.slice(0, 64);
  throw createError('OPTION_INVALID', { option, expected: choices.join(', '), actual });
}

/** The object that a text of JSON holds. Throws OPTION_INVALID. */
function objectIn(option: string, text: string) {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return Object.fromEntries(Object.entries(value));
    }
  } catch (error) {
    throw createError('OPTION_INVALID', { option, expected: 'an object as JSON' }, error);
  }
  throw createError('OPTION_INVALID', { option, expected: 'an object as JSON' });
}
