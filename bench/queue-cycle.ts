/**
 * `queue-cycle`: messages that are sent, received and acknowledged, all of it durable.
 *
 * 256 callers send one message and await it before the next. Meanwhile a worker has a handler that
 * does nothing (`-consume`), or receivers take up to 10 or 1,000 at a time and acknowledge each
 * message for itself, all of a list at once (`-receive-10`), or the list as one
 * (`-receive-10-list`, `-receive-1000`). The clock runs from the first send until the last
 * acknowledgement is durable. Raw writes and syncs as many bytes in the same groups: those that the
 * commits of the log and of the journal had in the run before, each awaited before the next one.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setMaxListeners } from 'node:events';
import { crc32c } from '../src/base/crc32c.js';
import { logDiagnostics } from '../src/base/diagnostics.js';
import type { Broker, Queue } from '../src/main.js';
import { type CaseContext, timed, withWriter } from './case-context.js';
import { RawWriter } from './raw-writer.js';
import { makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';
import { byCallers, withBroker } from './stream-load.js';

const VALUE_BYTES = 100;
const QUEUE = 'jobs';
/** Messages that all receivers together have at most. */
const RECEIVED_MAX = 1024;
const WAIT_MS = 20_000;
/** More than a commit has. */
const GROUP_BYTES_MAX = 16 * 1024 * 1024;

export type BytesQueue = Queue<Buffer, Uint8Array | string>;
type Message = Awaited<ReturnType<BytesQueue['receive']>>[number];

interface Way {
  readonly name: string;
  /** Messages that come at once at most. */
  readonly batch: number;
  /** Has every message acknowledged; resolves when that is durable. */
  readonly drain: (queue: BytesQueue, tally: Tally) => Promise<void>;
}

const ways: readonly Way[] = [
  { name: 'queue-cycle-consume', batch: 1, drain: consume },
  { name: 'queue-cycle-receive-10', batch: 10, drain: receiving(10, acknowledgeEach) },
  { name: 'queue-cycle-receive-10-list', batch: 10, drain: receiving(10, acknowledgeList) },
  { name: 'queue-cycle-receive-1000', batch: 1000, drain: receiving(1000, acknowledgeList) },
];

export async function queueCycle(context: CaseContext): Promise<void> {
  const usual = context.settings.smoke ? [16] : [256];
  for (const callers of context.callers(usual)) {
    for (const way of ways) await cycle(context, way, callers);
  }
}

async function cycle(context: CaseContext, way: Way, callers: number): Promise<void> {
  const count = context.size(100_000, 160);
  const values = makeRecords(count, VALUE_BYTES).all.map(({ value }) => value as Uint8Array);
  const folder = context.path(way.name);
  let userMs = 0;
  const ours = (): Promise<number> =>
    withBroker(context, folder, async (broker) => {
      const before = process.cpuUsage();
      const elapsedMs = await runOnce(broker, way, values, callers);
      userMs = process.cpuUsage(before).user / 1000;
      return count / (elapsedMs / 1000);
    });
  let groups: readonly Group[] = [];
  const memory = new SharedArrayBuffer(GROUP_BYTES_MAX);
  Buffer.from(memory).fill(values[0] ?? '');
  const paths = [context.path('raw-messages'), context.path('raw-journal')];
  const writer = new RawWriter(memory, paths);
  const pairs = await withWriter(writer, () =>
    interleave(
      context.rounds(7),
      context.warmUps,
      async () => {
        const observed = await observeGroups(folder, ours);
        groups = observed.groups;
        return observed.rate;
      },
      async () => count / ((await rawGroups(writer, Buffer.from(memory), groups)) / 1000),
    ),
  );
  for (const path of [folder, ...paths]) context.remove(path);
  const subject = { valueBytes: VALUE_BYTES, batch: way.batch, callers };
  context.report(
    { case: way.name, ...subject, acks: 'durable', unit: 'records/s' },
    compare(pairs),
    {
      messages: count,
      groups: groups.length,
      userMicrosecondsEach: Number(((userMs * 1000) / count).toPrecision(3)),
    },
  );
}

