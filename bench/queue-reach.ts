/**
 * `queue-reach`: what stands before a message does not hold it up, nor the disk.
 *
 * `queue-reach-priority-*`: an urgent message is sent behind ten million others; `-group-*`: in a
 * queue with `fifo`, a message of a free group behind ten million of a group whose first message
 * somebody has. `-reads` counts the reads of logs from the send until the message is received, at
 * the file-system seam, the worst of some; `-time` is how long that takes, and raw an append that
 * is read back. `queue-reach-stuck` is what a queue keeps on the disk when all but its first
 * message are done with, which somebody has for long; raw is what it had before.
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemBrokerEnvironment } from '../src/broker/broker-environment.js';
import { Broker, Log } from '../src/main.js';
import type { CaseContext } from './case-context.js';
import { countingEnvironment, ReadCounter } from './counting-file-system.js';
import type { BytesQueue } from './queue-cycle.js';
import { makeRecords } from './records.js';
import type { Subject, Unit } from './row.js';
import { ShiftedClock } from './shifted-clock.js';
import { compare } from './statistics.js';

const VALUE_BYTES = 100;
const QUEUE = 'jobs';
const HOUR_MS = 3_600_000;
/** A message is parked when it has been the first one for this long. */
const STUCK_MS = 120_000;
const WAIT_MS = 600_000;

export async function queueReach(context: CaseContext): Promise<void> {
  const count = context.size(10_000_000, 5_000);
  await reach(context, 'priority', count);
  await reach(context, 'group', count);
  await stuck(context, context.size(2_000_000, 5_000));
}

type Kind = 'priority' | 'group';

async function reach(context: CaseContext, kind: Kind, count: number): Promise<void> {
  const folder = context.path(`reach-${kind}`);
  context.remove(folder);
  const counter = new ReadCounter();
  const environment = { ...systemBrokerEnvironment, storage: countingEnvironment(counter) };
  const broker = await Broker.open(folder, {}, environment);
  const options = kind === 'priority' ? { priorities: 2 } : { fifo: true };
  const queue = await broker.queue(QUEUE, { ...options, visibilityTimeoutMs: HOUR_MS });
  await fill(context, queue, count, kind === 'group' ? 'blocked' : undefined);
  // From here on the first message is in somebody's hands, and so is its group.
  await queue.receive({ max: 1, waitMs: WAIT_MS });
  counter.reset();
  const reached = await reachOften(context, queue, kind, counter);
  await broker.close();
  const rawMs = await rawReach(context, reached.elapsedMs.length);
  context.remove(folder);
  const { firstMs, firstReads } = reached;
  const extras = { before: count, firstMs: Math.round(firstMs), firstReads };
  context.reportCounted(
    subjectOf(`queue-reach-${kind}-reads`, 'reads'),
    { ours: reached.reads, raw: 1 },
    extras,
  );
  const pairs = reached.elapsedMs.map((ours, index) => ({ ours, raw: rawMs[index] ?? 1 }));
  context.report(subjectOf(`queue-reach-${kind}-time`, 'ms'), compare(pairs), extras);
}

async function fill(
  context: CaseContext,
  queue: BytesQueue,
  count: number,
  group: string | undefined,
): Promise<void> {
  const batch = context.size(10_000, 1_000);
  const list = makeRecords(batch, VALUE_BYTES).all.map(({ value }) => {
    const message = { value: value as Uint8Array };
    return group === undefined ? message : { ...message, group };
  });
  for (let sent = 0; sent < count; sent += batch) await queue.sendBatch(list);
}

