/**
 * `queue-inflight`: a million messages in flight, each under a lease of its own, no two side by
 * side: two million are received, and every second one is acknowledged.
 *
 * `queue-inflight-memory` is what one of them takes beyond the message, behind a garbage collection
 * and without the handle of whoever received it. `-extend`, `-expire` and `-acknowledge` are how
 * many a second get another end of their lease, come back because it is over, and are done with,
 * durably, in lists of 1,000. Raw is the least that a program does itself: a `Map` from the number
 * of a message to the end of its lease, in which this is set, looked for, and deleted.
 */

import { Broker } from '../src/main.js';
import { type CaseContext, timed } from './case-context.js';
import type { BytesQueue } from './queue-cycle.js';
import { makeRecords } from './records.js';
import type { Subject, Unit } from './row.js';
import { ShiftedClock } from './shifted-clock.js';

const VALUE_BYTES = 100;
const LEASE_MS = 6 * 3_600_000;
/** Leases end at this many different times. */
const SPREAD_MS = 3_600_000;

export async function queueInflight(context: CaseContext): Promise<void> {
  const load = { count: context.size(1_000_000, 1_000), batch: context.size(1000, 100) };
  const folder = context.path('inflight');
  context.remove(folder);
  const clock = new ShiftedClock();
  const broker = await Broker.open(folder, {}, clock.environment());
  const queue = await broker.queue('jobs', {
    inFlightMax: 2 * load.count,
    inFlightBytesMax: 'unlimited',
    visibilityTimeoutMs: LEASE_MS,
  });
  await fill(context, queue, load);
  const before = memoryInUse();
  const extendMs = await spread(queue, load);
  const memory = Math.max(0, memoryInUse() - before);
  const { inFlight } = await queue.stats();
  if (inFlight !== load.count) throw new Error(`${inFlight} messages are in flight`);
  clock.shift(2 * LEASE_MS);
  const expireMs = await timed(async () => void (await queue.receive()));
  const acknowledgeMs = await finish(queue, load);
  await broker.close();
  context.remove(folder);

  const raw = rawLeases(load.count);
  const report = (name: string, unit: Unit, ours: number, other: number): void =>
    context.reportCounted(
      subjectOf(name, load.batch, unit),
      { ours, raw: other },
      {
        messages: load.count,
      },
    );
  const rate = (ms: number): number => load.count / (ms / 1000);
  report('queue-inflight-memory', 'bytes', memory / load.count, raw.memory / load.count);
  report('queue-inflight-extend', 'records/s', rate(extendMs), rate(raw.extendMs));
  report('queue-inflight-expire', 'records/s', rate(expireMs), rate(raw.expireMs));
  report('queue-inflight-acknowledge', 'records/s', rate(acknowledgeMs), rate(raw.finishMs));
}

interface Load {
  readonly count: number;
  readonly batch: number;
}

async function fill(context: CaseContext, queue: BytesQueue, load: Load): Promise<void> {
  const { all } = makeRecords(load.batch, VALUE_BYTES);
  const list = all.map(({ value }) => ({ value: value as Uint8Array }));
  for (let sent = 0; sent < 2 * load.count; sent += load.batch) await queue.sendBatch(list);
  // What reads and stores is there before memory is looked at.
  const [first] = await queue.receive({ waitMs: 20_000 });
  await first?.release();
  if (context.settings.smoke) return;
  globalThis.gc?.();
}

/** Acknowledges every second message, and extends the others; the time of that. */
async function spread(queue: BytesQueue, { count, batch }: Load): Promise<number> {
  let extendMs = 0;
  let seed = 1;
  for (let received = 0; received < 2 * count; ) {
    const list = await queue.receive({ max: batch, waitMs: 20_000 });
    received += list.length;
    const kept = list.filter(({ offset }) => offset % 2 === 0);
    await queue.acknowledge(list.filter(({ offset }) => offset % 2 === 1));
    extendMs += await timed(async () => {
      const extended: Promise<void>[] = [];
      for (const message of kept) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        extended.push(message.extend(LEASE_MS + (seed % SPREAD_MS)));
      }
      await Promise.all(extended);
    });
  }
  return extendMs;
}

/** Receives what came back, and acknowledges it; the time of that. */
async function finish(queue: BytesQueue, { count, batch }: Load): Promise<number> {
  let acknowledgeMs = 0;
  // One was received when the leases had ended.
  for (let left = count - 1; left > 0; ) {
    const list = await queue.receive({ max: batch, waitMs: 20_000 });
    left -= list.length;
    acknowledgeMs += await timed(() => queue.acknowledge(list));
  }
  const { length } = await queue.stats();
  if (length !== 1) throw new Error(`${length} messages are left, not one`);
  return acknowledgeMs;
}

function rawLeases(count: number) {
  const before = memoryInUse();
  const leases = new Map<number, number>();
  const each = (work: (offset: number) => void): number => {
    const startedMs = performance.now();
    for (let index = 0; index < count; index += 1) work(2 * index);
    return performance.now() - startedMs;
  };
  each((offset) => void leases.set(offset, offset / 3));
  const memory = memoryInUse() - before;
  const extendMs = each((offset) => void leases.set(offset, offset / 7));
  let over = 0;
  const startedMs = performance.now();
  for (const endsMs of leases.values()) if (endsMs < count) over += 1;
  const expireMs = performance.now() - startedMs;
  const finishMs = each((offset) => void leases.delete(offset));
  if (leases.size > 0 || over === 0) throw new Error('the map is what it was not');
  return { memory, extendMs, expireMs, finishMs };
}

function memoryInUse(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function subjectOf(name: string, batch: number, unit: Unit): Subject {
  return { case: name, valueBytes: VALUE_BYTES, batch, callers: 1, acks: 'durable', unit };
}
