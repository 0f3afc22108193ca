/**
 * Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete; and groups from outside: list,
 * describe, delete.
 */

import { createError } from '../../../base/errors.js';
import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import {
  deleteGroups,
  describeGroups,
  listGroups,
  offsetCommit,
  offsetDelete,
  offsetFetch,
} from '../messages/groups.js';
import { partitionOf, topicOf } from '../partition-lookup.js';
import { listShareGroups, sharedTopicsOf } from '../share-listing.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { NO_UUID } from '../wire-type.js';
import { codeOf, identityOf } from './group-handlers.js';

type FetchedTopics = ResponseOf<typeof offsetFetch>['topics'];
type AskedTopics = RequestOf<typeof offsetFetch>['topics'];
type DescribedGroup = ResponseOf<typeof describeGroups>['groups'][number];

/** From version 9 on a member says who it is, and in which epoch. */
interface AskedGroup {
  readonly groupId: string;
  readonly topics: AskedTopics;
  readonly memberId?: string | null;
  readonly memberEpoch?: number;
}

const NO_OPERATIONS = -0x8000_0000;
/** From here on several groups are asked about at once. */
const GROUPS_FROM = 8;
const DEAD_FROM = 6;
const LATEST = -1;
const EARLIEST = -2;
const shareGroup = { type: 'share', protocolType: 'share' } as const;
/** A transaction holds the offset; the client asks again. */
const unstable = {
  committedOffset: -1,
  committedLeaderEpoch: -1,
  metadata: '',
  errorCode: kafkaErrors.UNSTABLE_OFFSET_COMMIT,
};
const denied = { ...unstable, errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED };

export function addCommitHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(offsetCommit, async (request, { access }) => ({
    throttleTimeMs: 0,
    topics: await commit(node, request, access),
  }));
  handlers.add(offsetFetch, (request, context) => answerFetch(node, request, context));
  handlers.add(offsetDelete, async ({ groupId, topics }, { access }) => {
    const partitions = topics.flatMap(({ name, partitions: asked }) =>
      asked.map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex })),
    );
    const errorCode = await codeOf(async () => {
      access.check('group', groupId);
      for (const { name } of topics) access.check('topic', name);
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
  handlers.add(listGroups, async ({ statesFilter, typesFilter }, { access }) => {
    const { admin } = await node.engine.groups.coordinator();
    const shared = (await listShareGroups(node)).map((group) => ({ ...group, ...shareGroup }));
    const wanted = [...admin.list(), ...shared]
      .filter(({ groupId }) => access.may('group', groupId))
      .filter(({ state }) => statesFilter.length === 0 || statesFilter.some(isSame(state)))
      .filter(({ type }) => typesFilter.length === 0 || typesFilter.some(isSame(type)));
    return {
      throttleTimeMs: 0,
      errorCode: kafkaErrors.NONE,
      groups: wanted.map(({ groupId, protocolType, state, type }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType: type,
      })),
    };
  });
  handlers.add(describeGroups, async ({ groups }, context) => ({
    throttleTimeMs: 0,
    groups: await Promise.all(groups.map((groupId) => describe(node, groupId, context))),
  }));
  handlers.add(deleteGroups, async ({ groupsNames }, { access }) => ({
    throttleTimeMs: 0,
    results: await Promise.all(
      groupsNames.map(async (groupId) => ({
        groupId,
        errorCode: await codeOf(async () => {
          access.check('group', groupId);
          await remove(node, groupId);
        }),
      })),
    ),
  }));
}

