/**
 * Offsets that transactions hold: until such a one has ended, nobody else changes them.
 */

import { partitionName } from './assignor-order.js';
import { groupError } from './group-errors.js';
import type { TopicPartition } from './group-topics.js';

/** Who holds offsets; compared by identity. */
export type OffsetHolder = object;

export class OffsetHolds {
  readonly #holders = new Map<string, OffsetHolder>();
  /** Transactions that are being decided, or stored: whoever reads waits for them. */
  readonly #deciding = new Map<OffsetHolder, Promise<void>>();

  /** Takes an offset; no effect when this one has it already. Throws OFFSET_HELD. */
  hold(group: string, at: TopicPartition, holder: OffsetHolder): void {
    const key = keyOf(group, at);
    const known = this.#holders.get(key);
    if (known !== undefined && known !== holder) throw held(group, at);
    this.#holders.set(key, holder);
  }

  isHeld(group: string, at: TopicPartition): boolean {
    return this.#holders.has(keyOf(group, at));
  }

  /** Throws OFFSET_HELD when a transaction holds one of them. */
  check(group: string, partitions: readonly TopicPartition[]): void {
    if (this.#holders.size === 0) return;
    for (const at of partitions) if (this.isHeld(group, at)) throw held(group, at);
  }

  /** From now on readers wait until `release` of the holder. Gives what ends the wait. */
  decide(holder: OffsetHolder): () => void {
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#deciding.set(holder, ended);
    return () => {
      this.#deciding.delete(holder);
      end();
    };
  }

  /** Resolves when what was being decided at the call has come to its end. */
  async decided(): Promise<void> {
    if (this.#deciding.size > 0) await Promise.all([...this.#deciding.values()]);
  }

  /** Gives an offset back. */
  release(group: string, at: TopicPartition, holder: OffsetHolder): void {
    const key = keyOf(group, at);
    if (this.#holders.get(key) === holder) this.#holders.delete(key);
  }
}

function keyOf(group: string, at: TopicPartition): string {
  return `${partitionName(at)}/${group}`;
}

function held(group: string, { topic, partition }: TopicPartition): Error {
  return groupError('OFFSET_HELD', { group, topic, partition });
}
