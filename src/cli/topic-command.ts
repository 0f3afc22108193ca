/**
 * `millrace topic`: makes, lists, describes, alters and deletes topics. The process that holds the
 * broker does it; when nobody does, it is done here.
 */

import { type TopicOptions, topicOptionsOf, topicOptionTable } from '../main.js';
import { type BrokerAccess, type ListedTopic, withBroker } from './broker-access.js';
import { type Command, type CommandOption, EXIT_OK, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { UsageError } from './usage-error.js';

type Action = (broker: BrokerAccess, name: string, invocation: Invocation) => Promise<void>;

/** What each action takes beside the folder, and what it does. */
const actions: Readonly<Record<string, { readonly takesName: boolean; readonly run: Action }>> = {
  create: { takesName: true, run: create },
  list: { takesName: false, run: list },
  describe: { takesName: true, run: describe },
  alter: { takesName: true, run: alter },
  delete: { takesName: true, run: remove },
};
const actionNames = Object.keys(actions).join(', ');

const configOptions: readonly CommandOption[] = Object.entries(topicOptionTable).map(
  ([name, { doc }]) => ({ name, value: 'value', summary: doc }),
);

export const topicCommand: Command = {
  name: 'topic',
  synopsis: `<action> <dir> [topic]`,
  positionals: [2, 3],
  summary: `Looks after topics; the actions are ${actionNames}.`,
  options: configOptions,
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const [actionName = '', directory = '', name] = invocation.positionals;
  const action = Object.hasOwn(actions, actionName) ? actions[actionName] : undefined;
  if (action === undefined) {
    throw new UsageError(
      `there is no action ${JSON.stringify(actionName)}; the actions are ${actionNames}`,
    );
  }
  if (action.takesName !== (name !== undefined)) {
    const expected = action.takesName ? ' <dir> <topic>' : ' <dir>';
    throw new UsageError(`expected: millrace topic ${actionName}${expected}`);
  }
  await withBroker(followLinks(directory), actionName === 'create', (broker) =>
    action.run(broker, name ?? '', invocation),
  );
  return EXIT_OK;
}

async function create(broker: BrokerAccess, name: string, invocation: Invocation): Promise<void> {
  await broker.createTopic(name, givenOptions(invocation));
  await invocation.output.line(`created ${name}`, { created: name });
}

async function list(broker: BrokerAccess, _name: string, { output }: Invocation): Promise<void> {
  for (const topic of await broker.listTopics()) {
    const { name, partitionCount } = topic;
    await output.line(`${name}: ${countText(partitionCount)}`, { type: 'topic', ...topic });
  }
}

async function describe(
  broker: BrokerAccess,
  given: string,
  { output }: Invocation,
): Promise<void> {
  const { partitions, ...topic } = await broker.describeTopic(given);
  for (const [partition, [startOffset, endOffset]] of partitions.entries()) {
    const text = `partition ${partition}: offsets ${startOffset} to ${endOffset}`;
    await output.line(text, { type: 'partition', partition, startOffset, endOffset });
  }
  await output.line(topicText(topic), { type: 'topic', ...topic });
}

/** Partitions come last: they cannot be taken away again when an option is refused. */
async function alter(broker: BrokerAccess, name: string, invocation: Invocation): Promise<void> {
  const { partitions, ...changes } = givenOptions(invocation);
  const hasChanges = Object.keys(changes).length > 0;
  if (partitions === undefined && !hasChanges) throw new UsageError('no option is given');
  if (hasChanges) await broker.alterTopic(name, changes);
  if (partitions !== undefined) await broker.growTopic(name, partitions);
  await invocation.output.line(`altered ${name}`, { altered: name });
}

async function remove(broker: BrokerAccess, name: string, { output }: Invocation): Promise<void> {
  await broker.deleteTopic(name);
  await output.line(`deleted ${name}`, { deleted: name });
}

function topicText(topic: ListedTopic): string {
  const { name, topicId, partitionCount, createdMs, options } = topic;
  const head = `${name}: ${countText(partitionCount)}, id ${topicId}`;
  const made = `made ${new Date(createdMs).toISOString()}`;
  const rows = Object.entries(options).map(([option, value]) => `  ${option} ${String(value)}`);
  return [`${head}, ${made}`, ...rows].join('\n');
}

function countText(partitions: number): string {
  return partitions === 1 ? '1 partition' : `${partitions} partitions`;
}

/** The options of the command line as their table wants them; throws what `createTopic` throws. */
function givenOptions({ texts }: Invocation): TopicOptions {
  const given: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(topicOptionTable)) {
    const text = texts.get(name);
    if (text === undefined) continue;
    const isNumber = 'min' in entry && text.trim() !== '' && Number.isFinite(Number(text));
    if (isNumber) given[name] = Number(text);
    else given[name] = 'namesMax' in entry ? text.split(',').filter((one) => one !== '') : text;
  }
  return topicOptionsOf(given);
}
