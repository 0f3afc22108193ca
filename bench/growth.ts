/**
 * `growth-*`: the same work at 1, 10 and 100 times the data, and how it grows.
 *
 * One row for each size (`of` says how much), and one `-growth` row: how many times the cost rises
 * when the size rises ten times, from a straight line through the logarithms of all. In its column
 * of raw stands what should be: 1 where what is stored must not matter, 10 where cost should follow
 * the bytes. Sizes take turns, so that load from elsewhere falls on all of them.
 */

import { Broker } from '../src/main.js';
import { Log, type RecordInput } from '../src/storage/main.js';
import { type CaseContext, timed } from './case-context.js';
import { inBatches, makeRecords } from './records.js';
import type { Subject, Unit } from './row.js';
import { compare, growthPerTenfold, quantile } from './statistics.js';
import { type BytesTopic, byCallers } from './stream-load.js';

const VALUE_BYTES = 100;
const FACTORS = [1, 10, 100];

/** What one size cost in each round. */
interface Measured {
  readonly of: number;
  readonly costs: readonly number[];
}

/** A log that holds more and more: lone appends, reads by offset, and opening it again. */
export async function growthStored(context: CaseContext): Promise<void> {
  const base = context.size(20_000, 50);
  const sizes = FACTORS.map((factor) => base * factor);
  const folders = sizes.map((size) => context.path(`stored-${size}`));
  for (const [index, size] of sizes.entries()) await fill(folders[index] ?? '', size);
  const calls = context.size(300, 5);
  const works: readonly (readonly [string, (log: Log) => Promise<number>])[] = [
    ['growth-stored-append-p50', (log) => appendP50(log, calls)],
    ['growth-stored-read-p50', (log) => readP50(log, calls)],
  ];
  for (const [name, work] of works) {
    const logs = await Promise.all(folders.map((folder) => Log.open(folder)));
    const measured = await rounds(context, sizes, (index) => {
      const log = logs[index];
      if (log === undefined) throw new Error('there is a log of every size');
      return work(log);
    });
    for (const log of logs) await log.close();
    report(context, name, 'ms', measured, 1);
  }
  const opened = await rounds(context, sizes, (index) =>
    timed(async () => (await Log.open(folders[index] ?? '')).close()),
  );
  report(context, 'growth-stored-open', 'ms', opened, 1);
  for (const folder of folders) context.remove(folder);
}

/** The same appends and reads for more and more bytes. */
export async function growthBytes(context: CaseContext): Promise<void> {
  const base = context.size(20_000, 50);
  const sizes = FACTORS.map((factor) => base * factor);
  const { all } = makeRecords(sizes.at(-1) ?? base, VALUE_BYTES);
  const lists = sizes.map((size) => inBatches(all.slice(0, size), 1000));
  const folder = context.path('bytes');
  const appended = await rounds(context, sizes, async (index) => {
    context.remove(folder);
    const log = await Log.open(folder);
    const elapsedMs = await timed(() =>
      byCallers(16, lists[index] ?? [], (list: readonly RecordInput[]) => log.append(list)),
    );
    await log.close();
    return elapsedMs;
  });
  report(context, 'growth-bytes-append', 'ms', appended, 10);
  const folders = sizes.map((size) => context.path(`bytes-${size}`));
  for (const [index, size] of sizes.entries()) await fill(folders[index] ?? '', size);
  const read = await rounds(context, sizes, async (index) => {
    const log = await Log.open(folders[index] ?? '', { readOnly: true });
    const elapsedMs = await timed(() => walk(log, sizes[index] ?? 0));
    await log.close();
    return elapsedMs;
  });
  report(context, 'growth-bytes-read', 'ms', read, 10);
  for (const path of [folder, ...folders]) context.remove(path);
}

/** A broker with more and more topics: sends to 64 of them, its memory, and opening it again. */
export async function growthTopics(context: CaseContext): Promise<void> {
  const sizes = context.callers(context.settings.smoke ? [1, 10] : [1, 10, 100, 1000, 10_000]);
  const sends = context.size(2000, 20);
  const values = makeRecords(sends, VALUE_BYTES).all;
  const costs = { send: new Map<number, number[]>(), open: new Map<number, number[]>() };
  const bytes: { readonly x: number; readonly y: number }[] = [];
  for (const size of sizes) {
    const folder = context.path(`topics-${size}`);
    await makeTopics(folder, size);
    const opens: number[] = [];
    const perSend: number[] = [];
    for (let round = 0; round < context.rounds(size < 1000 ? 5 : 3); round += 1) {
      globalThis.gc?.();
      const before = heldBytes();
      const startedMs = performance.now();
      const broker = await Broker.open(folder);
      opens.push(performance.now() - startedMs);
      const topics = await someTopics(broker, size);
      // The first send to a topic opens its log.
      await byCallers(topics.length, topics, (topic) => topic.send({ value: 'first' }));
      let next = 0;
      const elapsedMs = await timed(() =>
        byCallers(64, values, async ({ value }) => {
          const topic = topics[next++ % topics.length];
          if (topic !== undefined && value instanceof Uint8Array) await topic.send({ value });
        }),
      );
      perSend.push(elapsedMs / sends);
      globalThis.gc?.();
      if (round === 0) bytes.push({ x: size, y: Math.max(1, heldBytes() - before) });
      await broker.close();
    }
    costs.send.set(size, perSend);
    costs.open.set(size, opens);
    context.remove(folder);
  }
  const measured = (of: Map<number, number[]>): readonly Measured[] =>
    [...of].map(([size, list]) => ({ of: size, costs: list }));
  report(context, 'growth-topics-send', 'ms', measured(costs.send), 1);
  report(context, 'growth-topics-open', 'ms', measured(costs.open), 10);
  for (const { x, y } of bytes) {
    const subject = subjectOf('growth-topics-memory', 'bytes');
    context.reportCounted(subject, { ours: y, raw: y }, { of: x });
  }
}

