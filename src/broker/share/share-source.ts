/**
 * What a transaction needs of a partition whose messages it finishes.
 */

import type { ReceiptAnswer } from './share-errors.js';
import type { DeliveryKey } from './share-journal-format.js';
import type { Ending } from './share-ledger.js';

export interface DeliverySource {
  readonly key: DeliveryKey;
  /** A receipt of another generation is worth nothing. */
  readonly generation: number;
  /** Everything below is finished. */
  readonly startOffset: number;
  /** The lease does not end by time; a message that was taken is held already: done. */
  freeze(offset: number, receipt: number): ReceiptAnswer;
  /** The lease goes on, or the message that was taken may be given out again. */
  thaw(offset: number, receipt: number): void;
  /** Whether it is frozen, or taken. */
  isHeld(offset: number, receipt: number): boolean;
  /** In memory only: whoever calls it stores the part. */
  finish(offset: number, receipt: number, ending: Ending): void;
}
