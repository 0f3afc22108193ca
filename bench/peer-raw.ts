/**
 * Raw as a side of the comparison with peers: the finished bytes of a log of ours, written by a
 * thread or read back through `node:fs` alone, as in the cases that know nothing of peers.
 */

import { Log } from '../src/storage/main.js';
import { RawLoad } from './append-load.js';
import { LoneSides } from './append-lone.js';
import { CaseContext } from './case-context.js';
import { takeBytes } from './finished-bytes.js';
import type { RoundResult, Work, WorkOrder } from './peer-work.js';
import { RawReader } from './raw-reader.js';
import { inBatches, makeRecords } from './records.js';

const READ_BYTES = 1024 * 1024;

export async function rawWork(order: WorkOrder): Promise<Work> {
  const context = new CaseContext(settings(order), order.folder, () => undefined);
  if (order.kind === 'lone') return await loneWork(context, order);
  const finished = takeBytes(await writtenLog(order));
  if (order.kind === 'append') {
    const load = await RawLoad.start(context, finished, order.acks);
    return worked(
      order,
      context,
      () => load.run(),
      () => load.end(),
    );
  }
  if (order.kind !== 'read') throw new Error(`there is no raw side of ${order.kind}`);
  const reader = new RawReader(finished, READ_BYTES);
  return worked(order, context, async () => {
    const startedMs = performance.now();
    await reader.run(true);
    return performance.now() - startedMs;
  });
}

function worked(
  order: WorkOrder,
  context: CaseContext,
  run: () => Promise<number>,
  end: () => Promise<void> = async () => undefined,
): Work {
  return {
    async round(): Promise<RoundResult> {
      const rate = order.records / ((await run()) / 1000);
      return { rate, times: [], sum: '-' };
    },
    async end() {
      await end();
      context.remove(order.folder);
    },
  };
}

async function loneWork(context: CaseContext, order: WorkOrder): Promise<Work> {
  const sides = await LoneSides.start(context, 1, order.calls);
  return {
    async round() {
      const startedMs = performance.now();
      const times = await sides.raw();
      const rate = times.length / ((performance.now() - startedMs) / 1000);
      return { rate, times, sum: '-' };
    },
    async end() {
      await sides.end();
      context.remove(order.folder);
    },
  };
}

async function writtenLog(order: WorkOrder): Promise<string> {
  const folder = `${order.folder}/log`;
  const log = await Log.open(folder);
  for (const records of inBatches(makeRecords(order.records, order.valueBytes).all, order.batch)) {
    await log.append(records, { acks: 'written' });
  }
  await log.close();
  return folder;
}

function settings(order: WorkOrder): ConstructorParameters<typeof CaseContext>[0] {
  return {
    cases: [],
    json: true,
    smoke: false,
    rounds: undefined,
    values: undefined,
    callers: undefined,
    directory: order.folder,
    isChild: true,
  };
}