/** Up to 64 of the broker's topics, from all over it. */
async function someTopics(broker: Broker, count: number): Promise<readonly BytesTopic[]> {
  const wanted = Math.min(64, count);
  const step = Math.floor(count / wanted);
  const names = Array.from({ length: wanted }, (_, index) => `t-${index * step}`);
  return await Promise.all(names.map((name) => broker.topic(name)));
}

async function makeTopics(folder: string, count: number): Promise<void> {
  const broker = await Broker.open(folder);
  const names = Array.from({ length: count }, (_, index) => `t-${index}`);
  await byCallers(64, names, (name) => broker.topic(name));
  await broker.close();
}

function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function rounds(
  context: CaseContext,
  sizes: readonly number[],
  work: (index: number) => Promise<number>,
): Promise<readonly Measured[]> {
  const costs = sizes.map((): number[] => []);
  for (let round = -context.warmUps; round < context.rounds(7); round += 1) {
    for (let turn = 0; turn < sizes.length; turn += 1) {
      const index = (turn + round + context.warmUps) % sizes.length;
      const cost = await work(index);
      if (round >= 0) costs[index]?.push(cost);
    }
  }
  return sizes.map((size, index) => ({ of: size, costs: costs[index] ?? [] }));
}

function report(
  context: CaseContext,
  name: string,
  unit: Unit,
  measured: readonly Measured[],
  expected: number,
): void {
  const [first] = measured;
  if (first === undefined) return;
  for (const { of, costs } of measured) {
    const pairs = costs.map((cost, round) => ({ ours: cost, raw: first.costs[round] ?? cost }));
    const against = `the same of ${first.of}`;
    context.report({ ...subjectOf(name, unit), against }, compare(pairs), { of });
  }
  const count = Math.min(...measured.map(({ costs }) => costs.length));
  const growths = first.costs
    .slice(0, count)
    .map((_, round) =>
      growthPerTenfold(measured.map(({ of, costs }) => ({ x: of, y: costs[round] ?? 1 }))),
    );
  const pairs = growths.map((growth) => ({ ours: growth, raw: expected }));
  const against = expected === 1 ? 'not at all' : 'as the size';
  const subject = { ...subjectOf(`${name}-growth`, 'times'), against };
  context.report(subject, compare(pairs));
}

function subjectOf(name: string, unit: Unit): Subject {
  return { case: name, valueBytes: VALUE_BYTES, batch: 1, callers: 1, acks: 'durable', unit };
}

async function fill(folder: string, count: number): Promise<void> {
  const log = await Log.open(folder);
  for (const list of inBatches(makeRecords(count, VALUE_BYTES).all, 1000)) {
    await log.append(list, { acks: 'written' });
  }
  await log.close();
}

async function appendP50(log: Log, calls: number): Promise<number> {
  const { all } = makeRecords(1, VALUE_BYTES);
  const times: number[] = [];
  for (let call = 0; call < calls; call += 1) times.push(await timed(() => once(log, all)));
  return quantile(times, 0.5);
}

async function once(log: Log, records: readonly RecordInput[]): Promise<void> {
  await log.append(records);
}

async function readP50(log: Log, calls: number): Promise<number> {
  const times: number[] = [];
  for (let call = 0; call < calls; call += 1) {
    const from = (call * 7_368_787 + 13) % log.endOffset;
    times.push(
      await timed(async () => {
        const reader = log.read({ from });
        const step = await reader.next();
        if (step.done === true) throw new Error('there is a record');
        const cursor = step.value.cursor();
        if (!cursor.next() || cursor.offset !== from) throw new Error('it is the one asked for');
        await reader.return?.();
      }),
    );
  }
  return quantile(times, 0.5);
}

async function walk(log: Log, count: number): Promise<void> {
  let seen = 0;
  for await (const batch of log.read()) {
    const cursor = batch.cursor();
    while (cursor.next()) seen += 1;
  }
  if (seen !== count) throw new Error('not all records were read');
}
