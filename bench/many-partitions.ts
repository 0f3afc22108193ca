/**
 * `many-partitions`: the same durable load through a topic of many partitions, as a ratio to one of
 * a single partition.
 *
 * Each record has a key, and goes where the key says: a list of a thousand becomes a few records in
 * each partition, which the producer collects while others are on their way. Both sides have the
 * same records, keys and callers; what differs is the number of logs, and of syncs.
 */

import { crc32c } from '../src/base/crc32c.js';
import { keyPartition } from '../src/broker/producer/partitioner.js';
import type { RecordInput } from '../src/main.js';
import { type CaseContext, timed } from './case-context.js';
import { readBack } from './finished-bytes.js';
import { hex, inBatches, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';
import { byCallers, withBroker } from './stream-load.js';

const VALUE_BYTES = 100;
const KEYS = 10_000;
const CALLERS = 64;
const TOPIC = 'load';

export async function manyPartitions(context: CaseContext): Promise<void> {
  const usual = context.settings.smoke ? [3] : [12, 64, 256];
  for (const partitions of context.callers(usual)) await withPartitions(context, partitions);
}

async function withPartitions(context: CaseContext, partitions: number): Promise<void> {
  const batch = context.size(1000, 100);
  const records = keyedRecords(context.size(400_000, 2_000));
  const lists = inBatches(records, batch);
  const ours = context.path(`partitions-${partitions}`);
  const single = context.path('partitions-1');
  const count = records.length;
  const rate = async (folder: string, width: number): Promise<number> =>
    count / ((await sendAll(context, folder, lists, width)) / 1000);
  const pairs = await interleave(
    context.rounds(9),
    context.warmUps,
    () => rate(ours, partitions),
    () => rate(single, 1),
  );
  const checksum = await verifyPartitions(ours, records, partitions);
  await verifyPartitions(single, records, 1);
  context.remove(ours);
  context.remove(single);
  context.report(
    {
      case: 'many-partitions',
      valueBytes: VALUE_BYTES,
      batch,
      callers: partitions,
      acks: 'durable',
      unit: 'records/s',
    },
    compare(pairs),
    { checksum: hex(checksum), senders: CALLERS },
  );
}

function keyedRecords(count: number): readonly RecordInput[] {
  return makeRecords(count, VALUE_BYTES).all.map(({ value }, index) => ({
    key: `key-${(index * 7919) % KEYS}`,
    value,
  }));
}

/** Milliseconds until all is durable; the logs are open before. */
async function sendAll(
  context: CaseContext,
  folder: string,
  lists: readonly (readonly RecordInput[])[],
  partitions: number,
): Promise<number> {
  return await withBroker(context, folder, async (broker) => {
    const topic = await broker.topic(TOPIC, { partitions });
    await topic.describe();
    return await timed(() => byCallers(CALLERS, lists, (list) => topic.send(list)));
  });
}

/** Each partition holds what its keys say, in order: the checksum of them all. */
async function verifyPartitions(
  folder: string,
  records: readonly RecordInput[],
  partitions: number,
): Promise<number> {
  const expected = Array.from({ length: partitions }, () => ({ records: 0, checksum: 0 }));
  for (const { key, value } of records) {
    const of = expected[keyPartition(key ?? '', partitions)];
    if (of === undefined || !(value instanceof Uint8Array)) throw new Error('a record has a value');
    of.checksum = crc32c(value, 0, value.length, of.checksum);
    of.records += 1;
  }
  let checksum = 0;
  for (const [partition, wanted] of expected.entries()) {
    const actual = await readBack(`${folder}/${TOPIC}-${partition}`);
    if (actual.records !== wanted.records || actual.checksum !== wanted.checksum) {
      throw new Error(`partition ${partition} of ${partitions} holds other records`);
    }
    checksum ^= actual.checksum;
  }
  return checksum >>> 0;
}
