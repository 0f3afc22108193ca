/**
 * `millrace exchange`: makes, lists, describes, binds and deletes exchanges, and publishes. The
 * process that holds the broker does it; when nobody does, it is done here.
 */

import {
  type BrokerAccess,
  type Fields,
  fieldsOf,
  listOf,
  openBroker,
  withBroker,
} from './broker-access.js';
import { type Command, EXIT_FAILED, EXIT_OK, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { jsonOption } from './json-option.js';
import { feedLines, lineOptions } from './line-feed.js';
import { checkIdOfOne, givenMessageOptions, messageOptions } from './message-options.js';
import { UsageError } from './usage-error.js';

type Action = (broker: BrokerAccess, name: string, invocation: Invocation) => Promise<void>;

interface ActionEntry {
  /** How many positionals stand behind the folder. */
  readonly names: readonly [min: number, max: number];
  readonly run: Action;
}

const actions: Readonly<Record<string, ActionEntry>> = {
  create: { names: [1, 1], run: create },
  list: { names: [0, 0], run: list },
  describe: { names: [1, 1], run: describe },
  bind: { names: [1, 1], run: (broker, name, invocation) => bind(broker, name, invocation, false) },
  unbind: {
    names: [1, 1],
    run: (broker, name, invocation) => bind(broker, name, invocation, true),
  },
  delete: { names: [1, 1], run: remove },
};
const actionNames = [...Object.keys(actions), 'publish'].join(', ');
const targetKinds = ['queue', 'topic', 'exchange'] as const;

export const exchangeCommand: Command = {
  name: 'exchange',
  synopsis: '<action> <dir> [exchange] [file]',
  positionals: [2, 4],
  summary: `Looks after exchanges; the actions are ${actionNames}.`,
  options: [
    { name: 'kind', value: 'kind', summary: 'create: direct, fanout, topic or headers' },
    { name: 'alternate', value: 'exchange', summary: 'create: gets what no binding matches' },
    { name: 'queue', value: 'name', summary: 'bind, unbind: to this queue' },
    { name: 'topic', value: 'name', summary: 'bind, unbind: to this topic' },
    { name: 'exchange', value: 'name', summary: 'bind, unbind: to this exchange' },
    { name: 'key', value: 'key', summary: 'the routing key; bind: the key or the pattern' },
    { name: 'headers', value: 'json', summary: 'what the message says, or the binding asks for' },
    { name: 'match', value: 'all|any', summary: 'bind: how headers are read' },
    { name: 'filter', value: 'json', summary: 'bind: a filter policy on headers' },
    {
      name: 'unroutable',
      value: 'return|count|error',
      summary: 'publish: what becomes of what reaches nobody (return: exit code 1)',
    },
    ...messageOptions,
    ...lineOptions,
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const [actionName = '', directory = '', ...names] = invocation.positionals;
  if (actionName === 'publish') return await publish(invocation);
  const action = Object.hasOwn(actions, actionName) ? actions[actionName] : undefined;
  if (action === undefined) {
    throw new UsageError(
      `there is no action ${JSON.stringify(actionName)}; the actions are ${actionNames}`,
    );
  }
  const [min, max] = action.names;
  if (names.length < min || names.length > max) {
    throw new UsageError(
      `expected: millrace exchange ${actionName} <dir>${max === 0 ? '' : ' <exchange>'}`,
    );
  }
  await withBroker(followLinks(directory), actionName === 'create', (broker) =>
    action.run(broker, names[0] ?? '', invocation),
  );
  return EXIT_OK;
}

async function create(broker: BrokerAccess, name: string, invocation: Invocation): Promise<void> {
  const { texts, output } = invocation;
  const exchangeKind = texts.get('kind');
  if (exchangeKind === undefined) throw new UsageError('create takes --kind');
  const alternate = texts.get('alternate') ?? null;
  await broker.ask({ kind: 'createExchange', exchange: name, exchangeKind, alternate });
  await output.line(`created ${name}`, { created: name });
}

async function list(broker: BrokerAccess, _name: string, { output }: Invocation): Promise<void> {
  for (let after = ''; ; ) {
    const values = await broker.ask({ kind: 'listExchanges', after });
    const page = listOf(values['exchanges']).map(fieldsOf);
    for (const exchange of page) {
      await output.line(exchangeText(exchange), { type: 'exchange', ...exchange });
      after = String(exchange['name']);
    }
    if (values['hasMore'] !== true || page.length === 0) return;
  }
}

async function describe(broker: BrokerAccess, name: string, { output }: Invocation): Promise<void> {
  for (let from = 0; ; ) {
    const values = await broker.ask({ kind: 'describeExchange', exchange: name, from });
    const page = listOf(values['bindings']).map(fieldsOf);
    for (const binding of page) {
      const asked = { headers: parsed(binding['headers']), filter: parsed(binding['filter']) };
      await output.line(bindingText(binding), { type: 'binding', ...binding, ...asked });
    }
    from += page.length;
    if (values['hasMore'] === true && page.length > 0) continue;
    const exchange = fieldsOf(values['exchange']);
    await output.line(exchangeText(exchange), { type: 'exchange', ...exchange });
    return;
  }
}

async function bind(
  broker: BrokerAccess,
  name: string,
  { texts, output }: Invocation,
  isUndone: boolean,
): Promise<void> {
  const targets = targetKinds.filter((kind) => texts.has(kind));
  const [targetKind] = targets;
  if (targetKind === undefined || targets.length > 1) {
    throw new UsageError('bind and unbind take one of --queue, --topic and --exchange');
  }
  const target = texts.get(targetKind) ?? '';
  await broker.ask({
    kind: 'bindExchange',
    exchange: name,
    isUndone,
    targetKind,
    target,
    key: texts.get('key') ?? '',
    match: texts.get('match') ?? null,
    headers: jsonOption(texts, 'headers'),
    filter: jsonOption(texts, 'filter'),
  });
  const text = isUndone ? `unbound ${target} from ${name}` : `bound ${target} to ${name}`;
  await output.line(text, { [isUndone ? 'unbound' : 'bound']: target, targetKind, exchange: name });
}

async function remove(broker: BrokerAccess, name: string, { output }: Invocation): Promise<void> {
  await broker.ask({ kind: 'deleteExchange', exchange: name });
  await output.line(`deleted ${name}`, { deleted: name });
}

async function publish(invocation: Invocation): Promise<number> {
  const { texts, output } = invocation;
  const [, directory = '', exchange, path] = invocation.positionals;
  if (exchange === undefined) {
    throw new UsageError('expected: millrace exchange publish <dir> <exchange> [file]');
  }
  const [key, headers] = [texts.get('key') ?? '', jsonOption(texts, 'headers')];
  const onUnroutable = texts.get('unroutable') ?? 'return';
  const options = givenMessageOptions(texts);
  const sums = { published: 0, routed: 0, unroutable: 0 };
  await feedLines(invocation, path, 'published', async () => {
    const broker = await openBroker(followLinks(directory), false);
    let sent = 0;
    return {
      async append(records) {
        checkIdOfOne(options, sent, records);
        sent += records.length;
        const request = { exchange, key, headers, records, options, onUnroutable };
        const values = await broker.ask({ kind: 'publish', ...request });
        sums.published += records.length;
        sums.routed += Number(values['routed']);
        sums.unroutable += Number(values['unroutable']);
      },
      close: () => broker.close(),
    };
  });
  const { published, routed, unroutable } = sums;
  const name = exchange === '' ? 'the default exchange' : exchange;
  const text = `published ${published} to ${name}: ${routed} copies, ${unroutable} unroutable`;
  await output.line(text, { ...sums, exchange });
  return unroutable > 0 && onUnroutable === 'return' ? EXIT_FAILED : EXIT_OK;
}

function exchangeText(exchange: Fields): string {
  const said = (name: string): string => String(exchange[name]);
  const spare = exchange['alternate'] === null ? '' : `, alternate ${said('alternate')}`;
  const head = `${said('name')}: ${said('kind')}${spare}, ${said('bindings')} bindings`;
  const traffic = `${said('published')} published, ${said('routed')} copies`;
  return `${head}, ${traffic}, ${said('unroutable')} unroutable`;
}

function bindingText(binding: Fields): string {
  const said = (name: string): string => String(binding[name]);
  const parts = [`${said('targetKind')} ${said('target')}`];
  if (binding['key'] !== '') parts.push(`key ${said('key')}`);
  if (binding['match'] !== null) parts.push(`headers ${said('match')} ${said('headers')}`);
  if (binding['filter'] !== null) parts.push(`filter ${said('filter')}`);
  return parts.join(', ');
}

function parsed(text: unknown): unknown {
  return typeof text === 'string' ? JSON.parse(text) : null;
}
