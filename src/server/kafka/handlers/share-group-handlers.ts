/**
 * Share groups from outside (KIP-932): ShareGroupHeartbeat, ShareGroupDescribe, and where groups
 * are on their topics: describe, set, forget.
 */

import { createError, MillraceError } from '../../../base/errors.js';
import type { SharePartitionDescription } from '../../../broker/main.js';
import type { RequestAccess } from '../authorization.js';
import { kafkaErrorOf, kafkaErrors } from '../error-codes.js';
import type { Handlers, RequestContext } from '../handler-table.js';
import type { KafkaNode } from '../kafka-node.js';
import {
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  describeShareGroupOffsets,
  shareGroupDescribe,
  shareGroupHeartbeat,
} from '../messages/shares.js';
import { sharedTopicsOf } from '../share-listing.js';
import type { RequestOf, ResponseOf } from '../wire-api.js';
import { NO_UUID } from '../wire-type.js';

type HeartbeatRequest = RequestOf<typeof shareGroupHeartbeat>;
type HeartbeatResponse = ResponseOf<typeof shareGroupHeartbeat>;
type DescribedGroup = ResponseOf<typeof shareGroupDescribe>['groups'][number];
type AskedOffsets = RequestOf<typeof describeShareGroupOffsets>['groups'][number];
type GroupOffsets = ResponseOf<typeof describeShareGroupOffsets>['groups'][number];
type TopicOffsets = GroupOffsets['topics'][number];

const NO_OPERATIONS = -0x8000_0000;
const ASSIGNOR = 'simple';
const UNKNOWN_OFFSET = -1;
const UNKNOWN_LAG = -1;

export function addShareGroupHandlers(handlers: Handlers, node: KafkaNode): void {
  handlers.add(shareGroupHeartbeat, (request, context) => beat(node, request, context));
  handlers.add(shareGroupDescribe, async ({ groupIds }, { access }) => ({
    throttleTimeMs: 0,
    groups: await Promise.all(groupIds.map((groupId) => describe(node, groupId, access))),
  }));
  handlers.add(describeShareGroupOffsets, async ({ groups }, { access }) => ({
    throttleTimeMs: 0,
    groups: await Promise.all(groups.map((asked) => describeOffsets(node, asked, access))),
  }));
  handlers.add(alterShareGroupOffsets, async ({ groupId, topics }, { access }) => {
    const outcome = await outcomeOf(async () => {
      access.check('group', groupId);
      checkEmpty(node, groupId);
    });
    const isFine = outcome.errorCode === kafkaErrors.NONE;
    const altering = topics.map(async ({ topicName, partitions }) => {
      const places = partitions.map(({ partitionIndex, startOffset }) => {
        return { partition: partitionIndex, offset: startOffset };
      });
      const told = await outcomeOf(async () => {
        access.check('topic', topicName);
        await node.shares.reset({ group: groupId, topic: topicName }, places);
      });
      const each = partitions.map(({ partitionIndex }) => ({ partitionIndex, ...told }));
      return { topicName, topicId: idOf(node, topicName), partitions: each };
    });
    const responses = isFine ? await Promise.all(altering) : [];
    return { throttleTimeMs: 0, ...outcome, responses };
  });
  handlers.add(deleteShareGroupOffsets, async ({ groupId, topics }, { access }) => {
    const outcome = await outcomeOf(async () => {
      access.check('group', groupId);
      checkEmpty(node, groupId);
    });
    const responses = [];
    for (const { topicName } of outcome.errorCode === kafkaErrors.NONE ? topics : []) {
      const told = await outcomeOf(async () => {
        access.check('topic', topicName);
        await node.shares.delete({ group: groupId, topic: topicName });
      });
      responses.push({ topicName, topicId: idOf(node, topicName), ...told });
    }
    return { throttleTimeMs: 0, ...outcome, responses };
  });
}

async function beat(
  node: KafkaNode,
  request: HeartbeatRequest,
  { access, clientId = '', clientHost }: RequestContext,
): Promise<HeartbeatResponse> {
  const { groupId, memberId, memberEpoch } = request;
  const base = { throttleTimeMs: 0, memberId };
  try {
    access.check('group', groupId);
    for (const name of request.subscribedTopicNames ?? []) access.check('topic', name);
    const { epoch, heartbeatIntervalMs, assignment } = await node.shareGroups.heartbeat({
      groupId,
      memberId,
      epoch: memberEpoch,
      rackId: request.rackId ?? undefined,
      clientId,
      clientHost: `/${clientHost}`,
      topics: request.subscribedTopicNames ?? undefined,
    });
    const topicPartitions = assignment?.map(({ definition, partitions }) => ({
      topicId: definition.topicId,
      partitions: numbersBelow(partitions),
    }));
    return {
      ...base,
      errorCode: kafkaErrors.NONE,
      errorMessage: null,
      memberEpoch: epoch,
      heartbeatIntervalMs,
      assignment: topicPartitions === undefined ? null : { topicPartitions },
    };
  } catch (error) {
    return {
      ...base,
      ...failureOf(error),
      memberEpoch: 0,
      heartbeatIntervalMs: 0,
      assignment: null,
    };
  }
}

