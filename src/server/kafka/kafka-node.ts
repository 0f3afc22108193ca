/**
 * The one node of the cluster that clients see, and what its handlers share.
 */

import type { BrokerEngine, Shares } from '../../broker/main.js';
import type { FetchSessions } from './fetch-sessions.js';
import type { RequestContext } from './handler-table.js';
import type { KafkaConfig } from './kafka-options.js';
import type { LongPolls } from './long-polls.js';
import type { ShareGroups } from './share-groups.js';
import type { ShareSessions } from './share-sessions.js';

export const NODE_ID = 0;

export interface KafkaNode {
  readonly engine: BrokerEngine;
  readonly config: KafkaConfig;
  /** The same as long as the folder is. */
  readonly clusterId: string;
  readonly polls: LongPolls;
  readonly fetchSessions: FetchSessions;
  readonly shareGroups: ShareGroups;
  readonly shareSessions: ShareSessions;
  /** Where share groups are on their topics. */
  readonly shares: Shares;
}

/** Where clients are told that the node is. */
export function addressFor(
  { config }: KafkaNode,
  { localAddress }: RequestContext,
): { readonly host: string; readonly port: number } {
  const { host, port } = localAddress;
  return { host: config.advertisedHost === '' ? host : config.advertisedHost, port };
}
