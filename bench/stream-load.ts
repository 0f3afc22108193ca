/**
 * What the cases of streams share: a broker in a folder of the run, and callers that send.
 */

import { Broker, type Consumer, type ConsumerOptions, type Topic } from '../src/main.js';
import type { CaseContext } from './case-context.js';

export type BytesTopic = Topic<Buffer, Uint8Array | string>;

/** Runs work with a broker in `folder`, which is emptied first; the broker is closed behind it. */
export async function withBroker<Result>(
  context: CaseContext,
  folder: string,
  work: (broker: Broker) => Promise<Result>,
): Promise<Result> {
  context.remove(folder);
  const broker = await Broker.open(folder);
  try {
    return await work(broker);
  } finally {
    await broker.close();
  }
}

/** A consumer, and when it has got its partitions for the first time. */
export function assignedConsumer(
  topic: BytesTopic,
  options: ConsumerOptions,
): { readonly consumer: Consumer<Buffer>; readonly assigned: Promise<void> } {
  let tell: () => void = () => undefined;
  const assigned = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return { consumer: topic.consumer({ ...options, onAssigned: () => tell() }), assigned };
}

/** So many callers share the items: each awaits one before it takes the next. */
export async function byCallers<Item>(
  callers: number,
  items: readonly Item[],
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