async function reachOften(
  context: CaseContext,
  queue: BytesQueue,
  kind: Kind,
  counter: ReadCounter,
) {
  const elapsedMs: number[] = [];
  let reads = 0;
  let [firstMs, firstReads] = [0, 0];
  for (let round = -1; round < context.rounds(15); round += 1) {
    const text = `the one that is wanted, ${round}`;
    if (round >= 0) counter.reset();
    const startedMs = performance.now();
    await queue.send(text, kind === 'priority' ? { priority: 1 } : { group: `free ${round}` });
    const [message] = await queue.receive({ max: 1, waitMs: WAIT_MS });
    const passedMs = performance.now() - startedMs;
    const read = counter.reads;
    if (message?.value?.toString() !== text) throw new Error('another message came first');
    await message.acknowledge();
    // The first one opens logs, and has what stands before it looked at.
    if (round < 0) {
      [firstMs, firstReads] = [passedMs, read];
      continue;
    }
    elapsedMs.push(passedMs);
    reads = Math.max(reads, read);
  }
  return { elapsedMs, reads, firstMs, firstReads };
}

/** Milliseconds of a durable append that is read back, each time. */
async function rawReach(context: CaseContext, rounds: number): Promise<readonly number[]> {
  const folder = context.path('reach-raw');
  const log = await Log.open(folder);
  const { all } = makeRecords(rounds, VALUE_BYTES);
  const elapsedMs: number[] = [];
  for (const record of all) {
    const startedMs = performance.now();
    const { baseOffset } = await log.append([record]);
    for await (const _ of log.read({ from: baseOffset })) break;
    elapsedMs.push(performance.now() - startedMs);
  }
  await log.close();
  context.remove(folder);
  return elapsedMs;
}

async function stuck(context: CaseContext, count: number): Promise<void> {
  const folder = context.path('reach-stuck');
  context.remove(folder);
  const clock = new ShiftedClock();
  const broker = await Broker.open(folder, {}, clock.environment());
  const queue = await broker.queue(QUEUE, {
    visibilityTimeoutMs: HOUR_MS,
    ...(context.settings.smoke ? { segmentBytes: 64 * 1024 } : {}),
  });
  await fill(context, queue, count, undefined);
  const [first] = await queue.receive({ waitMs: WAIT_MS });
  const before = bytesIn(folder);
  for (let left = count - 1; left > 0; ) {
    const list = await queue.receive({ max: 1000, waitMs: WAIT_MS });
    await queue.acknowledge(list);
    left -= list.length;
  }
  const givenBackMs = await untilSmall(folder, before / 2, clock, queue);
  const after = bytesIn(folder);
  if (first === undefined || (await queue.stats()).length !== 1) throw new Error('it is gone');
  await first.acknowledge();
  await broker.close();
  context.remove(folder);
  context.reportCounted(
    subjectOf('queue-reach-stuck', 'bytes'),
    { ours: after, raw: before },
    { messages: count, givenBackMs: Math.round(givenBackMs) },
  );
}

/** Has time pass until the disk came back; the real time that took. */
async function untilSmall(
  folder: string,
  bytes: number,
  clock: ShiftedClock,
  queue: BytesQueue,
): Promise<number> {
  const startedMs = performance.now();
  // It is seen that the first message is in the way; then it is seen that it still is.
  for (let look = 0; bytesIn(folder) > bytes; look += 1) {
    if (look > 20) throw new Error('the disk did not come back');
    await queue.send('another one');
    await queue.acknowledge(await queue.receive({ waitMs: WAIT_MS }));
    for (let wait = 0; wait < 60 && bytesIn(folder) > bytes; wait += 1) await sleep(20);
    clock.shift(STUCK_MS);
  }
  return performance.now() - startedMs;
}

/** All segments of all logs of messages. */
function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && file.name.endsWith('.log'))
    .filter((file) => !file.parentPath.includes('__shares'))
    .reduce((sum, file) => {
      // It may have been deleted meanwhile.
      const facts = statSync(join(file.parentPath, file.name), { throwIfNoEntry: false });
      return sum + (facts?.size ?? 0);
    }, 0);
}

function subjectOf(name: string, unit: Unit): Subject {
  return { case: name, valueBytes: VALUE_BYTES, batch: 1, callers: 1, acks: 'durable', unit };
}