/** Milliseconds; throws unless every message was received once and is done with. */
async function runOnce(
  broker: Broker,
  way: Way,
  values: readonly Uint8Array[],
  callers: number,
): Promise<number> {
  const queue = await broker.queue(QUEUE);
  // The first message opens what a send, a receive and an acknowledgement need.
  await queue.send('the first');
  for (const message of await queue.receive({ waitMs: WAIT_MS })) await message.acknowledge();
  const tally = new Tally(values.length);
  const elapsedMs = await timed(async () => {
    const drained = way.drain(queue, tally);
    await byCallers(callers, values, (value) => queue.send(value));
    await drained;
  });
  tally.check(values);
  const { length } = await queue.stats();
  if (length !== 0) throw new Error(`${length} messages are not done with`);
  return elapsedMs;
}

/** What came, in a number that no order changes, and when it was all. */
class Tally {
  readonly complete: Promise<void>;
  readonly ending = new AbortController();
  readonly #count: number;
  #seen = 0;
  #mixed = 0;
  #tell: () => void = () => undefined;

  constructor(count: number) {
    this.#count = count;
    this.complete = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  note(value: Uint8Array): void {
    this.#mixed ^= mixOf(value);
    this.#seen += 1;
    if (this.#seen === this.#count) this.#tell();
  }

  check(values: readonly Uint8Array[]): void {
    const expected = values.reduce((mixed, value) => mixed ^ mixOf(value), 0);
    if (this.#seen === this.#count && this.#mixed === expected) return;
    throw new Error('the consumers did not get every message once');
  }
}

function mixOf(value: Uint8Array): number {
  return ((value[0] ?? 0) << 16) ^ ((value[31] ?? 0) << 8) ^ (value[63] ?? 0);
}

async function consume(queue: BytesQueue, tally: Tally): Promise<void> {
  const worker = queue.consume((message) => tally.note(message.value ?? Buffer.alloc(0)), {
    concurrency: 256,
  });
  await tally.complete;
  // Resolves when the last acknowledgement is durable.
  await worker.stop();
}

function receiving(
  max: number,
  acknowledge: (queue: BytesQueue, list: Message[]) => Promise<void>,
) {
  return async (queue: BytesQueue, tally: Tally): Promise<void> => {
    const { signal } = tally.ending;
    setMaxListeners(0, signal);
    const receiver = async (): Promise<void> => {
      while (!signal.aborted) {
        const list = await queue.receive({ max, waitMs: WAIT_MS, signal }).catch(() => []);
        for (const message of list) tally.note(message.value ?? Buffer.alloc(0));
        await acknowledge(queue, list);
      }
    };
    const receivers = Array.from({ length: Math.max(4, Math.floor(RECEIVED_MAX / max)) }, receiver);
    await tally.complete;
    tally.ending.abort();
    await Promise.all(receivers);
  };
}

async function acknowledgeEach(_queue: BytesQueue, list: Message[]): Promise<void> {
  await Promise.all(list.map((message) => message.acknowledge()));
}

async function acknowledgeList(queue: BytesQueue, list: Message[]): Promise<void> {
  if (list.length > 0) await queue.acknowledge(list);
}

interface Group {
  /** 0: the queue's log; 1: the journal. */
  readonly file: number;
  readonly bytes: number;
}

/** The commits of a run, in their order. */
async function observeGroups(
  folder: string,
  run: () => Promise<number>,
): Promise<{ readonly groups: readonly Group[]; readonly rate: number }> {
  const groups: Group[] = [];
  const note = (message: unknown): void => {
    if (typeof message !== 'object' || message === null) return;
    if (!('bytes' in message) || !('path' in message)) return;
    const { bytes, path } = message;
    if (typeof bytes !== 'number' || bytes === 0 || typeof path !== 'string') return;
    if (path.startsWith(folder)) groups.push({ file: path.includes(`${QUEUE}-0`) ? 0 : 1, bytes });
  };
  subscribe(logDiagnostics.flush.name, note);
  try {
    return { rate: await run(), groups };
  } finally {
    unsubscribe(logDiagnostics.flush.name, note);
  }
}

/** Milliseconds. */
async function rawGroups(
  writer: RawWriter,
  bytes: Buffer,
  groups: readonly Group[],
): Promise<number> {
  const positions = [0, 0];
  for (const file of positions.keys()) writer.open(file);
  writer.submit();
  await writer.settled();
  const elapsedMs = await timed(async () => {
    for (const { file, bytes: count } of groups) {
      crc32c(bytes, 0, count);
      writer.write(file, 0, count, positions[file] ?? 0);
      writer.sync(file);
      writer.submit();
      await writer.settled();
      positions[file] = (positions[file] ?? 0) + count;
    }
  });
  for (const file of positions.keys()) writer.close(file);
  writer.submit();
  await writer.settled();
  return elapsedMs;
}
