/**
 * Transactions that consume, transform and produce, over a small world: a topic `in` that a group
 * reads, a topic `out` of two partitions, and one `side`; and what is seen of all that.
 */

import type { Broker } from '../../src/broker/broker.js';
import type { TransactionOffset } from '../../src/broker/group/group-transactions.js';
import type { Transaction } from '../../src/broker/transaction/transaction.js';
import { valuesOfPartition } from './broker-fixture.js';

export const GROUP = 'g';
export const INPUTS = ['i0', 'i1', 'i2', 'i3', 'i4', 'i5'];

/** A consumer that assigns its partitions itself. */
export const LONE_MEMBER = { groupId: GROUP, memberId: '', generation: -1 };

export async function makeWorld(broker: Broker): Promise<void> {
  const topic = await broker.createTopic('in');
  await broker.createTopic('out', { partitions: 2 });
  await broker.createTopic('side');
  await topic.send(INPUTS.map((value) => ({ value })));
}

export function inputUpTo(nextOffset: number): TransactionOffset {
  return { topic: 'in', partition: 0, nextOffset, member: LONE_MEMBER };
}

/** Sends to every partition. */
export function sendAll(transaction: Transaction, value: string): Promise<unknown> {
  return Promise.all([
    transaction.send('out', { value, partition: 0 }),
    transaction.send('out', { value, partition: 1 }),
    transaction.send('side', { value }),
  ]);
}

/** A commit that is part of no transaction. */
export async function commitAlone(broker: Broker, offset: number): Promise<void> {
  const coordinator = await broker.consumers.coordinator();
  await coordinator.commit({ ...LONE_MEMBER, offsets: [{ topic: 'in', partition: 0, offset }] });
}

export interface SeenWorld {
  /** What readers of committed records see, by partition. */
  readonly values: Readonly<Record<string, readonly string[]>>;
  /** What the group has committed of `in`. */
  readonly offset: number | undefined;
}

export const PLACES = [
  ['out', 0],
  ['out', 1],
  ['side', 0],
] as const;

export async function lookAt(
  broker: Broker,
  isolation: 'committed' | 'uncommitted' = 'committed',
): Promise<SeenWorld> {
  const values: Record<string, string[]> = {};
  for (const [name, partition] of PLACES) {
    const topic = await broker.topic(name);
    const log = await topic.hosted.partition(partition);
    values[`${name}-${partition}`] = await valuesOfPartition(log, { isolation });
  }
  const coordinator = await broker.consumers.coordinator();
  const [fetched] = await coordinator.fetch(GROUP, [{ topic: 'in', partition: 0 }]);
  return { values, offset: fetched?.offset };
}

/** Partitions in which a transaction is open. */
export async function openPlaces(broker: Broker): Promise<string[]> {
  const open: string[] = [];
  for (const [name, partition] of PLACES) {
    const log = await (await broker.topic(name)).hosted.partition(partition);
    const isOpen = log.producers().some(({ transactionOffset }) => transactionOffset !== undefined);
    if (isOpen || log.stableOffset !== log.durableOffset) open.push(`${name}-${partition}`);
  }
  return open;
}
