/**
 * What one side of a comparison does, in a process of its own: the same for ours and for each peer.
 *
 * Every kind of work is prepared once and then carried out a round at a time; what a round gives
 * is a rate or a list of times, and a sum of what was read.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { logNamed, queueNamed } from './adapters/all.js';
import type { LogPeer, OpenPeer, PeerAcks } from './adapters/peer.js';
import { rawWork } from './peer-raw.js';
import { ReadSum } from './read-sum.js';
import { makeRecords } from './records.js';
import { byCallers } from './stream-load.js';

export type WorkKind = 'append' | 'lone' | 'read' | 'random' | 'queue';

export interface WorkOrder {
  readonly kind: WorkKind;
  /** `millrace`, `raw`, or a peer. */
  readonly side: string;
  /** Its own, absent. */
  readonly folder: string;
  readonly acks: PeerAcks;
  readonly records: number;
  readonly valueBytes: number;
  /** Records of one append. */
  readonly batch: number;
  /** Appends on their way at once; callers of a queue. */
  readonly callers: number;
  /** Lookups or lone appends of a round. */
  readonly calls: number;
}

export interface RoundResult {
  /** Records or calls per second. */
  readonly rate: number;
  /** Of each call, in ms; empty unless the work is `lone`. */
  readonly times: readonly number[];
  /** Of what was read, or of what was written and read back. */
  readonly sum: string;
}

export interface Work {
  round(): Promise<RoundResult>;
  end(): Promise<void>;
}

type Make = (order: WorkOrder, values: readonly Uint8Array[]) => Promise<Work>;

const kinds: Readonly<Record<Exclude<WorkKind, 'queue'>, Make>> = {
  append: appendWork,
  lone: loneWork,
  read: readWork,
  random: randomWork,
};

export async function makeWork(order: WorkOrder): Promise<Work> {
  mkdirSync(order.folder, { recursive: true });
  if (order.side === 'raw') return await rawWork(order);
  if (order.kind === 'queue') return await queueWork(order, valuesOf(order));
  const { recordsMax = order.records } = logNamed(order.side);
  const records = Math.min(recordsMax, order.records);
  return await kinds[order.kind](order, valuesOf({ ...order, records }));
}

function valuesOf({ records, valueBytes }: WorkOrder): readonly Uint8Array[] {
  return makeRecords(records, valueBytes).all.map(({ value }) => value as Uint8Array);
}

async function appendWork(order: WorkOrder, values: readonly Uint8Array[]): Promise<Work> {
  const peer = logNamed(order.side);
  const lists = listsOf(values, order.batch);
  let sum = '';
  return {
    async round() {
      const folder = emptied(order.folder);
      const open = await peer.open(folder, order.acks);
      const startedMs = performance.now();
      await appendLists(peer, open, lists, order.callers);
      const elapsedMs = performance.now() - startedMs;
      // Reading back takes long for some: once is enough, the later rounds do the same.
      if (sum === '') sum = await checkedSum(open, values);
      await open.close();
      return { rate: values.length / (elapsedMs / 1000), times: [], sum };
    },
    end: async () => remove(order.folder),
  };
}

async function loneWork(order: WorkOrder, values: readonly Uint8Array[]): Promise<Work> {
  const open = await logNamed(order.side).open(join(order.folder, 'data'), order.acks);
  const appended: Uint8Array[] = [];
  return {
    async round() {
      const times: number[] = [];
      const startedMs = performance.now();
      for (let call = 0; call < order.calls; call += 1) {
        const value = values[appended.length % values.length] ?? new Uint8Array(0);
        appended.push(value);
        const calledMs = performance.now();
        await open.append([value]);
        times.push(performance.now() - calledMs);
      }
      const rate = order.calls / ((performance.now() - startedMs) / 1000);
      return { rate, times, sum: ReadSum.of(appended).text() };
    },
    async end() {
      await checkedSum(open, appended);
      await open.close();
      remove(order.folder);
    },
  };
}

