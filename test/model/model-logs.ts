/**
 * What lies in the logs of the model's broker, read from outside.
 */

import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import { rule } from './model-ledger.js';

/** What lies at each offset; nothing where a mark does. Batches of producers are without gaps. */
export async function readWhole(log: PartitionLog): Promise<(string | undefined)[]> {
  const ids: (string | undefined)[] = [];
  const nextSequence = new Map<string, number>();
  const options = { isolation: 'uncommitted', durability: 'written', control: true } as const;
  for await (const batch of log.read(options)) {
    const { baseOffset, producerId, producerEpoch, baseSequence, count } = batch;
    rule(baseOffset === ids.length, `a batch at ${baseOffset} comes after ${ids.length - 1}`);
    const producer = `${producerId} in epoch ${producerEpoch}`;
    if (producerId >= 0 && !batch.isControl) {
      const expected = nextSequence.get(producer) ?? 0;
      const about = `sequence ${baseSequence} of producer ${producer}`;
      rule(baseSequence === expected, `${about} comes where ${expected} is next`);
      nextSequence.set(producer, baseSequence + count);
    }
    for (const record of batch) {
      ids.push(batch.isControl ? undefined : (record.value?.toString() ?? 'null'));
    }
  }
  return ids;
}

/** The records that readers of committed ones see, by their values. */
export async function readCommitted(log: PartitionLog): Promise<string[]> {
  const ids: string[] = [];
  for await (const batch of log.read({ isolation: 'committed', durability: 'written' })) {
    for (const { value } of batch) ids.push(value?.toString() ?? 'null');
  }
  return ids;
}
