/**
 * What each API needs, as one table: the verb on each kind of thing that a request names.
 *
 * Handlers say only what they are about to touch, with its name; the verb comes from here. An API
 * that has no row, or touches what its row does not name, is a defect, and is denied.
 */

import { createError } from '../../base/errors.js';
import { CLUSTER, type ResourceKind, type Verb } from '../access/access-rules.js';
import type { KafkaErrorName } from './error-codes.js';

/** A topic that is made because of a request is something else than one that is there. */
export type AccessTarget = ResourceKind | 'newTopic';
export type AccessRow = Readonly<Partial<Record<AccessTarget, Verb>>>;

export const accessTable: Readonly<Record<string, AccessRow>> = {
  Produce: { topic: 'write' },
  Fetch: { topic: 'read' },
  ListOffsets: { topic: 'describe' },
  Metadata: { topic: 'describe', newTopic: 'create' },
  OffsetCommit: { group: 'read', topic: 'read' },
  OffsetFetch: { group: 'describe', topic: 'describe' },
  FindCoordinator: { group: 'describe', transaction: 'describe' },
  JoinGroup: { group: 'read' },
  Heartbeat: { group: 'read' },
  LeaveGroup: { group: 'read' },
  SyncGroup: { group: 'read' },
  ConsumerGroupHeartbeat: { group: 'read', topic: 'describe' },
  ConsumerGroupDescribe: { group: 'describe', topic: 'describe' },
  DescribeGroups: { group: 'describe' },
  ListGroups: { group: 'describe' },
  SaslHandshake: {},
  ApiVersions: {},
  CreateTopics: { topic: 'create' },
  DeleteTopics: { topic: 'delete' },
  DeleteRecords: { topic: 'delete' },
  InitProducerId: { topic: 'write', transaction: 'write' },
  OffsetForLeaderEpoch: { topic: 'describe' },
  DescribeConfigs: { topic: 'describe', cluster: 'describe', group: 'describe' },
  AlterConfigs: { topic: 'alter', cluster: 'alter' },
  DescribeLogDirs: { cluster: 'describe' },
  SaslAuthenticate: {},
  CreatePartitions: { topic: 'alter' },
  DeleteGroups: { group: 'delete' },
  IncrementalAlterConfigs: { topic: 'alter', cluster: 'alter', group: 'alter' },
  ListPartitionReassignments: { cluster: 'describe' },
  OffsetDelete: { group: 'delete', topic: 'read' },
  DescribeCluster: {},
  DescribeProducers: { topic: 'read' },
  DescribeTopicPartitions: { topic: 'describe' },
  AddPartitionsToTxn: { transaction: 'write', topic: 'write' },
  AddOffsetsToTxn: { transaction: 'write', group: 'read' },
  EndTxn: { transaction: 'write' },
  TxnOffsetCommit: { transaction: 'write', group: 'read', topic: 'read' },
  ShareGroupHeartbeat: { group: 'read', topic: 'describe' },
  ShareGroupDescribe: { group: 'describe', topic: 'describe' },
  ShareFetch: { group: 'read', topic: 'read' },
  ShareAcknowledge: { group: 'read' },
  DescribeShareGroupOffsets: { group: 'describe', topic: 'describe' },
  AlterShareGroupOffsets: { group: 'read', topic: 'read' },
  DeleteShareGroupOffsets: { group: 'delete', topic: 'read' },
  DescribeTransactions: { transaction: 'describe' },
  ListTransactions: { transaction: 'describe' },
};

const refusals: Readonly<Record<AccessTarget, KafkaErrorName>> = {
  topic: 'TOPIC_AUTHORIZATION_FAILED',
  newTopic: 'TOPIC_AUTHORIZATION_FAILED',
  group: 'GROUP_AUTHORIZATION_FAILED',
  transaction: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  cluster: 'CLUSTER_AUTHORIZATION_FAILED',
};

/** Who asks; undefined where there are no users, and everything is allowed. */
export interface Asker {
  readonly user: string;
  may(verb: Verb, kind: ResourceKind, name: string): boolean;
  maySome(verb: Verb, kind: ResourceKind): boolean;
}

/** What one request may touch. */
export class RequestAccess {
  readonly #apiName: string;
  readonly #asker: Asker | undefined;

  constructor(apiName: string, asker: Asker | undefined) {
    this.#apiName = apiName;
    this.#asker = asker;
  }

  may(target: AccessTarget, name: string = CLUSTER): boolean {
    if (this.#asker === undefined) return true;
    const verb = this.#verbOf(target);
    return verb !== undefined && this.#asker.may(verb, kindOf(target), name);
  }

  /** Throws ACCESS_DENIED. */
  check(target: AccessTarget, name: string = CLUSTER): void {
    if (!this.may(target, name)) throw this.#denied(target, name);
  }

  /** Whether it may touch anything of the kind. Throws ACCESS_DENIED. */
  checkSome(target: AccessTarget): void {
    if (this.#asker === undefined) return;
    const verb = this.#verbOf(target);
    const isAllowed = verb !== undefined && this.#asker.maySome(verb, kindOf(target));
    if (!isAllowed) throw this.#denied(target, CLUSTER);
  }

  #verbOf(target: AccessTarget): Verb | undefined {
    return accessTable[this.#apiName]?.[target];
  }

  #denied(target: AccessTarget, name: string): Error {
    const facts = { user: this.#asker?.user ?? '', verb: this.#verbOf(target) ?? '' };
    const kafka = refusals[target];
    return createError('ACCESS_DENIED', { ...facts, resource: kindOf(target), name, kafka });
  }
}

function kindOf(target: AccessTarget): ResourceKind {
  return target === 'newTopic' ? 'topic' : target;
}
