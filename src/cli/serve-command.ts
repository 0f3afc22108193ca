/**
 * `millrace serve`: a broker on the wire, until Ctrl-C or SIGTERM.
 *
 * What is ready says so in one line, with the address and how long it took to get there from the
 * start of the process. At the end everything that clients were promised is kept: what was begun is
 * answered, then the broker is closed.
 */

import { systemClock } from '../base/clock.js';
import { Broker } from '../main.js';
import { checkAddress } from '../server/kafka/kafka-options.js';
import { type KafkaOptions, KafkaServer } from '../server/kafka/kafka-server.js';
import { MetricsServer } from '../server/metrics/metrics-server.js';
import { type Command, countOption, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { serveLog } from './serve-log.js';
import { loadSecurity } from './serve-security.js';
import { UsageError } from './usage-error.js';

/**
 * How long the first member of an empty group waits for others, unless somebody says it. Clients
 * ask for a group and for its topics side by side, and some never assign what they learn of later:
 * so a group takes a little longer than a client's usual pause between two questions about topics,
 * 100 ms.
 */
const REBALANCE_DELAY_MS = 250;
const REBALANCE_DELAY_SUMMARY = `how long an empty group gathers members (${REBALANCE_DELAY_MS})`;

export const serveCommand: Command = {
  name: 'serve',
  synopsis: '<dir>',
  positionals: [1, 1],
  summary: 'Serves the broker in a folder to clients of Apache Kafka.',
  options: [
    { name: 'kafka', value: 'host:port', summary: 'where to listen (127.0.0.1:9092); port 0: any' },
    { name: 'advertised-host', value: 'host', summary: 'what clients are told to connect to' },
    { name: 'users', value: 'file', summary: 'who may log in and do what: see millrace user' },
    { name: 'tls-cert', value: 'file', summary: 'the certificate, in PEM; with --tls-key' },
    { name: 'tls-key', value: 'file', summary: 'its key, in PEM' },
    { name: 'allow-remote', summary: 'serves another address than loopback, without TLS' },
    { name: 'metrics', value: 'host:port', summary: 'where /metrics and /health are, on loopback' },
    { name: 'partitions', value: 'count', summary: 'how many a topic gets that is made by asking' },
    { name: 'no-auto-create', summary: 'makes no topic because a client asks about it' },
    { name: 'rebalance-delay', value: 'ms', summary: REBALANCE_DELAY_SUMMARY },
    { name: 'acks-one', value: 'durable|written', summary: 'what acks=1 waits for (durable)' },
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { output, signal } = invocation;
  const options = optionsOf(invocation);
  const security = loadSecurity(invocation);
  const groupInitialRebalanceDelayMs = rebalanceDelayOf(invocation);
  const broker = await Broker.open(followLinks(firstOf(invocation)), {
    groupInitialRebalanceDelayMs,
  });
  try {
    const events = serveLog(output, systemClock);
    const server = await KafkaServer.listen(broker.engine, options, events, security);
    let metrics: MetricsServer | undefined;
    try {
      metrics = await listenMetrics(invocation, server);
      const { host, port } = server.address;
      const startMs = Math.round(systemClock.monotonicMs());
      const metricsPort = metrics === undefined ? {} : { metricsPort: metrics.port };
      const ready = { type: 'ready', protocol: 'kafka', host, port, startMs, ...metricsPort };
      await output.line(`ready: kafka on ${host}:${port}, ${startMs} ms after the start`, ready);
      await output.flush();
      await aborted(signal);
    } finally {
      await metrics?.close();
      await server.close();
    }
  } finally {
    security.close();
    await broker.close();
  }
  await output.line('closed', { type: 'closed' });
  return EXIT_OK;
}

function optionsOf({ texts, flags }: Invocation): KafkaOptions {
  const partitions = countOption(texts, 'partitions');
  return {
    ...addressOf('kafka', texts.get('kafka')),
    advertisedHost: texts.get('advertised-host') ?? '',
    allowRemote: flags.has('allow-remote'),
    autoCreateTopics: !flags.has('no-auto-create'),
    acksOne: acksOf(texts.get('acks-one')),
    ...(partitions === undefined ? {} : { partitions }),
  };
}

function rebalanceDelayOf({ texts }: Invocation): number {
  if (texts.get('rebalance-delay') === '0') return 0;
  return countOption(texts, 'rebalance-delay') ?? REBALANCE_DELAY_MS;
}

/** Undefined when nobody asked for numbers. */
async function listenMetrics(
  { texts, flags }: Invocation,
  server: KafkaServer,
): Promise<MetricsServer | undefined> {
  const { host, port } = addressOf('metrics', texts.get('metrics'));
  if (host === undefined || port === undefined) return undefined;
  checkAddress({ host, allowRemote: flags.has('allow-remote') }, false);
  return await MetricsServer.listen({ host, port }, () => server.metrics());
}

function acksOf(text = 'durable'): 'durable' | 'written' {
  if (text === 'durable' || text === 'written') return text;
  throw new UsageError(`--acks-one takes durable or written, not ${JSON.stringify(text)}`);
}

/** A host and a port; the host may be an IPv6 address in brackets. */
function addressOf(
  option: string,
  text: string | undefined,
): { readonly host?: string; readonly port?: number } {
  if (text === undefined) return {};
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined) {
    throw new UsageError(`--${option} takes host:port, not ${JSON.stringify(text)}`);
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
