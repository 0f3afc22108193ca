/**
 * Clients of several languages, unmodified, each with one script that is run against a real Apache
 * Kafka broker and against `millrace serve`: what they see must be the same, but for the listed
 * differences.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import { assertSucceeded, type ChildProcesses, readOutput } from './child-processes.js';
import { listedDifferences } from './client-differences.js';
import type { ClientInstaller, InstalledClient } from './client-install.js';
import { type ClientScript, clientScripts } from './client-table.js';
import {
  compareTranscripts,
  coverageProblems,
  type ListedDifference,
  type Section,
  sectionsOf,
} from './client-transcript.js';
import type { Toolchain } from './java-toolchain.js';
import { KafkaBroker } from './kafka-broker.js';
import type { Scale } from './kafka-tools.js';
import { ServedBroker } from './served-broker.js';

const SCRIPT_MS_MAX = 4 * 60_000;

/** What the scripts take for granted: as Millrace has it, and few waits. */
const brokerSettings = {
  'auto.create.topics.enable': 'true',
  'group.initial.rebalance.delay.ms': '250',
} as const;

export async function checkClientsCompareServers(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  { installer, data }: { readonly installer: ClientInstaller; readonly data: string },
  scale: Scale,
): Promise<void> {
  const ready: [ClientScript, InstalledClient & { readonly outcome: 'ready' }][] = [];
  for (const client of clientScripts) {
    if (scale === 'quick' && !client.isQuick) continue;
    const installed = await installer.install(client);
    if (installed.outcome === 'ready') ready.push([client, installed]);
    else console.log(`skipped  ${client.name} (${client.language}): ${installed.reason}`);
  }
  const settings = { settings: brokerSettings };
  const kafka = await KafkaBroker.start(children, toolchain, join(data, 'kafka'), settings);
  const millrace = await ServedBroker.start(children, join(data, 'millrace'));
  const met = new Set<ListedDifference>();
  for (const [client, { command }] of ready) {
    const title = `${client.name} (${client.language}) sees of Millrace what it sees of Kafka`;
    await checks.check(title, async () => {
      const seen = async ({ bootstrap }: { readonly bootstrap: string }): Promise<Section[]> => {
        const [program, ...args] = command;
        const given = [...args, bootstrap, client.name];
        const exit = await children.run(client.name, SCRIPT_MS_MAX, program, ...given);
        assertSucceeded(`${client.script} ${bootstrap}`, exit);
        return sectionsOf(readOutput(exit.stdoutFile));
      };
      const [expected, actual] = await Promise.all([seen(kafka), seen(millrace)]);
      const gaps = [expected, actual].flatMap((each) => coverageProblems(each, client.sections));
      if (gaps.length > 0) return gaps;
      const compared = compareTranscripts(client.name, expected, actual, listedDifferences);
      for (const difference of compared.met) met.add(difference);
      return compared.problems;
    });
  }
  const names = ready.map(([{ name }]) => name);
  await checks.check('every listed difference from Kafka is one', () => {
    return listedDifferences
      .filter((each) => each.clients.every((name) => names.includes(name)) && !met.has(each))
      .map(({ clients, kafka: line }) => `${clients}: ${line} was not met`);
  });
  await millrace.end('SIGTERM');
  await kafka.stop();
}
