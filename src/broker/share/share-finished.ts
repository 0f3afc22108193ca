/**
 * Who hears of messages of a share group that are done with.
 *
 * Lists are only made for those who want them now: to say which messages were finished costs as
 * much as to finish them.
 */

import type { Delivery } from './share-delivered.js';
import type { FinishedMessage } from './share-endings.js';

/** Undefined: nobody knows which; none: there may be fewer messages for another reason. */
export type FinishedCallback = (finished: readonly FinishedMessage[] | undefined) => void;

interface Listener {
  readonly callback: FinishedCallback;
  readonly isWanted: () => boolean;
}

export class FinishedListeners {
  readonly #listeners: Listener[] = [];

  /** `isWanted` says whether the callback would do something now. */
  add(callback: FinishedCallback, isWanted: () => boolean): void {
    this.#listeners.push({ callback, isWanted });
  }

  tell(finished: readonly FinishedMessage[] | undefined): void {
    for (const { callback, isWanted } of this.#listeners) if (isWanted()) callback(finished);
  }

  /** Tells of what these deliveries have finished. */
  tellOf(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0 || !this.#isWanted) return;
    this.tell(deliveries.map(finishedBy));
  }

  /** The same of one. */
  tellOfOne(delivery: Delivery): void {
    if (this.#isWanted) this.tell([finishedBy(delivery)]);
  }

  get #isWanted(): boolean {
    for (const { isWanted } of this.#listeners) if (isWanted()) return true;
    return false;
  }
}

function finishedBy({ partition, offset, bytes }: Delivery): FinishedMessage {
  return { partition: partition.partition, offset, bytes: bytes > 0 ? bytes : undefined };
}
