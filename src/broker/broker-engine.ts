/**
 * What a server of a wire protocol uses of a broker: the very parts that its own face is made of.
 */

import type { Clock } from '../base/clock.js';
import type { BrokerGroups } from './broker-groups.js';
import type { BrokerShares } from './broker-shares.js';
import type { GroupSettings } from './group/group-settings.js';
import type { ProducerIds } from './producer/producer-ids.js';
import type { TopicRegistry } from './topic/topic-registry.js';
import type { TransactionCoordinator } from './transaction/transaction-coordinator.js';

export interface BrokerEngine {
  /** 32 hexadecimal digits, the same as long as the folder is. */
  readonly id: string;
  readonly clock: Clock;
  readonly topics: TopicRegistry;
  readonly groups: BrokerGroups;
  readonly groupSettings: GroupSettings;
  readonly shares: BrokerShares;
  readonly ids: ProducerIds;
  readonly transactions: TransactionCoordinator;
}
