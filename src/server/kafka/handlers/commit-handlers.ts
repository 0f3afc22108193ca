/**
 * Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete; and groups from outside: list,
 * describe, delete.
 */

import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import {
  deleteGroups,
  describeGroups,
  listGroups,
  offsetCommit,
  offsetDelete,
  offsetFetch,
} from '../messages/groups.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { codeOf, identityOf } from './group-handlers.js';

type FetchedTopics = ResponseOf<typeof offsetFetch>['topics'];
type AskedTopics = RequestOf<typeof offsetFetch>['topics'];
type DescribedGroup = ResponseOf<typeof describeGroups>['groups'][number];

const NO_OPERATIONS = -0x8000_0000;
/** From here on several groups are asked about at once. */
const GROUPS_FROM = 8;
const DEAD_FROM = 6;

export function addCommitHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(offsetCommit, async (request) => ({
    throttleTimeMs: 0,
    topics: await commit(node, request),
  }));
  handlers.add(offsetFetch, async (request, { version }) => {
    if (version < GROUPS_FROM) {
      const { topics, errorCode } = await fetchOf(node, request.groupId, request.topics);
      return { throttleTimeMs: 0, topics, errorCode, groups: [] };
    }
    const groups = await Promise.all(
      request.groups.map(async ({ groupId, topics }) => ({
        groupId,
        ...(await fetchOf(node, groupId, topics)),
      })),
    );
    return { throttleTimeMs: 0, topics: [], errorCode: kafkaErrors.NONE, groups };
  });
  handlers.add(offsetDelete, async ({ groupId, topics }) => {
    const partitions = topics.flatMap(({ name, partitions: asked }) =>
      asked.map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex })),
    );
    const errorCode = await codeOf(async () => {
      const { admin } = await node.engine.groups.coordinator();
      await admin.deleteOffsets(groupId, partitions);
    });
    const isSubscribed = errorCode === kafkaErrors.GROUP_SUBSCRIBED_TO_TOPIC;
    return {
      errorCode: isSubscribed ? kafkaErrors.NONE : errorCode,
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions: asked }) => ({
        name,
        partitions: asked.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    };
  });
  handlers.add(listGroups, async ({ statesFilter, typesFilter }) => {
    const { admin } = await node.engine.groups.coordinator();
    const wanted = admin
      .list()
      .filter(({ state }) => statesFilter.length === 0 || statesFilter.includes(state))
      .filter(() => typesFilter.length === 0 || typesFilter.some(isClassic));
    return {
      throttleTimeMs: 0,
      errorCode: kafkaErrors.NONE,
      groups: wanted.map(({ groupId, protocolType, state }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType: 'classic',
      })),
    };
  });
  handlers.add(describeGroups, async ({ groups }, { version }) => ({
    throttleTimeMs: 0,
    groups: await Promise.all(groups.map((groupId) => describe(node, groupId, version))),
  }));
  handlers.add(deleteGroups, async ({ groupsNames }) => ({
    throttleTimeMs: 0,
    results: await Promise.all(
      groupsNames.map(async (groupId) => ({
        groupId,
        errorCode: await codeOf(async () => {
          const { admin } = await node.engine.groups.coordinator();
          await admin.delete(groupId);
        }),
      })),
    ),
  }));
}

async function commit(
  node: KafkaNode,
  {
    groupId,
    generationIdOrMemberEpoch,
    memberId,
    groupInstanceId,
    topics,
  }: RequestOf<typeof offsetCommit>,
): Promise<ResponseOf<typeof offsetCommit>['topics']> {
  const offsets = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, committedOffset, committedMetadata }) => ({
      topic: name,
      partition: partitionIndex,
      offset: committedOffset,
      metadata: committedMetadata ?? '',
    })),
  );
  const errorCode = await codeOf(async () => {
    const coordinator = await node.engine.groups.coordinator();
    const identity = identityOf(memberId, groupInstanceId);
    await coordinator.commit({
      groupId,
      generation: generationIdOrMemberEpoch,
      ...identity,
      offsets,
    });
  });
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
}

async function fetchOf(
  { engine }: KafkaNode,
  groupId: string,
  topics: AskedTopics,
): Promise<{ readonly topics: FetchedTopics; readonly errorCode: number }> {
  const asked = topics?.flatMap(({ name, partitionIndexes }) =>
    partitionIndexes.map((partition) => ({ topic: name, partition })),
  );
  try {
    const coordinator = await engine.groups.coordinator();
    const fetched = await coordinator.fetch(groupId, asked);
    const byTopic = new Map<string, FetchedTopics[number]['partitions'][number][]>();
    for (const { topic, partition, offset, epoch, metadata } of fetched) {
      const partitions = byTopic.get(topic) ?? [];
      byTopic.set(topic, partitions);
      partitions.push({
        partitionIndex: partition,
        committedOffset: offset ?? -1,
        committedLeaderEpoch: epoch,
        metadata,
        errorCode: kafkaErrors.NONE,
      });
    }
    const found = [...byTopic].map(([name, partitions]) => ({ name, partitions }));
    return { topics: found, errorCode: kafkaErrors.NONE };
  } catch (error) {
    return { topics: [], errorCode: kafkaErrorOf(error) };
  }
}

async function describe(
  { engine }: KafkaNode,
  groupId: string,
  version: number,
): Promise<DescribedGroup> {
  try {
    const { admin } = await engine.groups.coordinator();
    const { state, protocolType, protocol } = await admin.describe(groupId);
    return {
      ...described(groupId, state, protocolType, protocol),
      members: admin.rawMembers(groupId).map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.instanceId ?? null,
        clientId: member.clientId ?? '',
        clientHost: member.clientHost ?? '',
        memberMetadata: member.metadata,
        memberAssignment: member.assignment,
      })),
    };
  } catch (error) {
    const errorCode = kafkaErrorOf(error);
    const isAbsent = errorCode === kafkaErrors.GROUP_ID_NOT_FOUND;
    // In older versions a group that is not there is a dead one.
    return {
      ...described(groupId, 'Dead', '', ''),
      errorCode: isAbsent && version < DEAD_FROM ? kafkaErrors.NONE : errorCode,
      errorMessage: isAbsent ? `Group ${groupId} not found.` : null,
    };
  }
}

function described(
  groupId: string,
  groupState: string,
  protocolType: string,
  protocolData: string,
): DescribedGroup {
  return {
    errorCode: kafkaErrors.NONE,
    errorMessage: null,
    groupId,
    groupState,
    protocolType,
    protocolData,
    members: [],
    authorizedOperations: NO_OPERATIONS,
  };
}

function isClassic(type: string): boolean {
  return type.toLowerCase() === 'classic';
}
