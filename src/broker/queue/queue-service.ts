/**
 * What the holder of a broker does about queues for other processes.
 *
 * A message that is received for another process is leased here, by the consumer that all calls of
 * `Queue.receive` share; its receipt ends it later, over any connection. Lists come in pages, and
 * messages as rows, so that a reply stays within a frame.
 */

import { createError } from '../../base/errors.js';
import type { HolderOptions, HolderValue, QueueRequest } from '../../storage/main.js';
import { bytes } from '../topic/codec.js';
import type { Queue } from './queue.js';
import type { QueueMessage } from './queue-message.js';
import { QueueMessageHome } from './queue-message-home.js';
import { type QueueConfig, type QueueOptions, queueOptionsOf } from './queue-options.js';
import { resolveReceiveOptions } from './queue-receive-options.js';
import type { QueueMessageOptions } from './queue-send-options.js';
import { serveTriage } from './queue-service-triage.js';
import type { QueueStats } from './queue-stats.js';

type BytesQueue = Queue<Buffer, Uint8Array | string>;

/** The queues that others may use; each method throws as that of the broker. */
export interface HeldQueues {
  readonly queues: {
    /** By name. */
    names(): readonly string[];
    /** Rejects with UNKNOWN_QUEUE. */
    get(name: string): Promise<BytesQueue>;
    create(name: string, options: QueueOptions): Promise<unknown>;
  };
}

type Values = Readonly<Record<string, HolderValue>>;

const PAGE_QUEUES = 100;
/** What one `receiveMessages` may wait and take, whatever it asks for. */
const WAIT_MS_MAX = 1_000;
const RECEIVED_BYTES_MAX = 1024 * 1024;
const RECEIVED_MAX = 1_000;

export async function serveQueues({ queues }: HeldQueues, request: QueueRequest): Promise<Values> {
  const { kind } = request;
  if (kind === 'listQueues') return await queuesPage(queues, request.after);
  const { queue: name } = request;
  switch (kind) {
    case 'describeQueue':
      return await describe(await queues.get(name));
    case 'createQueue':
      await queues.create(name, givenOptions(name, request.options));
      return {};
    case 'alterQueue':
      await (await queues.get(name)).alter(givenOptions(name, request.options));
      return {};
    case 'deleteQueue':
      await (await queues.get(name)).delete();
      return {};
    case 'sendMessages': {
      const options: QueueMessageOptions = { ...request.options };
      const messages = request.records.map(({ key, value, headers }) => {
        const isPlain = headers === undefined || headers.length === 0;
        return { ...options, key, value, headers: isPlain ? undefined : headers };
      });
      const sent = await (await queues.get(name)).sendBatch(messages);
      return { ids: sent.map(({ id }) => id) };
    }
    case 'receiveMessages':
      return await receive(await queues.get(name), request);
    case 'endMessages':
      await end(await queues.get(name), request);
      return {};
    default:
      return await serveTriage(await queues.get(name), request);
  }
}

async function queuesPage(queues: HeldQueues['queues'], after: string): Promise<Values> {
  const rest = queues.names().filter((name) => name > after);
  const page: Values[] = [];
  for (const name of rest.slice(0, PAGE_QUEUES)) page.push(await describe(await queues.get(name)));
  return { queues: page, hasMore: rest.length > PAGE_QUEUES };
}

async function describe(queue: BytesQueue): Promise<Values> {
  const { rates, queue: name, ...stats } = await queue.stats();
  return { name, options: optionValues(queue.options), stats: { ...known(stats), ...rates } };
}

/** What is not known is null. */
function known(stats: Omit<QueueStats, 'rates' | 'queue'>): Values {
  const entries = Object.entries(stats).map(([name, value]) => [name, value ?? null] as const);
  return Object.fromEntries(entries);
}

function optionValues({ retry, ...options }: QueueConfig): Values {
  return { ...options, retry: JSON.stringify(retry) };
}

/** The policy for retries comes as JSON. Throws OPTION_UNKNOWN, OPTION_INVALID. */
function givenOptions(queue: string, { retry, ...options }: HolderOptions): QueueOptions {
  if (retry === undefined) return queueOptionsOf(queue, options);
  try {
    return queueOptionsOf(queue, { ...options, retry: JSON.parse(String(retry)) });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const facts = { option: 'retry', expected: 'an object as JSON', where: queue };
    throw createError('OPTION_INVALID', facts, error);
  }
}

async function receive(
  { hosted, codec }: BytesQueue,
  request: QueueRequest & { readonly kind: 'receiveMessages' },
): Promise<Values> {
  const { visibilityTimeoutMs } = request;
  const { leaseMs } = resolveReceiveOptions(
    { visibilityTimeoutMs: visibilityTimeoutMs ?? undefined },
    hosted.name,
  );
  const messages = await hosted.receiveBy(
    await hosted.shared(),
    bytes,
    new QueueMessageHome(hosted, codec),
    {
      max: Math.min(request.max, RECEIVED_MAX),
      maxBytes: RECEIVED_BYTES_MAX,
      waitMs: Math.min(request.waitMs, WAIT_MS_MAX),
      leaseMs,
    },
  );
  return { messages: messages.map(messageRow) };
}

function messageRow(message: QueueMessage<Buffer>): HolderValue {
  const { id, receipt, timestamp, priority, offset, deliveries, failures, key, value } = message;
  const headers = message.headers.map((header) => [header.key, header.value]);
  const group = message.group ?? null;
  return [
    id,
    receipt,
    timestamp,
    priority,
    offset,
    deliveries,
    failures,
    key,
    value,
    headers,
    group,
  ];
}

async function end(
  queue: BytesQueue,
  { receipts, ending, ms, reason }: QueueRequest & { readonly kind: 'endMessages' },
): Promise<void> {
  switch (ending) {
    case 'acknowledge':
      await queue.acknowledge(receipts);
      return;
    case 'release':
      await queue.release(receipts, { delayMs: ms });
      return;
    case 'reject':
      await queue.reject(receipts, { reason: reason ?? undefined });
      return;
    case 'extend':
      await queue.extend(receipts, ms);
      return;
    default: {
      const expected = 'acknowledge, release, reject or extend';
      const facts = { option: 'ending', expected, actual: ending.slice(0, 64) };
      throw createError('OPTION_INVALID', facts);
    }
  }
}
