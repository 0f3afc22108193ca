/**
 * Kafka's share consumers against `millrace serve`: the Java client takes, ends and loses messages;
 * Kafka's tools read through a share group, and tell of it. Behind kill -9 the group is where it was.
 */

import type { Checks } from './checks.js';
import { assertSucceeded, type ChildProcesses, readOutput } from './child-processes.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import { ServedBroker } from './served-broker.js';

const MS_MAX = 4 * 60_000;
const RECORDS = 50;
/** What the client logs begins with the time. */
const LOGGED = /^\d\d:/;

const lived = [
  'described Stable 2',
  'shared 600 of 600 true',
  'deliveries {0=1, 1=5, 2=1, 3=1, 4=5, 5=1, 6=1, 7=5, 8=1}',
  'lock 1000',
  'taken [0, 1]',
  'late InvalidRecordStateException',
  'listed true',
  'at 300',
  'set to 290',
  'again 10',
  'left 0',
  'done',
];

export async function checkKafkaTakesShares(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  folder: string,
): Promise<void> {
  let server = await ServedBroker.start(children, folder);
  const run = async (mainClass: string, ...args: readonly string[]): Promise<string> => {
    const command = javaCommand(toolchain, toolMemory, mainClass, ...args);
    const exit = await children.run(mainClass.split('.').at(-1) ?? '', MS_MAX, ...command);
    assertSucceeded(mainClass, exit);
    return readOutput(exit.stdoutFile);
  };
  const tool = (name: string, ...args: readonly string[]): Promise<string> =>
    run(`org.apache.kafka.tools.${name}`, '--bootstrap-server', server.bootstrap, ...args);
  const group = (...args: readonly string[]): Promise<string> =>
    tool('consumer.group.ShareGroupCommand', '--group', 's', ...args);

  await checks.check('Java share consumers take, accept, release and reject', async () => {
    const lines = (await run('millrace.interop.TakeShares', server.bootstrap)).trim().split('\n');
    const told = lines.filter((line) => !LOGGED.test(line));
    return told.join('\n') === lived.join('\n') ? [] : told;
  });
  await checks.check('the console share consumer reads every record', async () => {
    const max = ['--max-messages', `${RECORDS}`];
    await tool('VerifiableProducer', '--topic', 'v', ...max, '--acks', '-1');
    const settings = ['--add-config', 'share.auto.offset.reset=earliest'];
    const named = ['--alter', '--entity-type', 'groups', '--entity-name', 's', ...settings];
    await run('kafka.admin.ConfigCommand', '--bootstrap-server', server.bootstrap, ...named);
    const read = ['--topic', 'v', '--group', 's', '--timeout-ms', '30000'];
    const shown = await tool('consumer.ConsoleShareConsumer', ...read, ...max);
    const values = shown.split('\n').filter((line) => /^\d+$/.test(line));
    return new Set(values).size === RECORDS ? [] : [`${values.length} of ${RECORDS}`];
  });
  const isAtEnd = (shown: string): boolean =>
    new RegExp(`^s +v +0 +${RECORDS} +(?:0|-)`, 'm').test(shown);
  await checks.check('kafka-share-groups shows that nothing is left', async () => {
    const shown = await group('--describe', '--offsets');
    return isAtEnd(shown) ? [] : [shown];
  });
  await server.end('SIGKILL');
  server = await ServedBroker.start(children, folder);
  await checks.check('behind kill -9 the share group is where it was, and goes', async () => {
    const shown = await group('--describe', '--offsets');
    await group('--delete');
    const left = await tool('consumer.group.ShareGroupCommand', '--list');
    return isAtEnd(shown) && left.trim() === '' ? [] : [shown, left];
  });
  await server.end('SIGTERM');
}
