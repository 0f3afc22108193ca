/**
 * What a share group is made with, and what it is told to do: leases, attempts, limits, order.
 */

import type { Clock } from '../../base/clock.js';
import type { LogRecord } from '../../storage/main.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { Parking } from './parking.js';
import type { DeliveryLimits } from './share-delivery-options.js';
import type { ShareJournal } from './share-journal.js';
import type { PartitionPicker } from './share-picker.js';
import { SLOTS_MAX } from './share-receipt.js';

export interface ShareGroupConfig {
  readonly leaseMs: number;
  /** A message is given out this often at most. */
  readonly deliveriesMax: number;
  /** A message is not given out again when this many of its deliveries have failed. */
  readonly failuresMax: number;
  /** Messages that members have at once, and their bytes. */
  readonly inFlightCountMax: number;
  readonly inFlightBytesMax: number;
  /** With `key`, of the messages of a key one is under way at a time, in their order. */
  readonly order: 'none' | 'key';
  /** One member receives; the others wait until it is gone. */
  readonly isSingleActive: boolean;
  /** How long finished messages are kept, where the group deletes them. */
  readonly retainAcknowledgedMs: number;
  /** Whether the group deletes what is finished. */
  readonly deletesFinished: boolean;
  /** Where a new group begins. */
  readonly startsAt: 'earliest' | 'latest';
}

export type AlterableShareConfig = Omit<ShareGroupConfig, 'order' | 'startsAt'>;

export interface ShareGroupParts {
  readonly topic: HostedTopic;
  readonly group: string;
  readonly clock: Clock;
  readonly journal: ShareJournal;
  readonly config: ShareGroupConfig;
  /** Where messages of long standing go, so that the disk comes back behind them. */
  readonly parking?: Pick<Parking, 'open'> | undefined;
  readonly picker?: PartitionPicker | undefined;
  /** Resolves when records of the partition below `end`, all of them finished, may be deleted. */
  readonly deleting?:
    | ((log: PartitionLog, partition: number, end: number) => Promise<void>)
    | undefined;
  /** The key whose messages are in order; by default that of the record. */
  readonly keyOf?: ((record: LogRecord) => string | undefined) | undefined;
}

/** Where a group begins anew. */
export type ShareResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number }
  | readonly { readonly partition: number; readonly offset: number }[];

export function limitsOf(config: ShareGroupConfig): DeliveryLimits {
  const { deliveriesMax, failuresMax, inFlightCountMax } = config;
  const inFlightMax = Math.min(inFlightCountMax, SLOTS_MAX);
  return { inFlightMax, underWayMax: SLOTS_MAX, deliveriesMax, failuresMax };
}
