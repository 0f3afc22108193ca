/**
 * `millrace queue`: makes, lists, describes, alters and deletes queues; sends, receives and ends
 * messages. The process that holds the broker does it; when nobody does, it is done here.
 *
 * A message that was received is leased in whoever holds the broker, so a later command can end it
 * by its receipt. When nobody holds the broker, the lease ends with the command.
 */

import { type HolderOptions, queueOptionTable } from '../main.js';
import { type BrokerAccess, withBroker } from './broker-access.js';
import { type Command, type CommandOption, EXIT_OK, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { jsonOption } from './json-option.js';
import { lineOptions } from './line-feed.js';
import { messageOptions } from './message-options.js';
import { describeQueue, listQueues } from './queue-list.js';
import { endMessages, receiveMessages, sendMessages } from './queue-messages.js';
import { peekMessages, purgeQueue, redriveMessages, triageOptions } from './queue-triage.js';
import { UsageError } from './usage-error.js';

type Action = (broker: BrokerAccess, queue: string, invocation: Invocation) => Promise<void>;

interface ActionEntry {
  /** How many positionals stand behind the folder. */
  readonly names: readonly [min: number, max: number];
  readonly run: Action;
}

/** Receipts that one command ends. */
const RECEIPTS_MAX = 1_000;

const actions: Readonly<Record<string, ActionEntry>> = {
  create: { names: [1, 1], run: create },
  list: { names: [0, 0], run: listQueues },
  describe: { names: [1, 1], run: describeQueue },
  alter: { names: [1, 1], run: alter },
  delete: { names: [1, 1], run: remove },
  receive: { names: [1, 1], run: receiveMessages },
  acknowledge: { names: [1, RECEIPTS_MAX + 1], run: endMessages('acknowledge') },
  release: { names: [1, RECEIPTS_MAX + 1], run: endMessages('release') },
  reject: { names: [1, RECEIPTS_MAX + 1], run: endMessages('reject') },
  extend: { names: [1, RECEIPTS_MAX + 1], run: endMessages('extend') },
  peek: { names: [1, 1], run: peekMessages },
  redrive: { names: [1, 1], run: redriveMessages },
  purge: { names: [1, 1], run: purgeQueue },
};
const actionNames = [...Object.keys(actions), 'send'].join(', ');

const configOptions: readonly CommandOption[] = [
  ...Object.entries(queueOptionTable).map(([name, { doc }]) => {
    return { name, value: 'value', summary: doc };
  }),
  { name: 'retry', value: 'json', summary: 'When a message whose handler failed is tried again.' },
];
/** Some say of one message what the queue's say of all. */
const otherOptions: readonly CommandOption[] = [
  ...messageOptions,
  { name: 'headers', value: 'json', summary: 'send: what goes with each message' },
  { name: 'max', value: 'messages', summary: 'receive (1), peek (10), redrive (all): this many' },
  { name: 'waitMs', value: 'ms', summary: 'receive: so long for the first one (0)' },
  { name: 'acknowledge', summary: 'receive: acknowledges what was printed' },
  { name: 'reason', value: 'text', summary: 'reject: for the dead letter; else: of those with it' },
  ...triageOptions,
  ...lineOptions,
];

export const queueCommand: Command = {
  name: 'queue',
  synopsis: '<action> <dir> [queue] [file or receipts]',
  positionals: [2, RECEIPTS_MAX + 3],
  summary: `Looks after queues and their messages; the actions are ${actionNames}.`,
  options: [
    ...configOptions,
    ...otherOptions.filter(({ name }) => !configOptions.some((other) => other.name === name)),
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const [actionName = '', directory = '', ...names] = invocation.positionals;
  if (actionName === 'send' && names.length <= 2) return await sendMessages(invocation);
  const action = Object.hasOwn(actions, actionName) ? actions[actionName] : undefined;
  if (action === undefined) {
    throw new UsageError(
      `there is no action ${JSON.stringify(actionName)}; the actions are ${actionNames}`,
    );
  }
  const [min, max] = action.names;
  if (names.length < min || names.length > max) {
    const expected = max === 0 ? '' : ` <queue>${max === 1 ? '' : ' <receipt> ...'}`;
    throw new UsageError(`expected: millrace queue ${actionName} <dir>${expected}`);
  }
  await withBroker(followLinks(directory), actionName === 'create', (broker) =>
    action.run(broker, names[0] ?? '', invocation),
  );
  return EXIT_OK;
}

async function create(broker: BrokerAccess, queue: string, invocation: Invocation): Promise<void> {
  await broker.ask({ kind: 'createQueue', queue, options: givenOptions(invocation) });
  await invocation.output.line(`created ${queue}`, { created: queue });
}

async function alter(broker: BrokerAccess, queue: string, invocation: Invocation): Promise<void> {
  const options = givenOptions(invocation);
  if (Object.keys(options).length === 0) throw new UsageError('no option is given');
  await broker.ask({ kind: 'alterQueue', queue, options });
  await invocation.output.line(`altered ${queue}`, { altered: queue });
}

async function remove(broker: BrokerAccess, queue: string, { output }: Invocation): Promise<void> {
  await broker.ask({ kind: 'deleteQueue', queue });
  await output.line(`deleted ${queue}`, { deleted: queue });
}

/** The options of the command line as their table wants them; the holder checks them. */
function givenOptions({ texts }: Invocation): HolderOptions {
  const given: Record<string, string | number | boolean> = {};
  for (const [name, entry] of Object.entries(queueOptionTable)) {
    const text = texts.get(name);
    if (text === undefined) continue;
    const isNumber = 'min' in entry && text.trim() !== '' && Number.isFinite(Number(text));
    const isFlag = typeof entry.default === 'boolean' && (text === 'true' || text === 'false');
    if (isNumber) given[name] = Number(text);
    else given[name] = isFlag ? text === 'true' : text;
  }
  const retry = jsonOption(texts, 'retry');
  return retry === null ? given : { ...given, retry };
}
