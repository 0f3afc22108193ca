/**
 * `produce-consume`: a producer and a member of a group in one process, at the same time.
 *
 * The clock runs from the first send until the member has walked over the last record and its
 * commit is durable. Reader and producer have the same `acks`: `written` first. Raw is one file:
 * finished bytes are written by a thread and read back and verified by this one.
 */

import type { RecordInput } from '../src/main.js';
import { type CaseContext, timed } from './case-context.js';
import { takeBytes, verifyLog } from './finished-bytes.js';
import { RawStream } from './raw-stream.js';
import { hex, inBatches, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';
import { assignedConsumer, byCallers, withBroker } from './stream-load.js';

const IN_FLIGHT_BYTES = 4 * 1024 * 1024;
const TOPIC = 'load';
const GROUP = 'readers';

type StreamAcks = 'written' | 'durable';

export async function produceConsume(context: CaseContext): Promise<void> {
  for (const acks of ['written', 'durable'] as const) {
    for (const valueBytes of context.values([100])) await withAcks(context, acks, valueBytes);
  }
}

async function withAcks(context: CaseContext, acks: StreamAcks, valueBytes: number): Promise<void> {
  const batch = context.size(1000, 100);
  const records = makeRecords(context.size(1_000_000, 2_000), valueBytes);
  const lists = inBatches(records.all, batch);
  const callers = Math.max(2, Math.floor(IN_FLIGHT_BYTES / (batch * valueBytes)));
  const count = records.all.length;
  const folder = context.path(`produce-consume-${acks}`);
  const partition = `${folder}/${TOPIC}-0`;
  const ours = (): Promise<number> =>
    runOnce(context, { folder, lists, acks, callers, valueBytes });

  await ours();
  const expected = { records: count, checksum: records.checksum };
  await verifyLog(partition, expected);
  const raw = await RawStream.start(context, takeBytes(partition), acks === 'durable');
  const pairs = await interleave(
    context.rounds(11),
    context.warmUps,
    async () => (count - batch) / ((await ours()) / 1000),
    async () => count / ((await raw.run()) / 1000),
  );
  await raw.end();
  await verifyLog(partition, expected);
  context.remove(folder);
  context.report(
    { case: 'produce-consume', valueBytes, batch, callers, acks, unit: 'records/s' },
    compare(pairs),
    { checksum: hex(records.checksum), rawPieceBytes: raw.pieceBytes },
  );
}

interface Load {
  readonly folder: string;
  readonly lists: readonly (readonly RecordInput[])[];
  readonly acks: StreamAcks;
  readonly callers: number;
  readonly valueBytes: number;
}

/** Milliseconds; throws unless the group got every record once, and its commit says so. */
async function runOnce(context: CaseContext, load: Load): Promise<number> {
  const { folder, lists, acks, callers, valueBytes } = load;
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  return await withBroker(context, folder, async (broker) => {
    const topic = await broker.topic(TOPIC);
    const producer = broker.producer({ acks });
    const { consumer, assigned } = assignedConsumer(topic, {
      group: GROUP,
      durability: acks,
    });
    const consume = async (): Promise<void> => {
      let seen = 0;
      let bytes = 0;
      for await (const read of consumer) {
        const cursor = read.cursor();
        while (cursor.next()) {
          seen += 1;
          bytes += cursor.valueEnd - cursor.valueStart;
        }
        if (seen < count) continue;
        await read.commit();
        break;
      }
      if (bytes !== count * valueBytes) throw new Error('the group did not get every record');
    };
    const consuming = consume();
    await assigned;
    // The first batch opens what a producer needs: it is sent before the clock runs.
    await producer.send(topic, lists[0] ?? []);
    const elapsedMs = await timed(async () => {
      await byCallers(callers, lists.slice(1), (list) => producer.send(topic, list));
      await Promise.all([producer.flush(), consuming]);
    });
    const [committed] = (await broker.groups.describe(GROUP)).partitions;
    if (committed?.committedOffset !== count) throw new Error('the commit is not the end');
    return elapsedMs;
  });
}
