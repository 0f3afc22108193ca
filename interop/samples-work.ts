/**
 * The first programs that people write with a client, as its documentation shows them, against
 * `millrace serve` as it is started without options: nothing in them is changed but the port.
 *
 * Those that would wait for more for ever are ended once they have printed what is expected.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Checks } from './checks.js';
import { type ChildProcesses, type RunningChild, readOutput } from './child-processes.js';
import type { ClientInstaller } from './client-install.js';
import { clientScripts } from './client-table.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import { ServedBroker } from './served-broker.js';

const SAMPLE_MS_MAX = 60_000;
const PROBE_MS = 50;
/** Kafka's Java client and kafkajs log to standard output. */
const LOGGED = /^\d\d:\d\d:\d\d\.\d{3} [A-Z]+ |^\{"level":/;

interface Sample {
  readonly file: string;
  /** Of the table of clients. */
  readonly client: string;
  /** What it has printed in the end. */
  readonly lines: readonly string[];
}

const numbers = Array.from({ length: 7 }, (_, number) => number);
const samples: readonly Sample[] = [
  { file: 'json_producer.py', client: 'kafka-python', lines: ['orders 0 6'] },
  {
    file: 'group_consumer.py',
    client: 'kafka-python',
    lines: numbers.map((number) => {
      const key = number === 6 ? 'last' : `customer-${number % 2}`;
      return `0:${number}: key=b'${key}' value={'number': ${number}}`;
    }),
  },
  {
    file: 'readme.py',
    client: 'kafka-python',
    lines: ["0 0 b'customer-7' {'item': 'tea', 'count': 2}"],
  },
  {
    file: 'getting-started.mjs',
    client: 'kafkajs',
    lines: ['0:0: key=one value=Hello KafkaJS user!'],
  },
  { file: 'TransactionalProducer.java', client: 'java', lines: ['committed'] },
  {
    file: 'CommittedConsumer.java',
    client: 'java',
    lines: [
      ...Array.from({ length: 100 }, (_, number) => `key=${number} value=paid ${number}`),
      'key=last value=paid last',
    ],
  },
];

export async function checkSamples(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  installer: ClientInstaller,
  { source, data }: { readonly source: string; readonly data: string },
): Promise<void> {
  await mkdir(data, { recursive: true });
  const server = await ServedBroker.start(children, join(data, 'broker'));
  const address = server.bootstrap.replace('127.0.0.1', 'localhost');
  for (const { file, client, lines } of samples) {
    const script = clientScripts.find(({ name }) => name === client);
    if (script === undefined) throw new Error(`there is no client ${client}`);
    const installed = await installer.install(script);
    if (installed.outcome === 'missing') {
      console.log(`skipped  the sample ${file}: ${installed.reason}`);
      continue;
    }
    await checks.check(`a sample works as it is pasted: ${file}`, async () => {
      const text = await readFile(join(source, file), 'utf8');
      if (!text.includes('localhost:9092')) return ['it does not name the usual address'];
      const path = join(installed.folder ?? data, file);
      await writeFile(path, text.replaceAll('localhost:9092', address));
      const [program] = installed.command;
      // Java compiles a lone source by itself.
      const isJava = script.language === 'Java';
      const command: [string, ...string[]] = isJava
        ? javaCommand(toolchain, toolMemory, path)
        : [program, path];
      const child = children.start(file, SAMPLE_MS_MAX, ...command);
      const printed = await linesOf(child, lines.length);
      return printed.join('\n') === lines.join('\n') ? [] : [printed.join('\n')];
    });
  }
  await server.end('SIGTERM');
}

/** What a program has printed once these are `count` lines, or it has ended; then it is ended. */
async function linesOf(child: RunningChild, count: number): Promise<string[]> {
  const printed = (): string[] => {
    const lines = readOutput(child.stdoutFile).split('\n').slice(0, -1);
    return lines.filter((line) => !LOGGED.test(line));
  };
  let isEnded = false;
  void child.exit.then(() => {
    isEnded = true;
  });
  while (!isEnded && printed().length < count) await sleep(PROBE_MS);
  child.end();
  const { stderrFile } = await child.exit;
  const lines = printed();
  return lines.length === count ? lines : [...lines, readOutput(stderrFile)];
}
