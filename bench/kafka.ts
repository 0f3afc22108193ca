/**
 * `kafka-produce`, `kafka-fetch`, `kafka-latency`, `kafka-start`: Kafka's own performance tools
 * against `millrace serve` and against Apache Kafka, in turns, in one run.
 *
 * What is synced before a producer has its answer differs, so each row says it (`oursSyncs`,
 * `theirsSync`). Apache Kafka syncs nothing by itself. `acks-one` is the same for both: written,
 * and not synced. `acks-all` is each as it is when nothing is said: ours syncs, Kafka does not.
 * `acks-all-synced` is Kafka with `log.flush.interval.messages=1`. Both have one partition and
 * their own folder on one disk; Java has the options of Kafka's scripts.
 */

import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ChildProcesses } from '../interop/child-processes.js';
import { prepareToolchain, type Toolchain } from '../interop/java-toolchain.js';
import { KafkaBroker } from '../interop/kafka-broker.js';
import { ServedBroker } from '../interop/served-broker.js';
import type { CaseContext } from './case-context.js';
import { brokerJavaOptions, PerformanceTools } from './kafka-tools.js';
import type { Subject, Unit } from './row.js';
import { compare, interleave, type Pair } from './statistics.js';

const VALUES = [100, 1024];

interface Way {
  readonly name: string;
  readonly acks: '1' | 'all';
  readonly oursSyncs: boolean;
  readonly theirsSync: boolean;
}

const ways: readonly Way[] = [
  { name: 'acks-one', acks: '1', oursSyncs: false, theirsSync: false },
  { name: 'acks-all', acks: 'all', oursSyncs: true, theirsSync: false },
  { name: 'acks-all-synced', acks: 'all', oursSyncs: true, theirsSync: true },
];
const [written] = ways;

export async function kafkaProduce(context: CaseContext): Promise<void> {
  await withJava(context, 'kafka-produce', async (java) => {
    for (const way of ways) {
      await withServers(context, java, way, async (servers, label) => {
        for (const valueBytes of context.values(VALUES)) {
          const records = context.size(valueBytes > 512 ? 200_000 : 1_000_000, 5_000);
          const load = { records, valueBytes, acks: way.acks };
          const results = await turns(context, 3, servers, (bootstrap, topic) =>
            java.tools.produce(bootstrap, topic, load),
          );
          report(context, `kafka-produce-${way.name}`, valueBytes, way, 'records/s', label, {
            pairs: results.map(({ ours, raw }) => ({
              ours: ours.recordsPerSecond,
              raw: raw.recordsPerSecond,
            })),
          });
          report(context, `kafka-produce-${way.name}-p99`, valueBytes, way, 'ms', label, {
            pairs: results.map(({ ours, raw }) => ({ ours: ours.p99Ms, raw: raw.p99Ms })),
          });
        }
        const memory = { ours: peakBytes(servers.ours.pid), raw: peakBytes(servers.theirs.pid) };
        const subject = subjectOf(`kafka-produce-${way.name}-memory`, 0, way, 'bytes', label);
        context.reportCounted(subject, memory);
      });
    }
  });
}

export async function kafkaFetch(context: CaseContext): Promise<void> {
  await withJava(context, 'kafka-fetch', async (java) => {
    if (written === undefined) return;
    await withServers(context, java, written, async (servers, label) => {
      for (const valueBytes of context.values(VALUES)) {
        const records = context.size(valueBytes > 512 ? 200_000 : 1_000_000, 5_000);
        const topic = `fetch-${valueBytes}`;
        for (const { bootstrap } of [servers.ours, servers.theirs]) {
          await java.tools.produce(bootstrap, topic, { records, valueBytes, acks: '1' });
        }
        const pairs = await turns(context, 3, servers, (bootstrap) =>
          java.tools.consume(bootstrap, topic, records),
        );
        report(context, 'kafka-fetch', valueBytes, written, 'records/s', label, { pairs });
      }
    });
  });
}

export async function kafkaLatency(context: CaseContext): Promise<void> {
  await withJava(context, 'kafka-latency', async (java) => {
    for (const way of ways) {
      await withServers(context, java, way, async (servers, label) => {
        for (const valueBytes of context.values(VALUES)) {
          const load = { records: context.size(2_000, 200), valueBytes, acks: way.acks };
          const results = await turns(context, 3, servers, (bootstrap, topic) =>
            java.tools.latency(bootstrap, topic, load),
          );
          for (const [name, of] of [['p50', 'p50Ms'] as const, ['p99', 'p99Ms'] as const]) {
            const row = `kafka-latency-${way.name}-${name}`;
            const pairs = results.map(({ ours, raw }) => ({ ours: ours[of], raw: raw[of] }));
            report(context, row, valueBytes, way, 'ms', label, { pairs });
          }
        }
      });
    }
  });
}

