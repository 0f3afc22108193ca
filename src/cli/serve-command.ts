/**
 * `millrace serve`: a broker on the wire, until Ctrl-C or SIGTERM.
 *
 * What is ready says so in one line, with the address and how long it took to get there from the
 * start of the process. At the end everything that clients were promised is kept: what was begun is
 * answered, then the broker is closed.
 */

import { systemClock } from '../base/clock.js';
import { Broker } from '../main.js';
import { type KafkaOptions, KafkaServer } from '../server/kafka/kafka-server.js';
import { type Command, countOption, EXIT_OK, firstOf, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { UsageError } from './usage-error.js';

export const serveCommand: Command = {
  name: 'serve',
  synopsis: '<dir>',
  positionals: [1, 1],
  summary: 'Serves the broker in a folder to clients of Apache Kafka.',
  options: [
    { name: 'kafka', value: 'host:port', summary: 'where to listen (127.0.0.1:9092); port 0: any' },
    { name: 'advertised-host', value: 'host', summary: 'what clients are told to connect to' },
    { name: 'allow-remote', summary: 'serves another address than loopback, without any secret' },
    { name: 'partitions', value: 'count', summary: 'how many a topic gets that is made by asking' },
    { name: 'no-auto-create', summary: 'makes no topic because a client asks about it' },
    { name: 'acks-one', value: 'durable|written', summary: 'what acks=1 waits for (durable)' },
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { output, signal } = invocation;
  const options = optionsOf(invocation);
  const broker = await Broker.open(followLinks(firstOf(invocation)));
  try {
    const server = await KafkaServer.listen(broker.engine, options, {
      failed: (error) => output.error(error),
    });
    try {
      const { host, port } = server.address;
      const startMs = Math.round(systemClock.monotonicMs());
      const ready = { type: 'ready', protocol: 'kafka', host, port, startMs };
      await output.line(`ready: kafka on ${host}:${port}, ${startMs} ms after the start`, ready);
      await output.flush();
      await aborted(signal);
    } finally {
      await server.close();
    }
  } finally {
    await broker.close();
  }
  await output.line('closed', { type: 'closed' });
  return EXIT_OK;
}

function optionsOf({ texts, flags }: Invocation): KafkaOptions {
  const partitions = countOption(texts, 'partitions');
  return {
    ...addressOf(texts.get('kafka')),
    advertisedHost: texts.get('advertised-host') ?? '',
    allowRemote: flags.has('allow-remote'),
    autoCreateTopics: !flags.has('no-auto-create'),
    acksOne: acksOf(texts.get('acks-one')),
    ...(partitions === undefined ? {} : { partitions }),
  };
}

function acksOf(text = 'durable'): 'durable' | 'written' {
  if (text === 'durable' || text === 'written') return text;
  throw new UsageError(`--acks-one takes durable or written, not ${JSON.stringify(text)}`);
}

/** A host and a port; the host may be an IPv6 address in brackets. */
function addressOf(text: string | undefined): { readonly host?: string; readonly port?: number } {
  if (text === undefined) return {};
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined) {
    throw new UsageError(`--kafka takes host:port, not ${JSON.stringify(text)}`);
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
