/**
 * Kafka's Java client with the newer group protocol against `millrace serve`: members share and
 * take over, static ones come back, patterns match, and one goes on over servers that are killed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Checks } from './checks.js';
import { assertSucceeded, type ChildProcesses, readOutput } from './child-processes.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import { ServedBroker } from './served-broker.js';

const MS_MAX = 4 * 60_000;
const PROBE_MS = 20;
const RECORDS = 400;
const KILLS = 3;
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
  let server = await ServedBroker.start(children, folder);
  const commandOf = (mainClass: string, ...args: string[]): [string, ...string[]] =>
    javaCommand(toolchain, toolMemory, mainClass, ...args);
  const ownClass = 'millrace.interop.EpochGroups';
  await checks.check('Java consumers of the newer group protocol share and come back', async () => {
    const command = commandOf(ownClass, server.bootstrap, 'live');
    const exit = await children.run('epoch-groups', MS_MAX, ...command);
    assertSucceeded('EpochGroups live', exit);
    const lines = readOutput(exit.stdoutFile).trim().split('\n');
    const told = lines.filter((line) => !LOGGED.test(line));
    return told.join() === lived.join() ? [] : told;
  });
  await checks.check(`one of them loses nothing over ${KILLS} kills of the server`, async () => {
    const max = ['--topic', 'k', '--max-messages', `${RECORDS}`, '--acks', '-1'];
    const producer = 'org.apache.kafka.tools.VerifiableProducer';
    const at = ['--bootstrap-server', server.bootstrap];
    const seeded = await children.run('seed', MS_MAX, ...commandOf(producer, ...at, ...max));
    assertSucceeded('VerifiableProducer', seeded);
    const follow = commandOf(ownClass, server.bootstrap, 'follow', 'k', `${RECORDS}`);
    const follower = children.start('follow', MS_MAX, ...follow);
    let isOver = false;
    void follower.exit.then(() => {
      isOver = true;
    });
    const count = (): number => valuesIn(readOutput(follower.stdoutFile)).length;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const wanted = (kill * RECORDS) / (KILLS + 2);
      while (!isOver && count() < wanted) await sleep(PROBE_MS);
      await server.end('SIGKILL');
      server = await ServedBroker.start(children, folder, { address: server.bootstrap });
    }
    assertSucceeded('EpochGroups follow', await follower.exit);
    const values = new Set(valuesIn(readOutput(follower.stdoutFile)));
    return values.size === RECORDS ? [] : [`${values.size} of ${RECORDS} were read`];
  });
  await server.end('SIGTERM');
}

function valuesIn(output: string): string[] {
  return [...output.matchAll(/^value (.+)$/gm)].map(([, value = '']) => value);
}