async function readWork(order: WorkOrder, values: readonly Uint8Array[]): Promise<Work> {
  const open = await stored(order, values);
  return {
    async round() {
      const sum = new ReadSum();
      const startedMs = performance.now();
      await open.readAll(sum.take);
      const elapsedMs = performance.now() - startedMs;
      sum.check(values);
      return { rate: values.length / (elapsedMs / 1000), times: [], sum: sum.text() };
    },
    async end() {
      await open.close();
      remove(order.folder);
    },
  };
}

async function randomWork(order: WorkOrder, values: readonly Uint8Array[]): Promise<Work> {
  const open = await stored(order, values);
  const { readOne } = open;
  if (readOne === undefined) throw new Error(`${order.side} has no reads by number`);
  const indexes = Array.from(
    { length: order.calls },
    (_, index) => (index * 7_368_787 + 13) % values.length,
  );
  return {
    async round() {
      const sum = new ReadSum();
      const startedMs = performance.now();
      for (const index of indexes) {
        const value = await readOne(index);
        sum.take(value, 0, value.length);
      }
      const elapsedMs = performance.now() - startedMs;
      sum.check(indexes.map((index) => values[index] ?? new Uint8Array(0)));
      return { rate: indexes.length / (elapsedMs / 1000), times: [], sum: sum.text() };
    },
    async end() {
      await open.close();
      remove(order.folder);
    },
  };
}

async function queueWork(order: WorkOrder, all: readonly Uint8Array[]): Promise<Work> {
  const peer = queueNamed(order.side);
  const values = all.slice(0, peer.messagesMax ?? all.length);
  return {
    async round() {
      const folder = emptied(order.folder);
      const open = await peer.open(folder);
      // The order of a queue is not promised: every message must come once.
      const counts = new Map<string, number>();
      await open.cycle(values.slice(0, 1), 1, () => undefined);
      const startedMs = performance.now();
      await open.cycle(values, order.callers, (bytes, start, end) => {
        const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString(
          'latin1',
        );
        counts.set(text, (counts.get(text) ?? 0) + 1);
      });
      const elapsedMs = performance.now() - startedMs;
      await open.close();
      if (counts.size !== values.length || [...counts.values()].some((count) => count !== 1)) {
        throw new Error(`${counts.size} of ${values.length} messages came, or some twice`);
      }
      const sum = ReadSum.of(values).text();
      return { rate: values.length / (elapsedMs / 1000), times: [], sum };
    },
    end: async () => remove(order.folder),
  };
}

/** A folder that holds the values, open for reading. */
async function stored(order: WorkOrder, values: readonly Uint8Array[]): Promise<OpenPeer> {
  const peer = logNamed(order.side);
  const open = await peer.open(join(order.folder, 'data'), order.acks);
  await appendLists(peer, open, listsOf(values, order.batch), order.callers);
  return open;
}

async function appendLists(
  peer: LogPeer,
  open: OpenPeer,
  lists: readonly (readonly Uint8Array[])[],
  callers: number,
): Promise<void> {
  const atOnce = Math.min(callers, peer.batchesAtOnceMax ?? callers);
  await byCallers(atOnce, lists, (list) => open.append(list));
}

async function checkedSum(open: OpenPeer, values: readonly Uint8Array[]): Promise<string> {
  const sum = new ReadSum();
  await open.readAll(sum.take);
  sum.check(values);
  return sum.text();
}

function listsOf(values: readonly Uint8Array[], batch: number): readonly (readonly Uint8Array[])[] {
  const lists: (readonly Uint8Array[])[] = [];
  for (let start = 0; start < values.length; start += batch) {
    lists.push(values.slice(start, start + batch));
  }
  return lists;
}

/** A folder below the side's own that is not there yet. */
function emptied(folder: string): string {
  const path = join(folder, 'data');
  remove(path);
  return path;
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
