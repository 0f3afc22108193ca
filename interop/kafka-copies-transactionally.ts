/**
 * Kafka's Java client copies a topic in transactions while `millrace serve` is killed under it, again
 * and again: every record is there once, in order.
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
const PROBE_MS = 20;
/** How far the copier gets between two kills. */
const RECORDS_PER_LIFE = 120;
const KILLS = 10;

export async function checkKafkaCopiesTransactionally(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  folder: string,
): Promise<void> {
  const count = RECORDS_PER_LIFE * (KILLS + 1);
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
  const name = `a transactional copier loses and doubles nothing over ${KILLS} kills`;
  await checks.check(name, async () => {
    const copier = children.start('copy', MS_MAX, ...commandOf('copy', 'in', 'out', `${count}`));
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await reached(copier.stdoutFile, kill * RECORDS_PER_LIFE);
      await server.end('SIGKILL');
      server = await ServedBroker.start(children, folder, { address: server.bootstrap });
    }
    assertSucceeded('CopyTransactionally copy', await copier.exit);
    const values = valuesIn(await run('read', 'out'));
    const expected = Array.from({ length: count }, (_, index) => `${index}`);
    return values.join() === expected.join() ? [] : [`${values.length} of ${count}: ${values}`];
  });
  await checks.check('a second Java producer with the id fences the first', async () => {
    const told = await run('fence', 'fenced');
    const values = valuesIn(await run('read', 'fenced'));
    return told.includes('fenced') && values.join() === 'second' ? [] : [...told, ...values];
  });
  await server.end('SIGTERM');
  for (const partition of ['in-0', 'out-0', 'fenced-0']) {
    await checks.check(`Millrace verifies what the copier wrote: ${partition}`, () => {
      return verifyFolder(join(folder, partition));
    });
  }
}

/** Waits until the copier has committed that many records. */
async function reached(file: string, records: number): Promise<void> {
  for (let left = MS_MAX / PROBE_MS; left > 0; left -= 1) {
    const counts = [...readOutput(file).matchAll(/^copied (\d+)$/gm)].map(([, digits]) => digits);
    if (Number(counts.at(-1) ?? 0) >= records) return;
    await sleep(PROBE_MS);
  }
  throw new Error(`the copier did not reach ${records} records`);
}

function valuesIn(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith('value ')).map((line) => line.slice(6));
}
