/**
 * Kafka's Java clients write a topic and copy it in transactions while `millrace serve` is killed
 * under them, again and again: every record is there once, in order.
 */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Checks } from './checks.js';
import { assertSucceeded, type ChildProcesses, readOutput } from './child-processes.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import { verifyFolder } from './millrace-log.js';
import { ServedBroker } from './served-broker.js';

const MS_MAX = 4 * 60_000;
/** How long a life of the server takes at most, on a slow machine. */
const LIFE_MS_MAX = 30_000;
const PROBE_MS = 20;
/** How far the copier gets between two kills. */
const RECORDS_PER_LIFE = 120;

export async function checkKafkaCopiesTransactionally(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  folder: string,
  kills: number,
): Promise<void> {
  const count = RECORDS_PER_LIFE * (kills + 1);
  let server = await ServedBroker.start(children, folder);
  const commandOf = (...args: readonly string[]): [string, ...string[]] => {
    const mainClass = 'millrace.interop.CopyTransactionally';
    return javaCommand(toolchain, toolMemory, mainClass, server.bootstrap, ...args);
  };
  const run = async (...args: readonly string[]): Promise<string[]> => {
    const exit = await children.run(`copy-${args[0]}`, MS_MAX, ...commandOf(...args));
    assertSucceeded(`CopyTransactionally ${args[0]}`, exit);
    return readOutput(exit.stdoutFile).split('\n');
  };
  await run('seed', 'in', `${count}`);
  const lifetimeMs = MS_MAX + kills * LIFE_MS_MAX;
  const feeder = children.start('feed', lifetimeMs, ...commandOf('feed', 'fed'));
  await checks.check(`a transactional copier comes to its end over ${kills} kills`, async () => {
    const copy = commandOf('copy', 'in', 'out', `${count}`);
    const copier = children.start('copy', lifetimeMs, ...copy);
    for (let kill = 1; kill <= kills; kill += 1) {
      await reached(copier.stdoutFile, 'copied', kill * RECORDS_PER_LIFE);
      await server.end('SIGKILL');
      server = await ServedBroker.start(children, folder, { address: server.bootstrap });
    }
    assertSucceeded('CopyTransactionally copy', await copier.exit);
    return [];
  });
  await checks.check('it has lost and doubled nothing', async () => {
    const values = valuesIn(await run('read', 'out'));
    return values.length === count ? orderProblems(values) : [`${values.length} of ${count}`];
  });
  await checks.check('an idempotent producer beside it has lost and doubled nothing', async () => {
    const fed = told(feeder.stdoutFile, 'acknowledged');
    // It writes again to the last server, too.
    await reached(feeder.stdoutFile, 'acknowledged', fed + 1);
    feeder.end();
    await feeder.exit;
    const acknowledged = told(feeder.stdoutFile, 'acknowledged');
    const values = valuesIn(await run('read', 'fed'));
    console.log(`      ${acknowledged} records acknowledged, ${values.length} there`);
    const isFailed = readOutput(feeder.stdoutFile).includes('failed');
    const problems = isFailed ? ['a record was given up'] : orderProblems(values);
    if (values.length < acknowledged) problems.push(`${values.length} of ${acknowledged}`);
    return problems;
  });
  await checks.check('a second Java producer with the id fences the first', async () => {
    const told = await run('fence', 'fenced');
    const values = valuesIn(await run('read', 'fenced'));
    return told.includes('fenced') && values.join() === 'second' ? [] : [...told, ...values];
  });
  await server.end('SIGTERM');
  for (const partition of ['in-0', 'out-0', 'fed-0', 'fenced-0']) {
    await checks.check(`Millrace verifies what the copier wrote: ${partition}`, () => {
      return verifyFolder(join(folder, partition));
    });
  }
}

/** Waits until a client has told of that many records. */
async function reached(file: string, word: string, records: number): Promise<void> {
  for (let left = MS_MAX / PROBE_MS; left > 0; left -= 1) {
    if (told(file, word) >= records) return;
    await sleep(PROBE_MS);
  }
  throw new Error(`a client did not reach ${records} records ${word}`);
}

/** The count in the last whole line with the word. */
function told(file: string, word: string): number {
  const counts = [...readOutput(file).matchAll(new RegExp(`^${word} (\\d+)$`, 'gm'))];
  return Number(counts.at(-1)?.[1] ?? 0);
}

/** Values are the numbers from 0 on. */
function orderProblems(values: readonly string[]): string[] {
  const at = values.findIndex((value, index) => value !== `${index}`);
  return at === -1 ? [] : [`from ${at} on: ${values.slice(at, at + 20)}`];
}

function valuesIn(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith('value ')).map((line) => line.slice(6));
}
