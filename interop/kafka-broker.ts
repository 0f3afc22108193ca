/**
 * One real Kafka broker on free loopback ports: formatted, started, and stopped as an operator
 * would, by a signal, so that its folder is what Kafka leaves behind after a clean shutdown.
 */

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertSucceeded, type ChildProcesses, type RunningChild } from './child-processes.js';
import { brokerMemory, javaCommand, javaCommandWith, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';

/** Sixteen bytes; fixed, since an id that starts with a dash would be taken for an option. */
const CLUSTER_ID = Buffer.from('millrace-interop').toString('base64url');
const FORMAT_MS_MAX = 60_000;
const START_MS_MAX = 90_000;
const STOP_MS_MAX = 60_000;
/** A broker that is still there after this long is killed, whatever the run does. */
const LIFETIME_MS_MAX = 30 * 60_000;
const PROBE_INTERVAL_MS = 100;

/** What differs from a broker of the comparison. */
export interface BrokerOptions {
  /** Settings of the server, over those that stand here. */
  readonly settings?: Readonly<Record<string, string>>;
  /** For Java, in place of a small heap and a quick start. */
  readonly javaOptions?: readonly string[];
}

export class KafkaBroker {
  /** Host and port for clients. */
  readonly bootstrap: string;
  /** Where the partition folders are. */
  readonly logFolder: string;
  readonly #child: RunningChild;

  private constructor(bootstrap: string, logFolder: string, child: RunningChild) {
    this.bootstrap = bootstrap;
    this.logFolder = logFolder;
    this.#child = child;
  }

  /** Formats `folder`, which must be empty or absent, and returns when the broker listens. */
  static async start(
    children: ChildProcesses,
    toolchain: Toolchain,
    folder: string,
    options: BrokerOptions = {},
  ): Promise<KafkaBroker> {
    return KafkaBroker.#start(children, toolchain, folder, true, options);
  }

  /** Starts a broker again that was stopped. */
  static async restart(
    children: ChildProcesses,
    toolchain: Toolchain,
    folder: string,
    options: BrokerOptions = {},
  ): Promise<KafkaBroker> {
    return KafkaBroker.#start(children, toolchain, folder, false, options);
  }

  /** Of its process. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the broker has no process id');
    return this.#child.pid;
  }

  static async #start(
    children: ChildProcesses,
    toolchain: Toolchain,
    folder: string,
    isNew: boolean,
    { settings = {}, javaOptions }: BrokerOptions,
  ): Promise<KafkaBroker> {
    const [port, controllerPort] = await findFreePorts();
    const logFolder = join(folder, 'logs');
    const settingsFile = join(folder, 'server.properties');
    await mkdir(folder, { recursive: true });
    await writeFile(settingsFile, brokerSettings(port, controllerPort, logFolder, settings));
    if (isNew) await formatFolder(children, toolchain, settingsFile);
    const mainClass = 'millrace.interop.RunBroker';
    const command =
      javaOptions === undefined
        ? javaCommand(toolchain, brokerMemory, mainClass, settingsFile)
        : javaCommandWith(toolchain, javaOptions, mainClass, settingsFile);
    const child = children.start('broker', LIFETIME_MS_MAX, ...command);
    await waitForListener(child, port);
    return new KafkaBroker(`127.0.0.1:${port}`, logFolder, child);
  }

  /** Returns when the broker is gone and has marked its folder as cleanly shut down. */
  async stop(): Promise<void> {
    process.kill(this.pid, 'SIGTERM');
    const exit = await Promise.race([this.#child.exit, sleep(STOP_MS_MAX, undefined, unref)]);
    if (exit === undefined) throw new Error(`the broker did not stop in ${STOP_MS_MAX} ms`);
    if (!existsSync(join(this.logFolder, '.kafka_cleanshutdown'))) {
      throw new Error(`the broker did not shut down cleanly, exit code ${exit.exitCode}`);
    }
  }
}

async function formatFolder(
  children: ChildProcesses,
  toolchain: Toolchain,
  settingsFile: string,
): Promise<void> {
  const format = ['format', '--cluster-id', CLUSTER_ID, '--config', settingsFile];
  const formatted = await children.run(
    'format',
    FORMAT_MS_MAX,
    ...javaCommand(toolchain, toolMemory, 'kafka.tools.StorageTool', ...format),
  );
  assertSucceeded('formatting the broker', formatted);
}

const unref = { ref: false } as const;

async function waitForListener(child: RunningChild, port: number): Promise<void> {
  const deadline = Date.now() + START_MS_MAX;
  while (Date.now() < deadline) {
    if (await canConnect(port)) return;
    const exit = await Promise.race([child.exit, sleep(PROBE_INTERVAL_MS)]);
    if (exit === undefined) continue;
    assertSucceeded('starting the broker', exit);
    throw new Error('the broker ended before it listened');
  }
  throw new Error(`the broker does not listen after ${START_MS_MAX} ms`);
}

async function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 });
    const finish = (isConnected: boolean): void => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}

/** Both are held until both are known, so they differ. */
async function findFreePorts(): Promise<[number, number]> {
  const servers = [await listenAnywhere(), await listenAnywhere()] as const;
  const [first, second] = [portOf(servers[0]), portOf(servers[1])];
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [first, second];
}

async function listenAnywhere(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a server has no port');
  return address.port;
}

function brokerSettings(
  port: number,
  controllerPort: number,
  logFolder: string,
  more: Readonly<Record<string, string>>,
): string {
  const settings: Readonly<Record<string, string>> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': logFolder,
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // The topics of the comparison wait for the cleaner: it looks often and takes little memory.
    'log.cleaner.backoff.ms': '100',
    'log.cleaner.dedupe.buffer.size': String(4 * 1024 * 1024),
    ...more,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
