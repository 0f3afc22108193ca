/**
 * From which partitions to take next.
 */

export interface PartitionPicker {
  /**
   * Fills in the numbers of partitions, the first to take from first; returns how many. `ready`
   * says of each partition whether it may have messages.
   */
  order(ready: readonly boolean[], into: Uint16Array): number;
  /** Messages were taken from a partition. */
  taken(partition: number, count: number): void;
}

/** Each partition has its turn. */
export class TurnPicker implements PartitionPicker {
  #next = 0;

  order(ready: readonly boolean[], into: Uint16Array): number {
    let count = 0;
    const { length } = ready;
    for (let step = 0; step < length; step += 1) {
      const partition = (this.#next + step) % length;
      if (ready[partition] !== true) continue;
      into[count] = partition;
      count += 1;
    }
    return count;
  }

  taken(partition: number): void {
    this.#next = partition + 1;
  }
}