async function describe(
  node: KafkaNode,
  groupId: string,
  access: RequestAccess,
): Promise<DescribedGroup> {
  const base = { groupId, assignorName: ASSIGNOR, authorizedOperations: NO_OPERATIONS };
  const none = { groupState: 'Empty', groupEpoch: 0, assignmentEpoch: 0, members: [] };
  const fine = { errorCode: kafkaErrors.NONE, errorMessage: null };
  try {
    access.check('group', groupId);
    const group = node.shareGroups.find(groupId);
    if (group === undefined) {
      const known = await sharedTopicsOf(node, groupId);
      if (known.length === 0) throw createError('GROUP_NOT_FOUND', { group: groupId });
      return { ...base, ...fine, ...none };
    }
    const members = [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      rackId: member.rackId ?? null,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topics.filter((topic) => access.may('topic', topic)),
      assignment: {
        topicPartitions: node.shareGroups.assignmentOf(group, member).map((topic) => ({
          topicId: topic.definition.topicId,
          topicName: topic.name,
          partitions: numbersBelow(topic.partitions),
        })),
      },
    }));
    const { epoch } = group;
    const shown = { groupState: 'Stable', groupEpoch: epoch, assignmentEpoch: epoch, members };
    return { ...base, ...fine, ...shown };
  } catch (error) {
    const failure = failureOf(error);
    const isAbsent = failure.errorCode === kafkaErrors.GROUP_ID_NOT_FOUND;
    const errorMessage = isAbsent ? `Group ${groupId} not found.` : failure.errorMessage;
    return { ...base, ...none, ...failure, errorMessage, groupState: 'Dead' };
  }
}

async function describeOffsets(
  node: KafkaNode,
  { groupId, topics }: AskedOffsets,
  access: RequestAccess,
): Promise<GroupOffsets> {
  try {
    access.check('group', groupId);
    const known = await sharedTopicsOf(node, groupId);
    if (known.length === 0 && node.shareGroups.find(groupId) === undefined) {
      throw createError('GROUP_NOT_FOUND', { group: groupId });
    }
    const all = known
      .filter((topicName) => access.may('topic', topicName))
      .map((topicName) => ({ topicName, partitions: undefined }));
    const asked = (topics ?? all).map(async ({ topicName, partitions }) => {
      const described = await offsetsOf(node, { groupId, topicName }, known, access);
      const wanted =
        partitions ?? numbersBelow(node.engine.topics.find(topicName)?.partitions ?? 0);
      return {
        topicName,
        topicId: idOf(node, topicName),
        partitions: wanted.map((partition) => toldOf(partition, described)),
      };
    });
    const fine = { errorCode: kafkaErrors.NONE, errorMessage: null };
    return { groupId, topics: await Promise.all(asked), ...fine };
  } catch (error) {
    return { groupId, topics: [], ...failureOf(error) };
  }
}

type Described = readonly SharePartitionDescription[] | ReturnType<typeof failureOf>;

async function offsetsOf(
  node: KafkaNode,
  { groupId, topicName }: { readonly groupId: string; readonly topicName: string },
  known: readonly string[],
  access: RequestAccess,
): Promise<Described> {
  try {
    access.check('topic', topicName);
    node.engine.topics.get(topicName);
    if (!known.includes(topicName)) return [];
    return (await node.shares.describe({ group: groupId, topic: topicName })).partitions;
  } catch (error) {
    return failureOf(error);
  }
}

function toldOf(partitionIndex: number, described: Described): TopicOffsets['partitions'][number] {
  const unknown = { partitionIndex, startOffset: UNKNOWN_OFFSET, leaderEpoch: 0, lag: UNKNOWN_LAG };
  if ('errorCode' in described) return { ...unknown, ...described };
  const fine = { errorCode: kafkaErrors.NONE, errorMessage: null };
  const found = described.find(({ partition }) => partition === partitionIndex);
  if (found === undefined) return { ...unknown, ...fine };
  const { startOffset, unread, counts } = found;
  const { toCome, ready, waiting, exhausted, moving, inFlight } = counts;
  const lag = unread + toCome + ready + waiting + exhausted + moving + inFlight;
  return { ...unknown, ...fine, startOffset, lag };
}

/** Throws GROUP_NOT_EMPTY. */
function checkEmpty({ shareGroups }: KafkaNode, groupId: string): void {
  const members = shareGroups.find(groupId)?.members.size ?? 0;
  if (members > 0) throw createError('GROUP_NOT_EMPTY', { group: groupId, members });
}

function idOf({ engine }: KafkaNode, topic: string): string {
  return engine.topics.find(topic)?.definition.topicId ?? NO_UUID;
}

async function outcomeOf(
  run: () => Promise<void>,
): Promise<{ readonly errorCode: number; readonly errorMessage: string | null }> {
  try {
    await run();
    return { errorCode: kafkaErrors.NONE, errorMessage: null };
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): {
  readonly errorCode: number;
  readonly errorMessage: string | null;
} {
  const errorMessage = error instanceof MillraceError ? error.message : null;
  return { errorCode: kafkaErrorOf(error), errorMessage };
}

function numbersBelow(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}
