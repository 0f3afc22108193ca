/**
 * `millrace group`: lists, describes, resets and deletes groups of consumers. The process that
 * holds the broker does it; when nobody does, it is done here.
 */

import type { RequestedPlace } from '../main.js';
import { type BrokerAccess, type Fields, listOf, withBroker } from './broker-access.js';
import { type Command, countOption, EXIT_OK, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { placeOption } from './place-option.js';
import { UsageError } from './usage-error.js';

type Action = (broker: BrokerAccess, group: string, invocation: Invocation) => Promise<void>;

/** What each action takes beside the folder, and what it does. */
const actions: Readonly<Record<string, { readonly takesGroup: boolean; readonly run: Action }>> = {
  list: { takesGroup: false, run: list },
  describe: { takesGroup: true, run: describe },
  reset: { takesGroup: true, run: reset },
  delete: { takesGroup: true, run: remove },
};
const actionNames = Object.keys(actions).join(', ');
const resetOptions: readonly string[] = ['to', 'forward', 'back', 'topics', 'partitions'];

export const groupCommand: Command = {
  name: 'group',
  synopsis: '<action> <dir> [group]',
  positionals: [2, 3],
  summary: `Looks after groups of consumers; the actions are ${actionNames}.`,
  options: [
    { name: 'to', value: 'where', summary: 'reset: earliest, latest, an offset, or a time' },
    { name: 'forward', value: 'records', summary: 'reset: so many on from what was committed' },
    { name: 'back', value: 'records', summary: 'reset: so many back' },
    { name: 'topics', value: 'names', summary: 'reset: of these topics, not of all committed' },
    { name: 'partitions', value: 'numbers', summary: 'reset: of these partitions of the topics' },
    { name: 'dry-run', summary: 'reset: says what would be, and changes nothing' },
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const [actionName = '', directory = '', group] = invocation.positionals;
  const action = Object.hasOwn(actions, actionName) ? actions[actionName] : undefined;
  if (action === undefined) {
    throw new UsageError(
      `there is no action ${JSON.stringify(actionName)}; the actions are ${actionNames}`,
    );
  }
  if (action.takesGroup !== (group !== undefined)) {
    const expected = action.takesGroup ? ' <dir> <group>' : ' <dir>';
    throw new UsageError(`expected: millrace group ${actionName}${expected}`);
  }
  checkOptions(actionName, invocation);
  await withBroker(followLinks(directory), false, (broker) =>
    action.run(broker, group ?? '', invocation),
  );
  return EXIT_OK;
}

/** What only a reset takes is refused elsewhere; what it needs is looked at before it is opened. */
function checkOptions(actionName: string, invocation: Invocation): void {
  const { texts, flags } = invocation;
  if (actionName === 'reset') {
    targetOf(invocation);
    placesOf(invocation);
    return;
  }
  const stranger = resetOptions.find((name) => texts.has(name));
  const given = flags.has('dry-run') ? 'dry-run' : stranger;
  if (given !== undefined) throw new UsageError(`--${given} goes with reset`);
}

async function list(broker: BrokerAccess, _group: string, { output }: Invocation): Promise<void> {
  for (let after = ''; ; ) {
    const values = await broker.ask({ kind: 'listGroups', after });
    for (const row of listOf(values['groups'])) {
      const group = listing(row);
      after = group.group;
      const text = `${group.group}: ${group.state}, ${counted(group.members, 'member')}`;
      await output.line(text, { type: 'group', ...group });
    }
    if (values['hasMore'] !== true) return;
  }
}

async function describe(
  broker: BrokerAccess,
  group: string,
  { output }: Invocation,
): Promise<void> {
  let head: Fields = {};
  let shown = 0;
  for (let from = 0; ; ) {
    const values = await broker.ask({ kind: 'describeGroup', group, from });
    if (from === 0) head = values;
    for (const row of listOf(values['members'])) {
      const [member, instanceId, clientId, clientHost] = listOf(row);
      const facts = { member, instanceId, clientId, clientHost };
      await output.line(`member ${String(member)}`, { type: 'member', ...facts });
    }
    const rows = listOf(values['partitions']);
    for (const row of rows) await output.line(...partitionLine(row));
    shown += rows.length;
    if (values['hasMore'] !== true) break;
    from = shown;
  }
  const { generation, protocol, lag } = head;
  const facts = listing(head['group']);
  const members = counted(facts.members, 'member');
  const text = `${facts.group}: ${facts.state}, ${members}, ${String(lag)} behind`;
  await output.line(text, { type: 'group', ...facts, generation, protocol, lag });
}

function partitionLine(row: unknown): [string, object] {
  const [topic, partition, member, committed, metadata, startOffset, endOffset, lag] = listOf(row);
  const place = `${String(topic)} ${String(partition)}`;
  const at = committed === null ? 'no commit' : `at ${String(committed)} of ${String(endOffset)}`;
  const behind = lag === null ? '' : `, ${String(lag)} behind`;
  const owner = member === null ? '' : `, ${String(member)}`;
  const facts = { topic, partition, member, committed, metadata, startOffset, endOffset, lag };
  return [`${place}: ${at}${behind}${owner}`, { type: 'partition', ...facts }];
}

async function reset(broker: BrokerAccess, group: string, invocation: Invocation): Promise<void> {
  const { output, flags } = invocation;
  const isDryRun = flags.has('dry-run');
  const to = targetOf(invocation);
  const request = { kind: 'resetGroup', group, to, isDryRun, ...placesOf(invocation) } as const;
  const rows = listOf((await broker.ask(request))['offsets']);
  for (const row of rows) {
    const [topic, partition, before, after, isClamped] = listOf(row);
    const where = after === null ? 'stays: nothing was committed' : String(after);
    const from = before === null ? 'none' : String(before);
    const nearest = isClamped === true ? ', the nearest there is' : '';
    const text = `${String(topic)} ${String(partition)}: ${from} -> ${where}${nearest}`;
    const facts = { topic, partition, before, after, isClamped };
    await output.line(text, { type: 'partition', ...facts });
  }
  const verb = isDryRun ? 'would reset' : 'reset';
  const text = `${verb} ${group} in ${counted(rows.length, 'partition')}`;
  await output.line(text, { type: 'reset', group, partitions: rows.length, isDryRun });
}

async function remove(broker: BrokerAccess, group: string, { output }: Invocation): Promise<void> {
  await broker.ask({ kind: 'deleteGroup', group });
  await output.line(`deleted ${group}`, { deleted: group });
}

function targetOf({ texts }: Invocation): RequestedPlace {
  const given = ['to', 'forward', 'back'].filter((name) => texts.has(name));
  if (given.length !== 1) throw new UsageError('reset takes one of --to, --forward and --back');
  const text = texts.get('to');
  if (text === undefined) {
    const forward = countOption(texts, 'forward');
    return ['shiftBy', forward ?? -(countOption(texts, 'back') ?? 0)];
  }
  const place = placeOption('to', text);
  if (typeof place === 'number') return ['offset', place];
  return typeof place === 'object' ? ['timestamp', place.timestamp] : place;
}

function placesOf({ texts }: Invocation): {
  readonly topics: readonly string[] | null;
  readonly partitions: readonly number[] | null;
} {
  const topics = texts.get('topics')?.split(',') ?? null;
  const numbers = texts.get('partitions')?.split(',');
  if (numbers === undefined) return { topics, partitions: null };
  if (topics === null) throw new UsageError('--partitions goes with --topics');
  if (numbers.every((text) => /^\d{1,9}$/.test(text))) {
    return { topics, partitions: numbers.map(Number) };
  }
  throw new UsageError('--partitions takes numbers with commas, such as 0,1,2');
}

function listing(row: unknown): {
  readonly group: string;
  readonly state: string;
  readonly protocolType: string;
  readonly members: number;
} {
  const [group, state, protocolType, members] = listOf(row);
  return {
    group: String(group),
    state: String(state),
    protocolType: String(protocolType),
    members: Number(members),
  };
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
