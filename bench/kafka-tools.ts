/**
 * Kafka's own performance tools, as calls: what they are given, and what their output says.
 *
 * Java runs with the options of Kafka's scripts, the tools and the broker alike.
 */

import { assertSucceeded, type ChildProcesses, readOutput } from '../interop/child-processes.js';
import { javaCommandWith } from '../interop/java-command.js';
import type { Toolchain } from '../interop/java-toolchain.js';

const TOOL_MS_MAX = 300_000;

/** What Kafka's scripts give Java. */
const scriptOptions = [
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
];
export const brokerJavaOptions: readonly string[] = ['-Xmx1G', '-Xms1G', ...scriptOptions];
const toolJavaOptions = ['-Xmx512m', ...scriptOptions];

export interface Produced {
  readonly recordsPerSecond: number;
  readonly p99Ms: number;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class PerformanceTools {
  readonly #children: ChildProcesses;
  readonly #toolchain: Toolchain;

  constructor(children: ChildProcesses, toolchain: Toolchain) {
    this.#children = children;
    this.#toolchain = toolchain;
  }

  /** As fast as it goes. */
  async produce(
    bootstrap: string,
    topic: string,
    load: { readonly records: number; readonly valueBytes: number; readonly acks: string },
  ): Promise<Produced> {
    const shown = await this.#run(
      'ProducerPerformance',
      ...['--bootstrap-server', bootstrap, '--topic', topic, '--throughput', '-1'],
      ...['--num-records', `${load.records}`, '--record-size', `${load.valueBytes}`],
      ...['--command-property', `acks=${load.acks}`],
    );
    return parseProduced(shown, load.records);
  }

  /** Records per second, from the first fetch on: joining the group is not in it. */
  async consume(bootstrap: string, topic: string, records: number): Promise<number> {
    const shown = await this.#run(
      'ConsumerPerformance',
      ...['--bootstrap-server', bootstrap, '--topic', topic, '--timeout', '60000'],
      ...['--num-records', `${records}`],
    );
    return parseConsumed(shown, records);
  }

  /** One record after the other, each timed until a consumer has it. */
  async latency(
    bootstrap: string,
    topic: string,
    load: { readonly records: number; readonly valueBytes: number; readonly acks: string },
  ): Promise<Latency> {
    const { records, valueBytes, acks } = load;
    const args = [bootstrap, topic, `${records}`, acks, `${valueBytes}`];
    return parseLatency(await this.#run('EndToEndLatency', ...args));
  }

  async #run(name: string, ...args: readonly string[]): Promise<string> {
    const mainClass = `org.apache.kafka.tools.${name}`;
    const command = javaCommandWith(this.#toolchain, toolJavaOptions, mainClass, ...args);
    const exit = await this.#children.run(name, TOOL_MS_MAX, ...command);
    assertSucceeded(name, exit);
    return readOutput(exit.stdoutFile);
  }
}

/** The last line counts: those before it are of a part of the time. */
export function parseProduced(shown: string, records: number): Produced {
  const line = /^(\d+) records sent, ([\d.]+) records\/sec .* (\d+) ms 99th,/gm;
  const [, sent, rate, p99] = [...shown.matchAll(line)].at(-1) ?? [];
  if (Number(sent) !== records) throw new Error(`not all records were sent: ${shown}`);
  return { recordsPerSecond: Number(rate), p99Ms: Number(p99) };
}

export function parseConsumed(shown: string, records: number): number {
  const lines = shown.split('\n');
  const names = lines.find((line) => line.startsWith('start.time'))?.split(/, */) ?? [];
  const values = lines.find((line) => /^\d{4}-/.test(line))?.split(/, */) ?? [];
  const numberOf = (name: string): number => Number(values[names.indexOf(name)]);
  if (!(numberOf('data.consumed.in.nMsg') >= records)) {
    throw new Error(`not all records were consumed: ${shown}`);
  }
  return numberOf('fetch.nMsg.sec');
}

export function parseLatency(shown: string): Latency {
  const [, p50, p99] = /50th = ([\d.]+), 99th = ([\d.]+)/.exec(shown) ?? [];
  if (p50 === undefined || p99 === undefined) throw new Error(`no percentiles: ${shown}`);
  return { p50Ms: Number(p50), p99Ms: Number(p99) };
}
