/**
 * Kafka's own command-line tools against `millrace serve`: a topic is made, written, read by a group,
 * described; and what they printed is what Millrace knows of it.
 */

import { join } from 'node:path';
import type { Checks } from './checks.js';
import { assertSucceeded, type ChildProcesses, readOutput } from './child-processes.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';
import { verifyFolder } from './millrace-log.js';
import { ServedBroker } from './served-broker.js';

const TOOL_MS_MAX = 120_000;
const RECORDS = 500;

export async function checkKafkaTalksToMillrace(
  checks: Checks,
  children: ChildProcesses,
  toolchain: Toolchain,
  folder: string,
): Promise<void> {
  const tool = async (name: string, ...args: readonly string[]): Promise<string> => {
    const command = javaCommand(toolchain, toolMemory, `org.apache.kafka.tools.${name}`, ...args);
    const exit = await children.run(name.toLowerCase(), TOOL_MS_MAX, ...command);
    assertSucceeded(name, exit);
    return readOutput(exit.stdoutFile);
  };
  let server = await ServedBroker.start(children, folder);
  const at = (): string[] => ['--bootstrap-server', server.bootstrap];

  await checks.check('kafka-topics makes and describes a topic of a served broker', async () => {
    await tool('TopicCommand', ...at(), '--create', '--topic', 't', '--partitions', '3');
    const shown = await tool('TopicCommand', ...at(), '--describe', '--topic', 't');
    return shown.match(/Leader: 0/g)?.length === 3 ? [] : [shown];
  });
  await checks.check('the verifiable producer gets every record acknowledged', async () => {
    const max = ['--max-messages', `${RECORDS}`, '--acks', '-1'];
    const told = linesOf(await tool('VerifiableProducer', ...at(), '--topic', 't', ...max));
    const sent = told.filter(({ name }) => name === 'producer_send_success');
    return sent.length === RECORDS ? [] : [`${sent.length} of ${RECORDS} were acknowledged`];
  });
  await checks.check('the verifiable consumer reads every record, as a group', async () => {
    const max = ['--group-id', 'g', '--max-messages', `${RECORDS}`];
    const told = linesOf(await tool('VerifiableConsumer', ...at(), '--topic', 't', ...max));
    const read = told.filter(({ name }) => name === 'records_consumed');
    const count = read.reduce((sum, { count: own }) => sum + Number(own), 0);
    return count === RECORDS ? [] : [`${count} of ${RECORDS} were read`];
  });
  await checks.check('kafka-consumer-groups shows that nothing is left to read', async () => {
    return lagProblems(await describeGroup(tool, at()));
  });
  await checks.check('the performance tools write and read compressed batches', async () => {
    const settings = [`bootstrap.servers=${server.bootstrap}`, 'compression.type=lz4'];
    const size = ['--num-records', '20000', '--record-size', '100', '--throughput', '-1'];
    await tool('ProducerPerformance', '--topic', 'p', ...size, '--producer-props', ...settings);
    const wanted = ['--topic', 'p', '--messages', '20000', '--timeout', '30000'];
    const shown = await tool('ConsumerPerformance', ...at(), ...wanted);
    const facts = shown.split('\n').find((line) => /^\d{4}-/.test(line)) ?? shown;
    const count = Number(facts.split(',')[4]);
    return count === 20_000 ? [] : [`${count} of 20000 were read: ${facts}`];
  });
  await server.end('SIGKILL');
  server = await ServedBroker.start(children, folder);
  await checks.check('behind kill -9 the offsets of the group are there', async () => {
    return lagProblems(await describeGroup(tool, at()));
  });
  await server.end('SIGTERM');
  for (const name of ['t-0', 't-1', 't-2', 'p-0']) {
    await checks.check(`Millrace verifies what clients wrote: ${name}`, () => {
      return verifyFolder(join(folder, name));
    });
  }
}

type Tool = (name: string, ...args: readonly string[]) => Promise<string>;

function describeGroup(tool: Tool, at: readonly string[]): Promise<string> {
  return tool('consumer.group.ConsumerGroupCommand', ...at, '--describe', '--group', 'g');
}

/** The sixth column of each partition is its lag. */
function lagProblems(shown: string): string[] {
  const rows = shown.split('\n').filter((row) => row.startsWith('g '));
  const lags = rows.map((row) => row.split(/\s+/)[5]);
  return lags.length > 0 && lags.every((lag) => lag === '0') ? [] : [shown];
}

function linesOf(output: string): Readonly<Record<string, unknown>>[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => Object(JSON.parse(line)));
}
