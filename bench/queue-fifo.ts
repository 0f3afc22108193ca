/**
 * `queue-fifo`: messages of 100,000 groups, each in its order, beside a queue without any order.
 *
 * Lists of messages are sent by some callers while receivers take lists and acknowledge them, all
 * durable; the clock runs until the last one is. Raw is no baseline of `node:fs` but the same load
 * through a plain queue.
 */

import { type CaseContext, timed } from './case-context.js';
import { makeRecords } from './records.js';
import { compare, interleave } from './statistics.js';
import { byCallers, withBroker } from './stream-load.js';

const VALUE_BYTES = 100;
const SENDERS = 4;
const RECEIVERS = 4;

interface Load {
  readonly folder: string;
  readonly batch: number;
  readonly values: readonly Uint8Array[];
  readonly groups: readonly string[];
}

export async function queueFifo(context: CaseContext): Promise<void> {
  const count = context.size(300_000, 2_000);
  const groupCount = context.size(100_000, 500);
  const batch = context.size(1000, 100);
  const values = makeRecords(count, VALUE_BYTES).all.map(({ value }) => value as Uint8Array);
  const groups = Array.from({ length: groupCount }, (_, index) => `group ${index}`);
  const load = { folder: context.path('fifo'), batch, values, groups };
  const pairs = await interleave(
    context.rounds(5),
    context.warmUps,
    () => runOnce(context, load, true),
    () => runOnce(context, load, false),
  );
  context.remove(load.folder);
  context.report(
    {
      case: 'queue-fifo',
      valueBytes: VALUE_BYTES,
      batch,
      callers: SENDERS,
      acks: 'durable',
      unit: 'records/s',
    },
    compare(pairs),
    { messages: count, groups: groupCount },
  );
}

/** Messages a second; throws when a group's messages came out of order, or not all came. */
async function runOnce(
  context: CaseContext,
  { folder, batch, values, groups }: Load,
  fifo: boolean,
): Promise<number> {
  return await withBroker(context, folder, async (broker) => {
    const queue = await broker.queue('jobs', { fifo });
    const lists: { value: Uint8Array; group?: string }[][] = [];
    for (let from = 0; from < values.length; from += batch) {
      const part = values.slice(from, from + batch);
      lists.push(
        part.map((value, index) => {
          const group = groups[(from + index) % groups.length];
          return fifo && group !== undefined ? { value, group } : { value };
        }),
      );
    }
    const lastOf = new Map<string, number>();
    let left = values.length;
    const receiver = async (): Promise<void> => {
      while (left > 0) {
        const messages = await queue.receive({ max: batch, waitMs: 100 });
        left -= messages.length;
        if (fifo) for (const { group, offset } of messages) noteOrder(lastOf, group, offset);
        if (messages.length > 0) await queue.acknowledge(messages);
      }
    };
    const elapsedMs = await timed(async () => {
      const receiving = Array.from({ length: RECEIVERS }, receiver);
      await byCallers(SENDERS, lists, (list) => queue.sendBatch(list));
      await Promise.all(receiving);
    });
    const { length } = await queue.stats();
    if (length !== 0) throw new Error(`${length} messages are not done with`);
    return values.length / (elapsedMs / 1000);
  });
}

function noteOrder(lastOf: Map<string, number>, group: string | undefined, offset: number): void {
  if (group === undefined) throw new Error('a message has lost its group');
  if ((lastOf.get(group) ?? -1) >= offset) throw new Error(`${group} is out of order`);
  lastOf.set(group, offset);
}
