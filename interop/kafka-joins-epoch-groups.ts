/**
 * Kafka's Java client with the newer group protocol against `millrace serve`: members share and
 * take over, static ones come back, patterns match, and the group changes its protocol and back.
 */

import type { Checks } from './checks.js';
import { assertSucceeded, type ChildProcesses, readOutput } from './child-processes.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import { ServedBroker } from './served-broker.js';

const MS_MAX = 4 * 60_000;
/** What the client logs begins with the time. */
const LOGGED = /^\d\d:/;

const lived = [
  'read 200',
  'shared',
  'read 100',
  'described Consumer Stable 2',
  'taken over',
  'refused UnreleasedInstanceIdException',
  'back true',
  'matched',
  'refused InvalidRegularExpression',
  'classic read 10',
  'described Classic',
  'back read 10',
  'done',
];

export async function checkKafkaJoinsEpochGroups(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  folder: string,
): Promise<void> {
  const server = await ServedBroker.start(children, folder);
  await checks.check('Java consumers of the newer group protocol share and come back', async () => {
    const mainClass = 'millrace.interop.EpochGroups';
    const command = javaCommand(toolchain, toolMemory, mainClass, server.bootstrap);
    const exit = await children.run('epoch-groups', MS_MAX, ...command);
    assertSucceeded('EpochGroups', exit);
    const lines = readOutput(exit.stdoutFile).trim().split('\n');
    const told = lines.filter((line) => !LOGGED.test(line));
    return told.join() === lived.join() ? [] : told;
  });
  await server.end('SIGTERM');
}
