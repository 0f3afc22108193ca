/**
 * `millrace user`: who may log in to a server. A password is read from the first line of stdin, so
 * that no list of processes and no history shows it, and only verifiers of it are kept. What users
 * may do stands in the same file, and is written by hand.
 */

import { makeUser, newUserName, PASSWORD_BYTES_MAX } from '../server/access/new-user.js';
import type { Users } from '../server/access/users-file.js';
import { type Command, EXIT_OK, type Invocation } from './command.js';
import { lineGroups } from './input-lines.js';
import type { Streams } from './streams.js';
import { UsageError } from './usage-error.js';
import { findUsers, readUsers, writeUsers } from './users-store.js';

type Action = (file: string, name: string, invocation: Invocation) => Promise<void>;

const actions: Readonly<Record<string, { readonly takesName: boolean; readonly run: Action }>> = {
  add: { takesName: true, run: add },
  remove: { takesName: true, run: remove },
  list: { takesName: false, run: list },
};
const actionNames = Object.keys(actions).join(', ');

export const userCommand: Command = {
  name: 'user',
  synopsis: '<action> <file> [name]',
  positionals: [2, 3],
  summary: `Looks after who may log in: ${actionNames}. A new password is read from stdin.`,
  options: [],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const [actionName = '', file = '', name] = invocation.positionals;
  const action = Object.hasOwn(actions, actionName) ? actions[actionName] : undefined;
  if (action === undefined) {
    throw new UsageError(
      `there is no action ${JSON.stringify(actionName)}; the actions are ${actionNames}`,
    );
  }
  if (action.takesName !== (name !== undefined)) {
    const expected = action.takesName ? ' <file> <name>' : ' <file>';
    throw new UsageError(`expected: millrace user ${actionName}${expected}`);
  }
  await action.run(file, name ?? '', invocation);
  return EXIT_OK;
}

/** Adds a user who may do nothing yet, or gives one who is there another password. */
async function add(file: string, given: string, { output, streams }: Invocation): Promise<void> {
  const name = newUserName(given);
  const users = findUsers(file) ?? new Map();
  const known = users.get(name);
  const user = await makeUser(await firstLine(streams), known?.rules ?? []);
  writeUsers(file, new Map([...users, [name, user]]));
  const done = known === undefined ? 'added' : 'changed';
  await output.line(`${done} ${name}`, { type: done, user: name });
}

async function remove(file: string, name: string, { output }: Invocation): Promise<void> {
  const users = new Map(readUsers(file));
  if (!users.delete(name)) throw new UsageError(`there is no user ${JSON.stringify(name)}`);
  writeUsers(file, users);
  await output.line(`removed ${name}`, { type: 'removed', user: name });
}

async function list(file: string, _: string, { output }: Invocation): Promise<void> {
  const users: Users = readUsers(file);
  for (const [name, { rules }] of users) {
    await output.line(`${name}  ${rules.length} rules`, { user: name, rules });
  }
}

async function firstLine({ stdin }: Streams): Promise<string> {
  const tooLong = (): Error => new UsageError('the password is too long');
  for await (const { lines } of lineGroups(stdin, PASSWORD_BYTES_MAX, tooLong)) {
    return Buffer.from(lines[0] ?? []).toString();
  }
  return '';
}
