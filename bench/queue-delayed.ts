/**
 * `queue-delayed`: messages with a delay, due at random times of a day, more than fit in memory.
 *
 * `queue-delayed-send` is the rate at which lists of them are stored, durably; raw appends the same
 * records to a log, list by list. What they cost while they wait: `-memory` is the memory beyond
 * that of a broker with one such message, behind a garbage collection; `-index` the bytes on disk
 * of one message beyond the message itself. `-open` is the time from opening the folder until the
 * queue can tell how many wait. `-enter` is the rate at which messages enter the queue that are all
 * due at one time, with the others beside them; raw of these reads and verifies the messages.
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Broker, Log } from '../src/main.js';
import { type CaseContext, timed } from './case-context.js';
import { takeBytes } from './finished-bytes.js';
import { RawReader } from './raw-reader.js';
import { inBatches, makeRecords } from './records.js';
import type { Subject, Unit } from './row.js';
import { compare, interleave } from './statistics.js';

const VALUE_BYTES = 100;
const QUEUE = 'jobs';
const HOUR_MS = 3_600_000;
const RAW_READ_BYTES = 1024 * 1024;
/** Where the index and the state of delayed messages lie. */
const INDEX = [`__delayed-${QUEUE}-1`, `__delayed-${QUEUE}-2`];

type BytesQueue = Awaited<ReturnType<typeof openQueue>>;

export async function queueDelayed(context: CaseContext): Promise<void> {
  const load = { count: context.size(10_000_000, 20_000), batch: context.size(1000, 100) };
  const folder = context.path('delayed');
  context.remove(folder);
  await fill(context, folder, load);
  const indexBytes = INDEX.reduce((sum, name) => sum + logBytes(join(folder, name)), 0);
  context.reportCounted(
    subjectOf('queue-delayed-index', load.batch, 'bytes'),
    { ours: indexBytes / load.count, raw: 1 },
    { messages: load.count, indexBytes },
  );
  await reopen(context, folder, load);
  await enter(context, folder, load);
  context.remove(folder);
}

interface Load {
  readonly count: number;
  readonly batch: number;
}

async function openQueue(broker: Broker) {
  return await broker.queue(QUEUE);
}

/** Rate and memory of sending. */
async function fill(context: CaseContext, folder: string, load: Load): Promise<void> {
  const { count, batch } = load;
  const records = makeRecords(context.size(100_000, 2_000), VALUE_BYTES);
  const lists = inBatches(records.all, batch);
  const broker = await Broker.open(folder);
  const queue = await openQueue(broker);
  await queue.send('the first', { delayMs: HOUR_MS });
  const before = memoryInUse();
  let seed = 1;
  const elapsedMs = await timed(async () => {
    for (let sent = 0; sent < count; sent += batch) {
      const list = lists[(sent / batch) % lists.length] ?? [];
      const messages = list.map(({ value }) => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        const delayMs = HOUR_MS + Math.floor((seed / 2 ** 32) * 24 * HOUR_MS);
        return { value: value as Uint8Array, delayMs };
      });
      await queue.sendBatch(messages);
    }
  });
  const memory = Math.max(0, memoryInUse() - before);
  const { delayed } = await queue.stats();
  if (delayed !== count + 1) throw new Error(`${delayed} messages wait, not ${count + 1}`);
  await broker.close();
  const rawMs = await rawAppends(context, lists, load);
  context.reportCounted(
    subjectOf('queue-delayed-send', batch, 'records/s'),
    { ours: count / (elapsedMs / 1000), raw: count / (rawMs / 1000) },
    { messages: count },
  );
  context.reportCounted(
    subjectOf('queue-delayed-memory', batch, 'bytes'),
    { ours: memory, raw: 1 },
    { messages: count },
  );
}

async function rawAppends(
  context: CaseContext,
  lists: readonly (readonly { readonly value?: Uint8Array | string | null | undefined }[])[],
  { count, batch }: Load,
): Promise<number> {
  const folder = context.path('delayed-raw');
  const log = await Log.open(folder);
  const elapsedMs = await timed(async () => {
    for (let sent = 0; sent < count; sent += batch) {
      await log.append(lists[(sent / batch) % lists.length] ?? []);
    }
  });
  await log.close();
  context.remove(folder);
  return elapsedMs;
}

/** Opening with all of them waiting; raw opens a broker in which there is nothing. */
async function reopen(context: CaseContext, folder: string, load: Load): Promise<void> {
  const empty = context.path('delayed-empty');
  const openingMs = (path: string): Promise<number> => openAndClose(path);
  await openingMs(empty);
  const pairs = await interleave(
    context.rounds(7),
    context.warmUps,
    () => openingMs(folder),
    () => openingMs(empty),
  );
  const subject = subjectOf('queue-delayed-open', load.batch, 'ms');
  context.report(subject, compare(pairs), { messages: load.count });
  context.remove(empty);
}

async function openAndClose(folder: string): Promise<number> {
  let broker: Broker | undefined;
  const elapsedMs = await timed(async () => {
    broker = await Broker.open(folder);
    await (await openQueue(broker)).stats();
  });
  await broker?.close();
  return elapsedMs;
}

async function enter(context: CaseContext, folder: string, load: Load): Promise<void> {
  const { batch } = load;
  const count = context.size(200_000, 2_000);
  const leadMs = context.size(10_000, 500);
  const { all } = makeRecords(count, VALUE_BYTES);
  const broker = await Broker.open(folder);
  const queue = await openQueue(broker);
  const rates: number[] = [];
  for (let round = 0; round < context.rounds(3); round += 1) {
    const { delayed } = await queue.stats();
    const at = Date.now() + leadMs;
    for (const list of inBatches(all, batch)) {
      await queue.sendBatch(list.map(({ value }) => ({ value: value as Uint8Array, at })));
    }
    await sleep(Math.max(0, at - Date.now()));
    rates.push(await rateUntil(queue, delayed));
  }
  await broker.close();
  const finished = takeBytes(join(folder, `${QUEUE}-0`));
  const reader = new RawReader(finished, RAW_READ_BYTES);
  const raws: number[] = [];
  for (const _ of rates) {
    const elapsedMs = await timed(async () => void (await reader.run(true)));
    raws.push((count * rates.length) / (elapsedMs / 1000));
  }
  const pairs = rates.map((ours, index) => ({ ours, raw: raws[index] ?? 1 }));
  const subject = subjectOf('queue-delayed-enter', batch, 'records/s');
  context.report(subject, compare(pairs), { messages: count, waiting: load.count });
}

/** Messages a second, from now until only so many wait. */
async function rateUntil(queue: BytesQueue, left: number): Promise<number> {
  const startedMs = performance.now();
  const { delayed: before } = await queue.stats();
  for (;;) {
    const { delayed } = await queue.stats();
    if (delayed <= left) return (before - left) / ((performance.now() - startedMs) / 1000);
    await sleep(2);
  }
}

function logBytes(folder: string): number {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function memoryInUse(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function subjectOf(name: string, batch: number, unit: Unit): Subject {
  return { case: name, valueBytes: VALUE_BYTES, batch, callers: 1, acks: 'durable', unit };
}
