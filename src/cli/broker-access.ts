/**
 * A broker as the command uses it: asked over its socket when a process holds it; opened here, and
 * asked the same, when nobody does.
 */

import { createError } from '../base/errors.js';
import {
  Broker,
  type BrokerRequest,
  connectHolder,
  type HolderClient,
  type HolderOptions,
  type HolderReply,
  hasCode,
  type RecordInput,
  type TopicOptions,
  topicOptionsOf,
} from '../main.js';

export interface ListedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitionCount: number;
  readonly createdMs: number;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface DescribedTopic extends ListedTopic {
  /** Start and end offset of each. */
  readonly partitions: readonly (readonly [startOffset: number, endOffset: number])[];
}

export interface BrokerAccess {
  listTopics(): Promise<readonly ListedTopic[]>;
  describeTopic(name: string): Promise<DescribedTopic>;
  createTopic(name: string, options: TopicOptions): Promise<void>;
  alterTopic(name: string, changes: TopicOptions): Promise<void>;
  growTopic(name: string, partitions: number): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  send(topic: string, records: readonly RecordInput[]): Promise<void>;
  /** Any other request; throws what the holder throws. */
  ask: Ask;
  close(): Promise<void>;
}

/** What a request is answered with: checked field by field by whoever asks. */
export type Ask = (request: BrokerRequest) => Promise<Fields>;
export type Fields = Readonly<Record<string, unknown>>;

/** Opening and deleting large topics takes a while; whoever is tired of it presses Ctrl-C. */
const REPLY_MS_MAX = 60 * 60 * 1000;

/** Runs `work` on the broker in `directory` and lets go of it; `mayCreate` makes an absent one. */
export async function withBroker<T>(
  directory: string,
  mayCreate: boolean,
  work: (broker: BrokerAccess) => Promise<T>,
): Promise<T> {
  const broker = await openBroker(directory, mayCreate);
  try {
    return await work(broker);
  } finally {
    await broker.close();
  }
}

/** Whoever opens it closes it. */
export async function openBroker(directory: string, mayCreate: boolean): Promise<BrokerAccess> {
  for (let attempt = 1; ; attempt += 1) {
    const holder = await connect(directory);
    if (holder !== 'no-holder') return askHolder(holder);
    try {
      const broker = await Broker.open(directory, { create: mayCreate });
      return accessBy(
        (request) => broker.carryOut(request),
        () => broker.close(),
      );
    } catch (error) {
      // Somebody took the folder in between: then it can be asked.
      if (!hasCode(error, 'LOG_LOCKED') || attempt === 2) throw error;
    }
  }
}

/** An absent folder has no holder; whether it may be made is for `Broker.open` to say. */
async function connect(directory: string): Promise<HolderClient | 'no-holder'> {
  try {
    return await connectHolder(directory, { replyMsMax: REPLY_MS_MAX });
  } catch (error) {
    if (hasCode(error, 'LOG_NOT_FOUND')) return 'no-holder';
    throw error;
  }
}

function askHolder(holder: HolderClient): BrokerAccess {
  return accessBy(
    async (request) => valuesOf(await holder.request(request)),
    async () => holder.close(),
  );
}

function valuesOf(reply: HolderReply): Fields {
  if (reply.ok) return reply.values;
  throw createError(reply.code, { ...reply.facts, message: reply.message });
}

function accessBy(ask: Ask, close: () => Promise<void>): BrokerAccess {
  return {
    async listTopics() {
      const topics: ListedTopic[] = [];
      for (;;) {
        const after = topics.at(-1)?.name ?? '';
        const values = await ask({ kind: 'listTopics', after });
        topics.push(...listOf(values['topics']).map(listedTopic));
        if (values['hasMore'] !== true) return topics;
      }
    },
    async describeTopic(topic) {
      const values = await ask({ kind: 'describeTopic', topic });
      const partitions = listOf(values['partitions']).map((row) => {
        const [startOffset, endOffset] = listOf(row);
        return [Number(startOffset), Number(endOffset)] as const;
      });
      return { ...listedTopic(values), partitions };
    },
    async createTopic(topic, given) {
      await ask({ kind: 'createTopic', topic, options: holderOptions(given) });
    },
    async alterTopic(topic, changes) {
      await ask({ kind: 'alterTopic', topic, options: holderOptions(changes) });
    },
    async growTopic(topic, partitions) {
      await ask({ kind: 'growTopic', topic, partitions });
    },
    async deleteTopic(topic) {
      await ask({ kind: 'deleteTopic', topic });
    },
    async send(topic, records) {
      await ask({ kind: 'send', topic, records });
    },
    ask,
    close,
  };
}

function holderOptions(given: TopicOptions): HolderOptions {
  const entries = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries(entries);
}

function listedTopic(values: unknown): ListedTopic {
  const fields = fieldsOf(values);
  return {
    name: String(fields['name']),
    topicId: String(fields['topicId']),
    partitionCount: Number(fields['partitionCount']),
    createdMs: Number(fields['createdMs']),
    options: { ...topicOptionsOf(fieldsOf(fields['options'])) },
  };
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}
