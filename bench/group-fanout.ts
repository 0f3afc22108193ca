/**
 * `group-fanout`: many groups read one topic, at the same time, each all of it.
 *
 * `group-fanout` is the rate at which records reach members, summed over the groups; raw reads and
 * verifies the same file as many times from the page cache. `group-fanout-written` is what the
 * groups cost on the disk: by how much the broker's folder grew while they read and committed,
 * beside the bytes that reached them.
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Broker } from '../src/main.js';
import { type CaseContext, timed } from './case-context.js';
import { takeBytes, verifyLog } from './finished-bytes.js';
import { RawReader } from './raw-reader.js';
import { hex, inBatches, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';
import { assignedConsumer, type BytesTopic, withBroker } from './stream-load.js';

const VALUE_BYTES = 100;
const RAW_READ_BYTES = 1024 * 1024;
const TOPIC = 'load';

export async function groupFanout(context: CaseContext): Promise<void> {
  const count = context.size(200_000, 2_000);
  const batch = context.size(1000, 100);
  const folder = context.path('fanout');
  const checksum = await fill(context, folder, count, batch);
  const partition = join(folder, `${TOPIC}-0`);
  await verifyLog(partition, { records: count, checksum });
  const finished = takeBytes(partition);
  const usual = context.settings.smoke ? [1, 3] : [1, 10, 100];
  for (const groups of context.callers(usual)) {
    await withGroups(context, { folder, count, batch, groups, finished, checksum });
  }
  context.remove(folder);
}

interface Fanout {
  readonly folder: string;
  readonly count: number;
  readonly batch: number;
  readonly groups: number;
  readonly finished: ReturnType<typeof takeBytes>;
  readonly checksum: number;
}

async function withGroups(context: CaseContext, fanout: Fanout): Promise<void> {
  const { folder, count, batch, groups, finished, checksum } = fanout;
  const reader = new RawReader(finished, RAW_READ_BYTES);
  const delivered = count * groups;
  let grown = 0;
  let round = 0;
  const pairs = await interleave(
    context.rounds(7),
    context.warmUps,
    async () => {
      round += 1;
      const before = bytesIn(folder);
      const elapsedMs = await readByGroups(folder, count, groups, `of ${groups}, ${round}`);
      grown = bytesIn(folder) - before;
      return delivered / (elapsedMs / 1000);
    },
    async () => {
      const elapsedMs = await timed(async () => {
        for (let group = 0; group < groups; group += 1) await reader.run(true);
      });
      return delivered / (elapsedMs / 1000);
    },
  );
  const subject = { valueBytes: VALUE_BYTES, batch, callers: groups };
  context.report(
    { case: 'group-fanout', ...subject, acks: '-', unit: 'records/s' },
    compare(pairs),
    { checksum: hex(checksum), records: count },
  );
  context.reportCounted(
    { case: 'group-fanout-written', ...subject, acks: '-', unit: 'bytes' },
    { ours: grown, raw: finished.bytes.length * groups },
  );
}

async function fill(
  context: CaseContext,
  folder: string,
  count: number,
  batch: number,
): Promise<number> {
  const records = makeRecords(count, VALUE_BYTES);
  await withBroker(context, folder, async (broker) => {
    const topic = await broker.topic(TOPIC);
    for (const list of inBatches(records.all, batch)) await topic.send(list);
  });
  return records.checksum;
}

/** Milliseconds from when all have their partition until all have committed the end. */
async function readByGroups(
  folder: string,
  count: number,
  groups: number,
  name: string,
): Promise<number> {
  return await reopened(folder, async (topic) => {
    const members = Array.from({ length: groups }, (_, index) =>
      assignedConsumer(topic, { group: `group ${index} ${name}` }),
    );
    await Promise.all(members.map(({ assigned }) => assigned));
    return await timed(async () => {
      await Promise.all(members.map(({ consumer }) => readAll(consumer, count)));
    });
  });
}

async function readAll(
  consumer: ReturnType<typeof assignedConsumer>['consumer'],
  count: number,
): Promise<void> {
  let seen = 0;
  let bytes = 0;
  for await (const batch of consumer) {
    const cursor = batch.cursor();
    while (cursor.next()) {
      seen += 1;
      bytes += cursor.valueEnd - cursor.valueStart;
    }
    if (seen < count) continue;
    await batch.commit();
    break;
  }
  if (bytes !== count * VALUE_BYTES) throw new Error('a group did not get every record once');
}

async function reopened(
  folder: string,
  work: (topic: BytesTopic) => Promise<number>,
): Promise<number> {
  const broker = await Broker.open(folder);
  try {
    return await work(await broker.topic(TOPIC));
  } finally {
    await broker.close();
  }
}

/** All segments of all logs. */
function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && file.name.endsWith('.log'))
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}