/** A share group goes from all its topics. */
async function remove(node: KafkaNode, groupId: string): Promise<void> {
  const { admin } = await node.engine.groups.coordinator();
  const topics = await sharedTopicsOf(node, groupId);
  const isShared = topics.length > 0 || node.shareGroups.find(groupId) !== undefined;
  if (!isShared || admin.list().some((group) => group.groupId === groupId)) {
    await admin.delete(groupId);
    return;
  }
  if (node.shareGroups.find(groupId) !== undefined) {
    throw createError('GROUP_NOT_EMPTY', { group: groupId });
  }
  for (const topic of topics) await node.shares.delete({ group: groupId, topic });
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
  access: RequestAccess,
): Promise<ResponseOf<typeof offsetCommit>['topics']> {
  const errorCode = await codeOf(async () => {
    access.check('group', groupId);
    for (const { name } of topics) access.check('topic', name);
    const offsets = await Promise.all(
      topics.flatMap(({ name, partitions }) =>
        partitions.map(async ({ partitionIndex, committedOffset, committedMetadata }) => ({
          topic: name,
          partition: partitionIndex,
          offset: await placeOf({ node, access }, name, partitionIndex, committedOffset),
          metadata: committedMetadata ?? '',
        })),
      ),
    );
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

/** Clients that go back to a beginning or on to an end commit it by the names of ListOffsets. */
async function placeOf(
  { node, access }: { readonly node: KafkaNode; readonly access: RequestAccess },
  name: string,
  partition: number,
  offset: number,
): Promise<number> {
  if (offset !== EARLIEST && offset !== LATEST) return offset;
  const topic = topicOf(node, { name, topicId: NO_UUID }, access);
  const log = await partitionOf(topic, partition);
  return offset === EARLIEST ? log.startOffset : log.durableOffset;
}

async function answerFetch(
  node: KafkaNode,
  request: RequestOf<typeof offsetFetch>,
  { version, access }: RequestContext,
): Promise<ResponseOf<typeof offsetFetch>> {
  const { requireStable } = request;
  if (version < GROUPS_FROM) {
    const { topics, errorCode } = await fetchOf({ node, access }, request, requireStable);
    return { throttleTimeMs: 0, topics, errorCode, groups: [] };
  }
  const groups = await Promise.all(
    request.groups.map(async (group) => ({
      groupId: group.groupId,
      ...(await fetchOf({ node, access }, group, requireStable)),
    })),
  );
  return { throttleTimeMs: 0, topics: [], errorCode: kafkaErrors.NONE, groups };
}

async function fetchOf(
  { node, access }: { readonly node: KafkaNode; readonly access: RequestAccess },
  { groupId, topics, memberId = null, memberEpoch = -1 }: AskedGroup,
  isStableWanted: boolean,
): Promise<{ readonly topics: FetchedTopics; readonly errorCode: number }> {
  const named = topics?.flatMap(({ name, partitionIndexes }) =>
    partitionIndexes.map((partition) => ({ topic: name, partition })),
  );
  try {
    access.check('group', groupId);
    const coordinator = await node.engine.groups.coordinator();
    if (memberId !== null) coordinator.epochs.checkFetch(groupId, { memberId, epoch: memberEpoch });
    const all = named ?? (await coordinator.fetch(groupId));
    // What is asked for by name is told to be denied, what is not is left out.
    const isAllowed = ({ topic }: { readonly topic: string }): boolean =>
      access.may('topic', topic);
    const asked = all.filter(isAllowed);
    // Before the offsets: one whose transaction ends meanwhile is not yet among them.
    const held = asked.map((at) => isStableWanted && coordinator.isOffsetHeld(groupId, at));
    const fetched = await coordinator.fetch(groupId, asked);
    const byTopic = new Map<string, FetchedTopics[number]['partitions'][number][]>();
    for (const [index, { topic, partition, offset, epoch, metadata }] of fetched.entries()) {
      const partitions = byTopic.get(topic) ?? [];
      byTopic.set(topic, partitions);
      partitions.push(
        held[index] === true
          ? { ...unstable, partitionIndex: partition }
          : {
              partitionIndex: partition,
              committedOffset: offset ?? -1,
              committedLeaderEpoch: epoch,
              metadata,
              errorCode: kafkaErrors.NONE,
            },
      );
    }
    for (const { name, partitionIndexes } of topics ?? []) {
      if (access.may('topic', name)) continue;
      byTopic.set(
        name,
        partitionIndexes.map((partitionIndex) => ({ ...denied, partitionIndex })),
      );
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
  { version, access }: RequestContext,
): Promise<DescribedGroup> {
  try {
    access.check('group', groupId);
    const { admin } = await engine.groups.coordinator();
    const { state, type, protocolType, protocol } = await admin.describe(groupId);
    if (type !== 'classic') {
      const errorMessage = `Group ${groupId} is not a classic group.`;
      return { ...described(groupId, 'Dead', '', ''), ...absence(version), errorMessage };
    }
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
    return {
      ...described(groupId, 'Dead', '', ''),
      ...(isAbsent ? absence(version) : { errorCode }),
      errorMessage: isAbsent ? `Group ${groupId} not found.` : null,
    };
  }
}

/** In older versions a group that is not there is a dead one. */
function absence(version: number): { readonly errorCode: number } {
  const { GROUP_ID_NOT_FOUND, NONE } = kafkaErrors;
  return { errorCode: version < DEAD_FROM ? NONE : GROUP_ID_NOT_FOUND };
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

/** Names of states and types are the same in small and large letters. */
function isSame(name: string): (asked: string) => boolean {
  return (asked) => asked.toLowerCase() === name.toLowerCase();
}
