/**
 * `slow-consumer`: a consumer that is a hundred times slower than the producer costs a fixed amount
 * of memory.
 *
 * The producer sends at a steady rate; the consumer takes a batch whenever it has worked off the
 * one before at a hundredth of that rate. Sampled behind a garbage collection: heap and memory
 * outside of it. Ours is the largest sample, raw that of the same load without a consumer; what is
 * more is what the consumer costs. The samples are in the row: `earlyBytes` and `lateBytes` are
 * their means in the second quarter and the last, which are equal when memory is flat.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { CaseContext } from './case-context.js';
import { inBatches, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';
import { type BytesTopic, withBroker } from './stream-load.js';

const VALUE_BYTES = 100;
const SLOWER = 100;
const PREFETCH_BYTES = 4 * 1024 * 1024;
const MIB = 1024 * 1024;

export async function slowConsumer(context: CaseContext): Promise<void> {
  const recordsPerSecond = context.size(500_000, 20_000);
  const batch = context.size(1000, 100);
  const load = { recordsPerSecond, batch, seconds: context.size(8, 1) };
  const values = makeRecords(context.size(100_000, 2_000), VALUE_BYTES).all;
  const lists = inBatches(values, batch);
  let last: Samples | undefined;
  const pairs = await interleave(
    context.rounds(3),
    0,
    async () => {
      last = await runOnce(context, lists, load, true);
      return Math.max(...last.bytes);
    },
    async () => Math.max(...(await runOnce(context, lists, load, false)).bytes),
  );
  if (last === undefined) throw new Error('there was a round');
  const { bytes, produced, consumed } = last;
  const quarter = Math.max(1, Math.floor(bytes.length / 4));
  context.report(
    {
      case: 'slow-consumer',
      valueBytes: VALUE_BYTES,
      batch,
      callers: 1,
      acks: 'written',
      unit: 'bytes',
    },
    compare(pairs),
    {
      produced,
      consumed,
      prefetchBytes: PREFETCH_BYTES,
      earlyBytes: mean(bytes.slice(quarter, 2 * quarter)),
      lateBytes: mean(bytes.slice(-quarter)),
      samplesMib: bytes.map((sample) => (sample / MIB).toFixed(1)).join(' '),
    },
  );
}

interface Load {
  readonly recordsPerSecond: number;
  readonly batch: number;
  readonly seconds: number;
}

interface Samples {
  readonly bytes: readonly number[];
  readonly produced: number;
  readonly consumed: number;
}

async function runOnce(
  context: CaseContext,
  lists: readonly (readonly { readonly value?: Uint8Array | string | null | undefined }[])[],
  load: Load,
  hasConsumer: boolean,
): Promise<Samples> {
  const { recordsPerSecond, seconds } = load;
  const samplesPerSecond = 4;
  return await withBroker(context, context.path('slow'), async (broker) => {
    const topic = await broker.topic('load');
    const producer = broker.producer({ acks: 'written', recordsPerSecond });
    const stop = new AbortController();
    const consuming = hasConsumer ? consumeSlowly(topic, load, stop.signal) : Promise.resolve(0);
    const bytes: number[] = [];
    let produced = 0;
    const producing = (async (): Promise<void> => {
      for (let next = 0; !stop.signal.aborted; next += 1) {
        const list = lists[next % lists.length] ?? [];
        await producer.send(topic, list);
        produced += list.length;
      }
    })();
    for (let sample = 0; sample < seconds * samplesPerSecond; sample += 1) {
      await sleep(1000 / samplesPerSecond);
      bytes.push(memoryInUse());
    }
    stop.abort();
    await producing;
    return { bytes, produced, consumed: await consuming };
  });
}

/** How many records it got. */
async function consumeSlowly(
  topic: BytesTopic,
  { recordsPerSecond }: Load,
  signal: AbortSignal,
): Promise<number> {
  const group = 'slow';
  const options = { group, durability: 'written', prefetchBytes: PREFETCH_BYTES } as const;
  let consumed = 0;
  for await (const batch of topic.consumer(options)) {
    if (signal.aborted) break;
    for (const { value } of batch) consumed += value === null ? 0 : 1;
    const workMs = (batch.count * SLOWER * 1000) / recordsPerSecond;
    await sleep(workMs, undefined, { signal }).catch(() => undefined);
  }
  return consumed;
}

function memoryInUse(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function mean(values: readonly number[]): number {
  return Math.round(values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length));
}
