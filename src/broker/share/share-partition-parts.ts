/**
 * What a partition of a share group is made of, and what is asked of it.
 */

import type { Clock } from '../../base/clock.js';
import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { ParkablePartition } from './parked-messages.js';
import type { DeliveryGroup, DeliveryPartition } from './share-delivered.js';
import type { DeliveryLimits } from './share-delivery-options.js';
import type { ShareJournal } from './share-journal.js';
import type { DeliveryKey } from './share-journal-format.js';
import type { ParkedRecords } from './share-parked.js';

/** The group of a partition, which hears what happens in it. */
export interface PartitionGroup extends DeliveryGroup {
  /** Messages were finished, so that space may come back. */
  readonly upkeep: { finished(): void };
  /** A transaction has finished a message. */
  ended(partition: DeliveryPartition, offset: number): void;
}

/** Copies of messages, and who sees to them. */
export type Parked = ParkedRecords & { look(partition: ParkablePartition): Promise<void> };

export interface SharePartitionParts {
  readonly group: PartitionGroup;
  readonly key: DeliveryKey;
  readonly log: PartitionLog;
  readonly parked: Parked | undefined;
  readonly clock: Clock;
  readonly journal: ShareJournal;
  readonly limits: DeliveryLimits;
  /** Given: messages with a key are in key order. */
  readonly keyOf: ((record: LogRecord) => string | undefined) | undefined;
  /** About how much is read ahead, in bytes. */
  readonly bufferBytes: number;
  /** Something was read, or could not be. */
  readonly moved: () => void;
  readonly leaseEnded: (
    partition: DeliveryPartition,
    offset: number,
    receipt: number,
    owner: number,
  ) => void;
}

export interface TakeRequest {
  readonly max: number;
  readonly bytesMax: number;
  readonly owner: number;
  readonly nowMs: number;
  readonly leaseMs: number;
  /** One message is given even when it alone is larger than that. */
  readonly isFirst: boolean;
}
