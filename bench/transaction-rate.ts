/**
 * `transaction-rate`: transactions per second, each with one record in each of three partitions.
 *
 * Callers run one transaction after the other. Raw does in a thread, with a file for each partition
 * and one for decisions, what a transaction cannot do without: writes and syncs its records, writes
 * and syncs the decision. As many transactions as there are callers share those syncs.
 */

import { crc32c } from '../src/base/crc32c.js';
import { Log, type RecordInput } from '../src/main.js';
import { stampCrc } from '../src/storage/batch-header.js';
import { type CaseContext, timed, withWriter } from './case-context.js';
import { takeBytes } from './finished-bytes.js';
import { RawWriter } from './raw-writer.js';
import { hex, makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';
import { byCallers, withBroker } from './stream-load.js';

const VALUE_BYTES = 100;
const PARTITIONS = 3;
const TOPIC = 'load';

export async function transactionRate(context: CaseContext): Promise<void> {
  const usual = context.settings.smoke ? [1, 4] : [1, 16, 256];
  for (const callers of context.callers(usual)) await withCallers(context, callers);
}

async function withCallers(context: CaseContext, callers: number): Promise<void> {
  const count = context.size(Math.min(4_000, 200 * callers), callers * 2);
  const folder = context.path(`transactions-${callers}`);
  const values = makeRecords(count, VALUE_BYTES).all.map(bytesOf);
  const first = Buffer.alloc(VALUE_BYTES);
  const ours = async (): Promise<number> => {
    const elapsedMs = await withBroker(context, folder, async (broker) => {
      const topic = await broker.topic(TOPIC, { partitions: PARTITIONS });
      await topic.describe();
      const run = (value: Uint8Array): Promise<void> =>
        broker.transaction((transaction) => {
          for (let partition = 0; partition < PARTITIONS; partition += 1) {
            transaction.send(topic, { value, partition });
          }
        });
      // The first one opens the log of decisions.
      await run(first);
      return await timed(() => byCallers(callers, values, run));
    });
    return count / (elapsedMs / 1000);
  };

  const sample = await sampleBatch(context);
  const files = Array.from({ length: PARTITIONS + 1 }, (_, index) =>
    context.path(`raw-transactions-${index}`),
  );
  const pairs = await withWriter(new RawWriter(sample.memory, files), (writer) =>
    interleave(context.rounds(9), context.warmUps, ours, async () => {
      return count / ((await rawTransactions(writer, sample.bytes, count, callers)) / 1000);
    }),
  );
  const checksum = await verifyCommitted(folder, [first, ...values]);
  context.remove(folder);
  context.report(
    {
      case: 'transaction-rate',
      valueBytes: VALUE_BYTES,
      batch: PARTITIONS,
      callers,
      acks: 'durable',
      unit: 'transactions/s',
    },
    compare(pairs),
    { checksum: hex(checksum) },
  );
}

function bytesOf({ value }: RecordInput): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new Error('a record has a value');
}

/** A finished batch of one record. */
async function sampleBatch(
  context: CaseContext,
): Promise<{ readonly memory: SharedArrayBuffer; readonly bytes: Buffer }> {
  const folder = context.path('transactions-sample');
  const log = await Log.open(folder);
  await log.append(makeRecords(1, VALUE_BYTES).all);
  await log.close();
  const { memory, bytes } = takeBytes(folder);
  context.remove(folder);
  return { memory, bytes };
}

/** Milliseconds; each group of transactions is awaited before the next one begins. */
async function rawTransactions(
  writer: RawWriter,
  batch: Buffer,
  count: number,
  callers: number,
): Promise<number> {
  const decisions = PARTITIONS;
  for (let file = 0; file <= decisions; file += 1) writer.open(file);
  writer.submit();
  await writer.settled();
  const elapsedMs = await timed(async () => {
    let position = 0;
    for (let done = 0; done < count; done += callers) {
      const group = Math.min(callers, count - done);
      const write = async (file: number): Promise<void> => {
        for (let index = 0; index < group; index += 1) {
          stampCrc(batch, 0);
          if (writer.isFull) {
            writer.submit();
            await writer.room();
          }
          writer.write(file, 0, batch.length, position + index * batch.length);
        }
        writer.sync(file);
      };
      for (let partition = 0; partition < PARTITIONS; partition += 1) await write(partition);
      writer.submit();
      await writer.settled();
      await write(decisions);
      writer.submit();
      await writer.settled();
      position += group * batch.length;
    }
  });
  for (let file = 0; file <= decisions; file += 1) writer.close(file);
  writer.submit();
  await writer.settled();
  return elapsedMs;
}

/** Each partition has every value once, committed: a checksum that no order changes. */
async function verifyCommitted(folder: string, values: readonly Uint8Array[]): Promise<number> {
  let expected = 0;
  for (const value of values) expected ^= crc32c(value, 0, value.length);
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const log = await Log.open(`${folder}/${TOPIC}-${partition}`, { readOnly: true });
    let records = 0;
    let actual = 0;
    for await (const batch of log.read()) {
      const cursor = batch.cursor();
      while (cursor.next()) {
        actual ^= crc32c(cursor.bytes, cursor.valueStart, cursor.valueEnd);
        records += 1;
      }
    }
    await log.close();
    if (records !== values.length || actual !== expected) {
      throw new Error(`partition ${partition} has ${records} of ${values.length} records`);
    }
  }
  return expected >>> 0;
}