/** From the start of the process until it takes connections; the folder is there already. */
export async function kafkaStart(context: CaseContext): Promise<void> {
  await withJava(context, 'kafka-start', async ({ children, toolchain }) => {
    const options = { javaOptions: brokerJavaOptions };
    const ourFolder = context.path('start-ours');
    const theirFolder = context.path('start-theirs');
    await (await ServedBroker.start(children, ourFolder)).end('SIGTERM');
    await (await KafkaBroker.start(children, toolchain, theirFolder, options)).stop();
    const pairs = await interleave(
      context.rounds(3),
      0,
      async () => {
        const startedMs = performance.now();
        const server = await ServedBroker.start(children, ourFolder);
        const elapsedMs = performance.now() - startedMs;
        const bytes = peakBytes(server.pid);
        await server.end('SIGTERM');
        return { elapsedMs, bytes };
      },
      async () => {
        const startedMs = performance.now();
        const server = await KafkaBroker.restart(children, toolchain, theirFolder, options);
        const elapsedMs = performance.now() - startedMs;
        const bytes = peakBytes(server.pid);
        await server.stop();
        return { elapsedMs, bytes };
      },
    );
    const idle = pairs.map(({ ours, raw }) => ({ ours: ours.bytes, raw: raw.bytes }));
    const against = `Apache Kafka ${toolchain.kafkaVersion}`;
    const subject: Subject = {
      ...{ case: 'kafka-start', valueBytes: 0, batch: 0, callers: 1, acks: '-', unit: 'ms' },
      against,
    };
    const times = pairs.map(({ ours, raw }) => ({ ours: ours.elapsedMs, raw: raw.elapsedMs }));
    context.report(subject, compare(times));
    context.report({ ...subject, case: 'kafka-start-memory', unit: 'bytes' }, compare(idle));
  });
}

interface Java {
  readonly children: ChildProcesses;
  readonly toolchain: Toolchain;
  readonly tools: PerformanceTools;
}

/** Skips the case where Java or Maven is missing; nothing that was started outlives it. */
async function withJava(
  context: CaseContext,
  name: string,
  work: (java: Java) => Promise<void>,
): Promise<void> {
  const output = context.path(`${name}-output`);
  mkdirSync(output, { recursive: true });
  const children = new ChildProcesses(output);
  const cleanUp = (): void => children.killAll();
  process.once('exit', cleanUp);
  try {
    const root = fileURLToPath(new URL('../../', import.meta.url));
    const cache = `${root}node_modules/.cache/millrace-interop`;
    const prepared = await prepareToolchain(children, `${root}interop`, cache);
    if (prepared.outcome === 'missing') {
      const against = 'Apache Kafka';
      context.skip({ case: name, against, valueBytes: 0, skipped: prepared.reason });
      return;
    }
    const { toolchain } = prepared;
    await work({ children, toolchain, tools: new PerformanceTools(children, toolchain) });
  } finally {
    cleanUp();
    process.off('exit', cleanUp);
  }
}

interface Servers {
  readonly ours: ServedBroker;
  readonly theirs: KafkaBroker;
}

async function withServers(
  context: CaseContext,
  { children, toolchain, tools }: Java,
  way: Way,
  work: (servers: Servers, against: string) => Promise<void>,
): Promise<void> {
  const ourFolder = context.path(`${way.name}-ours`);
  const theirFolder = context.path(`${way.name}-theirs`);
  const more = way.oursSyncs ? [] : ['--acks-one', 'written'];
  const ours = await ServedBroker.start(children, ourFolder, { more });
  const flush = way.theirsSync ? { 'log.flush.interval.messages': '1' } : {};
  const theirs = await KafkaBroker.start(children, toolchain, theirFolder, {
    settings: { 'auto.create.topics.enable': 'true', ...flush },
    javaOptions: brokerJavaOptions,
  });
  // Both compile as they run: what comes first would pay for it.
  const records = context.size(200_000, 500);
  for (const { bootstrap } of [ours, theirs]) {
    await tools.produce(bootstrap, 'warm-up', { records, valueBytes: 100, acks: way.acks });
  }
  await work({ ours, theirs }, `Apache Kafka ${toolchain.kafkaVersion}`);
  await ours.end('SIGTERM');
  await theirs.stop();
  context.remove(ourFolder);
  context.remove(theirFolder);
}

let topics = 0;

/** Rounds against both servers, each with a topic of its own. */
async function turns<Result>(
  context: CaseContext,
  rounds: number,
  { ours, theirs }: Servers,
  work: (bootstrap: string, topic: string) => Promise<Result>,
): Promise<{ readonly ours: Result; readonly raw: Result }[]> {
  const side = (bootstrap: string) => (): Promise<Result> => work(bootstrap, `topic-${topics++}`);
  return await interleave(context.rounds(rounds), 0, side(ours.bootstrap), side(theirs.bootstrap));
}

function report(
  context: CaseContext,
  name: string,
  valueBytes: number,
  way: Way,
  unit: Unit,
  against: string,
  { pairs }: { readonly pairs: readonly Pair[] },
): void {
  context.report(subjectOf(name, valueBytes, way, unit, against), compare(pairs), {
    oursSyncs: way.oursSyncs ? 'every answer' : 'no answer',
    theirsSync: way.theirsSync ? 'every answer' : 'no answer',
  });
}

function subjectOf(
  name: string,
  valueBytes: number,
  way: Way,
  unit: Unit,
  against: string,
): Subject {
  const acks = way.oursSyncs ? 'durable' : 'written';
  const sync = way.theirsSync ? 'synced' : 'not synced';
  return {
    case: name,
    valueBytes,
    batch: 0,
    callers: 1,
    acks,
    unit,
    against: `${against}, ${sync}`,
  };
}

/** The most memory that a process has held, as Linux counts it; 0 where nobody says. */
function peakBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
