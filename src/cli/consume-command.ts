/**
 * `millrace consume`: prints the records of a topic as `read` does, as a member of a group that
 * remembers how far it got.
 *
 * The process that holds the broker reads for it, so the command takes part in the group beside the
 * members of a live application; when nobody holds the broker it is opened here. What was printed
 * is committed once stdout has taken it: a record may be printed again after a crash, and none is
 * left out.
 */

import { systemClock } from '../base/clock.js';
import { hasCode, type RequestedStart } from '../main.js';
import { type BrokerAccess, listOf, openBroker } from './broker-access.js';
import { bytesFields } from './byte-fields.js';
import { type Command, countOption, EXIT_OK, type Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { placeOption } from './place-option.js';
import { UsageError } from './usage-error.js';

export const consumeCommand: Command = {
  name: 'consume',
  synopsis: '<dir> <topic>',
  positionals: [2, 2],
  summary: 'Prints the records of a topic, as a member of a group that goes on where it stopped.',
  options: [
    { name: 'group', value: 'id', summary: 'shares the partitions, and commits what was printed' },
    {
      name: 'from',
      value: 'where',
      summary: 'without a commit: earliest (default), latest, an offset, or a time',
    },
    { name: 'max', value: 'records', summary: 'ends after so many' },
    { name: 'follow', summary: 'waits for more at the end' },
    { name: 'format', value: 'value|json', summary: 'value (default), or records as JSON' },
  ],
  run,
};

const NEWLINE = Buffer.from('\n');
const TAKE_RECORDS = 1_000;
/** How long the holder waits when there is nothing: so long Ctrl-C may take. */
const WAIT_MS = 250;
/** After so long a broker that was let go of is asked, or opened, again. */
const AGAIN_MS = 100;

/** A record as the holder gives it. */
interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

async function run(invocation: Invocation): Promise<number> {
  const { texts, output, positionals } = invocation;
  const [directory = '', topic = ''] = positionals;
  const format = texts.get('format') ?? (output.isJson ? 'json' : 'value');
  if (format !== 'value' && format !== 'json') {
    throw new UsageError(`--format takes value or json, not ${JSON.stringify(format)}`);
  }
  const group = texts.get('group') ?? '';
  if (texts.has('group') && group === '') throw new UsageError('--group takes the id of a group');
  const from = placeOption('from', texts.get('from') ?? 'earliest');
  const max = countOption(texts, 'max') ?? Number.POSITIVE_INFINITY;
  const isFollowing = invocation.flags.has('follow');
  const consuming: Consuming = {
    directory: followLinks(directory),
    topic,
    group,
    from,
    format,
    isFollowing,
    goesOn: isFollowing && group !== '',
    left: max,
  };
  let end = await consume(consuming, invocation);
  while (end === 'let-go' && consuming.goesOn && !invocation.signal.aborted) {
    await new Promise<void>((resolve) => {
      systemClock.schedule(AGAIN_MS, resolve, 'keep-alive');
    });
    end = await consume(consuming, invocation).catch((error: unknown) => {
      if (hasCode(error, 'UNKNOWN_TOPIC')) return 'done';
      throw error;
    });
  }
  return EXIT_OK;
}

interface Consuming {
  readonly directory: string;
  readonly topic: string;
  readonly group: string;
  readonly from: RequestedStart;
  readonly format: 'value' | 'json';
  readonly isFollowing: boolean;
  /** When who held the broker lets go of it, the group goes on where it stopped. */
  readonly goesOn: boolean;
  /** How many records may still be printed. */
  left: number;
}

/** Prints until it is done, or whoever holds the broker lets go of it, or of the topic. */
async function consume(consuming: Consuming, invocation: Invocation): Promise<'done' | 'let-go'> {
  const { directory, topic, group, from, goesOn } = consuming;
  const broker = await openBroker(directory, false);
  try {
    const opened = await broker.ask({ kind: 'openSession', topics: [topic], group, from });
    const session = Number(opened['session']);
    try {
      return await print(broker, session, consuming, invocation);
    } finally {
      // With the process that held it, the session is gone already.
      await broker.ask({ kind: 'closeSession', session }).catch(() => undefined);
    }
  } catch (error) {
    const isGone = hasCode(error, 'HOLDER_FAILED') || hasCode(error, 'BROKER_CLOSED');
    if (goesOn && isGone) return 'let-go';
    throw error;
  } finally {
    await broker.close();
  }
}

async function print(
  broker: BrokerAccess,
  session: number,
  consuming: Consuming,
  { output, signal }: Invocation,
): Promise<'done' | 'let-go'> {
  while (consuming.left > 0 && !signal.aborted) {
    const recordsMax = Math.min(consuming.left, TAKE_RECORDS);
    const taken = await broker.ask({ kind: 'takeRecords', session, recordsMax, waitMs: WAIT_MS });
    const records = listOf(taken['records']).map(consumedRecord);
    const ends = new Map<string, readonly [string, number, number]>();
    for (const record of records) {
      if (consuming.format === 'json') await output.write(`${JSON.stringify(machine(record))}\n`);
      else {
        await output.write(record.value ?? new Uint8Array(0));
        await output.write(NEWLINE);
      }
      const { topic, partition, offset } = record;
      ends.set(`${topic}-${partition}`, [topic, partition, offset + 1]);
    }
    consuming.left -= records.length;
    if (records.length > 0) {
      await output.flush();
      if (consuming.group !== '') {
        await broker.ask({ kind: 'commitRecords', session, offsets: [...ends.values()] });
      }
    } else if (taken['isOver'] === true) return 'let-go';
    else if (taken['isAtEnd'] === true && !consuming.isFollowing) return 'done';
  }
  return 'done';
}

function consumedRecord(row: unknown): ConsumedRecord {
  const [topic, partition, offset, timestamp, key, value, headers] = listOf(row);
  return {
    topic: String(topic),
    partition: Number(partition),
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: bytesOf(key),
    value: bytesOf(value),
    headers: listOf(headers).map((header) => {
      const [name, content] = listOf(header);
      return { key: String(name), value: bytesOf(content) };
    }),
  };
}

function bytesOf(value: unknown): Buffer | null {
  if (!(value instanceof Uint8Array)) return null;
  return Buffer.from(value.buffer, value.byteOffset, value.length);
}

function machine(record: ConsumedRecord): object {
  const { topic, partition, offset, timestamp, key, value, headers } = record;
  return {
    topic,
    partition,
    offset,
    timestamp,
    ...bytesFields('key', key),
    ...bytesFields('value', value),
    headers: headers.map((header) => ({ key: header.key, ...bytesFields('value', header.value) })),
  };
}
